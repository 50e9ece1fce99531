//! Histories of an app whose records look like each other and like people who are there already, under every setting of
//! matching and confirmation, with decisions in between (MT-1 to MT-8, A15).

use std::collections::{BTreeMap, BTreeSet};

use proptest::{collection::vec, prelude::*};

use super::{
    Confirmation, ImportRules, Standing, confirm,
    histories::cases,
    model::{App, Directory, Remote, key, stage},
    testing::rules,
};
use crate::domain::{
    candidate::{CandidateDecision, Decision, ProposalKind},
    fold::{same_folded, same_text},
    id::{AppId, IntegrationKey, PersonId},
    import_plan::{ImportAction, LinkWrite, PersonWrite},
    matching::MatchingRules,
    person::{Person, PersonState},
    profile::Profile,
    sourcing::Sourcing,
};

/// What records and people are made of; few values, so that they meet.
type Looks = (usize, usize, usize, usize);

const USER_NAMES: [&str; 7] = ["ann", "Ann", "bob", "zo\u{eb}", "zoe\u{308}", "cid", "dan"];
const EMAILS: [&str; 5] = ["", "a@x", "A@x", "b@x", "c@x"];
const NAMES: [(&str, &str); 5] = [("", ""), ("Ann", "Lee"), ("ann", "Lee"), ("Bob", "Ray"), ("Ann", "")];
const NUMBERS: [&str; 4] = ["", "e1", "E1", "e2"];

fn looks() -> impl Strategy<Value = Looks> {
    (0..USER_NAMES.len(), 0..EMAILS.len(), 0..NAMES.len(), 0..NUMBERS.len())
}

fn remote((user_name, email, names, number): Looks) -> Remote {
    Remote {
        user_name: USER_NAMES[user_name].to_owned(),
        email: EMAILS[email].to_owned(),
        given: NAMES[names].0.to_owned(),
        family: NAMES[names].1.to_owned(),
        number: NUMBERS[number].to_owned(),
        active: true,
        listed: true,
        exists: true,
    }
}

fn profile(record: &Remote, rules: &ImportRules) -> Profile {
    stage(&AppId::new("any"), record, rules).mapped.unwrap().profile
}

/// People whom another source has brought.
fn directory(people: &[Looks], rules: &ImportRules) -> Directory {
    let mut directory = Directory::default();
    for (number, looks) in people.iter().enumerate() {
        let id = PersonId::derive(&IntegrationKey::new("acme", "elsewhere"), &AppId::new(number.to_string()));
        let person = Person { id, state: PersonState::Active, profile: profile(&remote(*looks), rules) };
        if directory.people.values().all(|other| key(other) != key(&person)) {
            directory.people.insert(id, person);
        }
    }
    directory
}

fn policies() -> impl Strategy<Value = ImportRules> {
    let matching = (0..4_usize, any::<bool>(), any::<bool>()).prop_map(|(exact, case_sensitive, partial)| MatchingRules {
        user_name: exact < 2,
        email: exact == 1 || exact == 2,
        attribute: (exact == 3).then(|| "employeeNumber".to_owned()),
        case_sensitive,
        partial,
    });
    (matching, confirmations(), any::<bool>()).prop_map(|(matching, confirmation, source)| ImportRules {
        matching,
        confirmation,
        sourcing: source.then(Sourcing::default),
        ..rules()
    })
}

fn confirmations() -> impl Strategy<Value = Confirmation> {
    any::<[bool; 4]>().prop_map(|[exact_automatic, partial_automatic, new_automatic, activate_new]| Confirmation {
        exact_automatic,
        partial_automatic,
        new_automatic,
        activate_new,
    })
}

