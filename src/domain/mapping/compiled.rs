//! A compiled mapping, and how it is evaluated per person and per record.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{
    Apply, DesiredAttribute, EvaluationError, MappedAttributes, MappingSource, OnNull, Problem, Variables, compile,
    expression::{Bound, Expression},
    kind::Kind,
    path, preset, tests_run,
    values::Needs,
};
use crate::domain::{hash::ShortHash, person::Person, scim_path::ScimPath};

/// A compiled mapping. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Mapping {
    pub(super) inner: Arc<Compiled>,
}

#[derive(Debug)]
pub(super) struct Compiled {
    pub(super) to_app: Vec<Outgoing>,
    /// What all expressions of `to_app` together read of a person.
    pub(super) needs: Needs,
    pub(super) to_directory: Vec<Incoming>,
    pub(super) digest: ShortHash,
}

/// An attribute that is written to the app.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) path: ScimPath,
    pub(super) source: OutgoingSource,
    pub(super) apply: Apply,
    pub(super) on_null: OnNull,
}

#[derive(Debug)]
pub(super) enum OutgoingSource {
    /// The preset's: the attribute of `assignment` or, without one, of `user` (MA-2).
    Preset(&'static str),
    /// The preset's flag of the work e-mail address: true where there is one, whoever maps it. The attribute is that with
    /// this number.
    PrimaryIf(usize),
    Expression(Expression),
}

/// An attribute that is read from the app.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) attribute: &'static str,
    pub(super) source: IncomingSource,
    /// For messages.
    pub(super) field: String,
}

#[derive(Debug)]
pub(super) enum IncomingSource {
    Preset(ScimPath),
    /// The preset's e-mail address.
    Email,
    Expression(Expression),
}

impl Mapping {
    /// Compiles a mapping and runs its tests. Every problem is reported, not only the first; tests are run once everything
    /// compiles.
    pub fn compile(source: &MappingSource) -> Result<Self, Vec<Problem>> {
        let mapping = Self { inner: Arc::new(compile::compile(source)?) };
        let problems = tests_run::run(&mapping, &source.tests);
        if problems.is_empty() { Ok(mapping) } else { Err(problems) }
    }

    /// Equal for mappings that do the same.
    pub fn digest(&self) -> ShortHash {
        self.inner.digest
    }

    /// The number of attributes written to the app and to the directory, preset included.
    pub fn sizes(&self) -> (usize, usize) {
        (self.inner.to_app.len(), self.inner.to_directory.len())
    }

    /// Does the mapping give this directory attribute a value from the app? The username is none of its attributes.
    pub fn reads(&self, attribute: &str) -> bool {
        self.inner.to_directory.iter().any(|incoming| incoming.attribute == attribute)
    }

    /// What the person's account is to look like.
    pub fn to_app(
        &self,
        user: &Person,
        assignment: &Map<String, Value>,
        app: Option<&Value>,
    ) -> Result<Vec<DesiredAttribute>, EvaluationError> {
        let variables = Variables { user: Some(user), assignment: Some(assignment), app };
        let mut bound = Bound::of(&self.inner.needs);
        let mut desired: Vec<DesiredAttribute> = Vec::with_capacity(self.inner.to_app.len());
        for Outgoing { path, source, apply, on_null } in &self.inner.to_app {
            let value = match source {
                OutgoingSource::Preset(attribute) => {
                    given(assignment, attribute).cloned().or_else(|| present(path::user_attribute(variables, attribute).into_owned()))
                }
                OutgoingSource::PrimaryIf(address) => {
                    desired.get(*address).and_then(|address| address.value.as_ref()).map(|_| Value::Bool(true))
                }
                OutgoingSource::Expression(expression) => present(expression.evaluate_in(variables, &mut bound)?),
            };
            desired.push(DesiredAttribute { path: path.clone(), value, apply: *apply, on_null: *on_null });
        }
        Ok(desired)
    }

    /// What the record says of its person. Without `userName`, which the username format gives.
    pub fn to_directory(&self, app: &Value) -> Result<MappedAttributes, EvaluationError> {
        let variables = Variables { app: Some(app), ..Variables::default() };
        let mut mapped = MappedAttributes::default();
        for Incoming { attribute, source, field } in &self.inner.to_directory {
            let value = match source {
                IncomingSource::Preset(path) => path.get(app).cloned(),
                IncomingSource::Email => preset::email(app).cloned(),
                IncomingSource::Expression(expression) => Some(expression.evaluate(variables)?),
            };
            match value.and_then(present) {
                None => mapped.nulls.push((*attribute).to_owned()),
                Some(text @ Value::String(_)) => mapped.profile.set(*attribute, text),
                Some(other) => {
                    let problem = format!("it gives {}, and `{attribute}` is a text; `string(x)` makes one", Kind::of_json(&other).word());
                    return Err(EvaluationError { field: field.clone(), problem });
                }
            }
        }
        Ok(mapped)
    }
}

/// A value that an assignment gives (MA-2).
fn given<'a>(assignment: &'a Map<String, Value>, attribute: &str) -> Option<&'a Value> {
    assignment.get(attribute).filter(|value| !is_none(value))
}

/// Null and an empty list are no values (AI-10); an empty text is one.
fn present(value: Value) -> Option<Value> {
    (!is_none(&value)).then_some(value)
}

/// Is it null, or an empty list?
pub(super) fn is_none(value: &Value) -> bool {
    value.is_null() || value.as_array().is_some_and(Vec::is_empty)
}
