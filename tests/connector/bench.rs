//! What the tests stand on: connectors, credentials, a clock that is moved by hand.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use joinery::{
    clock::{Clock, SharedClock, SystemClock},
    connector::{
        AddressPolicy, BearerToken, Connector, ConnectorConfig, Connectors, CredentialError, CredentialSource, ListError, Quirks, RateLimit,
    },
};

use crate::support::scripted_app::ScriptedApp;

/// Always the same token.
pub struct Token(pub Mutex<String>);

impl Token {
    pub fn new(token: &str) -> Arc<Self> {
        Arc::new(Self(Mutex::new(token.to_owned())))
    }

    pub fn set(&self, token: &str) {
        token.clone_into(&mut self.0.lock().unwrap());
    }
}

#[async_trait]
impl CredentialSource for Token {
    async fn bearer_token(&self, _host: &str) -> Result<BearerToken, CredentialError> {
        Ok(BearerToken(self.0.lock().unwrap().clone().into()))
    }
}

/// A clock that stands still until it is moved.
pub struct ManualClock(Mutex<Timestamp>);

impl ManualClock {
    pub fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new("2026-07-01T12:00:00Z".parse().unwrap())))
    }

    pub fn advance(&self, seconds: i64) {
        let mut now = self.0.lock().unwrap();
        *now += SignedDuration::from_secs(seconds);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

pub fn system_clock() -> SharedClock {
    Arc::new(SystemClock)
}

/// Fast limits and a short time limit.
pub fn config(base_url: &str) -> ConnectorConfig {
    ConnectorConfig {
        base_url: base_url.parse().unwrap(),
        quirks: Quirks::default(),
        rate_limit: RateLimit { requests_per_second: 10_000, burst: 10_000, concurrency: 8 },
        request_timeout: Duration::from_secs(5),
        ca_pem: None,
    }
}

pub fn connectors() -> Connectors {
    Connectors::new(AddressPolicy::default(), system_clock())
}

/// A connector to the app as it comes.
pub fn connect(app: &ScriptedApp) -> Arc<dyn Connector> {
    connect_with(app, |_| {})
}

/// A connector to the app, its configuration changed.
pub fn connect_with(app: &ScriptedApp, change: impl FnOnce(&mut ConnectorConfig)) -> Arc<dyn Connector> {
    let mut config = config(&app.base_url());
    change(&mut config);
    connectors().scim(config, Token::new("scripted-token")).unwrap()
}

/// The ids of a complete listing.
pub async fn list_all(connector: &dyn Connector) -> Result<Vec<String>, ListError> {
    let mut listing = connector.list().await?;
    let mut ids = Vec::new();
    while let Some(page) = listing.next_page().await? {
        ids.extend(page.into_iter().map(|record| record.id.as_str().to_owned()));
    }
    Ok(ids)
}

/// A listing that is not proved, and why.
pub async fn incomplete(connector: &dyn Connector) -> String {
    match list_all(connector).await {
        Err(ListError::Incomplete(why)) => why,
        other => panic!("not incomplete: {other:?}"),
    }
}