/// What happens between two imports.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// The record looks different.
    Look(usize, Looks),
    Leave(usize),
    Return(usize),
    /// Somebody decides about a record that waits; the last number chooses a person.
    Decide(usize, usize, usize),
    Switch(Confirmation),
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..8_usize, looks()).prop_map(|(n, looks)| Step::Look(n, looks)),
        (0..8_usize).prop_map(Step::Leave),
        (0..8_usize).prop_map(Step::Return),
        (0..8_usize, 0..6_usize, 0..8_usize).prop_map(|(n, decision, person)| Step::Decide(n, decision, person)),
        confirmations().prop_map(Step::Switch),
    ]
}

/// The rules in their own words: does the record look like the person, exactly and partly?
fn resembles(record: &Profile, person: &Profile, rules: &MatchingRules) -> (bool, bool) {
    let equal = |attribute| match (record.text(attribute), person.text(attribute)) {
        (Some("") | None, _) | (_, Some("") | None) => false,
        (Some(one), Some(other)) => {
            if rules.case_sensitive {
                same_text(one, other)
            } else {
                same_folded(one, other)
            }
        }
    };
    let exact = match (&rules.attribute, rules.user_name, rules.email) {
        (Some(attribute), ..) => equal(attribute),
        (None, true, true) => equal("userName") && equal("email"),
        (None, true, false) => equal("userName"),
        (None, false, true) => equal("email"),
        (None, false, false) => false,
    };
    let partial = rules.partial && equal("givenName") && equal("familyName") && !equal("userName") && !equal("email");
    (exact, partial)
}

/// MT-5: nobody is linked, or created, who could be somebody else.
fn links_are_unmistakable(plan: &[ImportAction], app: &App, directory: &Directory, rules: &ImportRules) -> Result<(), TestCaseError> {
    let unlinked: BTreeMap<&AppId, Profile> = app
        .0
        .iter()
        .filter(|(app_id, record)| record.active && record.listed && !directory.accounts.contains_key(*app_id))
        .map(|(app_id, record)| (app_id, profile(record, rules)))
        .collect();
    let mut taken = BTreeSet::new();
    for action in plan.iter().filter(|action| unlinked.contains_key(&action.app_id)) {
        let LinkWrite::Create { person } = action.link else {
            prop_assert_eq!(&action.person, &PersonWrite::Keep, "whoever is not linked changes nobody");
            continue;
        };
        let ignored = directory.queue.get(&action.app_id).is_some_and(|waiting| waiting.ignored);
        prop_assert!(!ignored, "what is ignored stays so");
        prop_assert!(taken.insert(person), "two records for one person");
        let live = directory.accounts.values().any(|kept| kept.link.person == person);
        prop_assert!(!live, "who is linked already gets no second link");
        let record = &unlinked[&action.app_id];
        let all: Vec<_> = directory.people.values().map(|other| (other.id, resembles(record, &other.profile, &rules.matching))).collect();
        let exact: Vec<_> = all.iter().filter(|(_, (exact, _))| *exact).map(|(id, _)| *id).collect();
        let partial: Vec<_> = all.iter().filter(|(_, (_, partial))| *partial).map(|(id, _)| *id).collect();
        let confirmation = rules.confirmation;
        if let PersonWrite::Create { id, .. } = &action.person {
            prop_assert!(exact.is_empty() && partial.is_empty() && confirmation.new_automatic, "existing people are never new");
            prop_assert_eq!(*id, person);
            continue;
        }
        let profile = &directory.people[&person].profile;
        let others = || unlinked.iter().filter(|(app_id, _)| **app_id != &action.app_id).map(|(_, other)| other);
        let rivals = |partly: bool| {
            others()
                .map(|other| resembles(other, profile, &rules.matching))
                .filter(|(exact, partial)| *exact || (partly && *partial))
                .count()
        };
        if exact == [person] {
            prop_assert!(confirmation.exact_automatic);
            prop_assert_eq!(rivals(false), 0, "several records for one person");
        } else {
            prop_assert_eq!((exact, partial), (vec![], vec![person]));
            prop_assert!(confirmation.partial_automatic);
            prop_assert_eq!(rivals(true), 0, "several records for one person");
        }
    }
    Ok(())
}

