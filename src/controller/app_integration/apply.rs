//! Starts the check, or asks after it. The Secret is read first: without it, or without its consent, no connection is made.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;

use super::validate::Valid;
use crate::{
    api::{AppIntegration, names},
    connector::{AppError, CredentialError, ErrorClass},
    controller::{
        context::{Checked, Context, JobKey},
        driver::Error,
        numbers::count,
    },
    domain::{hash::ShortHash, id::IntegrationKey},
    engine::{
        check,
        jobs::{Inputs, Polled},
    },
    store::AccountCounts,
    telemetry::metrics::{ACCOUNT_STATES, AccountLabels},
};
use kube::ResourceExt as _;

/// What is known of the app.
pub(super) struct Check {
    /// The last result for the present spec, Secret and request; `None`: it is being found out.
    pub(super) last: Option<Arc<Checked>>,
    /// The `requested-at` text that the last result was made for.
    pub(super) request: Option<String>,
}

const FIRST_RETRY: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

pub(super) async fn run(integration: &AppIntegration, valid: &Valid, cx: &Arc<Context>) -> Result<Check, Error> {
    let request = request(integration);
    let secret = valid.connection.credentials.refresh().await;
    let secret = match secret {
        Ok(version) => version,
        // An API server in trouble says nothing of the app: what was found out of it stands.
        Err(error @ CredentialError::Unavailable { .. }) => return Err(Error::Secret(error)),
        Err(error) => error.to_string(),
    };
    // A check writes nothing: there are no terms that it could offend.
    let inputs = Inputs { fingerprint: ShortHash::of_json(&(valid.settings, &secret)), terms: ShortHash::of(&[]) };
    let key = JobKey { uid: integration.uid().unwrap_or_default(), integration: valid.key.clone() };
    let interval = Duration::from_secs(u64::try_from(integration.spec.credentials_check_interval_seconds).unwrap_or(HOUR.as_secs()));
    let now = cx.clock.now();
    let polled = cx.checks.poll(
        &key,
        inputs,
        |checked| now >= next_check(checked, interval) || request.is_some() && checked.request != request,
        |_stop| {
            let last = cx.checks.last(&key);
            let failures = last.as_ref().map_or(0, |last| last.failures);
            let request = request.clone().or_else(|| last.and_then(|last| last.request.clone()));
            carry_out(Arc::clone(cx), valid, failures, request)
        },
    );
    Ok(match polled {
        Polled::Running(last) => Check { last, request: None },
        Polled::Done(last) => Check { request: last.request.clone(), last: Some(last) },
        Polled::Behind(_former) => Check { last: None, request: None },
    })
}

/// What is asked for and was not done yet. An annotation that is taken away asks for nothing, and one that comes back with the
/// text that was done last neither (B8).
fn request(integration: &AppIntegration) -> Option<String> {
    let done = integration.status.as_ref().and_then(|status| status.last_handled_request.as_ref());
    names::request(&integration.metadata).filter(|text| Some(text) != done)
}

/// Shows in the metrics what the status shows.
pub(super) fn show(key: &IntegrationKey, accounts: AccountCounts, cx: &Context) {
    for (state, number) in ACCOUNT_STATES.into_iter().zip([accounts.linked, accounts.pending, accounts.failed]) {
        cx.metrics.accounts.get(&AccountLabels::of(key, state)).set(count(number));
    }
}

fn carry_out(cx: Arc<Context>, valid: &Valid, failures: u32, request: Option<String>) -> impl Future<Output = Checked> + Send + use<> {
    let (connector, settings) = (Arc::clone(&valid.connection.connector), valid.settings);
    async move {
        let report = check::run(connector.as_ref()).await;
        let failures = if report.result.is_ok() { 0 } else { failures.saturating_add(1) };
        Checked { report, settings, at: cx.clock.now(), failures, request }
    }
}

/// When the app is asked again without anything having changed.
pub(super) fn next_check(checked: &Checked, interval: Duration) -> Timestamp {
    let wait = match &checked.report.result {
        Ok(_) => interval,
        Err(AppError::RateLimited { retry_at }) => return (*retry_at).max(checked.at),
        // Asking again with what was refused helps nobody: when the Secret changes, or after an hour (E4).
        Err(error) if error.class() == ErrorClass::Auth => HOUR,
        Err(_) => FIRST_RETRY.saturating_mul(1 << checked.failures.saturating_sub(1).min(6)).min(HOUR),
    };
    checked.at.saturating_add(wait).unwrap_or(Timestamp::MAX)
}
