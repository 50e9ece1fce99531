//! Secrets: read by name when they are used, never listed or watched (H7), and given only to hosts they consent to (H1).

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
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
/// The client repeats by itself what the API server is too busy for, for minutes; a run that waits holds up others.
const DEADLINE: Duration = Duration::from_secs(10);

/// Where a bearer token is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct SecretKey {
    pub(crate) namespace: String,
    pub(crate) secret: String,
    pub(crate) key: String,
}

impl SecretKey {
    fn missing(&self) -> CredentialError {
        CredentialError::KeyMissing { secret: self.secret.clone(), key: self.key.clone() }
    }
}

/// Reads one key of one Secret.
pub(crate) struct SecretToken {
    client: Client,
    at: SecretKey,
    require_consent: bool,
    clock: SharedClock,
    last: Mutex<Option<(Timestamp, Arc<Read>)>>,
}

/// What is kept of a Secret: the one value, and to whom it may go.
struct Read {
    /// Of the Secret; another one may hold something new.
    version: String,
    allowed_hosts: Option<String>,
    /// `None` if the Secret lacks the key.
    token: Option<SecretString>,
}

impl Read {
    fn of(secret: Secret, key: &str) -> Self {
        let token = value(&secret, key).map(SecretString::from);
        let metadata = secret.metadata;
        Self {
            version: format!("{}/{}", metadata.uid.unwrap_or_default(), metadata.resource_version.unwrap_or_default()),
            allowed_hosts: metadata.annotations.and_then(|mut annotations| annotations.remove(ALLOWED_HOSTS)),
            token,
        }
    }

    /// Does the annotation name the host (AI-3)?
    fn consents(&self, host: &str) -> bool {
        self.allowed_hosts.as_ref().is_some_and(|hosts| names::allows_host(hosts, host))
    }
}

impl SecretToken {
    pub(crate) fn new(client: Client, at: SecretKey, require_consent: bool, clock: SharedClock) -> Self {
        Self { client, at, require_consent, clock, last: Mutex::new(None) }
    }

    /// The Secret, at most so many seconds old.
    async fn read(&self, fresh_seconds: i64) -> Result<Arc<Read>, CredentialError> {
        let now = self.clock.now();
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((read, secret)) = last
            && now.duration_since(read).as_secs() < fresh_seconds
        {
            return Ok(secret);
        }
        let secret = get(&self.client, &self.at.namespace, &self.at.secret).await?;
        let secret = Arc::new(Read::of(secret, &self.at.key));
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, Arc::clone(&secret)));
        Ok(secret)
    }

    /// Reads the Secret now. Its version tells whether there is something new to test.
    pub(crate) async fn refresh(&self) -> Result<String, CredentialError> {
        Ok(self.read(0).await?.version.clone())
    }
}

#[async_trait]
impl CredentialSource for SecretToken {
    async fn bearer_token(&self, host: &str) -> Result<BearerToken, CredentialError> {
        let secret = self.read(FRESH_SECONDS).await?;
        if self.require_consent && !secret.consents(host) {
            return Err(CredentialError::NotConsenting { secret: self.at.secret.clone(), host: host.to_owned() });
        }
        secret.token.clone().map(BearerToken).ok_or_else(|| self.at.missing())
    }
}

/// A certificate or another value that is not sent anywhere, so that no consent is asked.
pub(crate) async fn read_value(client: &Client, at: &SecretKey) -> Result<String, CredentialError> {
    value(&get(client, &at.namespace, &at.secret).await?, &at.key).ok_or_else(|| at.missing())
}

async fn get(client: &Client, namespace: &str, name: &str) -> Result<Secret, CredentialError> {
    let secrets = Api::<Secret>::namespaced(client.clone(), namespace);
    let unavailable = |message| CredentialError::Unavailable { secret: name.to_owned(), message };
    match tokio::time::timeout(DEADLINE, secrets.get_opt(name)).await {
        Ok(Ok(Some(secret))) => Ok(secret),
        Ok(Ok(None)) => Err(CredentialError::SecretNotFound { secret: name.to_owned() }),
        Ok(Err(error)) => Err(unavailable(short(&error))),
        Err(_) => Err(unavailable(format!("the API server did not answer within {} s", DEADLINE.as_secs()))),
    }
}

/// The API server's code only: its messages may repeat what was asked.
fn short(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(answer) => format!("the API server answered {}", answer.code),
        _ => "the API server did not answer".to_owned(),
    }
}

/// The value of a key, which has to be a text that is not empty.
fn value(secret: &Secret, key: &str) -> Option<String> {
    let data = secret.data.as_ref()?.get(key)?;
    let text = std::str::from_utf8(&data.0).ok()?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}
