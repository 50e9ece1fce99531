//! An app and a small directory in memory, for histories of imports.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::{Absence, Evidence, ImportRules, Twice, decide, decide_gone, decide_missing, testing::known};
use crate::domain::{
    candidate::{Proposed, Queued},
    fold::fold_key,
    hash::ShortHash,
    id::{AppId, PersonId},
    import_plan::{
        AccountWrite, CandidateWrite, ImportAction, KnownAccount, LinkWrite, MappedRecord, MatchKeys, PersonWrite, StagedRecord, StagedRow,
    },
    link::{Link, LinkState},
    matching::{Candidates, PersonHit, exact_matches},
    person::{Person, PersonState},
    profile::Profile,
};

/// A record as the app has it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Remote {
    pub(super) user_name: String,
    pub(super) email: String,
    pub(super) given: String,
    pub(super) family: String,
    pub(super) number: String,
    pub(super) active: bool,
    pub(super) listed: bool,
    pub(super) exists: bool,
}

#[derive(Default)]
pub(super) struct App(pub(super) BTreeMap<AppId, Remote>);

impl App {
    pub(super) fn of(size: usize) -> Self {
        let remote = |n: usize| Remote {
            user_name: format!("user{n}"),
            email: format!("user{n}@x"),
            given: "Given".to_owned(),
            family: format!("Family{n}"),
            number: n.to_string(),
            active: true,
            listed: true,
            exists: true,
        };
        Self((0..size).map(|n| (AppId::new(format!("{n:02}")), remote(n))).collect())
    }

    pub(super) fn nth(&mut self, n: usize) -> &mut Remote {
        let index = n % self.0.len();
        self.0.values_mut().nth(index).unwrap()
    }
}

/// The directory as a store would keep it for one integration, their source.
#[derive(Default)]
pub(super) struct Directory {
    pub(super) people: BTreeMap<PersonId, Person>,
    pub(super) accounts: BTreeMap<AppId, Kept>,
    pub(super) queue: BTreeMap<AppId, Waiting>,
}

pub(super) struct Kept {
    pub(super) link: Link,
    missing: u8,
    hash: Option<ShortHash>,
}

/// A record in the queue.
pub(super) struct Waiting {
    pub(super) proposed: Proposed,
    pub(super) ignored: bool,
}

impl Directory {
    pub(super) fn import(&mut self, app: &App, rules: &ImportRules) -> Vec<ImportAction> {
        let mut plan = self.plan(app, rules);
        self.refuse_collisions(&mut plan);
        for action in &plan {
            self.apply(action);
        }
        plan
    }

    /// What an import decides, before it meets what has become impossible.
    pub(super) fn plan(&self, app: &App, rules: &ImportRules) -> Vec<ImportAction> {
        let listed: BTreeMap<_, _> =
            app.0.iter().filter(|(_, remote)| remote.listed).map(|(app_id, remote)| (app_id, stage(app_id, remote, rules))).collect();
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
        plan
    }

    fn decided(&self, staged: &StagedRecord, listed: &BTreeMap<&AppId, StagedRecord>, rules: &ImportRules) -> Option<ImportAction> {
        let kept = self.accounts.get(&staged.app_id);
        if kept.is_some_and(|kept| kept.link.state == LinkState::Live && kept.hash == Some(staged.hash) && kept.missing == 0) {
            return None;
        }
        let queued = match self.queue.get(&staged.app_id) {
            None => Queued::Not,
            Some(waiting) if waiting.ignored => Queued::Ignored,
            Some(_) => Queued::Pending,
        };
        let row = StagedRow { staged: staged.clone(), known: self.known(&staged.app_id), queued };
        let own = Found::of(&said(staged), rules);
        let people = self.found(&own, listed, rules);
        let unlinked = || listed.values().filter(|other| other.app_id != staged.app_id && !self.accounts.contains_key(&other.app_id));
        let others: Vec<_> = unlinked().map(|other| Found::of(&said(other), rules)).collect();
        let claims = |person: &PersonId| {
            unlinked().filter(|other| other.active).any(|other| {
                let people = self.found(&Found::of(&said(other), rules), listed, rules);
                let record = other.mapped.as_ref().unwrap();
                exact_matches(record, people.candidates(), &rules.matching).any(|hit| hit.person.id == *person)
            })
        };
        let evidence = Evidence {
            row: &row,
            candidates: people.candidates(),
            twice: own.shared_with(&others),
            claimed: rules.confirmation.partial_automatic && people.names.iter().any(|hit| claims(&hit.person.id)),
        };
        decide(evidence, rules)
    }

