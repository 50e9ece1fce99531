//! What is said of an ImportRun. Pure.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::{apply::Import, dereference::Found, validate::Obstacle};
use crate::{
    api::{
        ConditionType, ImportRun, ImportRunStatus, Reason,
        conditions::{self, ConditionSpec, Status},
        import_run::{ImportCountsStatus, ImportPlanStatus, RunState, RunVerdict, SnapshotStatus},
    },
    controller::{
        driver::Visit,
        numbers::{count, safeguards, whole_seconds},
        outcome::Outcome,
        reasons,
    },
    domain::{
        counts::ImportCounts,
        report::{ImportEnd, ImportReport, StopCause},
        safeguard::{self, Rule, Verdict},
    },
    store::StoredRun,
};

/// How often a run that waits or is under way is asked after; its end is told of.
const UNDER_WAY: Duration = Duration::from_secs(10);
/// How often a held run is looked at although nothing has told of a change.
const HOURLY: Duration = Duration::from_secs(3600);
/// What is said while an approved plan is applied.
const RELEASED: &str = "the plan was approved and is being applied";
/// A run that is over does not change any more.
const OVER: Duration = Duration::from_secs(24 * 3600);

/// How a run that is over ended, for itself and for its schedule.
pub(crate) struct Ending {
    /// `True`, `False`, or `Unknown` for a held one.
    pub(crate) succeeded: Status,
    pub(crate) reason: Reason,
    pub(crate) message: String,
    /// The run was held by a limit, with this arithmetic.
    pub(crate) tripped: Option<(Reason, String)>,
}

pub(super) fn obstacle(run: &ImportRun, found: &Found, obstacle: Obstacle) -> Visit<ImportRunStatus> {
    let outcome = match obstacle {
        Obstacle::NotReady { reason, message } => Outcome::blocked(reason, message, Duration::from_secs(60)),
        Obstacle::AppUnknown => {
            Outcome::Progressing { message: "waiting for the app to be tested".to_owned(), after: Duration::from_secs(60) }
        }
        Obstacle::Ahead { name } => {
            let message = format!("the ImportRun `{name}` of the same integration is under way; this one starts when it is over");
            Outcome::Waiting { reason: Reason::RunActive, message, after: UNDER_WAY }
        }
    };
    let message = if found.is_released() { "the plan was approved and is about to be applied" } else { "the import has not started" };
    let succeeded = ConditionSpec::unknown(ConditionType::Succeeded, Reason::Pending, message);
    let mut status = under_way(run, found);
    status.state = Some(if found.stored.is_some() { RunState::Running } else { RunState::Waiting });
    Visit { outcome, conditions: vec![succeeded], status }
}

pub(super) fn run(run: &ImportRun, found: &Found, import: &Import, now: Timestamp) -> Visit<ImportRunStatus> {
    let message = match &import.error {
        // Not the end: the run is taken up again.
        Some((_, error)) => format!("the import was interrupted ({error}) and is taken up again"),
        None if found.is_released() => RELEASED.to_owned(),
        None => "the import is under way".to_owned(),
    };
    let mut status = under_way(run, found);
    let started = found.started().unwrap_or(now);
    status.start_time = status.start_time.or(Some(Time(whole_seconds(started))));
    status.state = Some(RunState::Running);
    let conditions = vec![ConditionSpec::unknown(ConditionType::Succeeded, Reason::Progressing, message.clone())];
    let outcome = match import.error {
        Some((reason, _)) => Outcome::Waiting { reason, message, after: UNDER_WAY },
        None => Outcome::Running { message, after: UNDER_WAY },
    };
    Visit { outcome, conditions, status }
}

