//! Starts the import, or asks after it, and stops it when it has to.

use std::{sync::Arc, time::Duration};

use kube::ResourceExt as _;

use super::{dereference::Found, validate::Valid};
use crate::{
    api::ImportRun,
    controller::{
        context::{Context, JobKey},
        streams::Source,
    },
    domain::{
        hash::ShortHash,
        report::{ImportEnd, ImportReport, StopCause},
    },
    engine::{RunError, import::ImportJob, jobs::Polled},
    telemetry::metrics::{ActionLabels, RunLabels},
};

/// The import of a run.
pub(super) struct Import {
    /// It ended without a report, for this reason.
    pub(super) error: Option<String>,
}

/// Before an incomplete listing is read again; three attempts take some seconds and ride over a short hiccup.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

pub(super) fn run(run: &ImportRun, valid: &Valid, found: &Found, cx: &Arc<Context>) -> Import {
    let key = JobKey { uid: run.uid().unwrap_or_default(), integration: found.key.clone() };
    let suspended = valid.app.integration.spec.suspend || found.schedule.as_ref().is_some_and(|schedule| schedule.spec.suspend);
    if suspended {
        cx.imports.stop(&key, StopCause::Suspended);
    }
    // An import that was started goes on with what it was started with; a changed spec is for the next one.
    let fingerprint = ShortHash::of(key.uid.as_bytes());
    let polled = cx.imports.poll(&key, fingerprint, Result::is_err, |stop| {
        if let Some(schedule) = &found.schedule {
            let deadline = Duration::from_secs(u64::try_from(schedule.spec.active_deadline_seconds).unwrap_or(u64::MAX));
            stop.stop_after(deadline, StopCause::DeadlineExceeded);
        }
        let job = ImportJob {
            store: Arc::clone(&cx.store),
            connector: Arc::clone(&valid.app.connection.connector),
            clock: Arc::clone(&cx.clock),
            rules: valid.policy.rules.clone(),
            mapping: valid.mapping.clone(),
            user_name: valid.policy.user_name.clone(),
            mode: valid.app.mode(),
            object: key.uid.clone(),
            stop,
            retry_pause: RETRY_PAUSE,
        };
        carry_out(Arc::clone(cx), job)
    });
    let last = match polled {
        Polled::Running(last) => last,
        Polled::Done(last) => Some(last),
    };
    Import { error: last.and_then(|result| result.as_ref().as_ref().err().map(ToString::to_string)) }
}

async fn carry_out(cx: Arc<Context>, job: ImportJob) -> Result<ImportReport, RunError> {
    let result = job.run().await;
    match &result {
        Ok(report) => {
            count(&cx, &job, report);
            if report.applied.changes() > 0 {
                cx.tell(Source::Directory, &job.rules.integration);
            }
        }
        Err(error) => {
            tracing::warn!(integration = %job.rules.integration, error = error as &dyn std::error::Error, "an import ended early");
        }
    }
    result
}

fn count(cx: &Context, job: &ImportJob, report: &ImportReport) {
    let namespace = job.rules.integration.organisation.as_str().to_owned();
    let integration = job.rules.integration.name.as_str().to_owned();
    let outcome = match &report.end {
        ImportEnd::Applied => "applied",
        ImportEnd::NothingToDo => "nothing_to_do",
        ImportEnd::PlanOnly => "plan_only",
        ImportEnd::Held => "held",
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
