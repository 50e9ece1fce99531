//! Histories of an app, imported step by step into a small directory in memory (A4, A8, A16).

use std::collections::{BTreeMap, BTreeSet};

use proptest::{collection::vec, prelude::*, test_runner::Config};

use super::{
    ImportRules,
    model::{App, Directory, key},
    testing::{id, reactivating, rules},
};
use crate::domain::{fold::fold_key, id::AppId, import_plan::LinkWrite, link::LinkState, person::PersonState};

/// What happens in the app between two imports; the numbers choose records and names.
#[derive(Clone, Copy, Debug)]
enum Event {
    Rename(usize, usize),
    Swap(usize, usize),
    Email(usize, usize),
    Leave(usize),
    Rehire(usize),
    /// The listing leaves the record out, though it is there.
    Flap(usize),
    Delete(usize),
    Return(usize),
}

impl App {
    fn happens(&mut self, event: Event) {
        match event {
            Event::Rename(n, name) => {
                let name = format!("User{name}");
                // Apps keep usernames unique, too.
                if !self.0.values().any(|remote| fold_key(&remote.user_name) == fold_key(&name)) {
                    self.nth(n).user_name = name;
                }
            }
            Event::Swap(a, b) => {
                let (first, second) = (self.nth(a).clone(), self.nth(b).clone());
                self.nth(a).user_name = second.user_name;
                self.nth(b).user_name = first.user_name;
            }
            Event::Email(n, email) => self.nth(n).email = format!("mail{email}@x"),
            Event::Leave(n) => self.nth(n).active = false,
            Event::Rehire(n) => self.nth(n).active = true,
            Event::Flap(n) => self.nth(n).listed = false,
            Event::Delete(n) => (self.nth(n).listed, self.nth(n).exists) = (false, false),
            Event::Return(n) => (self.nth(n).listed, self.nth(n).exists) = (true, true),
        }
    }
}

const SIZE: usize = 6;

fn renames() -> impl Strategy<Value = Event> {
    prop_oneof![
        (0..SIZE, 0..2 * SIZE).prop_map(|(n, name)| Event::Rename(n, name)),
        (0..SIZE, 0..SIZE).prop_map(|(a, b)| Event::Swap(a, b)),
        (0..SIZE, 0..SIZE).prop_map(|(n, email)| Event::Email(n, email)),
    ]
}

fn anything() -> impl Strategy<Value = Event> {
    let n = 0..SIZE;
    prop_oneof![
        3 => renames(),
        1 => n.clone().prop_map(Event::Leave),
        1 => n.clone().prop_map(Event::Rehire),
        1 => n.clone().prop_map(Event::Flap),
        1 => n.clone().prop_map(Event::Delete),
        2 => n.prop_map(Event::Return),
    ]
}

pub(super) fn cases() -> Config {
    let cases = if std::env::var_os("JOINERY_LONG").is_some() { 10_000 } else { 2_000 };
    Config { cases, failure_persistence: None, ..Config::default() }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn a8_whatever_is_renamed_or_swapped_stays_one_person(history in vec(vec(renames(), 0..6), 1..8)) {
        let (mut app, mut directory) = (App::of(SIZE), Directory::default());
        directory.import(&app, &rules());
        for events in history {
            for event in events {
                app.happens(event);
            }
            let plan = directory.import(&app, &rules());
            prop_assert!(plan.iter().all(|action| action.link == LinkWrite::Keep && !action.removes), "{:?}", plan);
            prop_assert!(plan.iter().all(|action| action.counts().new == 0), "nobody is created");
            prop_assert!(directory.queue.is_empty());
            for (app_id, remote) in &app.0 {
                let person = &directory.people[&id(app_id.as_str())];
                prop_assert_eq!(person.profile.user_name(), Some(remote.user_name.as_str()));
                prop_assert_eq!(person.profile.email(), Some(remote.email.as_str()));
            }
        }
    }

    #[test]
    fn a8_one_app_id_is_one_person_through_leaving_absence_and_return(history in vec(vec(anything(), 0..6), 1..16), reactivate: bool) {
        let rules = if reactivate { reactivating() } else { rules() };
        let (mut app, mut directory) = (App::of(SIZE), Directory::default());
        directory.import(&app, &rules);
        for events in history {
            for event in events {
                app.happens(event);
            }
            let live = directory.live();
            let before: BTreeMap<_, _> = directory.people.iter().map(|(id, person)| (*id, person.state)).collect();
            let plan = directory.import(&app, &rules);
            prop_assert_eq!(directory.people.len(), SIZE, "nobody is created twice");
            let names: BTreeSet<_> = directory.people.values().map(key).collect();
            prop_assert_eq!(names.len(), SIZE, "usernames are unique (TD-6)");
            for (app_id, kept) in &directory.accounts {
                prop_assert_eq!(kept.link.person, id(app_id.as_str()), "an account never changes hands");
            }
            for (app_id, remote) in &app.0 {
                let person = id(app_id.as_str());
                let (was, is) = (before[&person], directory.people[&person].state);
                // A16: back to Active only by the flag, and only with a record that is there and says the same.
                if is == PersonState::Active && was != is {
                    let stored = &directory.people[&person].profile;
                    prop_assert!(reactivate && remote.active && remote.listed);
                    prop_assert_eq!(stored.user_name(), Some(remote.user_name.as_str()));
                }
                if remote.listed && !remote.active && was == PersonState::Active && live.contains(app_id) {
                    prop_assert_eq!(is, PersonState::Deactivated, "nobody keeps access because of a name");
                }
                if is == PersonState::Deactivated && was != is {
                    prop_assert!(!remote.active || !remote.exists, "nobody leaves whose record is there and active");
                }
            }
            let removed = plan.iter().filter(|action| action.removes).count() as u64;
            let gone: u64 = plan.iter().map(|action| action.counts().unassigned + action.counts().deactivated).sum();
            prop_assert!(removed <= gone && gone <= 2 * removed, "what takes access away is counted (SG-3)");
        }
    }

    #[test]
    fn a4_a_link_ends_after_n_misses_in_a_row_and_a_proof(history in vec(vec(anything(), 0..4), 1..16), missing_full_imports in 1_u8..=5) {
        let rules = ImportRules { missing_full_imports, ..rules() };
        let (mut app, mut directory) = (App::of(SIZE), Directory::default());
        directory.import(&app, &rules);
        let mut misses: BTreeMap<AppId, u32> = BTreeMap::new();
        for events in history {
            for event in events {
                app.happens(event);
            }
            let live = directory.live();
            directory.import(&app, &rules);
            for (app_id, remote) in &app.0 {
                let missed = misses.entry(app_id.clone()).or_default();
                *missed = if remote.listed { 0 } else { *missed + 1 };
                let absent = *missed >= u32::from(missing_full_imports) && !remote.exists;
                let ended = directory.accounts[app_id].link.state != LinkState::Live;
                prop_assert_eq!(ended && live.contains(app_id), absent && live.contains(app_id), "{} after {} misses", app_id, missed);
            }
        }
    }
}
