//! The connectors of the process: what they share.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, Weak},
    time::Duration,
};

use super::{
    Connector, CredentialSource,
    address::{AddressPolicy, CheckedResolver, is_loopback_host},
    config::{ConfigError, ConnectorConfig},
    http::Http,
    rate::{Budgets, lock},
    scim::Scim,
};
use crate::{clock::SharedClock, domain::hash::ShortHash};

/// No connection takes longer than this to open.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Is told of every request to an app.
pub trait RequestObserver: Send + Sync {
    /// One request has ended. `class` is `ok` or an [`ErrorClass`](super::error::ErrorClass) as text.
    fn request(&self, operation: &'static str, class: &'static str, seconds: f64);
}

/// Makes connectors, and holds what they share: rate budgets, the address policy, connections, the clock.
pub struct Connectors {
    shared: Arc<Shared>,
    clients: Mutex<HashMap<ClientKey, Weak<reqwest::Client>>>,
}

/// What every connector uses.
pub(super) struct Shared {
    pub policy: AddressPolicy,
    pub clock: SharedClock,
    pub budgets: Budgets,
}

/// Connectors that agree in this share a client, and with it the trusted roots, which are a megabyte each time.
#[derive(PartialEq, Eq, Hash)]
struct ClientKey {
    ca: Option<ShortHash>,
    connect_timeout: Duration,
    /// `http://`.
    plain: bool,
}

impl Connectors {
    /// One per process.
    pub fn new(policy: AddressPolicy, clock: SharedClock) -> Self {
        // The client panics without a TLS provider. `main` installs it before anything else; this is for those who do not
        // come through `main`.
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        let shared = Shared { policy, clock: clock.clone(), budgets: Budgets::new(clock) };
        Self { shared: Arc::new(shared), clients: Mutex::default() }
    }

    /// A connector for a SCIM app. Sends nothing yet. An address that the policy forbids shows at the first use.
    pub fn scim(&self, config: ConnectorConfig, credentials: Arc<dyn CredentialSource>) -> Result<Arc<dyn Connector>, ConfigError> {
        self.scim_observed(config, credentials, None)
    }

    /// Likewise; the observer is told of its requests.
    pub fn scim_observed(
        &self,
        config: ConnectorConfig,
        credentials: Arc<dyn CredentialSource>,
        observer: Option<Arc<dyn RequestObserver>>,
    ) -> Result<Arc<dyn Connector>, ConfigError> {
        self.check(&config)?;
        let client = self.client(&config)?;
        let quirks = config.quirks;
        let http = Http::new(self.shared.clone(), client, config, credentials, observer);
        Ok(Arc::new(Scim::new(http, quirks, self.shared.clock.clone())))
    }

    fn check(&self, config: &ConnectorConfig) -> Result<(), ConfigError> {
        let url = &config.base_url;
        let wrong = |problem| Err(ConfigError::BaseUrl { problem });
        match url.scheme() {
            "https" => {}
            "http" if self.shared.policy.allow_insecure_http || is_loopback_host(url) => {}
            "http" => return Err(ConfigError::Insecure),
            _ => return wrong("is neither https:// nor http://"),
        }
        if url.host_str().is_none_or(str::is_empty) {
            return wrong("names no host");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return wrong("holds a username or password; credentials go into a Secret");
        }
        if url.query().is_some() || url.fragment().is_some() {
            return wrong("has a query or fragment");
        }
        if config.request_timeout.is_zero() {
            return Err(ConfigError::NoTime);
        }
        Ok(())
    }

    fn client(&self, config: &ConnectorConfig) -> Result<Arc<reqwest::Client>, ConfigError> {
        let key = ClientKey {
            ca: config.ca_pem.as_deref().map(ShortHash::of),
            connect_timeout: config.request_timeout.min(CONNECT_TIMEOUT),
            plain: config.base_url.scheme() == "http",
        };
        let mut clients = lock(&self.clients);
        if let Some(client) = clients.get(&key).and_then(Weak::upgrade) {
            return Ok(client);
        }
        let client = Arc::new(build(&key, self.shared.policy, config.ca_pem.as_deref())?);
        clients.retain(|_, client| client.strong_count() > 0);
        clients.insert(key, Arc::downgrade(&client));
        Ok(client)
    }
}

fn build(key: &ClientKey, policy: AddressPolicy, ca_pem: Option<&[u8]>) -> Result<reqwest::Client, ConfigError> {
    let builder = reqwest::Client::builder()
        .user_agent(concat!("joinery/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        // Every request is counted in the budget: none may be repeated below it.
        .retry(reqwest::retry::never())
        .no_proxy()
        .referer(false)
        .connect_timeout(key.connect_timeout)
        .pool_idle_timeout(Duration::from_secs(30))
        .tls_version_min(reqwest::tls::Version::TLS_1_2)
        .dns_resolver(CheckedResolver { policy, loopback_only: key.plain && !policy.allow_insecure_http });
    let builder = match ca_pem {
        Some(pem) => builder.tls_certs_merge(certificates(pem)?),
        // A machine without roots can still speak plain HTTP, and over TLS it must trust nobody.
        None if key.plain => builder.tls_certs_only([]),
        None => builder,
    };
    builder.build().map_err(|_| match ca_pem {
        Some(_) => ConfigError::Ca { problem: "one of them cannot be a root" },
        None => ConfigError::NoRoots,
    })
}

fn certificates(pem: &[u8]) -> Result<Vec<reqwest::Certificate>, ConfigError> {
    let unreadable = ConfigError::Ca { problem: "they are not PEM" };
    match reqwest::Certificate::from_pem_bundle(pem) {
        Ok(certificates) if certificates.is_empty() => Err(ConfigError::Ca { problem: "there is none" }),
        Ok(certificates) => Ok(certificates),
        Err(_) => Err(unreadable),
    }
}
