//! What a connector is made of: the parts of an `AppIntegration` that say how an app is reached.

use std::time::Duration;

use url::Url;

use super::scim::quirks::Quirks;

/// How to reach one app.
#[derive(Clone, Debug)]
pub struct ConnectorConfig {
    /// The SCIM base, such as `https://chat.example.com/scim/v2`, with or without a `/` at its end.
    pub base_url: Url,
    /// Where the app differs from what it says of itself.
    pub quirks: Quirks,
    /// The most the app may be asked; shared by all connectors with this host and credential (RL-1).
    pub rate_limit: RateLimit,
    /// The longest one request may take, its whole answer included.
    pub request_timeout: Duration,
    /// Certificates (PEM) that are trusted in addition to the system's.
    pub ca_pem: Option<Vec<u8>>,
}

/// A limit on requests. A zero counts as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Requests per second in the long run.
    pub requests_per_second: u32,
    /// Requests that may leave at once after a pause.
    pub burst: u32,
    /// Requests that may be under way at once.
    pub concurrency: u32,
}

impl Default for RateLimit {
    /// The defaults of the API: 25 a second, 25 at once after a pause, 8 under way.
    fn default() -> Self {
        Self { requests_per_second: 25, burst: 25, concurrency: 8 }
    }
}

/// Why no connector can be made of a [`ConnectorConfig`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The URL cannot be a SCIM base.
    #[error("baseURL {problem}; it reads like https://chat.example.com/scim/v2")]
    BaseUrl {
        /// What is wrong with it.
        problem: &'static str,
    },
    /// `http://` to another machine.
    #[error("baseURL uses http://, which only loopback addresses may; use https:// (or start the operator with --allow-insecure-http)")]
    Insecure,
    /// The time limit is zero.
    #[error("requestTimeoutSeconds is 0; it must be at least 1")]
    NoTime,
    /// The private CA cannot be used.
    #[error("the CA certificates are not usable: {problem}; they must be one or more certificates in PEM form")]
    Ca {
        /// What is wrong with them.
        problem: &'static str,
    },
    /// No TLS client can be made on this machine.
    #[error("no TLS client could be made: the system has no CA certificates; install them or name a private CA")]
    NoRoots,
}