/// Decides about a record that waits, as a store would: what has become impossible is refused.
fn decide(directory: &mut Directory, (record, decision, person): (usize, usize, usize), rules: &ImportRules) -> Result<(), TestCaseError> {
    let Some((app_id, waiting)) = directory.queue.iter_mut().nth(record) else { return Ok(()) };
    let named = directory.people.values().nth(person).map(|person| person.id);
    let decision = match (decision, named) {
        (0, _) => Decision::Exact,
        (1, _) => Decision::New,
        (2, Some(person)) => Decision::Existing(person),
        (3, _) => Decision::Activate,
        (4, _) => Decision::Ignore,
        _ => Decision::Unignore,
    };
    if matches!(decision, Decision::Ignore | Decision::Unignore) {
        waiting.ignored = decision == Decision::Ignore;
        return Ok(());
    }
    let (app_id, proposed) = (app_id.clone(), waiting.proposed.clone());
    let person = match decision {
        Decision::Existing(person) => Some(person),
        _ => proposed.person,
    };
    let hit = person.map(|person| directory.hit(&directory.people[&person], &BTreeMap::new()));
    let known = directory.known(&app_id);
    let standing = Standing { app_id: &app_id, proposed: &proposed, known: known.as_ref(), person: hit.as_ref() };
    let Ok(Some(action)) = confirm(CandidateDecision { id: proposed.id, decision }, standing, rules) else { return Ok(()) };
    if let LinkWrite::Create { person } = action.link {
        let live = directory.accounts.values().any(|kept| kept.link.person == person && kept.link.app_id != app_id);
        let creates = matches!(action.person, PersonWrite::Create { .. });
        prop_assert!(!live, "a decision gives nobody a second link");
        prop_assert!(creates || proposed.kind != ProposalKind::New || matches!(decision, Decision::Existing(_)));
        if creates && directory.people.contains_key(&person) {
            return Ok(());
        }
    }
    let mut plan = [action];
    directory.refuse_collisions(&mut plan);
    directory.apply(&plan[0]);
    Ok(())
}

fn holds(directory: &Directory) -> Result<(), TestCaseError> {
    let linked: BTreeSet<_> = directory.accounts.values().map(|kept| kept.link.person).collect();
    prop_assert_eq!(linked.len(), directory.accounts.len(), "one link each");
    let names: BTreeSet<_> = directory.people.values().map(key).collect();
    prop_assert_eq!(names.len(), directory.people.len(), "usernames are unique (TD-6)");
    Ok(())
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn mt5_whatever_looks_alike_is_never_taken_for_each_other(
        people in vec(looks(), 0..5),
        records in vec(looks(), 1..7),
        policy in policies(),
        history in vec(vec(steps(), 0..5), 1..6),
    ) {
        let mut rules = policy;
        let mut app = App(records.into_iter().enumerate().map(|(n, looks)| (AppId::new(n.to_string()), remote(looks))).collect());
        let mut directory = directory(&people, &rules);
        for steps in history {
            let mut plan = directory.plan(&app, &rules);
            links_are_unmistakable(&plan, &app, &directory, &rules)?;
            directory.refuse_collisions(&mut plan);
            for action in &plan {
                directory.apply(action);
            }
            holds(&directory)?;
            for step in steps {
                match step {
                    Step::Look(n, looks) => *app.nth(n) = Remote { active: app.nth(n).active, ..remote(looks) },
                    Step::Leave(n) => app.nth(n).active = false,
                    Step::Return(n) => app.nth(n).active = true,
                    Step::Switch(confirmation) => rules.confirmation = confirmation,
                    Step::Decide(record, decision, person) => decide(&mut directory, (record, decision, person), &rules)?,
                }
                holds(&directory)?;
            }
        }
    }
}
