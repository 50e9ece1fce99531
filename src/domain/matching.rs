//! Which person a record describes: exact, partial, ambiguous or new (MT-1 to MT-5).

use serde_json::Value;

use super::{
    fold::{fold_key, same_folded, same_text},
    import_plan::{MappedRecord, MatchKeys},
    person::Person,
    profile::Profile,
};

/// So many people under one key say nothing about anybody: whoever finds this many is shown no more, and the record is
/// ambiguous (MT-5).
pub const TOO_MANY: usize = 16;

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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "the switches of a policy")]
pub struct MatchingRules {
    /// The usernames are equal.
    pub user_name: bool,
    /// The e-mail addresses are equal.
    pub email: bool,
    /// The values of this directory attribute are equal. Excludes the other two.
    pub attribute: Option<String>,
    /// Compare code points (NFC), or case-folded (MT-3).
    pub case_sensitive: bool,
    /// Are people with the same given and family name proposed, where nothing is exact (MT-4)?
    pub partial: bool,
}

/// People found under a record's folded keys.
#[derive(Clone, Copy, Debug, Default)]
pub struct Candidates<'a> {
    /// By username.
    pub by_user_name: &'a [PersonHit],
    /// By e-mail address; empty if the rules do not use it.
    pub by_email: &'a [PersonHit],
    /// By the attribute of the rules; empty if they have none. At most [`TOO_MANY`].
    pub by_attribute: &'a [PersonHit],
    /// By given and family name; empty if the rules allow no partial matches. At most [`TOO_MANY`].
    pub by_names: &'a [PersonHit],
}

/// What a record looks like.
#[derive(Clone, Debug, PartialEq)]
pub enum Proposal<'a> {
    /// One person satisfies all rules.
    Exact(&'a PersonHit),
    /// Nobody does, and one person has the same given and family name (MT-4).
    Partial(&'a PersonHit),
    /// Several do (MT-5); the first is never taken.
    Ambiguous,
    /// Nobody does.
    New,
}

/// Compares a record with the people who may be it.
pub fn propose<'a>(record: &MappedRecord, candidates: Candidates<'a>, rules: &MatchingRules) -> Proposal<'a> {
    // Everybody who satisfies all rules satisfies the first of them, so that one list is enough.
    let (found, all) = match rules {
        MatchingRules { attribute: Some(_), .. } => (candidates.by_attribute, candidates.by_attribute.len() < TOO_MANY),
        MatchingRules { user_name: true, .. } => (candidates.by_user_name, true),
        _ => (candidates.by_email, true),
    };
    match only(found, all, |person| rules.hold(&record.profile, person)) {
        Found::One(hit) => return Proposal::Exact(hit),
        Found::Several => return Proposal::Ambiguous,
        Found::None => {}
    }
    if !rules.partial {
        return Proposal::New;
    }
    match only(candidates.by_names, candidates.by_names.len() < TOO_MANY, |person| rules.hold_partly(&record.profile, person)) {
        Found::One(hit) => Proposal::Partial(hit),
        Found::Several => Proposal::Ambiguous,
        Found::None => Proposal::New,
    }
}

enum Found<'a> {
    None,
    One(&'a PersonHit),
    Several,
}

/// The only one who fits. Unless `all` were found, nobody knows who else does.
fn only(people: &[PersonHit], all: bool, fits: impl Fn(&Profile) -> bool) -> Found<'_> {
    if !all {
        return Found::Several;
    }
    let mut one: Option<&PersonHit> = None;
    for hit in people.iter().filter(|hit| fits(&hit.person.profile)) {
        match one {
            Some(first) if first.person.id != hit.person.id => return Found::Several,
            _ => one = Some(hit),
        }
    }
    one.map_or(Found::None, Found::One)
}

impl MatchingRules {
    /// The folded keys that a record is looked up by, besides username and e-mail address.
    pub fn keys(&self, record: &Profile) -> MatchKeys {
        MatchKeys {
            attribute: self.attribute.as_deref().and_then(|attribute| attribute_key(record, attribute)),
            names: if self.partial { names_key(record) } else { None },
        }
    }

    fn hold(&self, record: &Profile, person: &Profile) -> bool {
        if let Some(attribute) = &self.attribute {
            let (left, right) = (value_text(record, attribute), value_text(person, attribute));
            return self.equal(left.as_deref(), right.as_deref());
        }
        let user_name = !self.user_name || self.equal(record.user_name(), person.user_name());
        let email = !self.email || self.equal(record.email(), person.email());
        // No rule at all is not a rule that everybody satisfies.
        (self.user_name || self.email) && user_name && email
    }

    fn hold_partly(&self, record: &Profile, person: &Profile) -> bool {
        let names = ["givenName", "familyName"];
        names.iter().all(|name| self.equal(record.text(name), person.text(name)))
            && !self.equal(record.user_name(), person.user_name())
            && !self.equal(record.email(), person.email())
    }

