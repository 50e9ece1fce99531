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
    let linked = standing.known.filter(|known| matches!(known.link.state, LinkState::Live | LinkState::EndedByAbsence));
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
    let live = known.link.state == LinkState::Live;
    if !live || Some(person.id) != standing.proposed.person || person.state == PersonState::Active {
        return Err(DecisionRefusal::Impossible);
    }
    let profile = merged(&person.profile, &standing.proposed.record, rules.push_null_values);
    let says = effective(known, rules).is_some() && profile != person.profile;
    let write = PersonWrite::change(person.id, says.then_some(profile), Some(PersonState::Active));
    Ok(decided(standing, seen(true), write))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{hit, id, known, person, profile, reactivating, rules};
    use super::*;
    use crate::domain::{
        id::CandidateId,
        import_plan::MappedRecord,
        person::PersonState::{Active, Deactivated, Staged, Suspended},
    };

    const KINDS: [ProposalKind; 6] = [
        ProposalKind::Exact,
        ProposalKind::Partial,
        ProposalKind::New,
        ProposalKind::Ambiguous,
        ProposalKind::Activation,
        ProposalKind::Update,
    ];

    fn proposed(kind: ProposalKind, title: &str) -> Proposed {
        let record = MappedRecord { profile: profile("ada", title), cleared: Vec::new() };
        let id_of_record = CandidateId::derive(&rules().integration, &AppId::new("ada"));
        Proposed { id: id_of_record, kind, person: Some(id("ada")), reason: PendingReason::ExactMatchManual, record }
    }

    fn confirmed(
        decision: Decision,
        proposed: &Proposed,
        known: Option<&KnownAccount>,
        person: Option<&PersonHit>,
        rules: &ImportRules,
    ) -> Result<Option<ImportAction>, DecisionRefusal> {
        let standing = Standing { app_id: &AppId::new("ada"), proposed, known, person };
        confirm(CandidateDecision { id: proposed.id, decision }, standing, rules)
    }

    fn away(state: PersonState) -> PersonHit {
        PersonHit { person: person("ada", state), ..hit("ada") }
    }

    #[test]
    fn mt8_each_decision_fits_some_proposals_and_no_others() {
        for (index, kind) in KINDS.into_iter().enumerate() {
            let link = kind == ProposalKind::Exact || kind == ProposalKind::Partial;
            let activation = kind == ProposalKind::Activation;
            for (decision, unlinked, linked) in [
                (Decision::Exact, link || activation, activation),
                (Decision::Activate, activation, activation),
                (Decision::New, true, false),
                (Decision::Existing(id("ada")), true, false),
                (Decision::Ignore, true, true),
                (Decision::Unignore, true, true),
            ] {
                let (proposed, left, account) = (proposed(kind, "clerk"), away(Suspended), known("ada", Suspended, false));
                let fits = |known| confirmed(decision, &proposed, known, Some(&left), &rules()) != Err(DecisionRefusal::NotFitting);
                assert_eq!((fits(None), fits(Some(&account))), (unlinked, linked), "{decision:?} of {kind:?}, {index}");
            }
        }
    }

    #[test]
    fn mt8_decisions_do_what_an_import_would() {
        let exact = proposed(ProposalKind::Exact, "boss");
        let to = |decision, proposed: &Proposed, hit: &PersonHit, rules: &ImportRules| {
            let action = confirmed(decision, proposed, None, Some(hit), rules).unwrap().unwrap();
            assert_eq!((action.candidate.clone(), action.removes), (CandidateWrite::Remove, false));
            let AccountWrite::Seen { hash: None, active } = action.account else { panic!("{action:?}") };
            (action.link, action.person, active)
        };
        let linked = LinkWrite::Create { person: id("ada") };
        let flows = PersonWrite::change(id("ada"), Some(profile("ada", "boss")), None);
        assert_eq!(to(Decision::Exact, &exact, &hit("ada"), &rules()), (linked, flows, true), "attributes flow (SO-2)");
        let elsewhere = PersonHit { sourced_elsewhere: true, ..hit("ada") };
        assert_eq!(to(Decision::Exact, &exact, &elsewhere, &rules()), (linked, PersonWrite::Keep, true));
        let no_source = ImportRules { sourcing: None, ..rules() };
        assert_eq!(to(Decision::Exact, &exact, &hit("ada"), &no_source), (linked, PersonWrite::Keep, true));
        // Whose record it is says nothing of whether they may come back.
        for (state, rules) in [(Deactivated, rules()), (Suspended, reactivating())] {
            assert_eq!(to(Decision::Exact, &exact, &away(state), &rules), (linked, PersonWrite::Keep, false), "{state:?}");
        }
        let activation = proposed(ProposalKind::Activation, "boss");
        let back = PersonWrite::change(id("ada"), Some(profile("ada", "boss")), Some(Active));
        assert_eq!(to(Decision::Activate, &activation, &away(Suspended), &rules()), (linked, back, true));
        let bare = PersonWrite::change(id("ada"), None, Some(Active));
        assert_eq!(to(Decision::Exact, &activation, &away(Deactivated), &no_source), (linked, bare, true));
        for (activate_new, state) in [(true, Active), (false, Staged)] {
            let confirmation = super::super::Confirmation { activate_new, ..rules().confirmation };
            let create = PersonWrite::Create { id: id("ada"), state, profile: profile("ada", "boss") };
            let rules = ImportRules { confirmation, ..rules() };
            assert_eq!(to(Decision::New, &exact, &hit("ada"), &rules), (linked, create, true));
        }
    }

    #[test]
    fn mt8_what_has_become_impossible_is_refused() {
        let exact = proposed(ProposalKind::Exact, "clerk");
        let linked_here = PersonHit { linked_here: true, ..hit("ada") };
        for (decision, person, expected) in [
            (Decision::Exact, Some(&linked_here), DecisionRefusal::Impossible),
            (Decision::Existing(id("ada")), Some(&linked_here), DecisionRefusal::Impossible),
            (Decision::Existing(id("ada")), None, DecisionRefusal::NoSuchPerson),
            (Decision::Exact, None, DecisionRefusal::Impossible),
        ] {
            assert_eq!(confirmed(decision, &exact, None, person, &rules()), Err(expected), "{decision:?}");
        }
        let activation = proposed(ProposalKind::Activation, "clerk");
        let impossible = Err(DecisionRefusal::Impossible);
        let here = hit("ada");
        assert_eq!(confirmed(Decision::Activate, &activation, None, Some(&here), &rules()), impossible, "active by now");
        let active = known("ada", Active, true);
        assert_eq!(confirmed(Decision::Activate, &activation, Some(&active), None, &rules()), impossible, "active by now");
        let other = known("bob", Suspended, true);
        assert_eq!(confirmed(Decision::Activate, &activation, Some(&other), None, &rules()), impossible, "somebody else's by now");
        let mut gone = known("ada", Suspended, true);
        gone.link.state = LinkState::EndedByAbsence;
        assert_eq!(confirmed(Decision::Activate, &activation, Some(&gone), None, &rules()), impossible, "gone");
    }

    #[test]
    fn mt8_an_account_whose_access_was_ended_goes_to_whom_somebody_names() {
        let mut removed = known("ada", Active, false);
        removed.link.state = LinkState::EndedByRemoval;
        let exact = proposed(ProposalKind::Exact, "clerk");
        for (decision, hit) in [(Decision::Exact, hit("ada")), (Decision::Existing(id("bob")), hit("bob"))] {
            let no_source = ImportRules { sourcing: None, ..rules() };
            let action = confirmed(decision, &exact, Some(&removed), Some(&hit), &no_source).unwrap().unwrap();
            assert_eq!(action.link, LinkWrite::Create { person: hit.person.id });
        }
    }
}