/// `None` for a run that is not over.
pub(super) fn over(run: &ImportRun, stored: Option<&StoredRun<ImportReport>>, now: Timestamp) -> Option<Visit<ImportRunStatus>> {
    let stored = stored?;
    let report = stored.report.as_ref().filter(|report| !report.is_released())?;
    let Ending { succeeded, reason, message, tripped } = ending(report);
    let mut conditions = vec![ConditionSpec::new(ConditionType::Succeeded, succeeded, reason, message.clone()), snapshot(report)];
    if let Some((reason, arithmetic)) = &tripped {
        conditions.push(ConditionSpec::holds(ConditionType::SafeguardTripped, *reason, arithmetic.clone()));
        conditions.push(ConditionSpec::holds(ConditionType::AwaitingApproval, Reason::AwaitingApproval, arithmetic.clone()));
    }
    let mut status = base(run);
    status.completion_time = (succeeded != Status::Unknown).then(|| Time(whole_seconds(report.finished)));
    fill(&mut status, stored, report);
    let (outcome, state) = match succeeded {
        Status::True => (Outcome::Settled { reason, message, recheck: OVER }, RunState::Succeeded),
        Status::Unknown => (held_until(report, reason, message, now), RunState::Held),
        Status::False => (Outcome::Invalid { reason, message, recheck: OVER }, RunState::Failed),
    };
    status.state = Some(state);
    Some(Visit { outcome, conditions, status })
}

/// A held run is looked at again when it can be approved no longer.
fn held_until(report: &ImportReport, reason: Reason, message: String, now: Timestamp) -> Outcome {
    match report.expires.filter(|_| report.end == ImportEnd::Held) {
        Some(expires) => {
            let left = Duration::try_from(expires.duration_since(now)).unwrap_or_default().max(Duration::from_secs(1));
            Outcome::Held { reason, message, run: true, recheck: left.min(HOURLY) }
        }
        None => Outcome::held(reason, message, true),
    }
}

/// What was read, planned and done so far.
fn fill(status: &mut ImportRunStatus, stored: &StoredRun<ImportReport>, report: &ImportReport) {
    status.start_time = Some(Time(whole_seconds(stored.started)));
    status.snapshot = Some(SnapshotStatus {
        records: count(report.snapshot.records),
        pages: count(report.snapshot.pages),
        complete: report.snapshot.complete,
    });
    status.plan = report.digest.map(|digest| ImportPlanStatus {
        digest: Some(digest.to_string()),
        expires: report.expires.map(|expires| Time(whole_seconds(expires))),
        counts: counts(report.plan),
    });
    status.applied = report.digest.map(|_| counts(report.applied));
    status.safeguards = safeguards(&report.safeguards);
    status.verdict = Some(match &report.end {
        ImportEnd::SnapshotIncomplete { .. } | ImportEnd::AppFailed { .. } => RunVerdict::SnapshotIncomplete,
        ImportEnd::EmptySource => RunVerdict::EmptySource,
        ImportEnd::StoreReplaced => RunVerdict::SafeguardTripped,
        _ if safeguard::tripped(&report.safeguards) => RunVerdict::SafeguardTripped,
        _ if report.safeguards.iter().any(|result| result.verdict == Verdict::Approved) => RunVerdict::Approved,
        _ => RunVerdict::Pass,
    });
}

