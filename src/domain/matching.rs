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

/// Everybody who satisfies the exact rules, as far as they were found: somebody of them may be the record.
pub fn exact_matches<'a>(record: &MappedRecord, candidates: Candidates<'a>, rules: &MatchingRules) -> impl Iterator<Item = &'a PersonHit> {
    exact_list(candidates, rules).iter().filter(|hit| rules.hold(&record.profile, &hit.person.profile))
}

/// Everybody who satisfies all rules satisfies the first of them, so that one list is enough.
fn exact_list<'a>(candidates: Candidates<'a>, rules: &MatchingRules) -> &'a [PersonHit] {
    match rules {
        MatchingRules { attribute: Some(_), .. } => candidates.by_attribute,
        MatchingRules { user_name: true, .. } => candidates.by_user_name,
        _ => candidates.by_email,
    }
}

/// Compares a record with the people who may be it.
pub fn propose<'a>(record: &MappedRecord, candidates: Candidates<'a>, rules: &MatchingRules) -> Proposal<'a> {
    let all = rules.attribute.is_none() || candidates.by_attribute.len() < TOO_MANY;
    match only(exact_list(candidates, rules), all, |person| rules.hold(&record.profile, person)) {
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

    fn looks(attributes: &[(&str, &str)]) -> Profile {
        attributes.iter().map(|(attribute, value)| ((*attribute).to_owned(), json!(value))).collect()
    }

    fn somebody(number: usize, attributes: &[(&str, &str)]) -> PersonHit {
        PersonHit { person: Person { profile: looks(attributes), ..hit(&number.to_string(), "x").person }, ..hit("any", "x") }
    }

    fn proposed(record: &[(&str, &str)], candidates: Candidates<'_>, rules: &MatchingRules) -> &'static str {
        word(&propose(&MappedRecord { profile: looks(record), cleared: Vec::new() }, candidates, rules))
    }

    #[test]
    fn mt2_an_attribute_stands_for_username_and_address_and_its_rules_of_comparison_are_the_same() {
        let people = [somebody(1, &[("userName", "ada"), ("employeeNumber", "Zo\u{eb}-7")]), somebody(2, &[("employeeNumber", "")])];
        let exact = MatchingRules { attribute: Some("employeeNumber".to_owned()), case_sensitive: true, ..MatchingRules::default() };
        let folded = MatchingRules { case_sensitive: false, ..exact.clone() };
        for (number, rules, expected, why) in [
            ("Zoe\u{308}-7", &exact, "exact", "composed and decomposed"),
            ("zo\u{eb}-7", &exact, "new", "case counts (MT-3)"),
            ("ZO\u{cb}-7", &folded, "exact", "it does not"),
            ("", &exact, "new", "an empty text matches nobody (MT-1)"),
            ("", &folded, "new", "an empty text matches nobody (MT-1)"),
            ("8", &folded, "new", "another number"),
        ] {
            let candidates = Candidates { by_attribute: &people, by_user_name: &people, ..Candidates::default() };
            assert_eq!(proposed(&[("userName", "ada"), ("employeeNumber", number)], candidates, rules), expected, "{why}");
            assert_eq!(proposed(&[("userName", "ada")], candidates, rules), "new", "null matches nobody (MT-1)");
        }
        let twice = [people[0].clone(), somebody(3, &[("employeeNumber", "zo\u{eb}-7")])];
        let candidates = Candidates { by_attribute: &twice, ..Candidates::default() };
        assert_eq!(proposed(&[("employeeNumber", "Zo\u{eb}-7")], candidates, &exact), "exact", "the other one differs in case");
        assert_eq!(proposed(&[("employeeNumber", "Zo\u{eb}-7")], candidates, &folded), "ambiguous");
    }

    #[test]
    fn mt4_partly_means_both_names_equal_and_both_username_and_address_different() {
        let ada: &[(&str, &str)] = &[("userName", "ada"), ("email", "ada@x"), ("givenName", "Ada"), ("familyName", "Lee")];
        let people = [somebody(1, ada)];
        let allowed = MatchingRules { partial: true, ..NAME };
        let folded = MatchingRules { case_sensitive: false, ..allowed.clone() };
        for (user_name, email, given, family, rules, expected, why) in [
            ("a.lee", "a.lee@x", "Ada", "Lee", &allowed, "partial", "the names"),
            ("a.lee", "a.lee@x", "Ada", "Lee", &NAME, "new", "not allowed"),
            ("a.lee", "a.lee@x", "ada", "Lee", &allowed, "new", "case counts (MT-3)"),
            ("a.lee", "a.lee@x", "ada", "LEE", &folded, "partial", "it does not"),
            ("a.lee", "ada@x", "Ada", "Lee", &allowed, "new", "the address is the same"),
            ("ADA", "a.lee@x", "Ada", "Lee", &folded, "new", "the username is the same, though nobody was found by it"),
            ("a.lee", "", "Ada", "Lee", &allowed, "partial", "no address is no equal one"),
            ("a.lee", "a.lee@x", "Ada", "", &allowed, "new", "one name is not enough"),
        ] {
            let record = [("userName", user_name), ("email", email), ("givenName", given), ("familyName", family)];
            let candidates = Candidates { by_names: &people, ..Candidates::default() };
            assert_eq!(proposed(&record, candidates, rules), expected, "{why}");
        }
        let nameless = [somebody(1, &[("userName", "x"), ("givenName", ""), ("familyName", "")])];
        let candidates = Candidates { by_names: &nameless, ..Candidates::default() };
        assert_eq!(proposed(&[("userName", "y"), ("givenName", ""), ("familyName", "")], candidates, &allowed), "new", "MT-1");
        // MT-5; and who is found exactly is not looked for by the names.
        let two = [people[0].clone(), somebody(2, &[("userName", "b"), ("givenName", "Ada"), ("familyName", "Lee")])];
        let record = [("userName", "c"), ("givenName", "Ada"), ("familyName", "Lee")];
        assert_eq!(proposed(&record, Candidates { by_names: &two, ..Candidates::default() }, &allowed), "ambiguous");
        let named = [somebody(9, &[("userName", "c")])];
        assert_eq!(proposed(&record, Candidates { by_user_name: &named, by_names: &two, ..Candidates::default() }, &allowed), "exact");
    }

    #[test]
    fn mt5_too_many_people_under_a_key_say_nothing_about_anybody() {
        let crowd = |size: usize| -> Vec<PersonHit> {
            (0..size).map(|number| somebody(number, &[("employeeNumber", if number == 0 { "X" } else { "x" })])).collect()
        };
        let rules = MatchingRules { attribute: Some("employeeNumber".to_owned()), case_sensitive: true, ..MatchingRules::default() };
        for (size, expected) in [(TOO_MANY - 1, "exact"), (TOO_MANY, "ambiguous")] {
            let people = crowd(size);
            let candidates = Candidates { by_attribute: &people, ..Candidates::default() };
            assert_eq!(proposed(&[("employeeNumber", "X")], candidates, &rules), expected, "{size} people");
        }
        assert_eq!(
            proposed(&[("employeeNumber", "Y")], Candidates { by_attribute: &crowd(TOO_MANY), ..Candidates::default() }, &rules),
            "ambiguous"
        );
    }

    #[test]
    fn mt3_keys_are_made_only_of_what_the_rules_use() {
        let record = looks(&[("employeeNumber", "E-7"), ("givenName", "Zo\u{eb}"), ("familyName", "LEE")]);
        assert_eq!(NAME.keys(&record), MatchKeys::default());
        let both = MatchingRules { attribute: Some("employeeNumber".to_owned()), partial: true, ..MatchingRules::default() };
        let keys = MatchKeys { attribute: Some("e-7".to_owned()), names: Some("zo\u{eb}\u{1f}lee".to_owned()) };
        assert_eq!(both.keys(&record), keys);
        assert_eq!(both.keys(&looks(&[("employeeNumber", ""), ("givenName", "Ada")])), MatchKeys::default());
        let [one, other] = [[("givenName", "a"), ("familyName", "bc")], [("givenName", "ab"), ("familyName", "c")]];
        assert_ne!(names_key(&looks(&one)), names_key(&looks(&other)), "where one name ends counts");
        for (value, key) in [(json!(7), Some("7")), (json!(true), Some("true")), (json!(["a"]), None), (json!({"a": 1}), None)] {
            let profile: Profile = [("badge".to_owned(), value)].into_iter().collect();
            assert_eq!(attribute_key(&profile, "badge").as_deref(), key);
        }
    }
}
