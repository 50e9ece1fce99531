//! Records without a link: matched, then linked, created or put into the queue (TD-5, TD-6, MT-1 to MT-7).

use super::{
    Confirmation, Evidence, ImportRules,
    flow::{Flow, Turn, flow},
    queue::{pending, put, set_aside, settled},
};
use crate::domain::{
    candidate::{PendingReason, ProposalKind, Queued},
    id::PersonId,
    import_plan::{AccountWrite, ImportAction, KnownAccount, LinkWrite, MappedRecord, PersonWrite},
    matching::{PersonHit, Proposal, propose},
    person::PersonState,
};

/// Decides about a record that has no link.
pub(super) fn decide(evidence: Evidence<'_>, rules: &ImportRules) -> ImportAction {
    let mapped = match readable(evidence) {
        Ok(mapped) => mapped,
        Err(action) => return *action,
    };
    // MT-8: matched like the others, so that its proposal is up to date, and by nobody's leave linked.
    let confirmation = if evidence.row.queued == Queued::Ignored { Confirmation::default() } else { rules.confirmation };
    let ambiguous = || pending(evidence, mapped, (ProposalKind::Ambiguous, None, PendingReason::Ambiguous), rules);
    match propose(mapped, evidence.candidates, &rules.matching) {
        Proposal::Ambiguous => ambiguous(),
        Proposal::Exact(_) if record_is_one_of_several(evidence, rules) => ambiguous(),
        Proposal::Partial(_) if evidence.twice.names || evidence.claimed || record_is_one_of_several(evidence, rules) => ambiguous(),
        // Two records that would become people with one username, or that one person would be found by.
        Proposal::New if evidence.twice.user_name || evidence.twice.names || record_is_one_of_several(evidence, rules) => ambiguous(),
        Proposal::Exact(hit) => {
            let manual = (!confirmation.exact_automatic).then_some(PendingReason::ExactMatchManual);
            matched(evidence, mapped, (ProposalKind::Exact, hit, manual), rules)
        }
        Proposal::Partial(hit) => {
            let manual = (!confirmation.partial_automatic).then_some(PendingReason::PartialMatchManual);
            matched(evidence, mapped, (ProposalKind::Partial, hit, manual), rules)
        }
        Proposal::New => new(evidence, mapped, confirmation, rules),
    }
}

/// Decides about a record whose access Joinery has removed. It does not find its way back to anybody by itself: neither to
/// the person whose account it was (MT-1) nor to somebody else (TA-4).
pub(super) fn formerly(evidence: Evidence<'_>, known: &KnownAccount, rules: &ImportRules) -> ImportAction {
    match readable(evidence) {
        Ok(mapped) => pending(evidence, mapped, (ProposalKind::Exact, Some(known.person.id), PendingReason::AccessRemoved), rules),
        Err(action) => *action,
    }
}

/// Decides about a record whose id is linked at another host and that does not show itself to be that account (AI-9): it is
/// matched like any other. The person whom its id once created is not created a second time.
pub(super) fn unproven(evidence: Evidence<'_>, known: &KnownAccount, rules: &ImportRules) -> ImportAction {
    let action = decide(evidence, rules);
    match (&action.person, readable(evidence)) {
        (PersonWrite::Create { id, .. }, Ok(mapped)) if *id == known.person.id => {
            pending(evidence, mapped, (ProposalKind::Exact, Some(*id), PendingReason::AlreadyLinked), rules)
        }
        _ => action,
    }
}

/// The mapped record, or what becomes of one that is inactive (TD-5) or could not be mapped.
fn readable(evidence: Evidence<'_>) -> Result<&MappedRecord, Box<ImportAction>> {
    let staged = &evidence.row.staged;
    let left_as_it_is = ImportAction { candidate: set_aside(evidence.row), ..ImportAction::keep(staged.app_id.clone()) };
    match &staged.mapped {
        _ if !staged.active => Err(Box::new(ImportAction { ignored: true, ..left_as_it_is })),
        Ok(mapped) => Ok(mapped),
        Err(failure) => Err(Box::new(ImportAction { failed: Some(*failure), ..left_as_it_is })),
    }
}

