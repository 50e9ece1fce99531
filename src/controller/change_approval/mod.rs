//! ChangeApproval: one decision on one held plan. What it releases is applied by the run or the policy that holds the plan.

use std::sync::Arc;

use super::{
    context::Context,
    driver::{Error, Visit},
    kind::{Kind, status_access},
    streams::Source,
};
use crate::api::{ChangeApproval, ChangeApprovalStatus, Reason, change_approval::ApprovalDecision, conditions::Status};

mod apply;
mod dereference;
mod status;
mod validate;

pub(crate) async fn reconcile(approval: Arc<ChangeApproval>, cx: Arc<Context>) -> Result<Visit<ChangeApprovalStatus>, Error> {
    if let Some(answer) = dereference::answer(&approval, &cx).await? {
        return Ok(status::answered(&approval, answer));
    }
    if let Some(visit) = status::remembered(&approval) {
        return Ok(visit);
    }
    let found = dereference::run(&approval, &cx).await?;
    let valid = match validate::run(&approval, &found) {
        Ok(valid) => valid,
        Err(obstacle) => return Ok(status::obstacle(obstacle)),
    };
    Ok(match apply::run(valid, &cx).await? {
        Some(answer) => status::answered(&approval, answer),
        None => status::obstacle(validate::Obstacle::NoPlan),
    })
}

impl Kind for ChangeApproval {
    type Status = ChangeApprovalStatus;

    const KIND: &'static str = "ChangeApproval";
    const SOURCE: Source = Source::ChangeApproval;

    fn depends_on(source: Source) -> bool {
        match source {
            Source::AppIntegration | Source::ProvisioningPolicy | Source::ImportRun | Source::Job | Source::Store => true,
            Source::AttributeMapping | Source::ImportSchedule | Source::ChangeApproval | Source::Directory | Source::DirectorySettings => {
                false
            }
        }
    }

    /// Its target's, which the spec does not say.
    fn integration(&self) -> String {
        String::new()
    }

    /// What was answered stays answered.
    fn needs_store(&self) -> bool {
        status::remembered(self).is_none()
    }

    fn event_reason(&self, ready: Status, reason: Reason) -> String {
        match (ready, self.spec.decision) {
            (Status::True, ApprovalDecision::Approve) => "Approved".to_owned(),
            (Status::True, ApprovalDecision::Reject) => Reason::Rejected.to_string(),
            _ => reason.to_string(),
        }
    }

    status_access!();
}

/// What is said of an approval of something that is not there.
#[cfg(test)]
pub(super) fn judge(approval: &ChangeApproval) -> Visit<ChangeApprovalStatus> {
    match validate::run(approval, &dereference::Found::nothing()) {
        Ok(_) => unreachable!("its target is not there"),
        Err(obstacle) => status::obstacle(obstacle),
    }
}
