//! Protected people, in whatever plan (A13).

use proptest::{prelude::*, test_runner::Config};

use super::{
    ImportAction, ImportRules, decide_gone,
    testing::{decided, linked, rules},
};
use crate::domain::{
    import_plan::{KnownAccount, LinkWrite, PersonWrite, StagedRow},
    link::LinkState,
    mapping::{Expression, Scope},
    person::PersonState,
    protection::Protection,
    sourcing::{OnDeactivation, Sourcing},
};

fn cases() -> Config {
    let cases = if std::env::var_os("JOINERY_LONG").is_some() { 100_000 } else { 1_000 };
    Config { cases, failure_persistence: None, ..Config::default() }
}

fn states() -> impl Strategy<Value = PersonState> {
    prop_oneof![Just(PersonState::Active), Just(PersonState::Staged), Just(PersonState::Suspended), Just(PersonState::Deactivated)]
}

/// A linked record of somebody whose title may be `vip`, and what has become of it.
fn rows() -> impl Strategy<Value = (StagedRow, bool)> {
    let links = prop_oneof![Just(LinkState::Live), Just(LinkState::EndedByAbsence), Just(LinkState::EndedByRemoval)];
    (states(), any::<[bool; 5]>(), 0..4_u8, links).prop_map(|(state, [vip, was_active, inactive, elsewhere, retitled], missing, link)| {
        let mut row = linked("ada", state, was_active).ended(link);
        if let Some(known) = &mut row.known {
            known.missing = missing;
            known.person.profile.set("title", if vip { "vip" } else { "clerk" }.into());
        }
        let row = if retitled { row.titled("boss") } else { row };
        let row = if elsewhere { row.sourced_elsewhere() } else { row };
        (if inactive { row.inactive() } else { row }, vip)
    })
}

fn policies() -> impl Strategy<Value = ImportRules> {
    let departures = prop_oneof![Just(OnDeactivation::DoNothing), Just(OnDeactivation::Deactivate), Just(OnDeactivation::Suspend)];
    (departures, any::<[bool; 3]>()).prop_map(|(on_deactivation, [source, reactivate_suspended, reactivate_deactivated])| ImportRules {
        sourcing: source.then_some(Sourcing { on_deactivation, reactivate_suspended, reactivate_deactivated }),
        ..rules()
    })
}

fn takes_away(action: &ImportAction) -> bool {
    let state = match &action.person {
        PersonWrite::Change { state, .. } => *state,
        PersonWrite::Keep | PersonWrite::Create { .. } => None,
    };
    action.removes
        || matches!(action.link, LinkWrite::End { .. })
        || matches!(state, Some(PersonState::Deactivated | PersonState::Suspended))
}

fn actions(row: &StagedRow, rules: &ImportRules) -> [ImportAction; 2] {
    let known: &KnownAccount = row.known.as_ref().unwrap();
    [decided(row, &[], rules), decide_gone(known, rules)]
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn a13_no_import_takes_anything_from_a_protected_person((row, vip) in rows(), policy in policies()) {
        let condition = Expression::compile_condition("where", "user.title == \"vip\"", Scope::User).unwrap();
        let protecting = ImportRules { protection: Protection::Where(condition), ..policy.clone() };
        let unclear = ImportRules { protection: Protection::Everybody, ..policy.clone() };
        for (with, without) in actions(&row, &protecting).into_iter().zip(actions(&row, &policy)) {
            if vip {
                prop_assert!(!takes_away(&with), "{with:?}");
                prop_assert_eq!(with.protected, takes_away(&without), "told of when something would have been taken");
            } else {
                prop_assert_eq!(with, without, "others are treated as ever");
            }
        }
        for action in actions(&row, &unclear) {
            prop_assert!(!takes_away(&action), "{action:?}");
        }
    }
}
