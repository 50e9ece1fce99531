//! Starts a pass, or asks after it. A pass is due when its inputs have changed, when a failed person is to be tried again,
//! and every hour (RU-3).

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt as _;

use super::{dereference::Found, validate::Valid};
use crate::{
    api::{ProvisioningPolicy, names},
    controller::{
        app::{self, Usable},
        context::{Context, Ended, JobKey},
    },
    domain::{
        hash::ShortHash,
        provision_decision::ProvisionRules,
        report::{ProvisionEnd, ProvisionReport, StopCause},
    },
    engine::{Mode, jobs::Polled, provision::ProvisionJob},
    telemetry::metrics::ActionLabels,
};

/// The pass of a policy.
pub(super) struct Pass {
    /// The last result for the present inputs; `None`: there is none yet.
    pub(super) report: Option<ProvisionReport>,
    /// Is a pass under way?
    pub(super) running: bool,
    /// The last pass ended without a report, for this reason.
    pub(super) error: Option<String>,
    /// The `requested-at` text, once a pass was made for it.
    pub(super) request: Option<String>,
}

/// How often everybody is looked at although nothing has changed.
const HOURLY: SignedDuration = SignedDuration::from_hours(1);

/// Stops a pass that may not write any more, whatever else is wrong with the policy or the app (AI-6, AI-7).
pub(super) fn halt(policy: &ProvisioningPolicy, found: &Found, cx: &Context) {
    if found.older.is_some() || app::is_read_only(found.key.organisation.as_str(), found.key.name.as_str(), cx) {
        cx.passes.stop(&key(policy, found), StopCause::Suspended);
    }
}

fn key(policy: &ProvisioningPolicy, found: &Found) -> JobKey {
    JobKey { uid: policy.uid().unwrap_or_default(), integration: found.key.clone() }
}

pub(super) fn run(policy: &ProvisioningPolicy, valid: &Valid, found: &Found, cx: &Arc<Context>) -> Pass {
    let Some(rules) = &valid.rules else {
        return Pass { report: None, running: false, error: None, request: names::request(&policy.metadata) };
    };
    let key = key(policy, found);
    let request = names::request(&policy.metadata);
    let mode = if found.replaced.is_some() { Mode::Hold } else { valid.app.mode() };
    let inputs = inputs(policy, rules, mode, found.directory_revision, request.as_deref());
    let now = cx.clock.now();
    if let Some((report, made_for)) = &found.last_pass
        && *made_for == inputs
        && !is_due(report, now)
        && !cx.passes.is_running(&key)
    {
        return Pass { report: Some(report.clone()), running: false, error: None, request };
    }
    let last = found.last_pass.as_ref().filter(|(_, made_for)| *made_for == inputs).map(|(report, _)| report.clone());
    let polled = cx.passes.poll(
        &key,
        inputs,
        |ended| match &ended.result {
            Ok(report) => is_due(report, now),
            Err(_) => ended.failed_long_enough_ago(now),
        },
        |stop| {
            if mode != Mode::Enforce {
                stop.only_plans();
            }
            let job = ProvisionJob {
                store: Arc::clone(&found.store),
                connector: Arc::clone(&valid.app.connection.connector),
                clock: Arc::clone(&cx.clock),
                rules: rules.clone(),
                mode,
                // An annotation that was taken away asks for nothing.
                retry_failed: request.is_some() && request != policy.status.as_ref().and_then(|status| status.last_handled_request.clone()),
                object: key.uid.clone(),
                inputs,
                stop,
            };
            carry_out(Arc::clone(cx), Arc::clone(&valid.app), job)
        },
    );
    match polled {
        Polled::Running(previous) => {
            let error = previous.as_deref().and_then(|ended| ended.result.as_ref().err().map(ToString::to_string));
            Pass { report: last, running: true, error, request: None }
        }
        Polled::Done(ended) => match &ended.result {
            Ok(report) => Pass { report: Some(report.clone()), running: false, error: None, request },
            Err(error) => Pass { report: last, running: false, error: Some(error.to_string()), request: None },
        },
    }
}

/// The hash of everything that a pass decides by. The same inputs give the same plan.
fn inputs(policy: &ProvisioningPolicy, rules: &ProvisionRules, mode: Mode, directory_revision: i64, request: Option<&str>) -> ShortHash {
    let mapping = rules.mapping.as_ref().map(crate::domain::mapping::Mapping::digest);
    let mode = format!("{mode:?}");
    ShortHash::of_json(&(rules.digest, mapping, &policy.spec.safeguards, mode, directory_revision, request))
}

fn is_due(report: &ProvisionReport, now: Timestamp) -> bool {
    let retry = report.next_attempt.is_some_and(|next| next <= now);
    let stopped = matches!(report.end, ProvisionEnd::Stopped { .. });
    let stale = report.finished.saturating_add(HOURLY).is_ok_and(|stale| stale <= now);
    retry || stopped || stale
}

async fn carry_out(cx: Arc<Context>, app: Arc<Usable>, job: ProvisionJob) -> Ended<ProvisionReport> {
    let result = job.run().await;
    match &result {
        Ok(report) => {
            count(&cx, &job, report);
            if let ProvisionEnd::AppFailed { reason, .. } = &report.end {
                app::distrust(&app.integration, reason, &cx);
            }
        }
        Err(error) => {
            tracing::warn!(integration = %job.rules.integration, error = error as &dyn std::error::Error, "a pass ended early");
        }
    }
    Ended { result, at: cx.clock.now() }
}

fn count(cx: &Context, job: &ProvisionJob, report: &ProvisionReport) {
    let labels = |action| ActionLabels {
        namespace: job.rules.integration.organisation.as_str().to_owned(),
        integration: job.rules.integration.name.as_str().to_owned(),
        action,
    };
    for held in &report.held {
        cx.metrics.safeguard_trips.get_or_create(&labels(held.class.as_str())).inc();
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
            cx.metrics.actions.get_or_create(&labels(action)).inc_by(number);
        }
    }
}
