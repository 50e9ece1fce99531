//! Starts the import, or asks after it, and stops it when it has to.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use kube::{Resource as _, ResourceExt as _};

use super::{
    dereference::{self, Found},
    validate::{Obstacle, Valid},
};
use crate::{
    api::{AppIntegration, ImportRun, Reason},
    controller::{
        app::{self, Usable},
        context::{Context, Ended, JobKey},
        driver::{self, Error},
        streams::Source,
    },
    domain::{
        hash::ShortHash,
        id::IntegrationKey,
        report::{ImportEnd, ImportReport, StopCause},
    },
    engine::{
        Mode, RunError,
        import::ImportJob,
        jobs::{Inputs, Polled},
    },
    store::{Store, StoreError, StoredRun},
    telemetry::{
        self,
        metrics::{ActionLabels, RunLabels},
    },
};

/// The import of a run.
pub(super) struct Import {
    /// It ended without a report, for this reason.
    pub(super) error: Option<(Reason, String)>,
}

/// Before an incomplete listing is read again; three attempts take some seconds and ride over a short hiccup.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Stops an import that may not change anything any more, whatever else hinders it (AI-6, AI-7), and one that changes the
/// directory by what is not said any more.
pub(super) fn halt(run: &ImportRun, found: &Found, cx: &Context) {
    let key = key(run, found);
    let integration = driver::cached(&cx.caches.integrations, found.key.organisation.as_str(), found.key.name.as_str());
    if is_schedule_suspended(found) || integration.as_ref().is_none_or(app::is_read_only) {
        cx.imports.stop(&key, StopCause::Suspended);
    }
    cx.imports.stop_unless(&key, terms(found, integration.as_ref(), cx.connections.settings(&found.key)));
}

/// Ends a run that still waits although a newer one has taken its place: while an app is down they would pile up. `false`: it
/// is under way, and has been told to stop.
pub(super) async fn give_up(run: &ImportRun, found: &Found, cx: &Context) -> Result<bool, Error> {
    let key = key(run, found);
    cx.imports.stop(&key, StopCause::Superseded);
    if cx.imports.is_running(&key) {
        return Ok(false);
    }
    cx.store()?.end_import(&found.key, &key.uid, &ImportReport::replaced(cx.clock.now())).await?;
    Ok(true)
}

/// Is the plan held, and the time to approve it over?
pub(super) fn is_expired(report: &ImportReport, now: Timestamp) -> bool {
    report.end == ImportEnd::Held && report.expires.is_some_and(|expires| expires <= now)
}

/// Ends a held run that nobody has decided on in time; what the store says of it then.
pub(super) async fn expire(run: &ImportRun, cx: &Context) -> Result<Option<StoredRun<ImportReport>>, Error> {
    let key = IntegrationKey::new(run.namespace().unwrap_or_default(), run.spec.integration_ref.name.clone());
    cx.store()?.expire_import(&key, &run.uid().unwrap_or_default(), cx.clock.now()).await?;
    dereference::stored(run, cx).await
}

/// What an import changes the directory by.
fn terms(found: &Found, integration: Option<&AppIntegration>, settings: Option<ShortHash>) -> ShortHash {
    let policy = found.policy.as_ref().map(|policy| (&policy.spec.to_directory, &policy.spec.safeguards));
    let push_null_values = integration.map(|integration| integration.spec.push_null_values);
    ShortHash::of_json(&(policy, push_null_values, found.mapping.digest(), settings, &found.directory))
}

fn key(run: &ImportRun, found: &Found) -> JobKey {
    JobKey { uid: run.uid().unwrap_or_default(), integration: found.key.clone() }
}

fn is_schedule_suspended(found: &Found) -> bool {
    found.schedule.as_ref().is_some_and(|schedule| schedule.spec.suspend)
}

