//! What is said of a ProvisioningPolicy. Pure.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{
    apply::{HOURLY, Pass},
    validate::{Obstacle, Valid},
};
use crate::{
    api::{
        ConditionType, ProvisioningPolicy, ProvisioningPolicyStatus, Reason,
        conditions::ConditionSpec,
        provisioning_policy::{HeldClass, HeldStatus, ProvisionCountsStatus, ProvisionPlanStatus},
    },
    controller::{
        driver::Visit,
        numbers::{count, safeguards, whole_seconds},
        outcome::Outcome,
        reasons,
    },
    domain::{
        approval::{HoldState, StoredHold},
        counts::ProvisionCounts,
        report::{ActionClass, ProvisionEnd, ProvisionReport, StopCause},
        safeguard::{self, Verdict},
    },
};

/// How often an object that waits is looked at although nothing has told of a change.
const WAITING: Duration = Duration::from_secs(60);
/// How often a pass that is under way is asked after; its end is told of.
const UNDER_WAY: Duration = Duration::from_secs(10);

pub(super) fn obstacle(policy: &ProvisioningPolicy, obstacle: Obstacle) -> Visit<ProvisioningPolicyStatus> {
    let refused = |reason, message: &str| ConditionSpec::fails(ConditionType::Accepted, reason, message);
    let (outcome, condition) = match obstacle {
        Obstacle::Conflict { older } => {
            let message = format!("the ProvisioningPolicy `{older}` is older and counts for this integration; delete one of the two");
            let condition = refused(Reason::ConflictingPolicy, &message);
            (Outcome::invalid(Reason::ConflictingPolicy, message), condition)
        }
        Obstacle::Invalid { message } => {
            let condition = refused(Reason::InvalidSpec, &message);
            (Outcome::invalid(Reason::InvalidSpec, message), condition)
        }
        Obstacle::AppNotReady { reason, message } => (Outcome::Waiting { reason, message, after: WAITING }, accepted()),
        Obstacle::AppUnknown => {
            (Outcome::Progressing { message: "waiting for the app to be tested".to_owned(), after: WAITING }, accepted())
        }
    };
    // What the last pass did stays true.
    Visit { outcome, conditions: vec![condition], status: policy.status.clone().unwrap_or_default() }
}

pub(super) fn run(
    policy: &ProvisioningPolicy,
    valid: &Valid,
    pass: &Pass,
    hold: Option<&StoredHold>,
    now: Timestamp,
) -> Visit<ProvisioningPolicyStatus> {
    let mut status = ProvisioningPolicyStatus {
        last_handled_request: pass
            .request
            .clone()
            .or_else(|| policy.status.as_ref().and_then(|status| status.last_handled_request.clone())),
        ..ProvisioningPolicyStatus::default()
    };
    let mut conditions = vec![accepted()];
    let outcome = match (&pass.report, &valid.rules) {
        (_, None) => {
            let message = "nothing flows to this app (there is no spec.toApp); imports use spec.toDirectory".to_owned();
            Outcome::Settled { reason: Reason::Succeeded, message, recheck: HOURLY.unsigned_abs() }
        }
        (None, Some(_)) => Outcome::Progressing { message: "the first pass for these inputs is under way".to_owned(), after: UNDER_WAY },
        (Some(report), Some(_)) => {
            let reason = held_reason(report, hold);
            fill(&mut status, report, reason);
            conditions.extend(of_report(report, reason).into_iter().map(|condition| unless_broken(condition, valid)));
            outcome(valid, report, reason, now)
        }
    };
    let outcome = match (outcome, &pass.error) {
        (_, Some((reason, error))) if !pass.running => {
            let message = format!("the pass was interrupted ({error}) and is taken up again");
            Outcome::Waiting { reason: *reason, message, after: UNDER_WAY }
        }
        (Outcome::Settled { .. }, _) if pass.running => {
            Outcome::Progressing { message: "a pass is under way".to_owned(), after: UNDER_WAY }
        }
        (other, _) => other,
    };
    Visit { outcome, conditions, status }
}

/// A pass that could look at nobody's attributes has failed nobody, which is no success.
fn unless_broken(condition: ConditionSpec, valid: &Valid) -> ConditionSpec {
    match (&valid.broken_mapping, condition.kind) {
        (Some(name), ConditionType::Provisioned) => {
            ConditionSpec::fails(ConditionType::Provisioned, Reason::MappingNotReady, broken_mapping(name))
        }
        _ => condition,
    }
}

