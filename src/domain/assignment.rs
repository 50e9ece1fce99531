//! Who should have an account, and with which values (TA-16, TA-17).

use serde_json::{Map, Value};

use super::{mapping::Expression, person::Person};

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

/// Evaluates assignments in priority order.
pub fn assigned(_assignments: &[Assignment], _person: &Person) -> Assigned {
    todo!()
}