/// How a run ended.
pub(crate) fn ending(report: &ImportReport) -> Ending {
    let end = |succeeded, reason, message: String| Ending { succeeded, reason, message, tripped: None };
    match &report.end {
        ImportEnd::Applied => end(Status::True, Reason::Applied, changes(&report.applied)),
        ImportEnd::PartiallyApplied => {
            let message =
                format!("{}; {} records failed and are tried again by the next import", changes(&report.applied), report.applied.failed);
            end(Status::True, Reason::PartiallyApplied, message)
        }
        ImportEnd::NothingToDo => {
            let message = format!("nothing has changed; {} records are pending", report.plan.pending);
            end(Status::True, Reason::NothingToDo, message)
        }
        ImportEnd::PlanOnly => {
            let message = format!(
                "the integration is in Plan mode or suspended: the directory was not changed; set mode to Enforce and suspend to false, and import again. Planned: {}",
                changes(&report.plan)
            );
            end(Status::True, Reason::PlanOnly, message)
        }
        ImportEnd::Held => held(report),
        // Told by `status::run`; nothing has ended.
        ImportEnd::Approved => end(Status::Unknown, Reason::Progressing, RELEASED.to_owned()),
        ImportEnd::Rejected => {
            let message = "the plan was rejected with a ChangeApproval: nothing of it was applied, and it is not asked for again. \
                           Put the source or the limit right and import again.";
            end(Status::False, Reason::Rejected, message.to_owned())
        }
        ImportEnd::ApprovalExpired => {
            let message = format!(
                "the plan was not approved, or not applied, within approval.expiresSeconds. Import again. Done until then: {}",
                changes(&report.applied)
            );
            end(Status::False, Reason::ApprovalExpired, message)
        }
        ImportEnd::StoreReplaced => store_replaced(report),
        ImportEnd::EmptySource => {
            let live = report.safeguards.iter().find(|result| result.rule == Rule::EmptySource).map_or(0, |result| result.population);
            let message = format!(
                "the app lists nobody, though {live} accounts are linked to people. Nothing was changed. Check the app, then import again."
            );
            end(Status::False, Reason::EmptySource, message)
        }
        ImportEnd::SnapshotIncomplete { problem } => {
            let message = format!(
                "the listing was not proved complete in three attempts: {problem}. Nothing was changed; the next import tries again."
            );
            end(Status::False, Reason::SnapshotIncomplete, message)
        }
        ImportEnd::AppFailed { reason, message } => {
            let reason = reasons::named(reason);
            end(Status::False, reason, format!("{message}. Nothing was changed. {}", reasons::advice(reason)))
        }
        ImportEnd::Stopped { by } => {
            let (reason, why) = match by {
                StopCause::Suspended => (Reason::Suspended, "the integration or its schedule was suspended, or its mode became Plan"),
                StopCause::DeadlineExceeded => (Reason::DeadlineExceeded, "activeDeadlineSeconds have passed"),
                StopCause::Superseded | StopCause::Changed | StopCause::Shutdown => (Reason::Superseded, "a newer run took its place"),
            };
            let message = format!(
                "the import stopped before its next write: {why}. The next import does the rest. Done until then: {}",
                changes(&report.applied)
            );
            end(Status::False, reason, message)
        }
    }
}

fn held(report: &ImportReport) -> Ending {
    let tripped = report.safeguards.iter().filter(|result| result.verdict == Verdict::Tripped).map(safeguard::arithmetic);
    let arithmetic = tripped.collect::<Vec<_>>().join(" ");
    let digest = report.digest.map(|digest| digest.to_string()).unwrap_or_default();
    let message = format!(
        "{arithmetic} Nobody was unassigned. Approve plan {digest} with a ChangeApproval, or put the source or the limit right and \
         import again."
    );
    Ending {
        succeeded: Status::Unknown,
        reason: Reason::AwaitingApproval,
        message: message.clone(),
        tripped: Some((Reason::UnassignLimitExceeded, message)),
    }
}

fn store_replaced(report: &ImportReport) -> Ending {
    let message = format!(
        "the store is not the one that the AppIntegration's status speaks of; the AppIntegration says how to go on, and this run goes on \
         by itself then. Nothing was changed; planned: {}",
        changes(&report.plan)
    );
    Ending {
        succeeded: Status::Unknown,
        reason: Reason::AwaitingApproval,
        message: message.clone(),
        tripped: Some((Reason::StoreReplaced, message)),
    }
}

