//! From an approval and its target to a decision that can be recorded.

use kube::ResourceExt as _;

use super::dereference::{App, Found, Target};
use crate::{
    api::{
        ChangeApproval,
        change_approval::{ApprovalDecision, CandidateChoice, CandidateVerdict},
    },
    domain::{
        approval::{CandidatesDecided, Decision, DecisionRecord},
        candidate::CandidateDecision,
        hash::Digest,
        id::{CandidateId, PersonId},
        import_decision::ImportRules,
    },
};

/// A decision, and where it belongs.
pub(super) struct Valid {
    pub(super) target: Target,
    pub(super) record: DecisionRecord,
    /// Decisions on candidates that are to be carried out first.
    pub(super) candidates: Option<Candidates>,
}

/// Decisions on candidates of the target.
pub(super) enum Candidates {
    /// These.
    Decide { decisions: Vec<CandidateDecision>, rules: Box<ImportRules> },
    /// One of them names what cannot be a candidate or a person.
    Unreadable,
}

/// Why a decision cannot be recorded yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Obstacle {
    /// The digest is none. The schema does not let it in.
    NoDigest,
    /// There is no object of that kind and name.
    NoTarget { kind: String, name: String },
    /// The target's integration is not there.
    NoIntegration { name: String },
    /// The target has not made a plan yet.
    NoPlan,
    /// The integration is suspended.
    Suspended,
    /// Without a policy for imports nobody knows how candidates are decided on.
    NoPolicy { name: String },
    /// The store was replaced.
    StoreReplaced { name: String },
}

/// Candidates count like the plan only by its digest, and only where anything may be changed.
fn candidates(approval: &ChangeApproval, found: &Found, record: &DecisionRecord, name: String) -> Result<Option<Candidates>, Obstacle> {
    let choices = &approval.spec.candidates;
    if choices.is_empty() || record.plan_only || record.decision == Decision::Reject {
        return Ok(None);
    }
    match found.planned {
        None => return Err(Obstacle::NoPlan),
        Some(planned) if planned != record.digest => return Ok(None),
        Some(_) => {}
    }
    let rules = found.rules.clone().ok_or(Obstacle::NoPolicy { name })?;
    let decisions: Option<Vec<CandidateDecision>> = choices.iter().map(choice).collect();
    Ok(Some(decisions.map_or(Candidates::Unreadable, |decisions| Candidates::Decide { decisions, rules: Box::new(rules) })))
}

fn choice(choice: &CandidateChoice) -> Option<CandidateDecision> {
    use crate::domain::candidate::Decision;
    let decision = match choice.decision {
        CandidateVerdict::Exact => Decision::Exact,
        CandidateVerdict::New => Decision::New,
        CandidateVerdict::Existing => Decision::Existing(PersonId::parse(choice.user.as_deref()?)?),
        CandidateVerdict::Activate => Decision::Activate,
        CandidateVerdict::Ignore => Decision::Ignore,
        CandidateVerdict::Unignore => Decision::Unignore,
    };
    Some(CandidateDecision { id: CandidateId::parse(&choice.id)?, decision })
}

pub(super) fn run(approval: &ChangeApproval, found: &Found) -> Result<Valid, Obstacle> {
    let spec = &approval.spec;
    let digest = Digest::parse(&spec.plan_digest).ok_or(Obstacle::NoDigest)?;
    let Some(target) = found.target.clone() else {
        return Err(Obstacle::NoTarget { kind: format!("{:?}", spec.target.kind), name: spec.target.name.clone() });
    };
    let name = target.key.name.as_str().to_owned();
    let decision = match spec.decision {
        ApprovalDecision::Approve => Decision::Approve,
        ApprovalDecision::Reject => Decision::Reject,
    };
    if found.replaced.is_some() {
        return Err(Obstacle::StoreReplaced { name });
    }
    // What an approval does not lift it waits for, as long as it holds; a rejection changes nothing anyway (SG-11).
    match (found.app, decision) {
        (App::Missing, Decision::Approve) => return Err(Obstacle::NoIntegration { name }),
        (App::Suspended, Decision::Approve) => return Err(Obstacle::Suspended),
        _ => {}
    }
    let record = DecisionRecord {
        approval: approval.uid().unwrap_or_default(),
        approver: spec.approver.clone(),
        object: target.uid.clone(),
        digest,
        decision,
        plan_only: found.app == App::PlanOnly,
        candidates: CandidatesDecided::None,
    };
    let candidates = candidates(approval, found, &record, name)?;
    Ok(Valid { target, record, candidates })
}
