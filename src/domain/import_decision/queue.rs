//! What a record that waits says about itself (MT-5 to MT-8).

use super::{Evidence, ImportRules};
use crate::domain::{
    candidate::{PendingReason, ProposalKind, Proposed, Queued},
    id::{CandidateId, PersonId},
    import_plan::{CandidateWrite, ImportAction, MappedRecord, StagedRow},
};

/// The record waits.
pub(super) fn put(
    evidence: Evidence<'_>,
    mapped: &MappedRecord,
    (kind, person, reason): (ProposalKind, Option<PersonId>, PendingReason),
    rules: &ImportRules,
) -> CandidateWrite {
    let id = CandidateId::derive(&rules.integration, &evidence.row.staged.app_id);
    CandidateWrite::Put(Box::new(Proposed { id, kind, person, reason, record: mapped.clone() }))
}

/// A record without link waits, and nothing else happens.
pub(super) fn pending(
    evidence: Evidence<'_>,
    mapped: &MappedRecord,
    proposal: (ProposalKind, Option<PersonId>, PendingReason),
    rules: &ImportRules,
) -> ImportAction {
    ImportAction {
        candidate: put(evidence, mapped, proposal, rules),
        ignored: evidence.row.queued == Queued::Ignored,
        ..ImportAction::keep(evidence.row.staged.app_id.clone())
    }
}

/// A record that is decided waits no longer.
pub(super) fn settled(row: &StagedRow) -> CandidateWrite {
    if row.queued == Queued::Not { CandidateWrite::Keep } else { CandidateWrite::Remove }
}

/// A record that cannot be decided about just now does not wait either; one that is ignored stays so (MT-8).
pub(super) fn set_aside(row: &StagedRow) -> CandidateWrite {
    if row.queued == Queued::Pending { CandidateWrite::Remove } else { CandidateWrite::Keep }
}