/// A run that was over when the store that knew it was lost or went back in time: what its status says is all that is left of
/// it, and it stays over. Importing again is for a new run.
pub(super) fn remembered(run: &ImportRun) -> Option<Visit<ImportRunStatus>> {
    let (Ending { succeeded, reason, message, .. }, _) = remembered_ending(run)?;
    let status = run.status.clone()?;
    let outcome = match succeeded {
        Status::False => Outcome::Invalid { reason, message, recheck: OVER },
        Status::True | Status::Unknown => Outcome::Settled { reason, message, recheck: OVER },
    };
    let own = [ConditionType::Succeeded, ConditionType::SnapshotComplete];
    let conditions = own.into_iter().filter_map(|kind| read(conditions::find(&status.conditions, kind)?)).collect();
    Some(Visit { outcome, conditions, status })
}

/// How such a run ended, and when.
pub(crate) fn remembered_ending(run: &ImportRun) -> Option<(Ending, Timestamp)> {
    let status = run.status.as_ref()?;
    let finished = status.completion_time.as_ref()?.0;
    let ConditionSpec { status: succeeded, reason, message, .. } = read(conditions::find(&status.conditions, ConditionType::Succeeded)?)?;
    Some((Ending { succeeded, reason, message, tripped: None }, finished))
}

fn read(condition: &Condition) -> Option<ConditionSpec> {
    let status = Status::parse(&condition.status)?;
    Some(ConditionSpec::new(ConditionType::parse(&condition.type_)?, status, Reason::parse(&condition.reason)?, condition.message.clone()))
}

fn snapshot(report: &ImportReport) -> ConditionSpec {
    let records = report.snapshot.records;
    match &report.end {
        _ if report.snapshot.complete => {
            ConditionSpec::holds(ConditionType::SnapshotComplete, Reason::Succeeded, format!("{records} records, proved complete"))
        }
        ImportEnd::SnapshotIncomplete { problem } => {
            ConditionSpec::fails(ConditionType::SnapshotComplete, Reason::SnapshotIncomplete, problem.clone())
        }
        ImportEnd::AppFailed { reason, message } => {
            ConditionSpec::fails(ConditionType::SnapshotComplete, reasons::named(reason), message.clone())
        }
        _ => ConditionSpec::unknown(ConditionType::SnapshotComplete, Reason::Pending, "the listing was not finished"),
    }
}

fn changes(counts: &ImportCounts) -> String {
    let ImportCounts {
        new,
        matched,
        updated,
        unchanged,
        deactivated,
        suspended,
        unassigned,
        reactivated,
        pending,
        ignored,
        failed: _,
        protected,
    } = *counts;
    format!(
        "{new} new, {matched} matched, {updated} updated, {deactivated} deactivated, {suspended} suspended, {unassigned} unassigned, \
         {reactivated} reactivated; {unchanged} unchanged, {pending} pending, {ignored} ignored, {protected} protected"
    )
}

/// What is said of a run that is not over: of an approved one its plan stays to be seen.
fn under_way(run: &ImportRun, found: &Found) -> ImportRunStatus {
    let mut status = base(run);
    if let Some(stored) = &found.stored
        && let Some(report) = &stored.report
    {
        fill(&mut status, stored, report);
    }
    status
}

/// What stays from visit to visit.
fn base(run: &ImportRun) -> ImportRunStatus {
    ImportRunStatus { start_time: run.status.as_ref().and_then(|status| status.start_time.clone()), ..ImportRunStatus::default() }
}

fn counts(counts: ImportCounts) -> ImportCountsStatus {
    let ImportCounts {
        new,
        matched,
        updated,
        unchanged,
        deactivated,
        suspended,
        unassigned,
        reactivated,
        pending,
        ignored,
        failed,
        protected,
    } = counts;
    ImportCountsStatus {
        new: count(new),
        matched: count(matched),
        updated: count(updated),
        unchanged: count(unchanged),
        deactivated: count(deactivated),
        suspended: count(suspended),
        unassigned: count(unassigned),
        reactivated: count(reactivated),
        pending: count(pending),
        ignored: count(ignored),
        failed: count(failed),
        protected: count(protected),
    }
}

#[cfg(test)]
mod tests;
