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
    let mut undecided = false;
    for assignment in assignments {
        match assignment.evaluate(person) {
            Ok(Some(given)) => {
                holds = true;
                values.add(given, &assignment.combine);
            }
            Ok(None) => {}
            Err(_) => undecided = true,
        }
    }
    match (holds, undecided) {
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
