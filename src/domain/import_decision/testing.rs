//! Builders for the tests of import decisions.

use serde_json::{Map, Value, json};

use super::{Confirmation, Evidence, ImportRules, Twice, decide};
use crate::domain::{
    candidate::{PendingReason, ProposalKind, Queued},
    hash::ShortHash,
    id::{AppId, IntegrationKey, PersonId},
    import_plan::{CandidateWrite, ImportAction, KnownAccount, MappedRecord, MatchKeys, RecordFailure, StagedRecord, StagedRow},
    link::{Link, LinkOrigin, LinkState},
    matching::{Candidates, MatchingRules, PersonHit},
    person::{Person, PersonState},
    profile::Profile,
    protection::Protection,
    safeguard::ImportLimits,
    sourcing::{OnDeactivation, Sourcing},
};

/// A policy under which everything is automatic and the app is a source that deactivates.
pub(super) fn rules() -> ImportRules {
    ImportRules {
        integration: IntegrationKey::new("acme", "hr"),
        matching: MatchingRules { user_name: true, case_sensitive: true, ..MatchingRules::default() },
        confirmation: Confirmation { exact_automatic: true, partial_automatic: false, new_automatic: true, activate_new: true },
        sourcing: Some(Sourcing {
            on_deactivation: OnDeactivation::Deactivate,
            reactivate_suspended: false,
            reactivate_deactivated: false,
        }),
        profile_sources: Vec::new(),
        protection: Protection::Nobody,
        push_null_values: false,
        missing_full_imports: 2,
        limits: ImportLimits { max_unassigned_percent: 20, min_population: 100, max_unassigned: None },
        window_seconds: 86_400,
        approval_seconds: 86_400,
    }
}

pub(super) fn reactivating() -> ImportRules {
    let sourcing = Sourcing { reactivate_suspended: true, reactivate_deactivated: true, ..Sourcing::default() };
    ImportRules { sourcing: Some(sourcing), ..rules() }
}

pub(super) fn manual() -> ImportRules {
    ImportRules { confirmation: Confirmation::default(), ..rules() }
}

pub(super) fn id(name: &str) -> PersonId {
    PersonId::derive(&IntegrationKey::new("acme", "hr"), &AppId::new(name))
}

pub(super) fn profile(user_name: &str, title: &str) -> Profile {
    let email = format!("{user_name}@x");
    [("userName".to_owned(), json!(user_name)), ("email".to_owned(), json!(email)), ("title".to_owned(), json!(title))]
        .into_iter()
        .collect()
}

/// A person called `name`, created by the record of the same id.
pub(super) fn person(name: &str, state: PersonState) -> Person {
    Person { id: id(name), state, profile: profile(name, "clerk") }
}

pub(super) fn hit(name: &str) -> PersonHit {
    PersonHit { person: person(name, PersonState::Active), linked_here: false, sourced_elsewhere: false, renamed_away: false }
}

/// An active record that says what the directory says of the person of that name.
pub(super) fn record(name: &str) -> StagedRow {
    let mapped = MappedRecord { profile: profile(name, "clerk"), cleared: Vec::new() };
    let staged =
        StagedRecord { app_id: AppId::new(name), hash: ShortHash([7; 16]), active: true, mapped: Ok(mapped), keys: MatchKeys::default() };
    StagedRow { staged, known: None, queued: Queued::Not }
}

/// The same record, linked to the person of that name at their effective source.
pub(super) fn linked(name: &str, state: PersonState, was_active: bool) -> StagedRow {
    StagedRow { known: Some(known(name, state, was_active)), ..record(name) }
}

pub(super) fn known(name: &str, state: PersonState, was_active: bool) -> KnownAccount {
    let link = Link {
        person: id(name),
        app_id: AppId::new(name),
        state: LinkState::Live,
        origin: LinkOrigin::Import,
        assigned: false,
        active: was_active,
        written: Map::new(),
        inputs: None,
        resource: None,
    };
    KnownAccount { link, person: person(name, state), effective_source: true, missing: 0 }
}

impl StagedRow {
    pub(super) fn inactive(mut self) -> Self {
        self.staged.active = false;
        self
    }

    pub(super) fn titled(self, title: &str) -> Self {
        self.says("title", json!(title))
    }

    pub(super) fn says(mut self, attribute: &str, value: Value) -> Self {
        if let Ok(mapped) = &mut self.staged.mapped {
            mapped.profile.set(attribute, value);
        }
        self
    }

    pub(super) fn clears(mut self, attribute: &str) -> Self {
        if let Ok(mapped) = &mut self.staged.mapped {
            mapped.profile.set(attribute, Value::Null);
            mapped.cleared.push(attribute.to_owned());
        }
        self
    }

    pub(super) fn unmapped(mut self) -> Self {
        self.staged.mapped = Err(RecordFailure::Mapping);
        self
    }

    pub(super) fn waiting(mut self) -> Self {
        self.queued = Queued::Pending;
        self
    }

    /// Somebody has decided to ignore it.
    pub(super) fn shelved(mut self) -> Self {
        self.queued = Queued::Ignored;
        self
    }

    /// At another app than the person's effective source.
    pub(super) fn sourced_elsewhere(mut self) -> Self {
        if let Some(known) = &mut self.known {
            known.effective_source = false;
        }
        self
    }

    pub(super) fn ended(mut self, state: LinkState) -> Self {
        if let Some(known) = &mut self.known {
            known.link.state = state;
        }
        self
    }
}

/// The decision about a record; `people` are those with its username.
pub(super) fn decided(row: &StagedRow, people: &[PersonHit], rules: &ImportRules) -> ImportAction {
    among(row, Candidates { by_user_name: people, ..Candidates::default() }, rules)
}

/// The decision about a record that is like no other one of its import.
pub(super) fn among(row: &StagedRow, candidates: Candidates<'_>, rules: &ImportRules) -> ImportAction {
    decide(Evidence { row, candidates, twice: Twice::default(), claimed: false }, rules).unwrap()
}

/// What somebody has to decide: the kind of proposal, the person, the reason.
pub(super) fn proposal(write: &CandidateWrite) -> Option<(ProposalKind, Option<PersonId>, PendingReason)> {
    match write {
        CandidateWrite::Put(put) => Some((put.kind, put.person, put.reason)),
        CandidateWrite::Keep | CandidateWrite::Remove => None,
    }
}
