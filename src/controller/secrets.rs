//! Secrets: read by name when they are used, never listed or watched (H7), and given only to hosts they consent to (H1).

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use secrecy::SecretString;

use crate::{
    api::names::{self, ALLOWED_HOSTS},
    clock::SharedClock,
    connector::{BearerToken, CredentialError, CredentialSource},
};

/// How long a Secret that was read may be used before it is read again: withdrawn consent and rotation take effect
/// within this time, in the middle of a run too.
const FRESH_SECONDS: i64 = 60;

/// Where a bearer token is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct SecretKey {
    pub(crate) namespace: String,
    pub(crate) secret: String,
    pub(crate) key: String,
}

/// Reads one key of one Secret.
pub(crate) struct SecretToken {
    client: Client,
    at: SecretKey,
    require_consent: bool,
    clock: SharedClock,
    last: Mutex<Option<(Timestamp, Arc<Secret>)>>,
}

impl SecretToken {
    pub(crate) fn new(client: Client, at: SecretKey, require_consent: bool, clock: SharedClock) -> Self {
        Self { client, at, require_consent, clock, last: Mutex::new(None) }
    }

    /// The Secret, at most so many seconds old.
    async fn read(&self, fresh_seconds: i64) -> Result<Arc<Secret>, CredentialError> {
        let now = self.clock.now();
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((read, secret)) = last
            && now.duration_since(read).as_secs() < fresh_seconds
        {
            return Ok(secret);
        }
        let secret = get(&self.client, &self.at.namespace, &self.at.secret).await?;
        let secret = Arc::new(secret);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, Arc::clone(&secret)));
        Ok(secret)
    }

    /// Reads the Secret now. Its version tells whether there is something new to test.
    pub(crate) async fn refresh(&self) -> Result<String, CredentialError> {
        let secret = self.read(0).await?;
        Ok(format!(
            "{}/{}",
            secret.metadata.uid.as_deref().unwrap_or_default(),
            secret.metadata.resource_version.as_deref().unwrap_or_default()
        ))
    }
}

#[async_trait]
impl CredentialSource for SecretToken {
    async fn bearer_token(&self, host: &str) -> Result<BearerToken, CredentialError> {
        let secret = self.read(FRESH_SECONDS).await?;
        if self.require_consent && !consents(&secret, host) {
            return Err(CredentialError::NotConsenting { secret: self.at.secret.clone(), host: host.to_owned() });
        }
        value(&secret, &self.at.secret, &self.at.key).map(|token| BearerToken(SecretString::from(token)))
    }
}

/// A certificate or another value that is not sent anywhere, so that no consent is asked.
pub(crate) async fn read_value(client: &Client, at: &SecretKey) -> Result<String, CredentialError> {
    value(&get(client, &at.namespace, &at.secret).await?, &at.secret, &at.key)
}

async fn get(client: &Client, namespace: &str, name: &str) -> Result<Secret, CredentialError> {
    match Api::<Secret>::namespaced(client.clone(), namespace).get_opt(name).await {
        Ok(Some(secret)) => Ok(secret),
        Ok(None) => Err(CredentialError::SecretNotFound { secret: name.to_owned() }),
        Err(error) => Err(CredentialError::Unavailable { secret: name.to_owned(), message: short(&error) }),
    }
}

/// The API server's code only: its messages may repeat what was asked.
fn short(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(answer) => format!("the API server answered {}", answer.code),
        _ => "the API server did not answer".to_owned(),
    }
}

fn value(secret: &Secret, name: &str, key: &str) -> Result<String, CredentialError> {
    let missing = || CredentialError::KeyMissing { secret: name.to_owned(), key: key.to_owned() };
    let data = secret.data.as_ref().and_then(|data: &BTreeMap<_, _>| data.get(key)).ok_or_else(missing)?;
    let text = std::str::from_utf8(&data.0).map_err(|_| missing())?.trim();
    if text.is_empty() { Err(missing()) } else { Ok(text.to_owned()) }
}

/// Does the annotation name the host (AI-3)?
fn consents(secret: &Secret, host: &str) -> bool {
    let hosts = secret.metadata.annotations.as_ref().and_then(|annotations| annotations.get(ALLOWED_HOSTS));
    hosts.is_some_and(|hosts| names::allows_host(hosts, host))
}
