//! Records with a link, live or ended by absence. They are never matched again (MT-1).

use super::{
    Evidence, ImportRules, effective,
    flow::{Flow, Turn, flow},
    queue::{put, settled},
};
use crate::domain::{
    candidate::{PendingReason, ProposalKind, Queued},
    import_plan::{AccountWrite, ImportAction, KnownAccount, LinkWrite, PersonWrite, StagedRecord},
    link::LinkState,
    person::PersonState,
};

/// Decides about a linked record.
pub(super) fn decide(evidence: Evidence<'_>, known: &KnownAccount, rules: &ImportRules) -> ImportAction {
    let staged = &evidence.row.staged;
    let live = known.link.state == LinkState::Live;
    let keep = ImportAction::keep(staged.app_id.clone());
    let mapped = match &staged.mapped {
        Ok(mapped) => mapped,
        Err(failure) => {
            // It was seen, so it is not missing (LS-4); `active` stays, so that a departure is noticed once it can be read.
            let account = if live { AccountWrite::Seen { hash: None, active: known.link.active } } else { AccountWrite::Keep };
            return ImportAction { account, failed: Some(*failure), candidate: settled(evidence.row), ..keep };
        }
    };
    let turn = turn(known, staged);
    let protected = turn == Turn::Departed && rules.protection.covers(&known.person);
    // SO-5: as if the record had not been read, so that the departure is seen again, and what came with it cannot be what takes the
    // protection away.
    let turn = if protected { Turn::Same } else { turn };
    let flow = match effective(known, rules).filter(|_| !protected) {
        Some(sourcing) => flow(&known.person, mapped, turn, sourcing, evidence.candidates, rules),
        None => Flow { person: PersonWrite::Keep, pending: None, return_open: false },
    };
    // MT-8: somebody has to activate whoever is Staged, and by their record they are found.
    let staged_person = (known.person.state == PersonState::Staged && staged.active).then_some(PendingReason::Staged);
    let pending = flow.pending.or(staged_person);
    ImportAction {
        account: AccountWrite::Seen {
            // MT-6: what is pending is looked at in each import, changed or not.
            hash: (pending.is_none() && !protected).then_some(staged.hash),
            active: protected || (staged.active && !flow.return_open),
        },
        link: if live { LinkWrite::Keep } else { LinkWrite::Create { person: known.person.id } },
        person: flow.person,
        candidate: match pending {
            Some(reason) => put(evidence, mapped, (kind(reason), Some(known.person.id), reason), rules),
            None => settled(evidence.row),
        },
        // SG-3: whatever onDeactivation says and whoever is the effective source.
        removes: turn == Turn::Departed,
        ignored: pending.is_some() && evidence.row.queued == Queued::Ignored,
        protected,
        ..keep
    }
}

fn kind(reason: PendingReason) -> ProposalKind {
    match reason {
        PendingReason::UserNameTaken => ProposalKind::Update,
        _ => ProposalKind::Activation,
    }
}