/// Several records that one person would be found by (MT-5). Told by one criterion alone, which at worst lets a record
/// wait that could have been linked.
fn record_is_one_of_several(evidence: Evidence<'_>, rules: &ImportRules) -> bool {
    let (matching, twice) = (&rules.matching, evidence.twice);
    match &matching.attribute {
        Some(_) => twice.attribute,
        None => (matching.user_name && twice.user_name) || (matching.email && twice.email),
    }
}

/// One person; `manual` says why somebody has to confirm it.
fn matched(
    evidence: Evidence<'_>,
    mapped: &MappedRecord,
    (kind, hit, manual): (ProposalKind, &PersonHit, Option<PendingReason>),
    rules: &ImportRules,
) -> ImportAction {
    let person = hit.person.id;
    if hit.linked_here {
        return pending(evidence, mapped, (kind, Some(person), PendingReason::AlreadyLinked), rules);
    }
    if let Some(manual) = manual {
        return pending(evidence, mapped, (kind, Some(person), manual), rules);
    }
    let flow = match rules.sourcing.filter(|_| !hit.sourced_elsewhere) {
        Some(sourcing) => flow(&hit.person, mapped, Turn::Arrived, sourcing, evidence.candidates, rules),
        None => Flow { person: PersonWrite::Keep, pending: None, return_open: false },
    };
    match flow.pending {
        // The record stays without a link: who accepts it later finds everything as it was.
        Some(PendingReason::Reactivation) => {
            pending(evidence, mapped, (ProposalKind::Activation, Some(person), PendingReason::Reactivation), rules)
        }
        Some(reason) => pending(evidence, mapped, (kind, Some(person), reason), rules),
        None => link(evidence, mapped, (person, hit.person.state), (flow.person, !flow.return_open), rules),
    }
}

fn new(evidence: Evidence<'_>, mapped: &MappedRecord, confirmation: Confirmation, rules: &ImportRules) -> ImportAction {
    let staged = &evidence.row.staged;
    // TD-6: unique whatever `caseSensitive` says. Somebody who gives the name up in this import still has it.
    if !evidence.candidates.by_user_name.is_empty() {
        return pending(evidence, mapped, (ProposalKind::New, None, PendingReason::UserNameTaken), rules);
    }
    let id = PersonId::derive(&rules.integration, &staged.app_id);
    // The person whom this record once created, and who is somebody else's match by now, is not created again.
    let candidates = evidence.candidates;
    if [candidates.by_email, candidates.by_attribute, candidates.by_names].into_iter().flatten().any(|hit| hit.person.id == id) {
        return pending(evidence, mapped, (ProposalKind::Exact, Some(id), PendingReason::AlreadyLinked), rules);
    }
    if !confirmation.new_automatic {
        return pending(evidence, mapped, (ProposalKind::New, None, PendingReason::NewPersonManual), rules);
    }
    let state = if confirmation.activate_new { PersonState::Active } else { PersonState::Staged };
    let create = PersonWrite::Create { id, state, profile: mapped.profile.clone() };
    link(evidence, mapped, (id, state), (create, true), rules)
}

