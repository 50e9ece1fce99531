//! What is said of a ChangeApproval. Pure.

use std::time::Duration;

use super::validate::Obstacle;
use crate::{
    api::{
        ChangeApproval, ChangeApprovalStatus, ConditionType, Reason,
        change_approval::ApprovalDecision,
        conditions::{self, ConditionSpec},
    },
    controller::{driver::Visit, outcome::Outcome},
    domain::approval::Answer,
};

/// What was answered does not change any more.
const OVER: Duration = Duration::from_secs(24 * 3600);
/// How often one that waits looks although nothing has told of a change.
const WAITING: Duration = Duration::from_secs(60);

pub(super) fn answered(approval: &ChangeApproval, answer: Answer) -> Visit<ChangeApprovalStatus> {
    let target = format!("{:?} `{}`", approval.spec.target.kind, approval.spec.target.name);
    let message = match (answer, approval.spec.decision) {
        (Answer::Applied, ApprovalDecision::Approve) => {
            format!(
                "the decision counts: exactly what the {target} holds is applied, once, and candidates are decided on. What came of it is said there."
            )
        }
        (Answer::Applied, ApprovalDecision::Reject) => {
            format!("the plan of the {target} is rejected: nothing of it is applied, and it is not asked for again")
        }
        (Answer::DigestMismatch, _) => format!(
            "no plan with this digest waits for a decision at the {target}; nothing was changed. Take the digest from its \
             status.plan.digest while it is held, and create another ChangeApproval."
        ),
        (Answer::Expired, _) => format!(
            "the plan of the {target} could be decided on only until status.plan.expires; nothing was changed. Create another \
             ChangeApproval for the next plan."
        ),
        (Answer::AlreadyUsed, _) => format!(
            "the plan of the {target} was decided on before, and a decision counts once; nothing was changed. Create another \
             ChangeApproval for the next plan."
        ),
        (Answer::UnknownCandidate, _) => format!(
            "some of spec.candidates had no effect: they wait no longer, or what is proposed for them is not what the {target} proposed. \
             The others were carried out; nothing of its plan was released. List what waits with `joinery candidates`, and create another \
             ChangeApproval."
        ),
        (Answer::PlanOnly, _) => format!(
            "the AppIntegration of the {target} is in mode Plan, in which an approval releases nothing; nothing was changed. Set mode to \
             Enforce, and create another ChangeApproval for what is held then."
        ),
    };
    said(reason(answer), message)
}

fn reason(answer: Answer) -> Reason {
    match answer {
        Answer::Applied => Reason::Applied,
        Answer::DigestMismatch => Reason::DigestMismatch,
        Answer::Expired => Reason::Expired,
        Answer::AlreadyUsed => Reason::AlreadyUsed,
        Answer::PlanOnly => Reason::PlanOnly,
        Answer::UnknownCandidate => Reason::UnknownCandidate,
    }
}

fn said(reason: Reason, message: String) -> Visit<ChangeApprovalStatus> {
    let (outcome, accepted) = match reason {
        Reason::Applied => (
            Outcome::Settled { reason: Reason::Succeeded, message: message.clone(), recheck: OVER },
            ConditionSpec::holds(ConditionType::Accepted, reason, message),
        ),
        _ => (
            Outcome::Invalid { reason, message: message.clone(), recheck: OVER },
            ConditionSpec::fails(ConditionType::Accepted, reason, message),
        ),
    };
    Visit { outcome, conditions: vec![accepted], status: ChangeApprovalStatus::default() }
}

/// An approval that was answered when the store that knew of it was lost or went back in time: used ones stay used (J7).
pub(super) fn remembered(approval: &ChangeApproval) -> Option<Visit<ChangeApprovalStatus>> {
    let accepted = conditions::find(&approval.status.as_ref()?.conditions, ConditionType::Accepted)?;
    let reason = Reason::parse(&accepted.reason).filter(|reason| {
        matches!(
            reason,
            Reason::Applied | Reason::DigestMismatch | Reason::Expired | Reason::AlreadyUsed | Reason::PlanOnly | Reason::UnknownCandidate
        )
    })?;
    Some(said(reason, accepted.message.clone()))
}

pub(super) fn obstacle(obstacle: Obstacle) -> Visit<ChangeApprovalStatus> {
    let unknown = |reason, message: String| {
        let accepted = ConditionSpec::unknown(ConditionType::Accepted, reason, message.clone());
        (Outcome::Waiting { reason, message, after: WAITING }, accepted)
    };
    let (outcome, accepted) = match obstacle {
        Obstacle::NoDigest => {
            let message = "spec.planDigest is no digest: create another ChangeApproval with sha256: and 64 of 0-9 and a-f".to_owned();
            let accepted = ConditionSpec::fails(ConditionType::Accepted, Reason::InvalidSpec, message.clone());
            (Outcome::invalid(Reason::InvalidSpec, message), accepted)
        }
        Obstacle::NoTarget { kind, name } => {
            let message = format!(
                "there is no {kind} `{name}` in this namespace; nothing was changed. Correct spec.target in another ChangeApproval, or \
                 create it: this one is looked at as soon as it is there."
            );
            let accepted = ConditionSpec::fails(ConditionType::Accepted, Reason::TargetNotFound, message.clone());
            (Outcome::Waiting { reason: Reason::TargetNotFound, message, after: WAITING }, accepted)
        }
        Obstacle::NoIntegration { name } => unknown(
            Reason::DependencyNotReady,
            format!("there is no AppIntegration `{name}` in this namespace; create it, and this goes on by itself"),
        ),
        Obstacle::NoPlan => {
            unknown(Reason::Pending, "the target has not made a plan yet; the decision counts by itself as soon as there is one".to_owned())
        }
        Obstacle::Suspended => unknown(
            Reason::Suspended,
            "the AppIntegration is suspended, which no approval lifts: set spec.suspend to false, and the decision counts by itself, if \
             the plan has not expired by then"
                .to_owned(),
        ),
        Obstacle::NoPolicy { name } => unknown(
            Reason::DependencyNotReady,
            format!("no ProvisioningPolicy says how `{name}` is imported; create one with spec.toDirectory, and this goes on by itself"),
        ),
        Obstacle::StoreReplaced { name } => unknown(
            Reason::StoreReplaced,
            format!(
                "the store is not the one that the AppIntegration `{name}` remembers, and nothing is decided on until it is taken up; the \
                 AppIntegration says how to go on"
            ),
        ),
    };
    Visit { outcome, conditions: vec![accepted], status: ChangeApprovalStatus::default() }
}

#[cfg(test)]
mod tests;
