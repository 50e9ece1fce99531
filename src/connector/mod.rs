//! The edge to apps: how accounts are read and written. Knows no policy and no person; one attempt per call, since
//! who may try again, and when, is the engine's to decide.

use std::fmt;

use async_trait::async_trait;
use serde_json::{Value, value::RawValue};

use crate::domain::{
    account::{Record, SeenIds},
    hash::ShortHash,
    id::AppId,
    scim_path::ScimPath,
};

pub mod address;
mod classify;
pub mod config;
mod connectors;
pub mod error;
mod http;
mod rate;
mod retry_after;
pub mod scim;

pub use address::AddressPolicy;
pub use config::{ConfigError, ConnectorConfig, RateLimit};
pub use connectors::{Connectors, RequestObserver};
pub use error::{AppError, ErrorClass};
pub use scim::quirks::{Paging, Quirks, UpdateStyle};

/// An app that accounts are read from and written to.
#[async_trait]
pub trait Connector: Send + Sync {
    /// Tests address and credentials with one read (AI-2). Writes nothing.
    async fn check(&self) -> Result<(), AppError>;

    /// Asks the app what it can do (SC-2); what it does not say is taken from the quirks of the spec, or assumed to be the
    /// least. Asked once, then remembered by the connector.
    async fn discover(&self) -> Result<Capabilities, AppError>;

    /// Starts to list all accounts, page by page.
    async fn list(&self) -> Result<Box<dyn Listing>, AppError>;

    /// Reads one account by its id.
    async fn get(&self, id: &AppId) -> Result<Lookup, AppError>;

    /// Accounts whose attribute equals the value. Each result was verified to satisfy the filter (SC-3).
    /// `Err(AppError::FilterUntrusted)` if the app's filter on this attribute cannot be trusted.
    async fn find(&self, attribute: LookupAttribute, value: &str) -> Result<Vec<Record>, AppError>;

    /// Creates an account from a complete resource (SC-6). `None`: the app accepted but did not say what it made; look it up.
    async fn create(&self, resource: &Value) -> Result<Option<Record>, AppError>;

    /// Writes the changed attributes of an account and nothing else (SC-7, SC-8), by PATCH or PUT as the app can.
    /// `known` is the account as it was last seen, if that is known; a PUT always reads it afresh. Returns the account if
    /// the app showed it.
    async fn update(&self, id: &AppId, known: Option<&Record>, changes: &[AttributeChange]) -> Result<Option<Record>, AppError>;

    /// Activates or deactivates an account and sees to it that this has taken effect (SC-9).
    /// `Err(AppError::NotFound)` if the account is gone, `Err(AppError::NotApplied)` if the app answered with success and
    /// the account shows otherwise.
    async fn set_active(&self, id: &AppId, active: bool) -> Result<(), AppError>;

    /// How many writes may be under way at once.
    fn concurrency(&self) -> usize;
}

/// A walk over all accounts of an app.
#[async_trait]
pub trait Listing: Send {
    /// The next page; `None` once the end is reached **and** the listing is proved complete (LS-2).
    async fn next_page(&mut self) -> Result<Option<Vec<ListedRecord>>, ListError>;

    /// Ids returned so far.
    fn seen(&self) -> &SeenIds;

    /// Pages read so far.
    fn pages(&self) -> u64;
}

/// A record of a listing, not parsed yet.
#[derive(Debug)]
pub struct ListedRecord {
    /// The resource's id.
    pub id: AppId,
    /// The resource's text as the app sent it.
    pub raw: Box<RawValue>,
}

impl ListedRecord {
    /// The hash of the text: equal text needs no parsing.
    pub fn hash(&self) -> ShortHash {
        ShortHash::of(self.raw.get().as_bytes())
    }

    /// Parses the resource.
    pub fn parse(&self) -> Result<Record, serde_json::Error> {
        Ok(Record { id: self.id.clone(), resource: serde_json::from_str(self.raw.get())? })
    }
}

/// Why a listing ended early.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// The app failed.
    #[error(transparent)]
    App(#[from] AppError),
    /// The app answered, and the pages do not add up to a complete listing (LS-2). The text is ours and holds no data.
    #[error("the listing is not proved complete: {0}")]
    Incomplete(String),
}

/// The answer to a read by id.
#[derive(Debug, Clone, PartialEq)]
pub enum Lookup {
    /// The account as it is now.
    Found(Record),
    /// 404 or 410: there is no such account (SC-4).
    Gone,
}

/// What accounts are looked up by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LookupAttribute {
    /// `externalId`, which holds the person's id. Compared exactly.
    ExternalId,
    /// `userName`. Compared case-insensitively (SC-4).
    UserName,
}

impl LookupAttribute {
    /// The attribute's SCIM name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ExternalId => "externalId",
            Self::UserName => "userName",
        }
    }
}

/// A changed attribute.
#[derive(Clone, Debug, PartialEq)]
pub struct AttributeChange {
    /// Which one.
    pub path: ScimPath,
    /// Its new value; `None` clears it (SC-11).
    pub value: Option<Value>,
}

/// What an app can do (SC-2).
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[allow(clippy::struct_excessive_bools, reason = "each is a switch of ServiceProviderConfig of its own")]
pub struct Capabilities {
    /// PATCH is advertised.
    pub patch: bool,
    /// `/Bulk` is advertised. Not used.
    pub bulk: bool,
    /// Filters are advertised; whether one is trusted is learned by use (SC-3).
    pub filter: bool,
    /// `ETags` are advertised.
    pub etag: bool,
    /// Cursor paging (RFC 9865) is advertised.
    pub cursor_paging: bool,
    /// The names of the resource types, sorted; empty if the app does not list them.
    pub resource_types: Vec<String>,
    /// The hash of `/Schemas`; `None` if the app has none.
    pub schema_digest: Option<String>,
}

/// A bearer token. Never printed: `Debug` and logs show a placeholder.
#[derive(Clone)]
pub struct BearerToken(pub secrecy::SecretString);

impl fmt::Debug for BearerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BearerToken([redacted])")
    }
}

/// Where a connector gets its credentials from, at every use, so that a changed Secret or a consent that was withdrawn
/// takes effect without a restart (AI-1, H1).
#[async_trait]
pub trait CredentialSource: Send + Sync {
    /// The token for this host, or why there is none.
    async fn bearer_token(&self, host: &str) -> Result<BearerToken, CredentialError>;
}

/// Why there are no credentials for a host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// The Secret does not exist.
    #[error("Secret `{secret}` does not exist")]
    SecretNotFound {
        /// The Secret's name.
        secret: String,
    },
    /// The Secret has no such key, or its value is empty or cannot be sent in a header.
    #[error("Secret `{secret}` has no usable value under the key `{key}`")]
    KeyMissing {
        /// The Secret's name.
        secret: String,
        /// The key.
        key: String,
    },
    /// The Secret's annotation `joinery.dev/allowed-hosts` does not name the host (AI-3).
    #[error("Secret `{secret}` does not consent to be sent to `{host}`: add the host to its annotation joinery.dev/allowed-hosts")]
    NotConsenting {
        /// The Secret's name.
        secret: String,
        /// The host of `baseURL`.
        host: String,
    },
    /// The Secret could not be read just now.
    #[error("Secret `{secret}` could not be read: {message}")]
    Unavailable {
        /// The Secret's name.
        secret: String,
        /// What the API server said, without the Secret's content.
        message: String,
    },
}
