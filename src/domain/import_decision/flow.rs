//! What a record does to the person it is linked to: attributes, departures, returns (SO-2 to SO-4, TD-6, AI-10).

use super::ImportRules;
use crate::domain::{
    candidate::PendingReason,
    fold::same_folded,
    import_plan::{MappedRecord, PersonWrite},
    matching::Candidates,
    person::{Person, PersonState},
    profile::Profile,
    sourcing::{Return, Sourcing, on_departure, on_return},
};

/// How a record's `active` relates to what it was when its person was last decided about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// As before.
    Same,
    /// Turned inactive.
    Departed,
    /// Turned active, back after an absence, or linked just now.
    Arrived,
}

/// What the effective source's record does to its person.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Flow {
    /// What becomes of the person.
    pub person: PersonWrite,
    /// What somebody has to decide.
    pub pending: Option<PendingReason>,
    /// Is a return refused or pending, so that it has to be noticed again?
    pub return_open: bool,
}

/// Decides what the effective source's record does to its person.
pub(super) fn flow(
    person: &Person,
    mapped: &MappedRecord,
    turn: Turn,
    sourcing: Sourcing,
    candidates: Candidates<'_>,
    rules: &ImportRules,
) -> Flow {
    let merged = merged(&person.profile, mapped, rules.push_null_values);
    let profile = (merged != person.profile).then_some(merged);
    if turn == Turn::Arrived {
        match on_return(sourcing, person.state) {
            Return::Present => {}
            Return::Refused => return Flow { person: PersonWrite::Keep, pending: None, return_open: true },
            Return::Allowed if profile.is_some() => {
                return Flow { person: PersonWrite::Keep, pending: Some(PendingReason::Reactivation), return_open: true };
            }
            Return::Allowed => {
                let person = PersonWrite::change(person.id, None, Some(PersonState::Active));
                return Flow { person, pending: None, return_open: false };
            }
        }
    }
    // A username that is taken holds the attributes back and not a departure: nobody keeps access because of a name.
    let departs = turn == Turn::Departed;
    let state = if departs { on_departure(sourcing, person.state) } else { None };
    if profile.as_ref().is_some_and(|profile| taken(person, profile, departs, candidates)) {
        let person = PersonWrite::change(person.id, None, state);
        return Flow { person, pending: Some(PendingReason::UserNameTaken), return_open: false };
    }
    Flow { person: PersonWrite::change(person.id, profile, state), pending: None, return_open: false }
}

/// The person's profile with what the record says of it. Attributes that the mapping has no target for stay.
pub(super) fn merged(profile: &Profile, mapped: &MappedRecord, push_null_values: bool) -> Profile {
    let mut merged = profile.clone();
    for (attribute, value) in mapped.profile.iter() {
        merged.set(attribute, value.clone());
    }
    if push_null_values {
        // AI-10: the username is never cleared.
        for attribute in mapped.cleared.iter().filter(|attribute| *attribute != "userName") {
            merged.set(attribute.as_str(), serde_json::Value::Null);
        }
    }
    merged
}

/// Would the person take somebody else's username (TD-6)? Not if that person gives it up in the same import (A8). Whether
/// they do shows only when the plan is applied, and an action that has become impossible is left out as a whole; so a
/// departure does not rely on it, and the attributes follow in the next import.
fn taken(person: &Person, profile: &Profile, departs: bool, candidates: Candidates<'_>) -> bool {
    let kept = match (person.profile.user_name(), profile.user_name()) {
        (Some(old), Some(new)) => same_folded(old, new),
        (_, None) => true,
        (None, Some(_)) => false,
    };
    !kept && candidates.by_user_name.iter().any(|hit| hit.person.id != person.id && (departs || !hit.renamed_away))
}
