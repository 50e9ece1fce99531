//! Starts a pass, or asks after it. A pass is due when its inputs have changed, when a failed person is to be tried again,
//! and every hour (RU-3).

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt as _;

use super::{dereference::Found, validate::Valid};
use crate::{
    api::{ProvisioningPolicy, Reason, names},
    controller::{
        app::{self, Usable},
        context::{Context, Ended, JobKey},
        driver,
    },
    domain::{
        hash::{Digest, ShortHash},
        provision_decision::ProvisionRules,
        report::{HeldClass, ProvisionEnd, ProvisionReport, StopCause},
    },
    engine::{
        Mode,
        jobs::{Inputs, Polled},
        provision::ProvisionJob,
    },
    store::Store,
    telemetry::{self, metrics::ActionLabels},
};

/// The pass of a policy.
pub(super) struct Pass {
    /// The last result for the present inputs; `None`: there is none yet.
    pub(super) report: Option<ProvisionReport>,
    /// Is a pass under way?
    pub(super) running: bool,
    /// The last pass ended without a report, for this reason.
    pub(super) error: Option<(Reason, String)>,
    /// The `requested-at` text, once a pass was made for it.
    pub(super) request: Option<String>,
}

/// How often everybody is looked at although nothing has changed.
pub(super) const HOURLY: SignedDuration = SignedDuration::from_hours(1);

/// Stops a pass that may not write any more, whatever else is wrong with the policy or the app (AI-6, AI-7), and one that
/// writes by what is not said any more.
pub(super) fn halt(policy: &ProvisioningPolicy, found: &Found, cx: &Context) {
    let key = key(policy, found);
    let integration = driver::cached(&cx.caches.integrations, found.key.organisation.as_str(), found.key.name.as_str());
    if found.older.is_some() || integration.as_ref().is_none_or(app::is_read_only) {
        cx.passes.stop(&key, StopCause::Suspended);
    }
    cx.passes.stop_unless(&key, terms(policy, found, cx.connections.settings(&found.key)));
}

/// What a pass writes by. People who come or go are left to the next pass.
fn terms(policy: &ProvisioningPolicy, found: &Found, settings: Option<ShortHash>) -> ShortHash {
    ShortHash::of_json(&(&policy.spec.to_app, &policy.spec.safeguards, found.mapping.digest(), settings, &found.directory))
}

fn key(policy: &ProvisioningPolicy, found: &Found) -> JobKey {
    JobKey { uid: policy.uid().unwrap_or_default(), integration: found.key.clone() }
}

pub(super) fn run(policy: &ProvisioningPolicy, valid: &Valid, found: &Found, store: &Arc<dyn Store>, cx: &Arc<Context>) -> Pass {
    let Some(rules) = &valid.rules else {
        return Pass { report: None, running: false, error: None, request: names::request(&policy.metadata) };
    };
    let key = key(policy, found);
    let request = names::request(&policy.metadata);
    let mode = if found.replaced.is_some() { Mode::Hold } else { valid.app.mode() };
    let now = cx.clock.now();
    // A plan that was approved asks for a pass, and so does its end: what waits behind it is planned then.
    let released = found.hold.as_ref().filter(|hold| hold.is_released(now)).map(|hold| hold.run.0);
    let fingerprint = fingerprint(policy, valid, rules, mode, found, request.as_deref(), released);
    if let Some((report, made_for)) = &found.last_pass
        && *made_for == fingerprint
        && !is_due(report, now)
        && !cx.passes.is_running(&key)
    {
        return Pass { report: Some(report.clone()), running: false, error: None, request };
    }
    let last = found.last_pass.as_ref().filter(|(_, made_for)| *made_for == fingerprint).map(|(report, _)| report.clone());
    let before = found.last_pass.as_ref().map(|(report, _)| report);
    let held_before = before.filter(|report| !report.held.is_empty()).and_then(|report| report.digest);
    let polled = cx.passes.poll(
        &key,
        Inputs { fingerprint, terms: terms(policy, found, Some(valid.app.settings)) },
        |ended| match &ended.result {
            Ok(report) => is_due(report, now),
            Err(_) => ended.may_be_tried_again(now),
        },
        |stop| {
            if mode != Mode::Enforce {
                stop.only_plans();
            }
            let job = ProvisionJob {
                store: Arc::clone(store),
                connector: Arc::clone(&valid.app.connection.connector),
                clock: Arc::clone(&cx.clock),
                rules: rules.clone(),
                host: valid.app.host(),
                mode,
                // An annotation that was taken away asks for nothing.
                retry_failed: request.is_some() && request != policy.status.as_ref().and_then(|status| status.last_handled_request.clone()),
                object: key.uid.clone(),
                inputs: fingerprint,
                stop,
            };
            carry_out(Arc::clone(cx), Arc::clone(&valid.app), job, held_before)
        },
    );
    match polled {
        Polled::Running(previous) => {
            let error = previous.as_deref().and_then(Ended::interruption);
            Pass { report: last, running: true, error, request: None }
        }
        Polled::Behind(_former) => Pass { report: last, running: true, error: None, request: None },
        Polled::Done(ended) => match &ended.result {
            Ok(report) => Pass { report: Some(report.clone()), running: false, error: None, request },
            Err(_) => Pass { report: last, running: false, error: ended.interruption(), request: None },
        },
    }
}

