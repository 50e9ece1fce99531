//! Histories of an app, imported step by step into a small directory in memory (A4, A8, A16).

use std::collections::{BTreeMap, BTreeSet};

use proptest::{collection::vec, prelude::*, test_runner::Config};
use serde_json::json;

use super::{
    Absence, Evidence, ImportRules, Twice, decide, decide_gone, decide_missing,
    testing::{id, known, reactivating, rules},
};
use crate::domain::{
    candidate::Queued,
    fold::fold_key,
    hash::ShortHash,
    id::{AppId, PersonId},
    import_plan::{
        AccountWrite, CandidateWrite, ImportAction, KnownAccount, LinkWrite, MappedRecord, MatchKeys, PersonWrite, StagedRecord, StagedRow,
    },
    link::{Link, LinkState},
    matching::{Candidates, PersonHit},
    person::{Person, PersonState},
    profile::Profile,
};

/// A record as the app has it.
#[derive(Clone, Debug, PartialEq)]
struct Remote {
    user_name: String,
    email: String,
    active: bool,
    listed: bool,
    exists: bool,
}

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

#[derive(Default)]
struct App(BTreeMap<AppId, Remote>);

impl App {
    fn of(size: usize) -> Self {
        let remote = |n| Remote { user_name: format!("user{n}"), email: format!("user{n}@x"), active: true, listed: true, exists: true };
        Self((0..size).map(|n| (AppId::new(format!("{n:02}")), remote(n))).collect())
    }

    fn nth(&mut self, n: usize) -> &mut Remote {
        let index = n % self.0.len();
        self.0.values_mut().nth(index).unwrap()
    }

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

/// The directory as a store would keep it for one integration, their source.
#[derive(Default)]
struct Directory {
    people: BTreeMap<PersonId, Person>,
    accounts: BTreeMap<AppId, Kept>,
    pending: BTreeSet<AppId>,
}

struct Kept {
    link: Link,
    missing: u8,
    hash: Option<ShortHash>,
}

impl Directory {
    fn import(&mut self, app: &App, rules: &ImportRules) -> Vec<ImportAction> {
        let listed: BTreeMap<_, _> =
            app.0.iter().filter(|(_, remote)| remote.listed).map(|(app_id, remote)| (app_id, stage(app_id, remote))).collect();
        let mut plan: Vec<_> = listed.values().filter_map(|staged| self.decided(staged, &listed, rules)).collect();
        for (app_id, kept) in &self.accounts {
            if kept.link.state != LinkState::Live || listed.contains_key(app_id) {
                continue;
            }
            let known = self.known(app_id).unwrap();
            match decide_missing(&known, rules) {
                Absence::Counted(action) => plan.push(action),
                Absence::ProveGone if app.0[app_id].exists => {}
                Absence::ProveGone => plan.push(decide_gone(&known, rules)),
            }
        }
        self.refuse_collisions(&mut plan);
        for action in &plan {
            self.apply(action);
        }
        plan
    }

    fn decided(&self, staged: &StagedRecord, listed: &BTreeMap<&AppId, StagedRecord>, rules: &ImportRules) -> Option<ImportAction> {
        let kept = self.accounts.get(&staged.app_id);
        if kept.is_some_and(|kept| kept.link.state == LinkState::Live && kept.hash == Some(staged.hash) && kept.missing == 0) {
            return None;
        }
        let row = StagedRow {
            staged: staged.clone(),
            known: self.known(&staged.app_id),
            queued: if self.pending.contains(&staged.app_id) { Queued::Pending } else { Queued::Not },
        };
        let name = name_of(staged);
        let people: Vec<_> = self.people.values().filter(|person| key(person) == name).map(|person| self.hit(person, listed)).collect();
        let candidates = Candidates { by_user_name: &people, ..Candidates::default() };
        decide(Evidence { row: &row, candidates, twice: Twice::default(), claimed: false }, rules)
    }

    fn hit(&self, person: &Person, listed: &BTreeMap<&AppId, StagedRecord>) -> PersonHit {
        let live = self.accounts.values().find(|kept| kept.link.person == person.id && kept.link.state == LinkState::Live);
        let renamed_away = live.and_then(|kept| listed.get(&kept.link.app_id)).is_some_and(|staged| name_of(staged) != key(person));
        PersonHit { person: person.clone(), linked_here: live.is_some(), sourced_elsewhere: false, renamed_away }
    }

