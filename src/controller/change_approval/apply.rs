//! Records the decision, and tells whoever holds the plan.

use super::{
    dereference::Target,
    validate::{Candidates, Valid},
};
use crate::{
    controller::{context::Context, driver::Error, streams::Source},
    domain::approval::{Answer, CandidatesDecided, DecisionRecord},
    engine::import,
    store::{Decisions, Ruling},
};

async fn decide(candidates: &Candidates, target: &Target, record: &DecisionRecord, cx: &Context) -> Result<CandidatesDecided, Error> {
    let Candidates::Decide { decisions, rules } = candidates else { return Ok(CandidatesDecided::Some) };
    let decisions = Decisions { object: &record.approval, import: &record.object, decisions, rules };
    let report = import::decide_candidates(cx.store()?.as_ref(), decisions, cx.clock.now()).await?;
    if report.applied.changes() > 0 {
        cx.tell(Source::Directory, &target.key);
    }
    cx.tell(Source::Job, &target.key);
    Ok(if report.refused() == 0 { CandidatesDecided::All } else { CandidatesDecided::Some })
}

/// What came of the decision; `None`: its target has not made a plan yet.
pub(super) async fn run(valid: Valid, cx: &Context) -> Result<Option<Answer>, Error> {
    let Valid { target, mut record, candidates } = valid;
    if let Some(candidates) = candidates {
        // First, and again after a crash: the same object never decides twice, and its answer is final.
        record.candidates = decide(&candidates, &target, &record, cx).await?;
    }
    let record = &record;
    match cx.store()?.decide(&target.key, target.direction, record, cx.clock.now()).await? {
        Ruling::NotYet => Ok(None),
        Ruling::Answered { answer, new: false } => Ok(Some(answer)),
        Ruling::Answered { answer, new: true } => {
            tracing::info!(
                target: "audit",
                integration = %target.key,
                direction = target.direction.as_str(),
                object = record.object,
                approval = record.approval,
                digest = %record.digest,
                decision = record.decision.as_str(),
                answer = answer.as_str(),
                "decision"
            );
            cx.tell(Source::ChangeApproval, &target.key);
            Ok(Some(answer))
        }
    }
}
