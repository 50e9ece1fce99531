//! Records without a link: matched, then linked, created or put into the queue (TD-5, TD-6, MT-1 to MT-7).

use super::{
    Evidence, ImportRules,
    flow::{Flow, Turn, flow},
    settled,
};
use crate::domain::{
    id::PersonId,
    import_plan::{AccountWrite, CandidateWrite, ImportAction, KnownAccount, LinkWrite, MappedRecord, PendingReason, PersonWrite},
    matching::{PersonHit, Proposal, propose},
    person::PersonState,
};

/// Decides about a record that has no link.
pub(super) fn decide(evidence: Evidence<'_>, rules: &ImportRules) -> ImportAction {
    let mapped = match readable(evidence) {
        Ok(mapped) => mapped,
        Err(action) => return *action,
    };
    match propose(mapped, evidence.candidates, rules.matching) {
        Proposal::Ambiguous => pending(evidence, None, PendingReason::Ambiguous),
        Proposal::Exact(_) if record_is_one_of_several(evidence, rules) => pending(evidence, None, PendingReason::Ambiguous),
        Proposal::Exact(hit) => exact(evidence, mapped, hit, rules),
        // Two records that would become people with one username, or that one person would be found by.
        Proposal::New if evidence.user_name_twice || record_is_one_of_several(evidence, rules) => {
            pending(evidence, None, PendingReason::Ambiguous)
        }
        Proposal::New => new(evidence, mapped, rules),
    }
}

/// Decides about a record whose access Joinery has removed. It does not find its way back to anybody by itself: neither to
/// the person whose account it was (MT-1) nor to somebody else (TA-4).
pub(super) fn formerly(evidence: Evidence<'_>, known: &KnownAccount) -> ImportAction {
    match readable(evidence) {
        Ok(_) => pending(evidence, Some(known.person.id), PendingReason::AlreadyLinked),
        Err(action) => *action,
    }
}

/// The mapped record, or what becomes of one that is inactive (TD-5) or could not be mapped.
fn readable(evidence: Evidence<'_>) -> Result<&MappedRecord, Box<ImportAction>> {
    let staged = &evidence.row.staged;
    let left_as_it_is = ImportAction { candidate: settled(evidence.row), ..ImportAction::keep(staged.app_id.clone()) };
    match &staged.mapped {
        _ if !staged.active => Err(Box::new(ImportAction { ignored: true, ..left_as_it_is })),
        Ok(mapped) => Ok(mapped),
        Err(failure) => Err(Box::new(ImportAction { failed: Some(*failure), ..left_as_it_is })),
    }
}

/// Several records that one person would be found by (MT-5). Told by one criterion alone, which at worst lets a record
/// wait that could have been linked.
fn record_is_one_of_several(evidence: Evidence<'_>, rules: &ImportRules) -> bool {
    (rules.matching.user_name && evidence.user_name_twice) || (rules.matching.email && evidence.email_twice)
}

fn exact(evidence: Evidence<'_>, mapped: &MappedRecord, hit: &PersonHit, rules: &ImportRules) -> ImportAction {
    let person = hit.person.id;
    if hit.linked_here {
        return pending(evidence, Some(person), PendingReason::AlreadyLinked);
    }
    if !rules.confirmation.exact_automatic {
        return pending(evidence, Some(person), PendingReason::ExactMatchManual);
    }
    let flow = match rules.sourcing.filter(|_| !hit.sourced_elsewhere) {
        Some(sourcing) => flow(&hit.person, mapped, Turn::Arrived, sourcing, evidence, rules),
        None => Flow { person: PersonWrite::Keep, pending: None, return_open: false },
    };
    match flow.pending {
        // The record stays without a link: who accepts it later finds everything as it was.
        Some(reason) => pending(evidence, Some(person), reason),
        None => link(evidence, person, flow.person, !flow.return_open),
    }
}

fn new(evidence: Evidence<'_>, mapped: &MappedRecord, rules: &ImportRules) -> ImportAction {
    let staged = &evidence.row.staged;
    // TD-6: unique whatever `caseSensitive` says. Somebody who gives the name up in this import still has it.
    if !evidence.candidates.by_user_name.is_empty() {
        return pending(evidence, None, PendingReason::UserNameTaken);
    }
    let id = PersonId::derive(&rules.integration, &staged.app_id);
    // The person whom this record once created, and who is somebody else's match by now, is not created again.
    if evidence.candidates.by_email.iter().any(|hit| hit.person.id == id) {
        return pending(evidence, Some(id), PendingReason::AlreadyLinked);
    }
    if !rules.confirmation.new_automatic {
        return pending(evidence, None, PendingReason::NewPersonManual);
    }
    let state = if rules.confirmation.activate_new { PersonState::Active } else { PersonState::Staged };
    link(evidence, id, PersonWrite::Create { id, state, profile: mapped.profile.clone() }, true)
}

fn link(evidence: Evidence<'_>, person: PersonId, write: PersonWrite, active: bool) -> ImportAction {
    let staged = &evidence.row.staged;
    ImportAction {
        account: AccountWrite::Seen { hash: Some(staged.hash), active },
        link: LinkWrite::Create { person },
        person: write,
        candidate: settled(evidence.row),
        ..ImportAction::keep(staged.app_id.clone())
    }
}

fn pending(evidence: Evidence<'_>, proposal: Option<PersonId>, reason: PendingReason) -> ImportAction {
    ImportAction { candidate: CandidateWrite::Put { proposal, reason }, ..ImportAction::keep(evidence.row.staged.app_id.clone()) }
}