fn broken_mapping(name: &str) -> String {
    format!("the AttributeMapping `{name}` does not compile: creates and updates wait, deactivations go on")
}

fn accepted() -> ConditionSpec {
    ConditionSpec::holds(ConditionType::Accepted, Reason::Succeeded, "the policy counts for its integration")
}

fn outcome(valid: &Valid, report: &ProvisionReport, held: Reason, now: Timestamp) -> Outcome {
    if let Some(failed) = app_failed(report, now) {
        return failed;
    }
    if let Some(message) = held_message(report, held) {
        // What is not held goes on: people who failed are tried again.
        return Outcome::Held { reason: held, message, run: false, recheck: until_due(report, now) };
    }
    if let Some(name) = &valid.broken_mapping {
        return Outcome::Waiting { reason: Reason::MappingNotReady, message: broken_mapping(name), after: WAITING };
    }
    let recheck = until_due(report, now);
    let spec = &valid.app.integration.spec;
    let (reason, message) = match &report.end {
        _ if spec.suspend => (Reason::Suspended, format!("the AppIntegration is suspended; {}", planned(report))),
        ProvisionEnd::PlanOnly => (Reason::PlanOnly, format!("mode is Plan: nothing was written; {}", planned(report))),
        _ => (Reason::Succeeded, applied(report)),
    };
    Outcome::Settled { reason, message, recheck }
}

/// By the one table: what the app refuses somebody must put right, what it does not answer passes.
fn app_failed(report: &ProvisionReport, now: Timestamp) -> Option<Outcome> {
    let ProvisionEnd::AppFailed { reason, message } = &report.end else { return None };
    let reason = reasons::named(reason);
    Some(Outcome::blocked(reason, reasons::with_advice(message, reason), until_due(report, now).min(WAITING)))
}

/// When the next pass is due without anything having changed: the next attempt of a failed person, or the hour.
fn until_due(report: &ProvisionReport, now: Timestamp) -> Duration {
    let hour = report.finished.saturating_add(HOURLY).unwrap_or(Timestamp::MAX);
    let due = [report.next_attempt, report.expires].into_iter().flatten().fold(hour, Timestamp::min);
    Duration::try_from(due.duration_since(now)).unwrap_or_default().max(Duration::from_secs(1))
}

fn planned(report: &ProvisionReport) -> String {
    let ProvisionCounts { create, adopt, update, deactivate, reactivate, unchanged, protected } = report.plan;
    format!(
        "planned: {create} to create, {adopt} to take over, {update} to update, {deactivate} to deactivate, {reactivate} to reactivate; \
         {unchanged} unchanged, {protected} protected"
    )
}

fn applied(report: &ProvisionReport) -> String {
    let ProvisionCounts { create, adopt, update, deactivate, reactivate, .. } = report.applied;
    format!(
        "last change: {create} created, {adopt} taken over, {update} updated, {deactivate} deactivated, {reactivate} reactivated; \
         {} failed, {} undecided",
        report.failed, report.undecided
    )
}

fn of_report(report: &ProvisionReport, held: Reason) -> Vec<ConditionSpec> {
    let provisioned = match (&report.end, report.failed, report.undecided) {
        (ProvisionEnd::PlanOnly, ..) => ConditionSpec::fails(ConditionType::Provisioned, Reason::PlanOnly, planned(report)),
        (ProvisionEnd::StoreReplaced, ..) => ConditionSpec::fails(ConditionType::Provisioned, Reason::StoreReplaced, planned(report)),
        (ProvisionEnd::AppFailed { reason, message }, ..) => {
            let reason = reasons::named(reason);
            ConditionSpec::fails(ConditionType::Provisioned, reason, reasons::with_advice(message, reason))
        }
        (ProvisionEnd::Stopped { by: StopCause::Suspended }, ..) => {
            ConditionSpec::fails(ConditionType::Provisioned, Reason::Suspended, "the pass was stopped before its next write")
        }
        (ProvisionEnd::Stopped { .. }, ..) => {
            let message = "the pass was stopped before its next write, because what it works by has changed; another one follows";
            ConditionSpec::fails(ConditionType::Provisioned, Reason::Progressing, message)
        }
        (ProvisionEnd::Done, 0, 0) if report.held.is_empty() => {
            ConditionSpec::holds(ConditionType::Provisioned, Reason::Succeeded, "everybody who should have an account has it")
        }
        (ProvisionEnd::Done, 0, undecided) if report.held.is_empty() => {
            let message =
                format!("for {undecided} people it cannot be decided whether they are assigned; they neither gain nor lose by it");
            ConditionSpec::fails(ConditionType::Provisioned, Reason::DependencyNotReady, message)
        }
        (ProvisionEnd::Done, failed, _) if report.held.is_empty() => {
            let message = format!(
                "{failed} people could not be provisioned; they are tried again by themselves, the others are done{}",
                unproven(report.unproven)
            );
            ConditionSpec::fails(ConditionType::Provisioned, Reason::AccountsFailed, message)
        }
        (ProvisionEnd::Done, ..) => ConditionSpec::fails(ConditionType::Provisioned, held, held_message(report, held).unwrap_or_default()),
    };
    let tripped = report.held.first().zip(held_message(report, held)).map(|(first, message)| {
        let reason = match first.class {
            ActionClass::Removals => Reason::DeactivationLimitExceeded,
            ActionClass::Updates => Reason::UpdateLimitExceeded,
            ActionClass::Creates => Reason::CreateLimitExceeded,
        };
        ConditionSpec::holds(ConditionType::SafeguardTripped, reason, message)
    });
    std::iter::once(provisioned).chain(tripped).collect()
}