fn turn(known: &KnownAccount, staged: &StagedRecord) -> Turn {
    // A record that was gone was not active, whatever it was when it was last seen.
    let was_active = known.link.state == LinkState::Live && known.link.active;
    match (was_active, staged.active) {
        (true, false) => Turn::Departed,
        (false, true) => Turn::Arrived,
        (true, true) | (false, false) => Turn::Same,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{decided, hit, id, linked, person, proposal, reactivating, rules};
    use super::*;
    use crate::domain::{
        hash::ShortHash,
        import_plan::{CandidateWrite, RecordFailure},
        matching::PersonHit,
        person::PersonState::{Active, Deactivated, Staged, Suspended},
        protection::Protection,
        sourcing::{OnDeactivation, Sourcing},
    };

    const HASH: Option<ShortHash> = Some(ShortHash([7; 16]));

    fn seen(hash: Option<ShortHash>, active: bool) -> AccountWrite {
        AccountWrite::Seen { hash, active }
    }

    fn state_of(write: &PersonWrite) -> Option<crate::domain::person::PersonState> {
        match write {
            PersonWrite::Change { state, .. } => *state,
            _ => None,
        }
    }

    fn title_of(write: &PersonWrite) -> Option<&str> {
        match write {
            PersonWrite::Change { profile: Some(profile), .. } => profile.text("title"),
            _ => None,
        }
    }

    #[test]
    fn a_record_that_says_the_same_is_remembered_and_changes_nothing() {
        let action = decided(&linked("ada", Active, true), &[], &rules());
        assert_eq!(action, ImportAction { account: seen(HASH, true), ..ImportAction::keep(action.app_id.clone()) });
        assert!(!action.changes_directory());
    }

    #[test]
    fn attributes_flow_and_others_stay() {
        let mut row = linked("ada", Active, true).titled("boss");
        if let Some(known) = &mut row.known {
            known.person.profile.set("badge", json!("red"));
        }
        let action = decided(&row, &[], &rules());
        let PersonWrite::Change { id: who, profile: Some(profile), state: None } = action.person else { panic!("{action:?}") };
        assert_eq!((who, profile.text("title"), profile.text("badge")), (id("ada"), Some("boss"), Some("red")));
        assert!(!action.removes);
    }

    #[test]
    fn a_null_clears_only_where_nulls_are_pushed_and_never_the_username() {
        let row = linked("ada", Active, true).clears("title").clears("userName");
        assert_eq!(decided(&row, &[], &rules()).person, PersonWrite::Keep);
        let pushing = ImportRules { push_null_values: true, ..rules() };
        let PersonWrite::Change { profile: Some(profile), .. } = decided(&row, &[], &pushing).person else { panic!("nothing cleared") };
        assert_eq!((profile.get("title"), profile.user_name()), (None, Some("ada")));
    }

    #[test]
    fn only_the_effective_source_changes_a_person_but_every_departure_counts() {
        let not_a_source = ImportRules { sourcing: None, ..rules() };
        let departed = linked("ada", Active, true).inactive().titled("boss");
        for (row, rules) in [(departed.clone(), not_a_source), (departed.sourced_elsewhere(), rules())] {
            let action = decided(&row, &[], &rules);
            assert_eq!((action.person, action.account, action.removes), (PersonWrite::Keep, seen(HASH, false), true));
        }
    }

    #[test]
    fn so5_a_protected_person_loses_nothing_by_a_departure_and_it_is_seen_again() {
        let protecting = ImportRules { protection: Protection::Everybody, ..rules() };
        let action = decided(&linked("ada", Active, true).inactive().titled("boss"), &[], &protecting);
        assert_eq!((action.account, action.link, action.removes), (seen(None, true), LinkWrite::Keep, false));
        assert_eq!(action.person, PersonWrite::Keep, "what comes with a departure could take the protection away");
        assert_eq!((action.counts().protected, action.counts().deactivated), (1, 0));
        assert_eq!(decided(&linked("ada", Active, true), &[], &protecting).counts().protected, 0, "who has not left needs no protection");
    }

    #[test]
    fn a_departure_takes_the_person_along_and_attributes_flow() {
        let action = decided(&linked("ada", Active, true).inactive().titled("boss"), &[], &rules());
        assert_eq!((state_of(&action.person), title_of(&action.person)), (Some(Deactivated), Some("boss")));
        assert!(action.removes && action.link == LinkWrite::Keep, "the link stays (SO-3)");

        let nothing = Sourcing { on_deactivation: OnDeactivation::DoNothing, ..Sourcing::default() };
        let action = decided(&linked("ada", Active, true).inactive(), &[], &ImportRules { sourcing: Some(nothing), ..rules() });
        assert_eq!((action.person, action.removes), (PersonWrite::Keep, true), "counted whatever onDeactivation says (SG-3)");

        let before = decided(&linked("ada", Active, false).inactive(), &[], &rules());
        assert_eq!((before.person, before.removes), (PersonWrite::Keep, false), "it was inactive already");
    }

    #[test]
    fn a_return_follows_its_flag() {
        let back = |state| linked("ada", state, false);
        for (why, row, rules, state, title, pending, account) in [
            ("flag off", back(Deactivated), rules(), None, None, None, seen(HASH, false)),
            ("flag off, other title", back(Deactivated).titled("boss"), rules(), None, None, None, seen(HASH, false)),
            ("equal", back(Deactivated), reactivating(), Some(Active), None, None, seen(HASH, true)),
            ("equal", back(Suspended), reactivating(), Some(Active), None, None, seen(HASH, true)),
            ("one off", back(Suspended).titled("boss"), reactivating(), None, None, Some(PendingReason::Reactivation), seen(None, false)),
            ("had not left", back(Active).titled("boss"), rules(), None, Some("boss"), None, seen(HASH, true)),
            ("Staged", back(Staged).titled("boss"), reactivating(), None, Some("boss"), Some(PendingReason::Staged), seen(None, true)),
        ] {
            let action = decided(&row, &[], &rules);
            assert_eq!((state_of(&action.person), title_of(&action.person)), (state, title), "{why}");
            assert_eq!(action.account, account, "{why}");
            let pending = pending.map(|reason| (ProposalKind::Activation, Some(id("ada")), reason));
            assert_eq!((proposal(&action.candidate), action.ignored), (pending, false), "{why}");
        }
    }

    #[test]
    fn a_record_that_was_gone_revives_its_link() {
        let row = linked("ada", Deactivated, true).ended(LinkState::EndedByAbsence);
        let action = decided(&row, &[], &reactivating());
        assert_eq!(action.link, LinkWrite::Create { person: id("ada") });
        assert_eq!((state_of(&action.person), action.removes), (Some(Active), false));

        let inactive = decided(&row.clone().inactive().titled("boss"), &[], &reactivating());
        assert_eq!((inactive.link, title_of(&inactive.person)), (LinkWrite::Create { person: id("ada") }, Some("boss")));
        assert_eq!((state_of(&inactive.person), inactive.removes), (None, false));

        let elsewhere = decided(&row.sourced_elsewhere().titled("boss"), &[], &reactivating());
        assert_eq!((elsewhere.link, elsewhere.person), (LinkWrite::Create { person: id("ada") }, PersonWrite::Keep));
    }

    #[test]
    fn a_taken_username_holds_the_attributes_back_and_not_a_departure() {
        let renamed = linked("ada", Active, true).titled("boss").says("userName", json!("bob"));
        let action = decided(&renamed, &[hit("bob")], &rules());
        let waits = Some((ProposalKind::Update, Some(id("ada")), PendingReason::UserNameTaken));
        assert_eq!((&action.person, proposal(&action.candidate), action.account), (&PersonWrite::Keep, waits, seen(None, true)));

        let left = decided(&renamed.clone().inactive(), &[hit("bob")], &rules());
        assert_eq!((state_of(&left.person), title_of(&left.person), proposal(&left.candidate)), (Some(Deactivated), None, waits));

        let swapped = decided(&renamed.clone(), &[PersonHit { renamed_away: true, ..hit("bob") }], &rules());
        assert_eq!(title_of(&swapped.person), Some("boss"));
        let left = decided(&renamed.clone().inactive(), &[PersonHit { renamed_away: true, ..hit("bob") }], &rules());
        assert_eq!((state_of(&left.person), title_of(&left.person)), (Some(Deactivated), None), "a departure relies on nobody else");
        let free = decided(&renamed, &[], &rules());
        assert_eq!(title_of(&free.person), Some("boss"));
        let own = PersonHit { person: person("ada", Active), ..hit("ada") };
        let respelled = decided(&linked("ada", Active, true).titled("boss").says("userName", json!("ADA")), &[own], &rules());
        assert_eq!(title_of(&respelled.person), Some("boss"), "one's own name in another case is not taken");
    }

    #[test]
    fn an_unmapped_record_is_left_as_it_is_and_its_departure_is_noticed_later() {
        let row = linked("ada", Active, true).inactive().unmapped().waiting();
        let action = decided(&row, &[], &rules());
        assert_eq!((&action.person, action.failed, action.removes), (&PersonWrite::Keep, Some(RecordFailure::Mapping), false));
        assert_eq!((action.account, action.candidate), (seen(None, true), CandidateWrite::Remove));
        let gone = decided(&row.ended(LinkState::EndedByAbsence), &[], &rules());
        assert_eq!((gone.link, gone.account), (LinkWrite::Keep, AccountWrite::Keep));
    }

    #[test]
    fn a_record_that_is_decided_waits_no_longer() {
        let action = decided(&linked("ada", Active, true).waiting(), &[], &rules());
        assert_eq!(action.candidate, CandidateWrite::Remove);
    }

    #[test]
    fn mt8_what_is_ignored_is_no_longer_asked_for_and_still_not_done() {
        let back = linked("ada", Suspended, false).titled("boss");
        let asked = decided(&back, &[], &reactivating());
        assert_eq!((asked.counts().pending, asked.counts().ignored), (1, 0));
        let ignored = decided(&back.clone().shelved(), &[], &reactivating());
        assert_eq!((ignored.counts().pending, ignored.counts().ignored), (0, 1));
        assert_eq!(ImportAction { ignored: false, ..ignored }, asked, "everything else is the same, the proposal too");
        let left = decided(&back.inactive().shelved(), &[], &reactivating());
        assert_eq!((left.candidate, left.ignored), (CandidateWrite::Remove, false), "there is nothing left to be ignored");
    }

    #[test]
    fn mt8_a_staged_person_waits_for_activation_at_every_record_of_theirs() {
        let expected = Some((ProposalKind::Activation, Some(id("ada")), PendingReason::Staged));
        for row in [linked("ada", Staged, true), linked("ada", Staged, true).sourced_elsewhere(), linked("ada", Staged, true).waiting()] {
            let action = decided(&row, &[], &rules());
            assert_eq!((proposal(&action.candidate), action.person, action.account), (expected, PersonWrite::Keep, seen(None, true)));
        }
        let inactive = decided(&linked("ada", Staged, true).inactive().waiting(), &[], &rules());
        assert_eq!((inactive.candidate, inactive.removes), (CandidateWrite::Remove, true), "nobody is activated by an inactive record");
    }
}
