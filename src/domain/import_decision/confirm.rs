//! What a decision about a candidate does (MT-8). It gives the same kind of action as an import's own decision.

use super::{
    ImportRules, effective,
    flow::{Turn, flow, merged},
};
use crate::domain::{
    candidate::{CandidateDecision, Decision, DecisionRefusal, PendingReason, ProposalKind, Proposed},
    id::{AppId, PersonId},
    import_plan::{AccountWrite, CandidateWrite, ImportAction, KnownAccount, LinkWrite, PersonWrite},
    link::LinkState,
    matching::{Candidates, PersonHit},
    person::PersonState,
};

/// How things stand with a candidate when it is decided about.
#[derive(Clone, Copy, Debug)]
pub struct Standing<'a> {
    /// The record.
    pub app_id: &'a AppId,
    /// What was proposed.
    pub proposed: &'a Proposed,
    /// What is known of the record's account.
    pub known: Option<&'a KnownAccount>,
    /// The person that is proposed or, for `Existing`, named.
    pub person: Option<&'a PersonHit>,
}

/// What the decision does to account, link and person; `None`: nothing, it is about the queue alone.
///
/// Whether the username is free and nobody else has the person or the account is for the store to see when the action is
/// applied, as with an import's own actions.
pub fn confirm(decision: CandidateDecision, standing: Standing<'_>, rules: &ImportRules) -> Result<Option<ImportAction>, DecisionRefusal> {
    let linked = standing.known.filter(|known| known.link.state != LinkState::EndedByRemoval);
    let activation = standing.proposed.kind == ProposalKind::Activation;
    let action = match (decision.decision, linked) {
        (Decision::Ignore | Decision::Unignore, _) => return Ok(None),
        (Decision::Exact | Decision::Activate, Some(known)) if activation => activate_linked(standing, known, rules)?,
        (Decision::Exact | Decision::Activate, None) if activation => activate_unlinked(standing, rules)?,
        (Decision::Exact, None) if matches!(standing.proposed.kind, ProposalKind::Exact | ProposalKind::Partial) => {
            link(standing, DecisionRefusal::Impossible, rules)?
        }
        (Decision::Existing(_), None) => link(standing, DecisionRefusal::NoSuchPerson, rules)?,
        (Decision::New, None) => create(standing, rules),
        (Decision::Exact | Decision::Activate, _) => return Err(DecisionRefusal::NotFitting),
        // It has come to a link since it was proposed, or its matter is not whose record it is.
        (Decision::New | Decision::Existing(_), Some(_)) => return Err(DecisionRefusal::NotFitting),
    };
    Ok(Some(action))
}

/// The next import looks at the record again, changed or not: it knows whether anything is left to be decided.
fn seen(active: bool) -> AccountWrite {
    AccountWrite::Seen { hash: None, active }
}

fn decided(standing: Standing<'_>, account: AccountWrite, person: PersonWrite) -> ImportAction {
    ImportAction { account, person, candidate: CandidateWrite::Remove, ..ImportAction::keep(standing.app_id.clone()) }
}

fn create(standing: Standing<'_>, rules: &ImportRules) -> ImportAction {
    let id = PersonId::derive(&rules.integration, standing.app_id);
    let state = if rules.confirmation.activate_new { PersonState::Active } else { PersonState::Staged };
    let profile = standing.proposed.record.profile.clone();
    ImportAction { link: LinkWrite::Create { person: id }, ..decided(standing, seen(true), PersonWrite::Create { id, state, profile }) }
}

fn link(standing: Standing<'_>, unless_there: DecisionRefusal, rules: &ImportRules) -> Result<ImportAction, DecisionRefusal> {
    let hit = standing.person.ok_or(unless_there)?;
    if hit.linked_here {
        return Err(DecisionRefusal::Impossible);
    }
    let (mut write, mut active) = (PersonWrite::Keep, true);
    if let Some(sourcing) = rules.sourcing.filter(|_| !hit.sourced_elsewhere) {
        let flow = flow(&hit.person, &standing.proposed.record, Turn::Arrived, sourcing, Candidates::default(), rules);
        // Whose record it is has been decided, not whether the person may come back: that is asked next.
        active = !flow.return_open && flow.pending != Some(PendingReason::Reactivation);
        write = flow.person;
    }
    Ok(ImportAction { link: LinkWrite::Create { person: hit.person.id }, ..decided(standing, seen(active), write) })
}

fn activate_unlinked(standing: Standing<'_>, rules: &ImportRules) -> Result<ImportAction, DecisionRefusal> {
    let hit = standing.person.ok_or(DecisionRefusal::Impossible)?;
    if hit.linked_here || hit.person.state == PersonState::Active {
        return Err(DecisionRefusal::Impossible);
    }
    let profile = merged(&hit.person.profile, &standing.proposed.record, rules.push_null_values);
    let says = rules.sourcing.is_some() && !hit.sourced_elsewhere && profile != hit.person.profile;
    let person = PersonWrite::change(hit.person.id, says.then_some(profile), Some(PersonState::Active));
    Ok(ImportAction { link: LinkWrite::Create { person: hit.person.id }, ..decided(standing, seen(true), person) })
}

fn activate_linked(standing: Standing<'_>, known: &KnownAccount, rules: &ImportRules) -> Result<ImportAction, DecisionRefusal> {
    let person = &known.person;
    if Some(person.id) != standing.proposed.person || person.state == PersonState::Active {
        return Err(DecisionRefusal::Impossible);
    }
    let profile = merged(&person.profile, &standing.proposed.record, rules.push_null_values);
    let says = effective(known, rules).is_some() && profile != person.profile;
    let write = PersonWrite::change(person.id, says.then_some(profile), Some(PersonState::Active));
    Ok(decided(standing, seen(true), write))
}
