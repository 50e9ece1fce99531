//! What is said of an AppIntegration. Pure.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{
    apply::{Check, next_check},
    dereference::Found,
};
use crate::{
    api::{
        AppIntegration, AppIntegrationStatus, ConditionType, Reason,
        app_integration::{AccountsStatus, CapabilitiesStatus, ConnectorKind, Mode, RESOURCE_TYPES},
        conditions::{ConditionSpec, Status},
    },
    connector::{AppError, Capabilities, CredentialError},
    controller::{
        context::Refusal,
        driver::Visit,
        numbers::{count, whole_seconds},
        outcome::Outcome,
        reasons,
    },
    store::AccountCounts,
};

/// The Secret is read again so often while something is wrong, and so often otherwise: within the minute and the five minutes
/// of H7, and with time to spare for the wait for a turn.
const WHILE_FAILING: Duration = Duration::from_secs(54);
const AT_REST: Duration = Duration::from_secs(270);

pub(super) fn invalid(integration: &AppIntegration, found: &Found, refusal: Refusal) -> Visit<AppIntegrationStatus> {
    let Refusal { reason, message } = refusal;
    Visit {
        outcome: Outcome::blocked(reason, message, WHILE_FAILING),
        conditions: vec![unknown(ConditionType::CredentialsValid, "not tested"), unknown(ConditionType::EndpointReachable, "not tried")],
        status: base(integration, found),
    }
}

pub(super) fn run(integration: &AppIntegration, found: &Found, check: &Check, now: Timestamp) -> Visit<AppIntegrationStatus> {
    let mut status = base(integration, found);
    status.last_handled_request = check.request.clone().or(status.last_handled_request);
    let Some(last) = &check.last else {
        let message = "testing the credentials".to_owned();
        return Visit { outcome: Outcome::Progressing { message, after: WHILE_FAILING }, conditions: Vec::new(), status };
    };
    let interval = Duration::from_secs(u64::try_from(integration.spec.credentials_check_interval_seconds).unwrap_or(3600));
    let next = next_check(last, interval);
    let until_next = Duration::try_from(next.duration_since(now)).unwrap_or_default().max(Duration::from_secs(1));
    status.last_credentials_check_time = Some(Time(whole_seconds(last.at)));
    let (outcome, conditions) = match &last.report.result {
        Ok(capabilities) => {
            status.capabilities = Some(shown(capabilities));
            (settled(integration, until_next.min(AT_REST)), all_well())
        }
        Err(error) => {
            status.next_attempt_time = Some(Time(whole_seconds(next)));
            failed(error, until_next.min(WHILE_FAILING))
        }
    };
    Visit { outcome, conditions, status }
}

fn settled(integration: &AppIntegration, recheck: Duration) -> Outcome {
    let (reason, message) = match (integration.spec.suspend, integration.spec.mode) {
        (true, _) => (Reason::Suspended, "the app answers; spec.suspend is true: nothing is changed until it is false"),
        (false, Mode::Plan) => (Reason::PlanOnly, "the app answers; mode is Plan: what would happen is published, nothing is changed"),
        (false, Mode::Enforce) => (Reason::Succeeded, "the app answers and accepts the credentials"),
    };
    Outcome::Settled { reason, message: message.to_owned(), recheck }
}

fn all_well() -> Vec<ConditionSpec> {
    vec![
        ConditionSpec::holds(ConditionType::CredentialsValid, Reason::Succeeded, "the app accepted the credentials"),
        ConditionSpec::holds(ConditionType::EndpointReachable, Reason::Succeeded, "the app answers"),
        ConditionSpec::holds(ConditionType::CapabilitiesKnown, Reason::Succeeded, "the app was asked what it can do"),
    ]
}

/// How far the check came tells which conditions are known.
fn failed(error: &AppError, after: Duration) -> (Outcome, Vec<ConditionSpec>) {
    let reason = reasons::of_app(error);
    let message = reasons::with_advice(&error.to_string(), reason);
    let reached = match error {
        AppError::Credentials(_) | AppError::AddressForbidden(_) => Status::Unknown,
        AppError::Unreachable(_) | AppError::NoAnswer(_) | AppError::Tls(_) => Status::False,
        _ => Status::True,
    };
    let credentials = match error {
        AppError::Unauthorized | AppError::Forbidden => Status::False,
        AppError::Credentials(CredentialError::Unavailable { .. }) => Status::Unknown,
        AppError::Credentials(_) => Status::False,
        _ => Status::Unknown,
    };
    let of = |truth: Status| if truth == Status::True { Reason::Succeeded } else { reason };
    let conditions = vec![
        ConditionSpec::new(ConditionType::CredentialsValid, credentials, of(credentials), message.clone()),
        ConditionSpec::new(ConditionType::EndpointReachable, reached, of(reached), message.clone()),
        ConditionSpec::new(ConditionType::CapabilitiesKnown, Status::Unknown, reason, message.clone()),
    ];
    (Outcome::blocked(reason, message, after), conditions)
}

fn unknown(condition: ConditionType, message: &str) -> ConditionSpec {
    ConditionSpec::new(condition, Status::Unknown, Reason::Pending, message)
}

/// What is said whatever the check came to. Capabilities and times stay until a check says otherwise.
fn base(integration: &AppIntegration, found: &Found) -> AppIntegrationStatus {
    let last = integration.status.as_ref();
    let AccountCounts { linked, pending, failed } = found.accounts;
    AppIntegrationStatus {
        observed_generation: None,
        conditions: Vec::new(),
        connector: Some(ConnectorKind::Scim),
        host: integration.spec.endpoint_host().map(str::to_owned),
        capabilities: last.and_then(|status| status.capabilities.clone()),
        accounts: Some(AccountsStatus { linked: count(linked), pending: count(pending), failed: count(failed) }),
        store: Some(found.store.shown()),
        last_credentials_check_time: last.and_then(|status| status.last_credentials_check_time.clone()),
        next_attempt_time: None,
        last_handled_request: last.and_then(|status| status.last_handled_request.clone()),
    }
}

fn shown(capabilities: &Capabilities) -> CapabilitiesStatus {
    let Capabilities { patch, bulk, filter, etag, cursor_paging, resource_types, schema_digest } = capabilities.clone();
    // Names of resource types are the app's; only what looks like one is shown (H4).
    let is_name = |name: &String| name.len() <= 64 && !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric());
    let resource_types = resource_types.into_iter().filter(is_name).take(RESOURCE_TYPES).collect();
    CapabilitiesStatus { patch, bulk, filter, etag, cursor_paging, resource_types, schema_digest }
}

#[cfg(test)]
mod tests;
