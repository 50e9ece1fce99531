//! An approved plan: what still stands of it is applied, exactly that and once (SG-11).

use super::{
    Early, ImportJob,
    apply::{self, BATCH},
};
use crate::{
    domain::report::{ImportEnd, ImportReport, StopCause},
    engine::RunError,
    store::Released,
};

impl ImportJob {
    /// Applies the approved plan of the run, or goes on with it where a process that died has left it. `None`: there is no
    /// such plan (any more).
    pub async fn run_released(&self) -> Result<Option<ImportReport>, RunError> {
        let Some(released) = self.store.resume_import(&self.rules.integration, &self.object).await? else { return Ok(None) };
        // AI-9: what was linked at another host is not there to be found missing.
        crate::engine::meet_host(self.store.as_ref(), &released.claim, &self.host).await?;
        let mut report = released.report.clone();
        report.end = match self.apply_released(&released, &mut report).await {
            Ok(end) | Err(Early::End(end)) => end,
            Err(Early::Error(error)) => return Err(error),
        };
        report.finished = self.clock.now();
        if let ImportEnd::Stopped { by: by @ (StopCause::Shutdown | StopCause::Changed) } = report.end {
            return Err(RunError::Stopped(by));
        }
        self.store.finish_import(&released.claim, &report).await?;
        tracing::info!(
            target: "audit",
            integration = %self.rules.integration,
            run = released.claim.run.0,
            digest = report.digest.map(tracing::field::display),
            end = ?report.end,
            plan = ?report.plan,
            applied = ?report.applied,
            "approved import ended"
        );
        Ok(Some(report))
    }

    async fn apply_released(&self, released: &Released, report: &mut ImportReport) -> Result<ImportEnd, Early> {
        let Released { claim, applied_to, terms, report: before } = released;
        // Each time it is taken up: the rules and the people may be others than when it was begun.
        self.recheck(claim, applied_to.as_ref()).await?;
        if applied_to.is_none() && before.plan.changes() > 0 {
            self.store.note_changes(claim).await?;
        }
        report.applied.unchanged = report.plan.unchanged;
        let mut after = applied_to.clone();
        loop {
            if let Some(by) = self.stop.cause() {
                let left = self.store.import_actions(claim, after.as_ref(), 1).await?;
                if !left.is_empty() {
                    return Ok(ImportEnd::Stopped { by });
                }
            }
            // An approval holds until it expires, whenever what it released began.
            if report.expires.is_some_and(|expires| expires <= self.clock.now()) {
                return Ok(ImportEnd::ApprovalExpired);
            }
            let Some((counts, last)) = self.store.apply_released_import(claim, after.as_ref(), BATCH, *terms, self.clock.now()).await?
            else {
                return Ok(apply::end(&report.applied));
            };
            report.applied += counts;
            after = Some(last);
        }
    }
}
