//! Starts the import, or asks after it, and stops it when it has to.

use std::{sync::Arc, time::Duration};

use kube::ResourceExt as _;

use super::{dereference::Found, validate::Valid};
use crate::{
    api::ImportRun,
    controller::{
        app::{self, Usable},
        context::{Context, Ended, JobKey},
        streams::Source,
    },
    domain::{
        hash::ShortHash,
        report::{ImportEnd, ImportReport, StopCause},
    },
    engine::{Mode, import::ImportJob, jobs::Polled},
    telemetry::metrics::{ActionLabels, RunLabels},
};

/// The import of a run.
pub(super) struct Import {
    /// It ended without a report, for this reason.
    pub(super) error: Option<String>,
}

/// Before an incomplete listing is read again; three attempts take some seconds and ride over a short hiccup.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Stops an import that may not change anything any more, whatever else hinders it (AI-6, AI-7).
pub(super) fn halt(run: &ImportRun, found: &Found, cx: &Context) {
    if is_schedule_suspended(found) || app::is_read_only(found.key.organisation.as_str(), found.key.name.as_str(), cx) {
        cx.imports.stop(&key(run, found), StopCause::Suspended);
    }
}

fn key(run: &ImportRun, found: &Found) -> JobKey {
    JobKey { uid: run.uid().unwrap_or_default(), integration: found.key.clone() }
}

fn is_schedule_suspended(found: &Found) -> bool {
    found.schedule.as_ref().is_some_and(|schedule| schedule.spec.suspend)
}

pub(super) fn run(run: &ImportRun, valid: &Valid, found: &Found, cx: &Arc<Context>) -> Import {
    let key = key(run, found);
    let mode = match (&found.replaced, is_schedule_suspended(found)) {
        (Some(_), _) => Mode::Hold,
        (None, true) => Mode::Plan,
        (None, false) => valid.app.mode(),
    };
    let now = cx.clock.now();
    // An import that was started goes on with what it was started with; a changed spec is for the next one. One that was held
    // because of the store is made anew when the store is taken up.
    let fingerprint = ShortHash::of_json(&(&key.uid, mode == Mode::Hold));
    let polled = cx.imports.poll(
        &key,
        fingerprint,
        |ended| ended.failed_long_enough_ago(now),
        |stop| {
            if let Some(schedule) = &found.schedule {
                let deadline = Duration::from_secs(u64::try_from(schedule.spec.active_deadline_seconds).unwrap_or(u64::MAX));
                // A run that is taken up again has no more time than one that was never interrupted.
                let started = found.started().unwrap_or(now);
                let spent = Duration::try_from(now.duration_since(started)).unwrap_or_default();
                stop.stop_after(deadline.saturating_sub(spent), StopCause::DeadlineExceeded);
            }
            if mode != Mode::Enforce {
                stop.only_plans();
            }
            let job = ImportJob {
                store: Arc::clone(&found.store),
                connector: Arc::clone(&valid.app.connection.connector),
                clock: Arc::clone(&cx.clock),
                rules: valid.policy.rules.clone(),
                mapping: valid.mapping.clone(),
                user_name: valid.policy.user_name.clone(),
                mode,
                object: key.uid.clone(),
                stop,
                retry_pause: RETRY_PAUSE,
            };
            carry_out(Arc::clone(cx), Arc::clone(&valid.app), job)
        },
    );
    let last = match polled {
        Polled::Running(last) => last,
        Polled::Done(last) => Some(last),
    };
    Import { error: last.and_then(|ended| ended.result.as_ref().err().map(ToString::to_string)) }
}

async fn carry_out(cx: Arc<Context>, app: Arc<Usable>, job: ImportJob) -> Ended<ImportReport> {
    let result = job.run().await;
    match &result {
        Ok(report) => {
            count(&cx, &job, report);
            if let ImportEnd::AppFailed { reason, .. } = &report.end {
                app::distrust(&app.integration, reason, &cx);
            }
            if report.applied.changes() > 0 {
                cx.tell(Source::Directory, &job.rules.integration);
            }
        }
        Err(error) => {
            tracing::warn!(integration = %job.rules.integration, error = error as &dyn std::error::Error, "an import ended early");
        }
    }
    Ended { result, at: cx.clock.now() }
}

fn count(cx: &Context, job: &ImportJob, report: &ImportReport) {
    let namespace = job.rules.integration.organisation.as_str().to_owned();
    let integration = job.rules.integration.name.as_str().to_owned();
    let outcome = match &report.end {
        ImportEnd::Applied => "applied",
        ImportEnd::NothingToDo => "nothing_to_do",
        ImportEnd::PlanOnly => "plan_only",
        ImportEnd::Held => "held",
        ImportEnd::StoreReplaced => "store_replaced",
        ImportEnd::SnapshotIncomplete { .. } => "snapshot_incomplete",
        ImportEnd::EmptySource => "empty_source",
        ImportEnd::PartiallyApplied => "partially_applied",
        ImportEnd::Stopped { .. } => "stopped",
        ImportEnd::AppFailed { .. } => "app_failed",
    };
    if matches!(report.end, ImportEnd::Held) {
        let labels = ActionLabels { namespace: namespace.clone(), integration: integration.clone(), action: "import" };
        cx.metrics.safeguard_trips.get_or_create(&labels).inc();
    }
    cx.metrics.import_runs.get_or_create(&RunLabels { namespace, integration, outcome }).inc();
}
