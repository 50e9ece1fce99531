//! Who should have an account, and with which values (TA-16, TA-17).

use serde_json::{Map, Value};

use super::{
    mapping::{EvaluationError, Expression, Variables},
    person::Person,
};

/// An assignment: whoever satisfies it gets an account.
#[derive(Clone, Debug)]
pub struct Assignment {
    /// Its name, unique in its policy.
    pub name: String,
    /// A condition over `user`.
    pub condition: Expression,
    /// Attribute values: name → expression over `user`.
    pub values: Vec<(String, Expression)>,
    /// List values that are united with those of later assignments instead of winning over them.
    pub combine: Vec<String>,
}

/// Whether a person is assigned.
#[derive(Clone, Debug, PartialEq)]
pub enum Assigned {
    /// At least one assignment holds; these are the values.
    Yes(Map<String, Value>),
    /// At least one holds, and another that gives values could not be evaluated: these values are not all (TA-17).
    Partly(Map<String, Value>),
    /// None holds.
    No,
    /// None holds, and at least one could not be evaluated: the person neither gains nor loses by it (TA-17).
    Undecided,
}

/// Evaluates assignments in priority order. One whose condition or one of whose values cannot be evaluated is undecided
/// (TA-17) and gives no values.
pub fn assigned(assignments: &[Assignment], person: &Person) -> Assigned {
    let mut values = Values::default();
    let mut holds = false;
    let (mut undecided, mut values_missing) = (false, false);
    for assignment in assignments {
        match assignment.evaluate(person) {
            Ok(Some(given)) => {
                holds = true;
                values.add(given, &assignment.combine);
            }
            Ok(None) => {}
            Err(_) => {
                undecided = true;
                values_missing |= !assignment.values.is_empty();
            }
        }
    }
    match (holds, undecided) {
        (true, _) if values_missing => Assigned::Partly(values.given),
        (true, _) => Assigned::Yes(values.given),
        (false, true) => Assigned::Undecided,
        (false, false) => Assigned::No,
    }
}

impl Assignment {
    /// The values that it gives; `None` if it does not hold. Null and an empty list are no values.
    fn evaluate(&self, person: &Person) -> Result<Option<Vec<(&str, Value)>>, EvaluationError> {
        let variables = Variables { user: Some(person), ..Variables::default() };
        if !self.condition.holds(variables)? {
            return Ok(None);
        }
        let mut given = Vec::with_capacity(self.values.len());
        for (name, expression) in &self.values {
            let value = expression.evaluate(variables)?;
            if !value.is_null() && value.as_array().is_none_or(|elements| !elements.is_empty()) {
                given.push((name.as_str(), value));
            }
        }
        Ok(Some(given))
    }
}

/// The values of the assignments that hold (TA-16).
#[derive(Default)]
struct Values {
    given: Map<String, Value>,
    /// Lists that later assignments add to: all that gave elements so far name them in `combine`.
    open: Vec<String>,
}

impl Values {
    fn add(&mut self, given: Vec<(&str, Value)>, combine: &[String]) {
        for (name, value) in given {
            let combines = combine.iter().any(|combined| combined == name);
            match (self.given.get_mut(name), value) {
                (Some(Value::Array(list)), Value::Array(more)) if self.open.iter().any(|open| open == name) => {
                    unite(list, more);
                    if !combines {
                        self.open.retain(|open| open != name);
                    }
                }
                (Some(_), _) => {} // the first that gives it wins
                (None, Value::Array(elements)) if combines => {
                    let mut list = Vec::with_capacity(elements.len());
                    unite(&mut list, elements);
                    self.given.insert(name.to_owned(), Value::Array(list));
                    self.open.push(name.to_owned());
                }
                (None, value) => {
                    self.given.insert(name.to_owned(), value);
                }
            }
        }
    }
}