    /// Null and `""` match nothing (MT-1).
    fn equal(&self, left: Option<&str>, right: Option<&str>) -> bool {
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

/// The key under which a person or a record is found by an attribute; `None` for null, `""` and what is no single value.
pub fn attribute_key(profile: &Profile, attribute: &str) -> Option<String> {
    value_text(profile, attribute).map(|text| fold_key(&text)).filter(|key| !key.is_empty())
}

/// The key under which namesakes are found; `None` without both names.
pub fn names_key(profile: &Profile) -> Option<String> {
    let name = |attribute| profile.text(attribute).filter(|text| !text.is_empty()).map(fold_key);
    // A unit separator is in nobody's name.
    Some(format!("{}\u{1f}{}", name("givenName")?, name("familyName")?))
}

fn value_text(profile: &Profile, attribute: &str) -> Option<String> {
    match profile.get(attribute)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
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

    const NAME: MatchingRules = MatchingRules { user_name: true, email: false, attribute: None, case_sensitive: true, partial: false };
    const EMAIL: MatchingRules = MatchingRules { user_name: false, email: true, ..NAME };
    const BOTH: MatchingRules = MatchingRules { email: true, ..NAME };

    fn profile(user_name: &str, email: &str) -> Profile {
        [("userName".to_owned(), json!(user_name)), ("email".to_owned(), json!(email))].into_iter().collect()
    }

    fn hit(user_name: &str, email: &str) -> PersonHit {
        let id = PersonId::derive(&IntegrationKey::new("acme", "hr"), &AppId::new(format!("{user_name} {email}")));
        let person = Person { id, state: PersonState::Active, profile: profile(user_name, email) };
        PersonHit { person, linked_here: false, sourced_elsewhere: false, renamed_away: false }
    }

    fn exact(record: (&str, &str), by_user_name: &[PersonHit], by_email: &[PersonHit], rules: &MatchingRules) -> &'static str {
        let record = MappedRecord { profile: profile(record.0, record.1), cleared: Vec::new() };
        word(&propose(&record, Candidates { by_user_name, by_email, ..Candidates::default() }, rules))
    }

    fn word(proposal: &Proposal<'_>) -> &'static str {
        match proposal {
            Proposal::Exact(_) => "exact",
            Proposal::Partial(_) => "partial",
            Proposal::Ambiguous => "ambiguous",
            Proposal::New => "new",
        }
    }

    #[test]
    fn all_criteria_must_hold_for_one_and_the_same_person() {
        let (ada, bob) = (hit("ada", "ada@x"), hit("bob", "bob@x"));
        let both = [ada.clone()];
        let other = [bob];
        assert_eq!(exact(("ada", "ada@x"), &both, &both, &BOTH), "exact");
        assert_eq!(exact(("ada", "bob@x"), &both, &other, &BOTH), "new", "the name is one person's, the address another's");
        assert_eq!(exact(("ada", "bob@x"), &both, &other, &NAME), "exact");
        assert_eq!(exact(("ada", "bob@x"), &both, &other, &EMAIL), "exact");
        assert_eq!(exact(("ada", "bob@x"), &both, &[], &EMAIL), "new");
    }

    #[test]
    fn several_people_are_never_narrowed_down_to_the_first() {
        let people = [hit("ada", "team@x"), hit("bob", "team@x")];
        assert_eq!(exact(("eve", "team@x"), &[], &people, &EMAIL), "ambiguous");
        let twice = [people[0].clone(), people[0].clone()];
        assert_eq!(exact(("ada", "team@x"), &twice, &[], &NAME), "exact", "one person found twice is one person");
    }

    #[test]
    fn case_counts_unless_told_otherwise_and_composition_never_does() {
        let people = [hit("Zo\u{eb}", "z@x")];
        let folded = MatchingRules { case_sensitive: false, ..NAME };
        assert_eq!(exact(("Zoe\u{308}", ""), &people, &[], &NAME), "exact");
        assert_eq!(exact(("zo\u{eb}", ""), &people, &[], &NAME), "new");
        assert_eq!(exact(("ZOE\u{308}", ""), &people, &[], &folded), "exact");
    }

    #[test]
    fn null_and_the_empty_text_match_nothing() {
        let people = [hit("", "")];
        assert_eq!(exact(("", ""), &people, &people, &NAME), "new");
        assert_eq!(exact(("", ""), &people, &people, &EMAIL), "new");
        let nameless = MappedRecord { profile: Profile::new(), cleared: Vec::new() };
        assert_eq!(
            propose(&nameless, Candidates { by_user_name: &people, by_email: &people, ..Candidates::default() }, &BOTH),
            Proposal::New
        );
    }

    #[test]
    fn without_any_criterion_nobody_matches() {
        let people = [hit("ada", "ada@x")];
        let none = MatchingRules { user_name: false, ..NAME };
        assert_eq!(exact(("ada", "ada@x"), &people, &people, &none), "new");
    }
}
