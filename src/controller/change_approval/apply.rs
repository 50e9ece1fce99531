//! Records the decision, and tells whoever holds the plan.

use super::validate::Valid;
use crate::{
    controller::{context::Context, driver::Error, streams::Source},
    domain::approval::Answer,
    store::Ruling,
};

/// What came of the decision; `None`: its target has not made a plan yet.
pub(super) async fn run(valid: &Valid, cx: &Context) -> Result<Option<Answer>, Error> {
    let Valid { target, record } = valid;
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
