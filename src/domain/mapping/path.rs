//! Plain paths such as `user.email` or `app.emails[0].value`: recognised at compile time, read without the interpreter.
//!
//! What is not there is null, at any depth: a missing attribute, an attribute of null, an element beyond the end. The
//! interpreter reads by the same rules (`functions.rs`), so an expression means the same on either way.

use std::borrow::Cow;

use cel::common::{
    ast::{CallExpr, Expr, IdedExpr, LiteralValue, operators},
    types::CelString,
};
use serde_json::{Map, Value};

use super::{Scope, Variables, failure};

/// A variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Root {
    User,
    Assignment,
    App,
}

impl Root {
    /// The variables that a scope has.
    pub(super) fn of_scope(scope: Scope) -> &'static [Self] {
        match scope {
            Scope::ToApp => &[Self::User, Self::Assignment, Self::App],
            Scope::ToDirectory => &[Self::App],
            Scope::User => &[Self::User],
        }
    }

    /// The variable's name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Assignment => "assignment",
            Self::App => "app",
        }
    }

    /// Reads [`Root::name`].
    pub(super) fn parse(name: &str) -> Option<Self> {
        [Self::User, Self::Assignment, Self::App].into_iter().find(|root| root.name() == name)
    }
}

/// One step into a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// `.name` or `["name"]`
    Key(String),
    /// `[0]`
    Index(i64),
}

/// A variable and the way from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Path {
    pub(super) root: Root,
    pub(super) steps: Vec<Step>,
}

impl Path {
    /// The path that this expression is, if it is nothing else.
    pub(super) fn of(expression: &IdedExpr) -> Option<Self> {
        match &expression.expr {
            Expr::Ident(name) => Root::parse(name).map(|root| Self { root, steps: Vec::new() }),
            Expr::Select(select) if !select.test => Some(Self::of(&select.operand)?.then(Step::Key(select.field.clone()))),
            Expr::Call(CallExpr { func_name, target: None, args }) if func_name == operators::INDEX => {
                let [operand, index] = args.as_slice() else { return None };
                let step = match &index.expr {
                    Expr::Literal(LiteralValue::String(key)) => Step::Key(CelString::inner(key).to_owned()),
                    Expr::Literal(LiteralValue::Int(index)) => Step::Index(*index.inner()),
                    _ => return None,
                };
                Some(Self::of(operand)?.then(step))
            }
            _ => None,
        }
    }

    /// One step further.
    pub(super) fn then(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    /// The value there; null if there is none. Fails where a text or a number is asked for a part of it.
    pub(super) fn read<'a>(&self, variables: Variables<'a>) -> Result<Cow<'a, Value>, String> {
        let (start, steps) = match (self.root, self.steps.as_slice()) {
            (Root::User, [Step::Key(attribute), steps @ ..]) => (user_attribute(variables, attribute), steps),
            (Root::User, _) => return Err(failure::no_attributes("a person as a whole")),
            (Root::Assignment, [Step::Key(name), steps @ ..]) => {
                (variables.assignment.and_then(|values| member(values, name)).map_or(Cow::Owned(Value::Null), Cow::Borrowed), steps)
            }
            (Root::Assignment, [Step::Index(_), ..]) => return Err(failure::not_indexed("a map")),
            (Root::Assignment, []) => {
                (Cow::Owned(variables.assignment.map_or(Value::Null, |values| Value::Object(values.clone()))), &[][..])
            }
            (Root::App, steps) => (variables.app.map_or(Cow::Owned(Value::Null), Cow::Borrowed), steps),
        };
        match start {
            Cow::Borrowed(value) => walk(value, steps).map(Cow::Borrowed),
            Cow::Owned(value) => walk(&value, steps).cloned().map(Cow::Owned),
        }
    }
}

/// An attribute of the person; `status` is the person's state.
pub(super) fn user_attribute<'a>(variables: Variables<'a>, attribute: &str) -> Cow<'a, Value> {
    match variables.user {
        Some(person) if attribute == "status" => Cow::Owned(Value::from(person.state.as_str())),
        Some(person) => person.profile.get(attribute).map_or(Cow::Owned(Value::Null), Cow::Borrowed),
        None => Cow::Owned(Value::Null),
    }
}

fn walk<'a>(start: &'a Value, steps: &[Step]) -> Result<&'a Value, String> {
    steps.iter().try_fold(start, |value, step| match (value, step) {
        (Value::Null, _) => Ok(&Value::Null),
        (Value::Object(fields), Step::Key(key)) => Ok(member(fields, key).unwrap_or(&Value::Null)),
        (Value::Array(elements), Step::Index(index)) => {
            Ok(usize::try_from(*index).ok().and_then(|index| elements.get(index)).unwrap_or(&Value::Null))
        }
        (other, Step::Key(_)) => Err(failure::no_attributes(super::kind::Kind::of_json(other).word())),
        (other, Step::Index(_)) => Err(failure::not_indexed(super::kind::Kind::of_json(other).word())),
    })
}

/// A member by its name; names of attributes are case-insensitive (RFC 7643 §2.1), an exact match comes first.
pub(super) fn member<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    fields.get(name).or_else(|| fields.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value))
}
