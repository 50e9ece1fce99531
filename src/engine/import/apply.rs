//! Apply: the plan in key ranges, each in one transaction of the store.

use super::{Early, ImportJob, Planned};
use crate::{
    domain::{
        counts::ImportCounts,
        id::AppId,
        report::{ImportEnd, StopCause},
    },
    store::Claim,
};

/// How many actions go into one transaction: some 100 ms, so that no other app's journal waits long.
pub(super) const BATCH: u32 = 2000;

/// What a plan that was gone through has come to.
pub(super) fn end(applied: &ImportCounts) -> ImportEnd {
    if applied.failed > 0 {
        ImportEnd::PartiallyApplied
    } else if applied.changes() == 0 {
        ImportEnd::NothingToDo
    } else {
        ImportEnd::Applied
    }
}

impl ImportJob {
    /// Applies the plan until it is done or the run has to stop; gives the cause if something is left.
    pub(super) async fn apply(&self, claim: &Claim, planned: &Planned, applied: &mut ImportCounts) -> Result<Option<StopCause>, Early> {
        *applied = ImportCounts { unchanged: planned.counts.unchanged, ..ImportCounts::default() };
        if planned.rows == 0 {
            return Ok(None);
        }
        if planned.counts.changes() > 0 {
            self.store.note_changes(claim).await?;
        }
        let mut after: Option<AppId> = None;
        loop {
            if let Some(by) = self.stop.cause() {
                let left = self.store.import_actions(claim, after.as_ref(), 1).await?;
                return Ok((!left.is_empty()).then_some(by));
            }
            let decided_under = self.decided_under();
            let Some((counts, last)) = self.store.apply_import(claim, after.as_ref(), BATCH, decided_under, self.clock.now()).await? else {
                return Ok(None);
            };
            *applied += counts;
            after = Some(last);
        }
    }
}
