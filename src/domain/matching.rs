//! Which person a record describes: exact, ambiguous or new (MT-1 to MT-5).

use super::{
    fold::{same_folded, same_text},
    import_plan::MappedRecord,
    person::Person,
    profile::Profile,
};

/// A person who may be the one that a record describes.
#[derive(Clone, Debug, PartialEq)]
pub struct PersonHit {
    /// The person.
    pub person: Person,
    /// Has the person a live link to this integration already?
    pub linked_here: bool,
    /// Is another integration the person's effective source (SO-1)?
    pub sourced_elsewhere: bool,
    /// Does this run give the person another username? True if the person has a live link to this integration, which is
    /// their effective source, and the staged record of that link has another folded username. Lets two people swap
    /// their usernames (A8).
    pub renamed_away: bool,
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
pub fn propose<'a>(record: &MappedRecord, candidates: Candidates<'a>, rules: MatchingRules) -> Proposal<'a> {
    // Everybody who satisfies all rules satisfies the username rule, so that one list is enough.
    let found = if rules.user_name { candidates.by_user_name } else { candidates.by_email };
    let mut exact: Option<&PersonHit> = None;
    for hit in found.iter().filter(|hit| rules.hold(&record.profile, &hit.person.profile)) {
        match exact {
            Some(first) if first.person.id != hit.person.id => return Proposal::Ambiguous,
            _ => exact = Some(hit),
        }
    }
    exact.map_or(Proposal::New, Proposal::Exact)
}

impl MatchingRules {
    fn hold(self, record: &Profile, person: &Profile) -> bool {
        let user_name = !self.user_name || self.equal(record.user_name(), person.user_name());
        let email = !self.email || self.equal(record.email(), person.email());
        // No rule at all is not a rule that everybody satisfies.
        (self.user_name || self.email) && user_name && email
    }

    /// Null and `""` match nothing (MT-1).
    fn equal(self, left: Option<&str>, right: Option<&str>) -> bool {
        match (left, right) {
            (Some(left), Some(right)) if !left.is_empty() => {
                if self.case_sensitive {
                    same_text(left, right)
                } else {
                    same_folded(left, right)
                }
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::{
        id::{AppId, IntegrationKey, PersonId},
        person::PersonState,
    };

    const NAME: MatchingRules = MatchingRules { user_name: true, email: false, case_sensitive: true };
    const EMAIL: MatchingRules = MatchingRules { user_name: false, email: true, case_sensitive: true };
    const BOTH: MatchingRules = MatchingRules { user_name: true, email: true, case_sensitive: true };

    fn profile(user_name: &str, email: &str) -> Profile {
        [("userName".to_owned(), json!(user_name)), ("email".to_owned(), json!(email))].into_iter().collect()
    }

    fn hit(user_name: &str, email: &str) -> PersonHit {
        let id = PersonId::derive(&IntegrationKey::new("acme", "hr"), &AppId::new(format!("{user_name} {email}")));
        let person = Person { id, state: PersonState::Active, profile: profile(user_name, email) };
        PersonHit { person, linked_here: false, sourced_elsewhere: false, renamed_away: false }
    }

    fn exact(record: (&str, &str), by_user_name: &[PersonHit], by_email: &[PersonHit], rules: MatchingRules) -> &'static str {
        let record = MappedRecord { profile: profile(record.0, record.1), cleared: Vec::new() };
        match propose(&record, Candidates { by_user_name, by_email }, rules) {
            Proposal::Exact(_) => "exact",
            Proposal::Ambiguous => "ambiguous",
            Proposal::New => "new",
        }
    }

    #[test]
    fn all_criteria_must_hold_for_one_and_the_same_person() {
        let (ada, bob) = (hit("ada", "ada@x"), hit("bob", "bob@x"));
        let both = [ada.clone()];
        let other = [bob];
        assert_eq!(exact(("ada", "ada@x"), &both, &both, BOTH), "exact");
        assert_eq!(exact(("ada", "bob@x"), &both, &other, BOTH), "new", "the name is one person's, the address another's");
        assert_eq!(exact(("ada", "bob@x"), &both, &other, NAME), "exact");
        assert_eq!(exact(("ada", "bob@x"), &both, &other, EMAIL), "exact");
        assert_eq!(exact(("ada", "bob@x"), &both, &[], EMAIL), "new");
    }

    #[test]
    fn several_people_are_never_narrowed_down_to_the_first() {
        let people = [hit("ada", "team@x"), hit("bob", "team@x")];
        assert_eq!(exact(("eve", "team@x"), &[], &people, EMAIL), "ambiguous");
        let twice = [people[0].clone(), people[0].clone()];
        assert_eq!(exact(("ada", "team@x"), &twice, &[], NAME), "exact", "one person found twice is one person");
    }

    #[test]
    fn case_counts_unless_told_otherwise_and_composition_never_does() {
        let people = [hit("Zo\u{eb}", "z@x")];
        let folded = MatchingRules { case_sensitive: false, ..NAME };
        assert_eq!(exact(("Zoe\u{308}", ""), &people, &[], NAME), "exact");
        assert_eq!(exact(("zo\u{eb}", ""), &people, &[], NAME), "new");
        assert_eq!(exact(("ZOE\u{308}", ""), &people, &[], folded), "exact");
    }

    #[test]
    fn null_and_the_empty_text_match_nothing() {
        let people = [hit("", "")];
        assert_eq!(exact(("", ""), &people, &people, NAME), "new");
        assert_eq!(exact(("", ""), &people, &people, EMAIL), "new");
        let nameless = MappedRecord { profile: Profile::new(), cleared: Vec::new() };
        assert_eq!(propose(&nameless, Candidates { by_user_name: &people, by_email: &people }, BOTH), Proposal::New);
    }

    #[test]
    fn without_any_criterion_nobody_matches() {
        let people = [hit("ada", "ada@x")];
        let none = MatchingRules { user_name: false, email: false, case_sensitive: true };
        assert_eq!(exact(("ada", "ada@x"), &people, &people, none), "new");
    }
}
