//! Mappings: compiled once per generation, evaluated per person. A plain attribute path never reaches the interpreter.
//!
//! - `parse`, `analyse` (with `kind`, `operators`, `regex`), `caret`: what is refused, and how it is said
//! - `path`; `lower`, `access`, `functions`, `values`, `failure`: reading directly, and by the interpreter
//! - `expression`: one expression of either sort
//! - `preset`, `compile`, `compiled`, `tests_run`: a whole mapping

use serde_json::{Map, Value};

use super::{person::Person, profile::Profile, scim_path::ScimPath};

mod access;
mod analyse;
mod caret;
mod compile;
mod compiled;
mod expression;
mod failure;
mod functions;
mod kind;
mod lower;
mod operators;
mod parse;
mod path;
mod preset;
mod regex;
#[cfg(test)]
mod tests;
mod tests_run;
mod values;

pub use compiled::Mapping;
pub use expression::Expression;

/// The base mapping that a mapping's entries override (MA-1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Preset {
    /// Same-named core attributes and the enterprise extension, both ways.
    #[default]
    ScimCore,
    /// Nothing.
    None,
}

/// When an attribute is written to an app (MA-4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Apply {
    /// When the account is created, and whenever the value changes.
    #[default]
    CreateAndUpdate,
    /// In the POST only.
    CreateOnly,
}

/// What a null means to an app (MA-5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OnNull {
    /// Not sent; the app's value stays.
    #[default]
    Omit,
    /// The app's value is cleared.
    Clear,
}

/// Which way a mapping goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MappingDirection {
    /// From the directory to the app.
    ToApp,
    /// From the app to the directory.
    ToDirectory,
}

/// An entry of `toApp`.
#[derive(Clone, Debug, PartialEq)]
pub struct ToAppEntry {
    /// A SCIM path in the app.
    pub target: String,
    /// CEL over `user`, `assignment` and `app`.
    pub expression: String,
    /// When it is written.
    pub apply: Apply,
    /// What a null means.
    pub on_null: OnNull,
}

/// An entry of `toDirectory`.
#[derive(Clone, Debug, PartialEq)]
pub struct ToDirectoryEntry {
    /// A directory attribute.
    pub target: String,
    /// CEL over `app`.
    pub expression: String,
}

/// A test of a mapping, run at every change.
#[derive(Clone, Debug, PartialEq)]
pub struct MappingTest {
    /// Its name.
    pub name: String,
    /// Which list it tries.
    pub direction: MappingDirection,
    /// `user`, `assignment` and `app`, as far as they matter.
    pub given: Map<String, Value>,
    /// The expected value of each target named; null means none.
    pub expect: Map<String, Value>,
}

/// A mapping as it was written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MappingSource {
    /// The base mapping.
    pub preset: Preset,
    /// Entries towards the app.
    pub to_app: Vec<ToAppEntry>,
    /// Entries towards the directory.
    pub to_directory: Vec<ToDirectoryEntry>,
    /// Tests.
    pub tests: Vec<MappingTest>,
}

/// What is wrong with an entry or an expression. The kinds are the reasons of `Compiled=False`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProblemKind {
    /// The expression or the path cannot be parsed, or is over a limit of length or nesting.
    SyntaxError,
    /// An attribute or variable that does not exist.
    UnknownAttribute,
    /// The expression can only give a value of the wrong type.
    TypeMismatch,
    /// A target that is written twice or that Joinery writes itself (MA-3).
    DuplicateTarget,
    /// A test gave something else than expected.
    TestFailed,
}

/// A problem, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The field, such as `spec.toApp[2].expression`.
    pub field: String,
    /// What kind.
    pub kind: ProblemKind,
    /// What is wrong and what would be right; for expressions the text with a caret under the place.
    pub message: String,
}

/// The variables an expression may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// `user`, `assignment`, `app`: entries of `toApp`.
    ToApp,
    /// `app`: entries of `toDirectory` and its username format.
    ToDirectory,
    /// `user`: `where`, values of assignments, the username format of `toApp`.
    User,
}

/// What expressions see. Attributes of `user` without a value are null, and all directory attributes are there.
#[derive(Clone, Copy, Debug, Default)]
pub struct Variables<'a> {
    /// The person.
    pub user: Option<&'a Person>,
    /// Values of the assignments that hold.
    pub assignment: Option<&'a Map<String, Value>>,
    /// The app's resource.
    pub app: Option<&'a Value>,
}

/// An expression failed on somebody. The text names the problem, never a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct EvaluationError {
    /// The field whose expression failed.
    pub field: String,
    /// What happened.
    pub problem: String,
}

/// The attributes an account is to have, each target once, in a fixed order.
#[derive(Clone, Debug, PartialEq)]
pub struct DesiredAttribute {
    /// Where the value goes.
    pub path: ScimPath,
    /// The value; `None` for null.
    pub value: Option<Value>,
    /// When it is written.
    pub apply: Apply,
    /// What a null means.
    pub on_null: OnNull,
}

/// What a record says of a person. Holds every attribute that the mapping has a target for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MappedAttributes {
    /// Attributes with values.
    pub profile: Profile,
    /// Attributes that are null in the app, by name.
    pub nulls: Vec<String>,
}