    fn live(&self) -> BTreeSet<AppId> {
        self.accounts.values().filter(|kept| kept.link.state == LinkState::Live).map(|kept| kept.link.app_id.clone()).collect()
    }

    fn known(&self, app_id: &AppId) -> Option<KnownAccount> {
        let kept = self.accounts.get(app_id)?;
        let person = self.people[&kept.link.person].clone();
        Some(KnownAccount { link: kept.link.clone(), person, effective_source: true, missing: kept.missing })
    }

    /// Who would have somebody else's username after the plan is left out, again and again until nobody would. The record
    /// was seen all the same (LS-4).
    fn refuse_collisions(&self, plan: &mut [ImportAction]) {
        loop {
            let mut names: BTreeMap<_, _> = self.people.values().map(|person| (person.id, key(person))).collect();
            let renamed: Vec<_> = plan.iter().filter_map(renamed).collect();
            names.extend(renamed.iter().cloned());
            let collides = |person: &PersonId, name: &str| names.iter().any(|(other, taken)| other != person && taken == name);
            let Some((loser, _)) = renamed.into_iter().find(|(person, name)| collides(person, name)) else { return };
            for action in plan.iter_mut().filter(|action| renamed_person(action) == Some(loser)) {
                let kept = self.accounts.get(&action.app_id).filter(|kept| kept.link.state == LinkState::Live);
                let account = kept.map_or(AccountWrite::Keep, |kept| AccountWrite::Seen { hash: None, active: kept.link.active });
                *action = ImportAction { account, ..ImportAction::keep(action.app_id.clone()) };
            }
        }
    }

    fn apply(&mut self, action: &ImportAction) {
        match &action.person {
            PersonWrite::Keep => {}
            PersonWrite::Create { id, state, profile } => {
                let created = self.people.insert(*id, Person { id: *id, state: *state, profile: profile.clone() });
                assert_eq!(created, None, "nobody is created twice");
            }
            PersonWrite::Change { id, profile, state } => {
                let person = self.people.get_mut(id).unwrap();
                person.profile = profile.clone().unwrap_or_else(|| person.profile.clone());
                person.state = state.unwrap_or(person.state);
            }
        }
        match action.link {
            LinkWrite::Keep => {}
            LinkWrite::Create { person } => {
                let link = Link { person, app_id: action.app_id.clone(), ..known("any", PersonState::Active, true).link };
                self.accounts.insert(action.app_id.clone(), Kept { link, missing: 0, hash: None });
            }
            LinkWrite::End { .. } => self.accounts.get_mut(&action.app_id).unwrap().link.state = LinkState::EndedByAbsence,
        }
        match (action.account, self.accounts.get_mut(&action.app_id)) {
            (AccountWrite::Seen { hash, active }, Some(kept)) => (kept.hash, kept.link.active, kept.missing) = (hash, active, 0),
            (AccountWrite::Missing { times }, Some(kept)) => kept.missing = times,
            _ => {}
        }
        match action.candidate {
            CandidateWrite::Keep => {}
            CandidateWrite::Put(_) => _ = self.pending.insert(action.app_id.clone()),
            CandidateWrite::Remove => _ = self.pending.remove(&action.app_id),
        }
    }
}

fn stage(app_id: &AppId, remote: &Remote) -> StagedRecord {
    let profile: Profile =
        [("userName".to_owned(), json!(remote.user_name)), ("email".to_owned(), json!(remote.email))].into_iter().collect();
    let hash = ShortHash::of_json(&(&remote.user_name, &remote.email, remote.active));
    StagedRecord {
        app_id: app_id.clone(),
        hash,
        active: remote.active,
        mapped: Ok(MappedRecord { profile, cleared: Vec::new() }),
        keys: MatchKeys::default(),
    }
}

fn name_of(staged: &StagedRecord) -> String {
    staged.mapped.as_ref().map(|mapped| fold_key(mapped.profile.user_name().unwrap())).unwrap()
}

fn key(person: &Person) -> String {
    fold_key(person.profile.user_name().unwrap())
}

fn renamed(action: &ImportAction) -> Option<(PersonId, String)> {
    match &action.person {
        PersonWrite::Create { id, profile, .. } | PersonWrite::Change { id, profile: Some(profile), .. } => {
            Some((*id, fold_key(profile.user_name().unwrap())))
        }
        _ => None,
    }
}

fn renamed_person(action: &ImportAction) -> Option<PersonId> {
    renamed(action).map(|(person, _)| person)
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

fn cases() -> Config {
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
            prop_assert!(directory.pending.is_empty());
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
