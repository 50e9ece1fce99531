//! Which person a record describes: exact, ambiguous or new (MT-1 to MT-5).

use super::{import_plan::MappedRecord, person::Person};

/// A person who may be the one that a record describes.
#[derive(Clone, Debug, PartialEq)]
pub struct PersonHit {
    /// The person.
    pub person: Person,
    /// Has the person a live link to this integration already?
    pub linked_here: bool,
}

/// What a record is compared by (MT-2). All that are true must hold for one and the same person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MatchingRules {
    /// The usernames are equal.
    pub user_name: bool,
    /// The e-mail addresses are equal.
    pub email: bool,
    /// Compare code points (NFC), or case-folded (MT-3).
    pub case_sensitive: bool,
}

/// People found under a record's folded username and under its folded e-mail address.
#[derive(Clone, Copy, Debug, Default)]
pub struct Candidates<'a> {
    /// By username.
    pub by_user_name: &'a [PersonHit],
    /// By e-mail address; empty if the rules do not use it.
    pub by_email: &'a [PersonHit],
}

/// What a record looks like.
#[derive(Clone, Debug, PartialEq)]
pub enum Proposal<'a> {
    /// One person satisfies all rules.
    Exact(&'a PersonHit),
    /// Several do (MT-5); the first is never taken.
    Ambiguous,
    /// Nobody does.
    New,
}

/// Compares a record with the people who may be it.
pub fn propose<'a>(_record: &MappedRecord, _candidates: Candidates<'a>, _rules: MatchingRules) -> Proposal<'a> {
    todo!()
}
