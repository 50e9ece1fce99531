//! From an approval and its target to a decision that can be recorded.

use kube::ResourceExt as _;

use super::dereference::{App, Found, Target};
use crate::{
    api::{ChangeApproval, change_approval::ApprovalDecision},
    domain::{
        approval::{Decision, DecisionRecord},
        hash::Digest,
    },
};

/// A decision, and where it belongs.
pub(super) struct Valid {
    pub(super) target: Target,
    pub(super) record: DecisionRecord,
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
    /// The store was replaced.
    StoreReplaced { name: String },
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
    };
    Ok(Valid { target, record })
}