/// TD-3: of two runs of an integration the one that is asked for first goes first, and the other one waits for its end.
pub(super) fn run(run: &ImportRun, valid: &Valid, found: &Found, store: Arc<dyn Store>, cx: &Arc<Context>) -> Result<Import, Obstacle> {
    let key = key(run, found);
    let mode = match (&found.replaced, is_schedule_suspended(found)) {
        (Some(_), _) => Mode::Hold,
        (None, true) => Mode::Plan,
        (None, false) => valid.app.mode(),
    };
    let released = found.is_released();
    match &found.ahead {
        // While nothing may be applied, planning goes on, and a newer plan is as good as the approved one.
        Some(name) if !released && mode == Mode::Enforce => return Err(Obstacle::Ahead { name: name.clone() }),
        _ => {}
    }
    if released && mode != Mode::Enforce {
        return Err(may_not_apply(mode));
    }
    let now = cx.clock.now();
    // A mode that allows more is for the next import; what allows less has stopped this one. One that was held because of the
    // store is made anew when the store is taken up.
    let terms = terms(found, Some(&valid.app.integration), Some(valid.app.settings));
    let fingerprint = ShortHash::of_json(&(terms, mode == Mode::Hold, released));
    let time_left = time_left(found, now);
    // Waiting for an app goes on no longer than running may.
    let is_over = |ended: &Ended<ImportReport>| {
        time_left.is_some_and(|left| left.is_zero()) && matches!(ended.result, Err(RunError::RateLimited { .. }))
    };
    let polled = cx.imports.poll(
        &key,
        Inputs { fingerprint, terms },
        |ended| ended.may_be_tried_again(now) || is_over(ended),
        |stop| {
            if let Some(left) = time_left {
                stop.stop_after(left, StopCause::DeadlineExceeded);
            }
            if mode != Mode::Enforce {
                stop.only_plans();
            }
            let job = ImportJob {
                store,
                connector: Arc::clone(&valid.app.connection.connector),
                clock: Arc::clone(&cx.clock),
                rules: valid.policy.rules.clone(),
                mapping: valid.mapping.clone(),
                user_name: valid.policy.user_name.clone(),
                host: valid.app.host(),
                mode,
                object: key.uid.clone(),
                stop,
                retry_pause: RETRY_PAUSE,
            };
            carry_out(Arc::clone(cx), Arc::clone(&valid.app), job, released)
        },
    );
    let last = match polled {
        Polled::Running(last) => last,
        Polled::Done(last) => Some(last),
        Polled::Behind(other) => return Err(Obstacle::Ahead { name: name(&other, cx) }),
    };
    Ok(Import { error: last.and_then(|ended| ended.interruption()) })
}

/// How much of its time the run has left; `None` without a deadline. A run that is taken up again has no more time than one
/// that was never interrupted.
fn time_left(found: &Found, now: Timestamp) -> Option<Duration> {
    let schedule = found.schedule.as_ref()?;
    let deadline = Duration::from_secs(u64::try_from(schedule.spec.active_deadline_seconds).unwrap_or(u64::MAX));
    let started = found.started().unwrap_or(now);
    let spent = Duration::try_from(now.duration_since(started)).unwrap_or_default();
    Some(deadline.saturating_sub(spent))
}

/// The name of the run that a job belongs to, if it is still there.
fn name(job: &JobKey, cx: &Context) -> String {
    let runs = driver::in_namespace(&cx.caches.runs, job.integration.organisation.as_str());
    let of_job = runs.iter().find(|run| run.meta().uid.as_ref() == Some(&job.uid));
    of_job.and_then(|run| run.meta().name.clone()).unwrap_or_else(|| "(deleted)".to_owned())
}

/// What an approval never lifts.
fn may_not_apply(mode: Mode) -> Obstacle {
    let (reason, message) = match mode {
        Mode::Hold => (
            Reason::StoreReplaced,
            "the store is not the one that the AppIntegration's status speaks of; the AppIntegration says how to go on",
        ),
        Mode::Plan | Mode::Enforce => (Reason::Suspended, "the integration or its schedule is suspended, or its mode is Plan"),
    };
    let message = format!("the plan was approved, and waits: {message}. It is applied as soon as it may be, until the approval expires.");
    Obstacle::NotReady { reason, message }
}

async fn carry_out(cx: Arc<Context>, app: Arc<Usable>, job: ImportJob, released: bool) -> Ended<ImportReport> {
    let result = if released { apply_released(&job).await } else { job.run().await };
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
            tracing::warn!(integration = %job.rules.integration, error = telemetry::chain(error), "an import ended early");
        }
    }
    Ended { result, at: cx.clock.now() }
}

/// `LostEpoch` for a plan that was superseded meanwhile: the store says so to the next visit.
async fn apply_released(job: &ImportJob) -> Result<ImportReport, RunError> {
    job.run_released().await?.ok_or(RunError::Store(StoreError::LostEpoch))
}

fn count(cx: &Context, job: &ImportJob, report: &ImportReport) {
    let app = &job.rules.integration;
    let outcome = match &report.end {
        ImportEnd::Applied => "applied",
        ImportEnd::NothingToDo => "nothing_to_do",
        ImportEnd::PlanOnly => "plan_only",
        ImportEnd::Held => "held",
        ImportEnd::Approved => "approved",
        ImportEnd::Rejected => "rejected",
        ImportEnd::ApprovalExpired => "approval_expired",
        ImportEnd::StoreReplaced => "store_replaced",
        ImportEnd::SnapshotIncomplete { .. } => "snapshot_incomplete",
        ImportEnd::EmptySource => "empty_source",
        ImportEnd::PartiallyApplied => "partially_applied",
        ImportEnd::Stopped { .. } => "stopped",
        ImportEnd::AppFailed { .. } => "app_failed",
    };
    if matches!(report.end, ImportEnd::Held) {
        cx.metrics.safeguard_trips.get(&ActionLabels::of(app, "import")).inc();
    }
    cx.metrics.import_runs.get(&RunLabels::of(app, "full", outcome)).inc();
}