fn unite(list: &mut Vec<Value>, more: Vec<Value>) {
    for element in more {
        if !list.contains(&element) {
            list.push(element);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::{
        id::{AppId, IntegrationKey, PersonId},
        mapping::Scope,
        person::PersonState,
    };

    fn person() -> Person {
        let profile =
            [("userName", "kim"), ("country", "DE"), ("department", "Sales")].map(|(name, value)| (name.to_owned(), json!(value)));
        let id = PersonId::derive(&IntegrationKey::new("acme", "hr"), &AppId::new("1"));
        Person { id, state: PersonState::Active, profile: profile.into_iter().collect() }
    }

    fn assignment(condition: &str, values: &[(&str, &str)], combine: &[&str]) -> Assignment {
        let compile = |text: &str| Expression::compile("f", text, Scope::User).unwrap();
        Assignment {
            name: condition.to_owned(),
            condition: compile(condition),
            values: values.iter().map(|(name, text)| ((*name).to_owned(), compile(text))).collect(),
            combine: combine.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    fn yes(values: Value) -> Assigned {
        match values {
            Value::Object(values) => Assigned::Yes(values),
            _ => panic!("not a map"),
        }
    }

    #[test]
    fn whoever_satisfies_one_is_assigned() {
        let holds = "user.country == \"DE\"";
        let fails = "user.country == \"FR\"";
        let errs = "user.title.startsWith(\"Head of\")";
        for (conditions, expected, why) in [
            (&[][..], Assigned::No, "no assignment"),
            (&[fails], Assigned::No, "none holds"),
            (&[fails, holds], yes(json!({})), "one holds"),
            (&[errs], Assigned::Undecided, "an error is neither yes nor no"),
            (&[fails, errs], Assigned::Undecided, "one cannot be evaluated"),
            (&[errs, holds], yes(json!({})), "another holds for certain"),
            (&["user.country"], Assigned::Undecided, "no condition at all"),
        ] {
            let assignments: Vec<_> = conditions.iter().map(|condition| assignment(condition, &[], &[])).collect();
            assert_eq!(assigned(&assignments, &person()), expected, "{why}");
        }
    }

    #[test]
    fn the_first_that_gives_a_value_wins_and_lists_are_united_where_asked() {
        let give = |values: &[(&str, &str)], combine: &[&str]| assignment("true", values, combine);
        let teams = |list, combine: &[&str]| give(&[("teams", list)], combine);
        for (assignments, expected, why) in [
            (vec![give(&[("a", "'1'")], &[]), give(&[("a", "'2'"), ("b", "user.country")], &[])], json!({"a": "1", "b": "DE"}), "in order"),
            (vec![give(&[("a", "user.title")], &[]), give(&[("a", "'2'")], &[])], json!({"a": "2"}), "null gives nothing"),
            (vec![teams("[]", &[]), teams("['a']", &[])], json!({"teams": ["a"]}), "nor does an empty list"),
            (vec![give(&[("a", "''")], &[]), give(&[("a", "'2'")], &[])], json!({"a": ""}), "an empty text does"),
            (vec![teams("['a']", &[]), teams("['b']", &[])], json!({"teams": ["a"]}), "lists win too"),
            (
                vec![teams("['b', 'a', 'b']", &["teams"]), teams("['a', 'c']", &["teams"]), teams("['d']", &["teams"])],
                json!({"teams": ["b", "a", "c", "d"]}),
                "united in order, without duplicates",
            ),
            (
                vec![teams("['a']", &["teams"]), teams("['b']", &[]), teams("['c']", &["teams"])],
                json!({"teams": ["a", "b"]}),
                "until one does not combine",
            ),
            (vec![teams("['a']", &[]), teams("['b']", &["teams"])], json!({"teams": ["a"]}), "the earlier one does not combine"),
            (vec![teams("'a'", &["teams"]), teams("['b']", &["teams"])], json!({"teams": "a"}), "no list"),
            (vec![teams("['a']", &["teams"]), teams("'b'", &["teams"])], json!({"teams": ["a"]}), "a later one that is no list"),
            (
                vec![assignment("false", &[("a", "'1'")], &[]), give(&[("a", "'3'")], &[])],
                json!({"a": "3"}),
                "only those that hold give values",
            ),
        ] {
            assert_eq!(assigned(&assignments, &person()), yes(expected), "{why}");
        }
    }

    #[test]
    fn a_value_that_cannot_be_evaluated_makes_its_assignment_undecided() {
        let broken = assignment("true", &[("a", "'1'"), ("b", "user.title + 'x'")], &[]);
        assert_eq!(assigned(std::slice::from_ref(&broken), &person()), Assigned::Undecided);
        let other = assignment("true", &[("c", "'3'")], &[]);
        let Value::Object(known) = json!({"c": "3"}) else { panic!("not a map") };
        assert_eq!(assigned(&[broken, other.clone()], &person()), Assigned::Partly(known.clone()), "its values are missing");
        let unclear = assignment("user.title < 'x'", &[("a", "'2'")], &[]);
        assert_eq!(assigned(&[unclear, other], &person()), Assigned::Partly(known), "whether it gives any is not known");
    }
}
