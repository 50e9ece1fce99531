//! The client: one request, one answer, within the budget, the address policy and the limits on time and size.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use reqwest::{
    Method, Response,
    header::{ACCEPT, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, DATE, HeaderName, HeaderValue, LOCATION, RETRY_AFTER},
};
use secrecy::ExposeSecret;
use tracing::debug;
use url::Url;

use super::{
    AppError, CredentialError, CredentialSource, classify,
    config::{ConnectorConfig, RateLimit},
    connectors::{RequestObserver, Shared},
    error::ErrorClass,
    rate::{BudgetKey, Membership, lock},
    retry_after::{self, Pause},
};
use crate::domain::hash::ShortHash;

/// The largest answer with one resource, in bytes.
pub(super) const SINGLE: usize = 4 << 20;
/// The largest page of a listing, in bytes.
pub(super) const PAGE: usize = 32 << 20;
/// What is read of an answer that is not a success: enough for a SCIM error.
const REFUSAL: usize = 64 << 10;
/// How often a request that was answered with 429 is sent again. It has had no effect.
const THROTTLED_RETRIES: u32 = 3;
/// After so long a wait for its turn, a request asks for its credentials anew.
const CREDENTIAL_AGE: Duration = Duration::from_secs(1);

/// A request to the app.
pub(super) struct Request {
    /// The name in metrics and logs.
    pub operation: &'static str,
    pub method: Method,
    pub url: Url,
    /// JSON.
    pub body: Option<Vec<u8>>,
    /// The largest answer that is read, in bytes.
    pub limit: usize,
}

/// An answer of the app, whatever its status.
pub(super) struct Answer {
    pub status: u16,
    /// The body; of anything but a success no more than is needed to classify it.
    pub body: Vec<u8>,
    /// `Location`.
    pub location: Option<String>,
    /// Says it is HTML.
    pub html: bool,
    /// Which credential the request carried.
    pub credential: ShortHash,
}

impl Answer {
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The answer if it is a success, else what its status means.
    pub fn success(self) -> Result<Self, AppError> {
        if self.is_success() { Ok(self) } else { Err(self.refusal()) }
    }

    /// What a status other than 2xx means.
    pub fn refusal(&self) -> AppError {
        classify::refusal(self.status, &self.body)
    }
}

/// The client of one connector.
pub(super) struct Http {
    shared: Arc<Shared>,
    client: Arc<reqwest::Client>,
    base: Url,
    host: String,
    timeout: Duration,
    limit: RateLimit,
    credentials: Arc<dyn CredentialSource>,
    observer: Option<Arc<dyn RequestObserver>>,
    /// The budget of the credential used last.
    membership: Mutex<Option<(BudgetKey, Arc<Membership>)>>,
}

/// What became of a request that reached the app.
enum Attempt {
    Answered(Answer),
    /// The app asked to be left alone until then; the request has had no effect.
    Throttled(Timestamp),
}

/// A credential, ready to be sent.
struct Authorization {
    header: HeaderValue,
    fingerprint: ShortHash,
}

impl Http {
    pub fn new(
        shared: Arc<Shared>,
        client: Arc<reqwest::Client>,
        config: ConnectorConfig,
        credentials: Arc<dyn CredentialSource>,
        observer: Option<Arc<dyn RequestObserver>>,
    ) -> Self {
        let host = config.base_url.host_str().unwrap_or_default().to_owned();
        Self {
            shared,
            client,
            base: config.base_url,
            host,
            timeout: config.request_timeout,
            limit: config.rate_limit,
            credentials,
            observer,
            membership: Mutex::default(),
        }
    }

    /// How many requests may be under way at once, as configured.
    pub fn concurrency(&self) -> usize {
        usize::try_from(self.limit.concurrency.max(1)).unwrap_or(usize::MAX)
    }

    /// The base URL.
    pub fn base(&self) -> &Url {
        &self.base
    }

    /// Sends a request, again if the app answers 429 and the pause is short. Nothing else is repeated here.
    pub async fn send(&self, request: &Request) -> Result<Answer, AppError> {
        self.shared.policy.check_host(&request.url).map_err(|forbidden| AppError::AddressForbidden(forbidden.0))?;
        let mut number = 0;
        loop {
            number += 1;
            match self.attempt(request, number).await? {
                Attempt::Answered(answer) => return Ok(answer),
                Attempt::Throttled(_) if number <= THROTTLED_RETRIES => {}
                Attempt::Throttled(retry_at) => return Err(AppError::RateLimited { retry_at }),
            }
        }
    }

    /// One request, as soon as the budget allows it.
    async fn attempt(&self, request: &Request, number: u32) -> Result<Attempt, AppError> {
        let mut authorization = self.authorization().await?;
        let membership = self.membership(authorization.fingerprint);
        let asked = Instant::now();
        let mut pass = membership.budget.admit().await?;
        if asked.elapsed() > CREDENTIAL_AGE {
            authorization = self.authorization().await?;
        }
        let started = Instant::now();
        let outcome = match self.exchange(request, &authorization).await {
            Ok(response) => {
                let status = response.status().as_u16();
                let pause = self.pause(&response);
                match pass.answered(pause) {
                    Some(retry_at) => Ok(Attempt::Throttled(retry_at)),
                    None => read(response, status, request.limit, authorization.fingerprint).await.map(Attempt::Answered),
                }
            }
            Err(error) => Err(error),
        };
        self.report(request, number, &outcome, started.elapsed());
        outcome
    }