    fn found(&self, wanted: &Found, listed: &BTreeMap<&AppId, StagedRecord>, rules: &ImportRules) -> People {
        let under = |key: fn(&Found) -> &Option<String>| -> Vec<PersonHit> {
            let Some(wanted) = key(wanted) else { return Vec::new() };
            let has = |person: &&Person| key(&Found::of(&person.profile, rules)).as_ref() == Some(wanted);
            self.people.values().filter(has).map(|person| self.hit(person, listed)).collect()
        };
        People {
            user_name: under(|found| &found.user_name),
            email: under(|found| &found.email),
            attribute: under(|found| &found.attribute),
            names: under(|found| &found.names),
        }
    }

    pub(super) fn hit(&self, person: &Person, listed: &BTreeMap<&AppId, StagedRecord>) -> PersonHit {
        let live = self.accounts.values().find(|kept| kept.link.person == person.id && kept.link.state == LinkState::Live);
        let renamed_away = live.and_then(|kept| listed.get(&kept.link.app_id)).is_some_and(|staged| name_of(staged) != key(person));
        PersonHit { person: person.clone(), linked_here: live.is_some(), sourced_elsewhere: false, renamed_away }
    }

    pub(super) fn live(&self) -> BTreeSet<AppId> {
        self.accounts.values().filter(|kept| kept.link.state == LinkState::Live).map(|kept| kept.link.app_id.clone()).collect()
    }

    pub(super) fn known(&self, app_id: &AppId) -> Option<KnownAccount> {
        let kept = self.accounts.get(app_id)?;
        let person = self.people[&kept.link.person].clone();
        Some(KnownAccount { link: kept.link.clone(), person, effective_source: true, missing: kept.missing })
    }

    /// Who would have somebody else's username after the plan is left out, again and again until nobody would. The record
    /// was seen all the same (LS-4).
    pub(super) fn refuse_collisions(&self, plan: &mut [ImportAction]) {
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

    pub(super) fn apply(&mut self, action: &ImportAction) {
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
        match &action.candidate {
            CandidateWrite::Keep => {}
            CandidateWrite::Put(put) => {
                let ignored = self.queue.get(&action.app_id).is_some_and(|waiting| waiting.ignored);
                self.queue.insert(action.app_id.clone(), Waiting { proposed: (**put).clone(), ignored });
            }
            CandidateWrite::Remove => _ = self.queue.remove(&action.app_id),
        }
    }
}

/// Keys that people and records are found by.
#[derive(Default)]
struct Found {
    user_name: Option<String>,
    email: Option<String>,
    attribute: Option<String>,
    names: Option<String>,
}

struct People {
    user_name: Vec<PersonHit>,
    email: Vec<PersonHit>,
    attribute: Vec<PersonHit>,
    names: Vec<PersonHit>,
}

impl Found {
    fn of(profile: &Profile, rules: &ImportRules) -> Self {
        let folded = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(fold_key);
        let MatchKeys { attribute, names } = rules.matching.keys(profile);
        let email = folded(profile.email()).filter(|_| rules.matching.email);
        Self { user_name: folded(profile.user_name()), email, attribute, names }
    }

    fn shared_with(&self, others: &[Self]) -> Twice {
        let shared = |key: fn(&Self) -> &Option<String>| key(self).is_some() && others.iter().any(|other| key(other) == key(self));
        Twice {
            user_name: shared(|found| &found.user_name),
            email: shared(|found| &found.email),
            attribute: shared(|found| &found.attribute),
            names: shared(|found| &found.names),
        }
    }
}

impl People {
    fn candidates(&self) -> Candidates<'_> {
        let Self { user_name, email, attribute, names } = self;
        Candidates { by_user_name: user_name, by_email: email, by_attribute: attribute, by_names: names }
    }
}

fn said(staged: &StagedRecord) -> Profile {
    staged.mapped.as_ref().map(|mapped| mapped.profile.clone()).unwrap()
}

pub(super) fn stage(app_id: &AppId, remote: &Remote, rules: &ImportRules) -> StagedRecord {
    let Remote { user_name, email, given, family, number, active, .. } = remote;
    let attributes = [("userName", user_name), ("email", email), ("givenName", given), ("familyName", family), ("employeeNumber", number)];
    let profile: Profile = attributes.map(|(attribute, text)| (attribute.to_owned(), json!(text))).into_iter().collect();
    let keys = rules.matching.keys(&profile);
    let hash = ShortHash::of_json(&(&profile, active));
    StagedRecord { app_id: app_id.clone(), hash, active: *active, mapped: Ok(MappedRecord { profile, cleared: Vec::new() }), keys }
}

fn name_of(staged: &StagedRecord) -> String {
    staged.mapped.as_ref().map(|mapped| fold_key(mapped.profile.user_name().unwrap())).unwrap()
}

pub(super) fn key(person: &Person) -> String {
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
