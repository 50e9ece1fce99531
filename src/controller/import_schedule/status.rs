//! What is said of an ImportSchedule. Pure. What a run met is said here too: tools that judge an application's health do not
//! look at its runs (operations.md §3, rows 3 and 5).

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt as _;

use super::{
    apply::Done,
    dereference::{Child, Found},
};
use crate::{
    api::{
        ConditionType, ImportSchedule, ImportScheduleStatus, Reason,
        conditions::{ConditionSpec, Status},
        import_schedule::ActiveRun,
    },
    controller::{driver::Visit, import_run::Ending, numbers::whole_seconds, outcome::Outcome},
    domain::schedule::ScheduleError,
};

/// The longest time between two visits: a clock that was set, or a time zone whose rules changed, is noticed.
const LONGEST: Duration = Duration::from_secs(3600);
/// How often the runs are looked at while one is under way.
const UNDER_WAY: Duration = Duration::from_secs(30);
/// How many active runs a status names.
const ACTIVE_SHOWN: usize = 16;

pub(super) fn invalid(schedule: &ImportSchedule, problem: &ScheduleError) -> Visit<ImportScheduleStatus> {
    let message = problem.to_string();
    Visit {
        outcome: Outcome::invalid(Reason::InvalidSchedule, message.clone()),
        conditions: vec![ConditionSpec::fails(ConditionType::Scheduled, Reason::InvalidSchedule, message)],
        status: ImportScheduleStatus { next_schedule_time: None, active: Vec::new(), ..schedule.status.clone().unwrap_or_default() },
    }
}

pub(super) fn run(schedule: &ImportSchedule, found: &Found, done: &Done, now: Timestamp) -> Visit<ImportScheduleStatus> {
    let before = schedule.status.clone().unwrap_or_default();
    let mut active: Vec<String> = found.active().map(|child| child.run.name_any()).chain(done.started.clone()).collect();
    active.sort();
    active.dedup();
    let suspended = schedule.spec.suspend || found.integration_suspended;
    let last_good = found.runs.iter().filter_map(|child| child.ending.as_ref()).find(|(ending, _)| ending.succeeded == Status::True);
    let status = ImportScheduleStatus {
        observed_generation: None,
        conditions: Vec::new(),
        active: active.iter().take(ACTIVE_SHOWN).map(|name| ActiveRun { name: name.clone() }).collect(),
        last_schedule_time: done.handled.max(found.slot).map(|slot| Time(whole_seconds(slot))).or(before.last_schedule_time),
        last_successful_time: last_good.map(|(_, finished)| Time(whole_seconds(*finished))).or(before.last_successful_time),
        next_schedule_time: done.next.map(|next| Time(whole_seconds(next))),
        last_handled_request: done.request.clone().or_else(|| found.answered.clone()).or(before.last_handled_request),
    };
    let mut conditions = vec![scheduled(suspended, active.first(), done)];
    conditions.extend(found.last().into_iter().flat_map(last_run));
    let outcome = outcome(found, suspended, !active.is_empty(), visit_after(done, &active, now));
    Visit { outcome, conditions, status }
}

fn visit_after(done: &Done, active: &[String], now: Timestamp) -> Duration {
    let until_next = done.next.map_or(LONGEST, |next| Duration::try_from(next.duration_since(now)).unwrap_or_default());
    let longest = if active.is_empty() { LONGEST } else { UNDER_WAY };
    until_next.clamp(Duration::from_secs(1), longest)
}

fn scheduled(suspended: bool, active: Option<&String>, done: &Done) -> ConditionSpec {
    if suspended {
        return ConditionSpec::fails(ConditionType::Scheduled, Reason::Suspended, "nothing is started until spec.suspend is false");
    }
    if let Some(missed) = done.missed {
        let message = format!("the run of {missed} was left out: another run was under way, or startingDeadlineSeconds had passed");
        return ConditionSpec::holds(ConditionType::Scheduled, Reason::MissedDeadline, message);
    }
    match (active, done.next) {
        (Some(name), _) => {
            ConditionSpec::holds(ConditionType::Scheduled, Reason::RunActive, format!("the ImportRun `{name}` is under way"))
        }
        (None, Some(_)) => {
            ConditionSpec::holds(ConditionType::Scheduled, Reason::NextRunPlanned, "the next run is planned for status.nextScheduleTime")
        }
        (None, None) => {
            ConditionSpec::fails(ConditionType::Scheduled, Reason::InvalidSchedule, "spec.full.schedule names no moment that will come")
        }
    }
}

fn last_run(child: &Child) -> Vec<ConditionSpec> {
    let Some((Ending { succeeded, reason, message, tripped }, _)) = &child.ending else { return Vec::new() };
    let message = format!("{}: {message}", child.run.name_any());
    let last = ConditionSpec::new(ConditionType::LastRunSucceeded, *succeeded, *reason, message.clone());
    let tripped = tripped.as_ref().map(|(reason, _)| ConditionSpec::holds(ConditionType::SafeguardTripped, *reason, message));
    std::iter::once(last).chain(tripped).collect()
}

/// First match wins, as in the table.
fn outcome(found: &Found, suspended: bool, active: bool, after: Duration) -> Outcome {
    let last = found.last().and_then(|child| child.ending.as_ref().map(|(ending, _)| (child, ending)));
    match last {
        Some((child, ending)) if ending.succeeded == Status::Unknown => {
            let message = format!("{}: {}", child.run.name_any(), ending.message);
            // The next slot comes all the same.
            Outcome::Held { reason: Reason::RunHeld, message, run: false, recheck: after }
        }
        // What a suspension or a newer run has stopped, or somebody has rejected, is nobody's failure.
        Some((child, ending))
            if ending.succeeded == Status::False && !matches!(ending.reason, Reason::Suspended | Reason::Superseded | Reason::Rejected) =>
        {
            Outcome::Waiting { reason: ending.reason, message: format!("{}: {}", child.run.name_any(), ending.message), after }
        }
        _ if !found.integration => Outcome::Waiting {
            reason: Reason::DependencyNotReady,
            message: "there is no AppIntegration of that name in this namespace; create it, and this goes on by itself".to_owned(),
            after,
        },
        _ if suspended => Outcome::Settled {
            reason: Reason::Suspended,
            message: "suspended: nothing is started until spec.suspend is false".to_owned(),
            recheck: after,
        },
        _ => {
            let message = if active { "a run is under way" } else { "the next run is planned" };
            Outcome::Settled { reason: Reason::Succeeded, message: message.to_owned(), recheck: after }
        }
    }
}
