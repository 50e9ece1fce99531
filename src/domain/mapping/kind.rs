//! Kinds of values, as far as they are known before anybody is evaluated.

use cel::common::types::Type;
use serde_json::Value;

/// What an expression gives, as far as its text tells. All but [`Kind::Null`] may be null as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Known for each person only.
    Any,
    Null,
    Bool,
    Int,
    /// A fraction or an unsigned integer.
    Number,
    Text,
    List,
    Map,
}

impl Kind {
    /// With its article, for messages.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Any => "anything",
            Self::Null => "null",
            Self::Bool => "true or false",
            Self::Int => "an integer",
            Self::Number => "a number",
            Self::Text => "a text",
            Self::List => "a list",
            Self::Map => "a map",
        }
    }

    /// The kind of this value.
    pub(super) fn of_json(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(_) => Self::Bool,
            Value::Number(number) if number.is_i64() => Self::Int,
            Value::Number(_) => Self::Number,
            Value::String(_) => Self::Text,
            Value::Array(_) => Self::List,
            Value::Object(_) => Self::Map,
        }
    }

    /// The kind that the interpreter calls by this name; `Any` for what mappings do not have, such as bytes.
    pub(super) fn of_cel_name(name: &str) -> Self {
        match name {
            "null_type" => Self::Null,
            "bool" => Self::Bool,
            "int" => Self::Int,
            "uint" | "double" => Self::Number,
            "string" => Self::Text,
            "list" => Self::List,
            "map" => Self::Map,
            _ => Self::Any,
        }
    }

    /// The kind of values of this type.
    pub(super) fn of_cel(kind: &Type) -> Self {
        Self::of_cel_name(kind.name())
    }

    /// May a value of this kind stand where `wanted` is needed? Null may stand anywhere: whether it is one is known only
    /// when somebody is evaluated.
    pub(super) fn fits(self, wanted: Self) -> bool {
        self == wanted || matches!(self, Self::Any | Self::Null) || wanted == Self::Any
    }

    /// The kind of what is either this or that.
    pub(super) fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Null, kind) | (kind, Self::Null) => kind,
            (this, that) if this == that => this,
            _ => Self::Any,
        }
    }

    /// Is it a number of any form?
    pub(super) fn is_numeric(self) -> bool {
        matches!(self, Self::Int | Self::Number)
    }
}