    async fn exchange(&self, request: &Request, authorization: &Authorization) -> Result<Response, AppError> {
        let mut builder = self
            .client
            .request(request.method.clone(), request.url.clone())
            .timeout(self.timeout)
            .header(ACCEPT, "application/scim+json, application/json")
            .header(AUTHORIZATION, authorization.header.clone());
        if let Some(body) = &request.body {
            builder = builder.header(CONTENT_TYPE, "application/scim+json").body(body.clone());
        }
        builder.send().await.map_err(|error| classify::transport(&error))
    }

    /// `Some` if the app asks to be left alone (RL-2), with how long.
    fn pause(&self, response: &Response) -> Option<Pause> {
        let asked = header(response, &RETRY_AFTER);
        match response.status().as_u16() {
            429 => {}
            503 if asked.is_some() => {}
            _ => return None,
        }
        Some(retry_after::read(asked, header(response, &DATE), self.shared.clock.now()))
    }

    async fn authorization(&self) -> Result<Authorization, AppError> {
        let token = self.credentials.bearer_token(&self.host).await?;
        let secret = token.0.expose_secret();
        let mut header = HeaderValue::try_from(format!("Bearer {secret}")).map_err(|_| unsendable())?;
        if secret.is_empty() {
            return Err(unsendable().into());
        }
        // Keeps the value out of every debug text of the layers below, and out of HTTP/2's compression tables.
        header.set_sensitive(true);
        Ok(Authorization { header, fingerprint: ShortHash::of(secret.as_bytes()) })
    }

    fn membership(&self, credential: ShortHash) -> Arc<Membership> {
        let authority = format!("{}:{}", self.host, self.base.port_or_known_default().unwrap_or_default());
        let key = BudgetKey { authority, credential };
        let mut current = lock(&self.membership);
        match &*current {
            Some((known, membership)) if *known == key => membership.clone(),
            _ => {
                let membership = Arc::new(self.shared.budgets.join(&key, self.limit));
                *current = Some((key, membership.clone()));
                membership
            }
        }
    }

    fn report(&self, request: &Request, attempt: u32, outcome: &Result<Attempt, AppError>, took: Duration) {
        let (status, class) = match outcome {
            Ok(Attempt::Answered(answer)) if answer.is_success() => (answer.status, "ok"),
            Ok(Attempt::Answered(answer)) => (answer.status, answer.refusal().class().as_str()),
            Ok(Attempt::Throttled(_)) => (429, ErrorClass::RateLimited.as_str()),
            Err(error) => (0, error.class().as_str()),
        };
        debug!(operation = request.operation, status, class, attempt, "request to the app");
        if let Some(observer) = &self.observer {
            observer.request(request.operation, class, took.as_secs_f64());
        }
    }
}

/// Reads an answer. Of one that is no success nothing but its status is needed.
async fn read(mut response: Response, status: u16, limit: usize, credential: ShortHash) -> Result<Answer, AppError> {
    let text = |name| header(&response, &name).and_then(|value| std::str::from_utf8(value).ok());
    let location = text(LOCATION).map(str::to_owned);
    let html = text(CONTENT_TYPE).is_some_and(|kind| kind.trim_start().to_ascii_lowercase().starts_with("text/html"));
    let encoded = text(CONTENT_ENCODING).is_some_and(|encoding| !encoding.trim().eq_ignore_ascii_case("identity"));
    let success = (200..300).contains(&status);
    let body = match body(&mut response, if success { limit } else { REFUSAL }).await {
        Ok(_) if success && encoded => return Err(AppError::NotScim("it is compressed although that was not asked for")),
        Ok(body) => body,
        // The status says enough; what stands in the body cannot make it a success.
        Err(_) if !success => Vec::new(),
        Err(error) => return Err(error),
    };
    Ok(Answer { status, body, location, html, credential })
}

/// Reads the body up to a limit in bytes, while it comes in.
async fn body(response: &mut Response, limit: usize) -> Result<Vec<u8>, AppError> {
    const TOO_LARGE: AppError = AppError::NotScim("it is larger than any SCIM answer should be");
    if response.content_length().is_some_and(|length| length > limit as u64) {
        return Err(TOO_LARGE);
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| classify::transport(&error))? {
        if body.len() + chunk.len() > limit {
            return Err(TOO_LARGE);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn header<'a>(response: &'a Response, name: &HeaderName) -> Option<&'a [u8]> {
    response.headers().get(name).map(HeaderValue::as_bytes)
}

/// The Secret's name is known to the source alone.
fn unsendable() -> CredentialError {
    CredentialError::KeyMissing { secret: "(as named in spec.authentication)".into(), key: "(as named there)".into() }
}