fn link(
    evidence: Evidence<'_>,
    mapped: &MappedRecord,
    (person, state): (PersonId, PersonState),
    (write, active): (PersonWrite, bool),
    rules: &ImportRules,
) -> ImportAction {
    let staged = &evidence.row.staged;
    let is_staged = state == PersonState::Staged;
    ImportAction {
        // MT-6: what is pending is looked at in each import, changed or not.
        account: AccountWrite::Seen { hash: (!is_staged).then_some(staged.hash), active },
        link: LinkWrite::Create { person },
        person: write,
        candidate: match is_staged {
            true => put(evidence, mapped, (ProposalKind::Activation, Some(person), PendingReason::Staged), rules),
            false => settled(evidence.row),
        },
        ..ImportAction::keep(staged.app_id.clone())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{
        Confirmation, Twice, decide,
        testing::{among, decided, hit, id, linked, manual, person, proposal, reactivating, record, rules},
    };
    use super::*;
    use crate::domain::{
        import_plan::{CandidateWrite, RecordFailure, StagedRow},
        link::LinkState,
        matching::{Candidates, MatchingRules},
        person::{
            Person,
            PersonState::{Active, Deactivated, Staged, Suspended},
        },
    };

    /// The record waits, and nothing else becomes of it.
    fn waits(action: &ImportAction, expected: (ProposalKind, Option<PersonId>, PendingReason), why: &str) {
        assert_eq!(proposal(&action.candidate), Some(expected), "{why}");
        let rest = ImportAction { candidate: CandidateWrite::Keep, ..action.clone() };
        assert_eq!(rest, ImportAction::keep(action.app_id.clone()), "{why}");
    }

    #[test]
    fn an_inactive_record_is_ignored_and_an_unmapped_one_fails() {
        let ignored = decided(&record("ada").inactive().waiting(), &[hit("ada")], &rules());
        assert!(ignored.ignored && ignored.candidate == CandidateWrite::Remove && !ignored.changes_directory());
        let failed = decided(&record("ada").unmapped(), &[hit("ada")], &rules());
        assert_eq!(failed.failed, Some(RecordFailure::Mapping));
        assert_eq!(failed.account, AccountWrite::Keep, "an unlinked record has no account");
    }

    #[test]
    fn a_new_person_is_created_active_or_staged() {
        for (activate_new, state) in [(true, Active), (false, Staged)] {
            let confirmation = Confirmation { activate_new, ..rules().confirmation };
            let action = decided(&record("ada").waiting(), &[], &ImportRules { confirmation, ..rules() });
            let PersonWrite::Create { id: created, state: given, profile } = &action.person else { panic!("{action:?}") };
            assert_eq!((*created, *given, profile.user_name()), (id("ada"), state, Some("ada")));
            assert_eq!(action.link, LinkWrite::Create { person: id("ada") });
            // Whoever is Staged waits for activation (MT-8), and is looked at in each import (MT-6).
            let waits = (state == Staged).then_some((ProposalKind::Activation, Some(id("ada")), PendingReason::Staged));
            assert_eq!((proposal(&action.candidate), action.candidate == CandidateWrite::Remove), (waits, waits.is_none()));
            assert!(matches!(action.account, AccountWrite::Seen { hash, active: true } if hash.is_none() == waits.is_some()));
            assert_eq!(action.counts().new, 1);
        }
    }

    #[test]
    fn by_hand_means_that_the_directory_stays_untouched() {
        waits(
            &decided(&record("ada"), &[hit("ada")], &manual()),
            (ProposalKind::Exact, Some(id("ada")), PendingReason::ExactMatchManual),
            "exact",
        );
        waits(&decided(&record("ada"), &[], &manual()), (ProposalKind::New, None, PendingReason::NewPersonManual), "new");
        let again = decided(&record("ada").waiting(), &[], &manual());
        waits(&again, (ProposalKind::New, None, PendingReason::NewPersonManual), "counted pending in each run");
    }

    #[test]
    fn an_exact_match_is_linked_and_attributes_flow_if_nobody_else_is_the_source() {
        let action = decided(&record("ada").titled("boss"), &[hit("ada")], &rules());
        assert_eq!(action.link, LinkWrite::Create { person: id("ada") });
        assert!(
            matches!(&action.person, PersonWrite::Change { profile: Some(profile), state: None, .. } if profile.text("title") == Some("boss"))
        );
        assert_eq!((action.counts().matched, action.counts().updated), (1, 1));

        let elsewhere = PersonHit { sourced_elsewhere: true, ..hit("ada") };
        let no_source = ImportRules { sourcing: None, ..rules() };
        for (hit, rules) in [(elsewhere, rules()), (hit("ada"), no_source)] {
            let action = decided(&record("ada").titled("boss"), &[hit], &rules);
            assert_eq!((action.link, action.person), (LinkWrite::Create { person: id("ada") }, PersonWrite::Keep));
        }
    }

    #[test]
    fn someone_who_left_comes_back_with_a_new_account_only_as_the_source_allows() {
        let left = |state| PersonHit { person: person("ada", state), ..hit("ada") };
        let refused = decided(&record("ada"), &[left(Deactivated)], &rules());
        assert_eq!((refused.link, refused.person), (LinkWrite::Create { person: id("ada") }, PersonWrite::Keep));
        assert!(matches!(refused.account, AccountWrite::Seen { active: false, .. }), "the return stays open");
        let allowed = decided(&record("ada"), &[left(Suspended)], &reactivating());
        assert!(matches!(allowed.person, PersonWrite::Change { state: Some(Active), profile: None, .. }));
        let unequal = decided(&record("ada").titled("boss"), &[left(Suspended)], &reactivating());
        waits(&unequal, (ProposalKind::Activation, Some(id("ada")), PendingReason::Reactivation), "one attribute off");
    }

    #[test]
    fn what_is_ambiguous_waits_whatever_confirmation_says() {
        let by_email = MatchingRules { email: true, case_sensitive: true, ..MatchingRules::default() };
        let linked_here = PersonHit { linked_here: true, ..hit("ada") };
        waits(
            &decided(&record("ada"), &[linked_here], &rules()),
            (ProposalKind::Exact, Some(id("ada")), PendingReason::AlreadyLinked),
            "linked here",
        );

        let row = record("ada");
        let team =
            [hit("ada"), PersonHit { person: Person { profile: person("ada", Active).profile, ..person("bob", Active) }, ..hit("bob") }];
        let candidates = Candidates { by_email: &team, ..Candidates::default() };
        let rules_by_email = ImportRules { matching: by_email.clone(), ..rules() };
        waits(&among(&row, candidates, &rules_by_email), (ProposalKind::Ambiguous, None, PendingReason::Ambiguous), "several people");

        let one = [hit("ada")];
        let both = ImportRules { matching: MatchingRules { user_name: true, ..by_email }, ..rules() };
        for (why, people, user_name_twice, email_twice, rules, ambiguous) in [
            ("exact, another record of the same username", &one[..], true, false, &rules(), true),
            ("exact by username, the address does not matter", &one[..], false, true, &rules(), false),
            ("new, another record of the same username", &[][..], true, false, &rules_by_email, true),
            ("new, another record that the same person would be found by", &[][..], false, true, &rules_by_email, true),
            ("both criteria", &one[..], false, true, &both, true),
        ] {
            let candidates = Candidates { by_user_name: people, by_email: people, ..Candidates::default() };
            let twice = Twice { user_name: user_name_twice, email: email_twice, ..Twice::default() };
            let action = decide(Evidence { row: &row, candidates, twice, claimed: false }, rules).unwrap();
            let waits = proposal(&action.candidate) == Some((ProposalKind::Ambiguous, None, PendingReason::Ambiguous));
            assert_eq!(waits, ambiguous, "{why}");
        }
    }

    #[test]
    fn a_username_that_somebody_has_makes_no_new_person() {
        let both = MatchingRules { user_name: true, email: true, case_sensitive: true, ..MatchingRules::default() };
        let rules = ImportRules { matching: both, ..rules() };
        let row = record("ada").says("email", json!("other@x"));
        waits(&decided(&row, &[hit("ada")], &rules), (ProposalKind::New, None, PendingReason::UserNameTaken), "the address is another");
        let sensitive = decided(&record("ada").says("userName", json!("Ada")), &[hit("ada")], &super::super::testing::rules());
        waits(&sensitive, (ProposalKind::New, None, PendingReason::UserNameTaken), "usernames are unique case-insensitively (TD-6)");
        let renamed = decided(&row, &[PersonHit { renamed_away: true, ..hit("ada") }], &rules);
        waits(&renamed, (ProposalKind::New, None, PendingReason::UserNameTaken), "until the import that gives it up is over");
    }

    #[test]
    fn an_exact_match_that_would_take_a_username_waits_unlinked() {
        let by_email = MatchingRules { email: true, case_sensitive: true, ..MatchingRules::default() };
        let row = record("ada").says("userName", json!("bob"));
        let (ada, bob) = ([hit("ada")], [hit("bob")]);
        let candidates = Candidates { by_user_name: &bob, by_email: &ada, ..Candidates::default() };
        let action = among(&row, candidates, &ImportRules { matching: by_email, ..rules() });
        waits(&action, (ProposalKind::Exact, Some(id("ada")), PendingReason::UserNameTaken), "the name is Bob's");
    }

    #[test]
    fn the_person_whom_a_record_once_created_is_not_created_again() {
        let row = record("ada");
        let ada = [PersonHit { linked_here: true, ..hit("ada") }];
        let action = among(&row, Candidates { by_email: &ada, ..Candidates::default() }, &rules());
        waits(&action, (ProposalKind::Exact, Some(id("ada")), PendingReason::AlreadyLinked), "derived ids are the same (SC-5)");
    }

    #[test]
    fn an_account_that_joinery_removed_finds_its_way_back_to_nobody() {
        let removed = |row: StagedRow| row.ended(LinkState::EndedByRemoval);
        let row = removed(linked("ada", Active, false));
        waits(
            &decided(&row, &[hit("ada")], &reactivating()),
            (ProposalKind::Exact, Some(id("ada")), PendingReason::AccessRemoved),
            "same person",
        );
        waits(
            &decided(&row, &[hit("bob")], &reactivating()),
            (ProposalKind::Exact, Some(id("ada")), PendingReason::AccessRemoved),
            "another person",
        );
        waits(&decided(&row, &[], &reactivating()), (ProposalKind::Exact, Some(id("ada")), PendingReason::AccessRemoved), "nobody");
        assert!(decided(&row.inactive(), &[], &reactivating()).ignored);
    }

    #[test]
    fn ai9_a_record_of_another_host_is_matched_and_creates_nobody_twice() {
        for state in [LinkState::UnprovenLive, LinkState::UnprovenAbsence, LinkState::UnprovenRemoval] {
            let row = linked("ada", Active, true).ended(state).says("userName", json!("eve"));
            waits(
                &decided(&row, &[], &rules()),
                (ProposalKind::Exact, Some(id("ada")), PendingReason::AlreadyLinked),
                "the person whom the id once created",
            );
            let action = decided(&row, &[hit("eve")], &rules());
            assert_eq!((action.link, action.removes), (LinkWrite::Create { person: id("eve") }, false), "somebody who is there");
            let departed = decided(&row.inactive(), &[], &rules());
            assert!(departed.ignored && !departed.removes && !departed.changes_directory(), "nobody left");
        }
    }

    fn by_names(confirmation: Confirmation) -> ImportRules {
        let matching = MatchingRules { partial: true, ..rules().matching };
        ImportRules { matching, confirmation, sourcing: None, ..rules() }
    }

    /// A record whose names are Ada's, and nothing else.
    fn namesake() -> StagedRow {
        record("a.lee").says("givenName", json!("Ada")).says("familyName", json!("Lee"))
    }

    fn ada() -> PersonHit {
        let mut ada = hit("ada");
        ada.person.profile.set("givenName", json!("Ada"));
        ada.person.profile.set("familyName", json!("Lee"));
        ada
    }

    #[test]
    fn mt7_partial_matches_have_a_switch_of_their_own() {
        let all = Confirmation { exact_automatic: true, partial_automatic: true, new_automatic: true, activate_new: true };
        let people = [ada()];
        let among = |confirmation, hit: &[PersonHit]| {
            super::super::testing::among(&namesake(), Candidates { by_names: hit, ..Candidates::default() }, &by_names(confirmation))
        };
        let expected = (ProposalKind::Partial, Some(id("ada")), PendingReason::PartialMatchManual);
        waits(&among(Confirmation { partial_automatic: false, ..all }, &people), expected, "by hand, though all others are not");
        let linked = among(Confirmation { partial_automatic: true, ..Confirmation::default() }, &people);
        assert_eq!(
            (linked.link, &linked.person, linked.counts().matched),
            (LinkWrite::Create { person: id("ada") }, &PersonWrite::Keep, 1)
        );
        let linked_here = [PersonHit { linked_here: true, ..ada() }];
        waits(&among(all, &linked_here), (ProposalKind::Partial, Some(id("ada")), PendingReason::AlreadyLinked), "MT-5");
    }

    #[test]
    fn mt5_namesakes_among_the_records_wait_and_who_is_claimed_exactly_is_left_to_that_record() {
        let all = Confirmation { exact_automatic: true, partial_automatic: true, new_automatic: true, activate_new: true };
        let (people, row) = ([ada()], namesake());
        let ambiguous = (ProposalKind::Ambiguous, None, PendingReason::Ambiguous);
        for (hit, names, claimed, why) in [
            (&people[..], true, false, "two records for one person"),
            (&[], true, false, "two records that would become people of one name"),
            (&people[..], false, true, "another record is hers exactly"),
        ] {
            let candidates = Candidates { by_names: hit, ..Candidates::default() };
            let evidence = Evidence { row: &row, candidates, twice: Twice { names, ..Twice::default() }, claimed };
            waits(&decide(evidence, &by_names(all)).unwrap(), ambiguous, why);
        }
        // An exact match is not made doubtful by names.
        let candidates = Candidates { by_user_name: &[hit("a.lee")], ..Candidates::default() };
        let evidence = Evidence { row: &row, candidates, twice: Twice { names: true, ..Twice::default() }, claimed: false };
        assert_eq!(decide(evidence, &by_names(all)).unwrap().link, LinkWrite::Create { person: id("a.lee") });
    }

    #[test]
    fn mt8_an_ignored_record_is_matched_and_left_as_it_is() {
        for (people, expected) in [
            (vec![hit("ada")], (ProposalKind::Exact, Some(id("ada")), PendingReason::ExactMatchManual)),
            (vec![], (ProposalKind::New, None, PendingReason::NewPersonManual)),
        ] {
            let action = decided(&record("ada").shelved(), &people, &rules());
            assert_eq!((proposal(&action.candidate), action.ignored, action.counts().pending), (Some(expected), true, 0));
            assert!(!action.changes_directory());
        }
        let inactive = decided(&record("ada").inactive().shelved(), &[], &rules());
        assert_eq!((inactive.candidate, inactive.ignored), (CandidateWrite::Keep, true), "it stays ignored when it is back");
        assert_eq!(decided(&record("ada").unmapped().shelved(), &[], &rules()).candidate, CandidateWrite::Keep);
    }

    #[test]
    fn mt8_who_is_linked_while_staged_waits_for_activation() {
        let staged = PersonHit { person: person("ada", Staged), ..hit("ada") };
        let action = decided(&record("ada"), &[staged], &rules());
        assert_eq!(action.link, LinkWrite::Create { person: id("ada") });
        assert_eq!(proposal(&action.candidate), Some((ProposalKind::Activation, Some(id("ada")), PendingReason::Staged)));
    }
}