/// The hash of everything that a pass decides by. The same inputs give the same plan.
fn fingerprint(
    policy: &ProvisioningPolicy,
    valid: &Valid,
    rules: &ProvisionRules,
    mode: Mode,
    found: &Found,
    request: Option<&str>,
    released: Option<i64>,
) -> ShortHash {
    let mapping = rules.mapping.as_ref().map(crate::domain::mapping::Mapping::digest);
    let mode = format!("{mode:?}");
    let directory = (&found.directory, found.directory_revision);
    ShortHash::of_json(&(rules.digest, mapping, &policy.spec.safeguards, mode, directory, request, released, valid.app.host()))
}

fn is_due(report: &ProvisionReport, now: Timestamp) -> bool {
    let retry = report.next_attempt.is_some_and(|next| next <= now);
    let stopped = matches!(report.end, ProvisionEnd::Stopped { .. });
    let expired = report.expires.is_some_and(|expires| expires <= now);
    let stale = report.finished.saturating_add(HOURLY).is_ok_and(|stale| stale <= now);
    retry || stopped || expired || stale
}

async fn carry_out(cx: Arc<Context>, app: Arc<Usable>, job: ProvisionJob, held_before: Option<Digest>) -> Ended<ProvisionReport> {
    let result = job.run().await;
    match &result {
        Ok(report) => {
            count(&cx, &job, report, held_before);
            if let ProvisionEnd::AppFailed { reason, .. } = &report.end {
                app::distrust(&app.integration, reason, &cx);
            }
        }
        Err(error) => {
            tracing::warn!(integration = %job.rules.integration, error = telemetry::chain(error), "a pass ended early");
        }
    }
    Ended { result, at: cx.clock.now() }
}

fn count(cx: &Context, job: &ProvisionJob, report: &ProvisionReport, held_before: Option<Digest>) {
    let app = &job.rules.integration;
    for held in newly_held(report, held_before) {
        cx.metrics.safeguard_trips.get(&ActionLabels::of(app, held.class.as_str())).inc();
    }
    let applied = report.applied;
    for (action, number) in [
        ("create", applied.create),
        ("adopt", applied.adopt),
        ("update", applied.update),
        ("deactivate", applied.deactivate),
        ("reactivate", applied.reactivate),
    ] {
        if number > 0 {
            cx.metrics.actions.get(&ActionLabels::of(app, action)).inc_by(number);
        }
    }
}

/// What a pass holds that the one before did not hold already: a plan trips once, however often it is looked at again.
fn newly_held(report: &ProvisionReport, held_before: Option<Digest>) -> &[HeldClass] {
    if report.digest == held_before { &[] } else { &report.held }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{counts::ProvisionCounts, hash::DigestBuilder, report::ActionClass};

    fn digest(plan: &str) -> Digest {
        let mut digest = DigestBuilder::new();
        digest.part(plan.as_bytes());
        digest.finish()
    }

    #[test]
    fn a_held_plan_trips_once() {
        let removals = HeldClass { class: ActionClass::Removals, count: 7 };
        let report = |plan, held: &[HeldClass]| ProvisionReport {
            end: ProvisionEnd::Done,
            digest: Some(digest(plan)),
            plan: ProvisionCounts::default(),
            applied: ProvisionCounts::default(),
            held: held.to_vec(),
            failed: 0,
            undecided: 0,
            unproven: 0,
            safeguards: Vec::new(),
            expires: None,
            next_attempt: None,
            finished: Timestamp::UNIX_EPOCH,
        };
        assert_eq!(newly_held(&report("a", &[removals]), None), [removals]);
        assert_eq!(newly_held(&report("a", &[removals]), Some(digest("a"))), []);
        assert_eq!(newly_held(&report("b", &[removals]), Some(digest("a"))), [removals]);
        assert_eq!(newly_held(&report("b", &[]), None), []);
    }
}
