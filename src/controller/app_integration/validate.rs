//! From an AppIntegration to a connection: parse, don't validate.

use std::{sync::Arc, time::Duration};

use kube::ResourceExt as _;
use url::Url;

use super::dereference::Found;
use crate::{
    api::{
        AppIntegration, Reason,
        app_integration::{PagingQuirk, UpdateQuirk},
    },
    connector::{
        ConnectorConfig, CredentialError, RateLimit,
        scim::quirks::{Paging, Quirks, UpdateStyle},
    },
    controller::{
        context::{Connection, Context, Refusal},
        gauges::AppRequests,
        secrets::{SecretKey, SecretToken},
    },
    domain::{hash::ShortHash, id::IntegrationKey},
};

/// An integration that can be tried.
pub(super) struct Valid {
    pub(super) key: IntegrationKey,
    pub(super) connection: Connection,
    /// The hash of everything that the connection depends on, but for the token.
    pub(super) settings: ShortHash,
}

/// The organisation and name of an integration.
pub(crate) fn key(integration: &AppIntegration) -> IntegrationKey {
    IntegrationKey::new(integration.namespace().unwrap_or_default(), integration.name_any())
}

pub(super) fn run(integration: &AppIntegration, found: &Found, cx: &Context) -> Result<Valid, Refusal> {
    let ca_pem = match &found.ca {
        None => None,
        Some(Ok(pem)) => Some(pem.clone().into_bytes()),
        Some(Err(error)) => return Err(ca_problem(error)),
    };
    let config = config(integration, ca_pem)?;
    let Some(bearer) = &integration.spec.authentication.bearer_token else {
        return Err(invalid("spec.authentication needs exactly one member: bearerToken"));
    };
    let at = SecretKey {
        namespace: integration.namespace().unwrap_or_default(),
        secret: bearer.secret_ref.name.clone(),
        key: bearer.secret_ref.key.clone(),
    };
    let key = key(integration);
    // `Debug` of the settings holds neither token nor certificate key: a CA is public.
    let settings = ShortHash::of(format!("{config:?} {at:?}").as_bytes());
    let connection = cx.connections.get(&key, settings, integration.metadata.generation, || {
        let observer = AppRequests { metrics: cx.metrics.clone(), app: key.clone() };
        let credentials = Arc::new(SecretToken::new(cx.client.clone(), at, cx.require_secret_consent, cx.clock.clone()));
        let connector = cx
            .connectors
            .scim_observed(config, credentials.clone(), Some(Arc::new(observer)))
            .map_err(|error| invalid(format!("spec.connector.scim: {error}")))?;
        Ok(Connection { connector, credentials })
    })?;
    Ok(Valid { key, connection, settings })
}

fn config(integration: &AppIntegration, ca_pem: Option<Vec<u8>>) -> Result<ConnectorConfig, Refusal> {
    let spec = &integration.spec;
    let Some(scim) = &spec.connector.scim else {
        return Err(invalid("spec.connector needs exactly one member: scim"));
    };
    let base_url = Url::parse(&scim.base_url).map_err(|error| {
        invalid(format!("spec.connector.scim.baseURL is no URL ({error}); it reads like https://chat.example.com/scim/v2"))
    })?;
    let quirks = Quirks {
        update: match scim.quirks.update {
            UpdateQuirk::Auto => UpdateStyle::Auto,
            UpdateQuirk::Patch => UpdateStyle::Patch,
            UpdateQuirk::PatchPathless => UpdateStyle::PatchPathless,
            UpdateQuirk::Put => UpdateStyle::Put,
        },
        paging: match scim.quirks.paging {
            PagingQuirk::Auto => Paging::Auto,
            PagingQuirk::Index => Paging::Index,
            PagingQuirk::Cursor => Paging::Cursor,
        },
        page_size: positive(scim.quirks.page_size),
    };
    let rate_limit = RateLimit {
        requests_per_second: positive(spec.rate_limit.requests_per_second),
        burst: positive(spec.rate_limit.burst),
        concurrency: positive(spec.rate_limit.concurrency),
    };
    let request_timeout = Duration::from_secs(u64::from(positive(spec.request_timeout_seconds)));
    Ok(ConnectorConfig { base_url, quirks, rate_limit, request_timeout, ca_pem })
}

/// The schema keeps numbers above zero; an object that came past it is treated as if it had said the least.
fn positive(number: i32) -> u32 {
    u32::try_from(number).unwrap_or(1).max(1)
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal { reason: Reason::InvalidSpec, message: message.into() }
}

fn ca_problem(error: &CredentialError) -> Refusal {
    let reason = match error {
        CredentialError::SecretNotFound { .. } => Reason::SecretNotFound,
        CredentialError::Unavailable { .. } => Reason::DependencyNotReady,
        CredentialError::KeyMissing { .. } | CredentialError::NotConsenting { .. } => Reason::SecretKeyMissing,
    };
    Refusal { reason, message: format!("spec.tls.caSecretRef: {error}. Create the Secret, or remove spec.tls.") }
}

/// Everything that can be judged without a client.
#[cfg(test)]
pub(super) fn alone(integration: &AppIntegration) -> Result<(), Refusal> {
    struct Nobody;

    #[async_trait::async_trait]
    impl crate::connector::CredentialSource for Nobody {
        async fn bearer_token(&self, _host: &str) -> Result<crate::connector::BearerToken, CredentialError> {
            Err(CredentialError::SecretNotFound { secret: String::new() })
        }
    }

    let config = config(integration, None)?;
    let clock = Arc::new(crate::clock::SystemClock);
    let connectors = crate::connector::Connectors::new(crate::connector::AddressPolicy::default(), clock);
    connectors.scim(config, Arc::new(Nobody)).map(drop).map_err(|error| invalid(format!("spec.connector.scim: {error}")))
}