/// Why what is held is held: nobody has decided yet, or it was rejected.
fn held_reason(report: &ProvisionReport, hold: Option<&StoredHold>) -> Reason {
    match hold {
        Some(hold) if hold.state == HoldState::Rejected && report.digest == Some(hold.hold.digest) => Reason::Rejected,
        _ => Reason::AwaitingApproval,
    }
}

/// AI-9: what is the matter with those who are not recognised after a change of host.
fn unproven(people: u64) -> String {
    match people {
        0 => String::new(),
        people => format!(
            ". Of them {people} have accounts that were linked at another host, and this host does not show them under the same ids with \
             our externalId or the same username: nothing is written to those. Put the host right, or make a new AppIntegration for it"
        ),
    }
}

/// The arithmetic of what is held.
fn held_message(report: &ProvisionReport, held: Reason) -> Option<String> {
    if report.held.is_empty() {
        return None;
    }
    let tripped = report.safeguards.iter().filter(|result| result.verdict == Verdict::Tripped).map(safeguard::arithmetic);
    let arithmetic: Vec<String> = tripped.collect();
    let classes: Vec<&str> = report.held.iter().map(|held| held.class.as_str()).collect();
    let digest = report.digest.map(|digest| digest.to_string()).unwrap_or_default();
    let way_out = match (held, &report.end) {
        (Reason::Rejected, _) => format!(
            "Plan {digest} was rejected: nothing of it is applied, and it is not asked for again. Put the source, the policy or the limit \
             right"
        ),
        (_, ProvisionEnd::Done) => {
            format!("Approve plan {digest} with a ChangeApproval, or put the source, the policy or the limit right")
        }
        _ => "Put the source, the policy or the limit right".to_owned(),
    };
    Some(format!("{} Held as a whole: {}. {way_out}; a new plan is made then.", arithmetic.join(" "), classes.join(", ")))
}

fn fill(status: &mut ProvisioningPolicyStatus, report: &ProvisionReport, held: Reason) {
    status.plan = Some(ProvisionPlanStatus {
        digest: report.digest.map(|digest| digest.to_string()),
        expires: report.expires.filter(|_| held != Reason::Rejected).map(|expires| Time(whole_seconds(expires))),
        counts: counts(report.plan),
    });
    status.applied = Some(counts(report.applied));
    status.held = report
        .held
        .iter()
        .map(|held| HeldStatus {
            class: match held.class {
                ActionClass::Creates => HeldClass::Creates,
                ActionClass::Updates => HeldClass::Updates,
                ActionClass::Removals => HeldClass::Removals,
            },
            count: count(held.count),
        })
        .collect();
    status.safeguards = safeguards(&report.safeguards);
    status.failed = Some(count(report.failed));
    status.undecided = Some(count(report.undecided));
    status.next_attempt_time = report.next_attempt.map(|next| Time(whole_seconds(next)));
}

fn counts(counts: ProvisionCounts) -> ProvisionCountsStatus {
    let ProvisionCounts { create, adopt, update, deactivate, reactivate, unchanged, protected } = counts;
    ProvisionCountsStatus {
        create: count(create),
        adopt: count(adopt),
        update: count(update),
        deactivate: count(deactivate),
        reactivate: count(reactivate),
        unchanged: count(unchanged),
        protected: count(protected),
    }
}

#[cfg(test)]
mod tests;
