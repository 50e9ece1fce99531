//! Why an evaluation failed, in words that hold no value of anybody (H4).

use cel::ExecutionError;

use super::kind::Kind;

const NULL_ADVICE: &str = "; `default(value, fallback)` replaces a null";

/// A part was asked of something that has none.
pub(super) fn no_attributes(of: &str) -> String {
    format!("{of} has no attributes")
}

/// An element was asked of something that has none, or by something that is no number.
pub(super) fn not_indexed(of: &str) -> String {
    format!("{of} has no element of that number")
}

/// An error of one of our own functions. Its text is shown as it is, so it must not quote a value.
pub(super) fn of_function(function: &str, problem: impl Into<String>) -> ExecutionError {
    ExecutionError::FunctionError { function: function.to_owned(), message: format!("{OWN}{}", problem.into()) }
}

/// Marks messages of our own: those of the interpreter's functions quote their arguments.
const OWN: char = '\u{1}';

/// The error in words. Only kinds are told: many of the interpreter's errors carry the values themselves.
pub(super) fn words(error: &ExecutionError) -> String {
    match error {
        ExecutionError::NoSuchOverload(overload) => {
            let kinds: Vec<Kind> = overload.argument_types().iter().map(|name| Kind::of_cel_name(name)).collect();
            does_not_apply(overload.function(), &kinds)
        }
        ExecutionError::UnsupportedBinaryOperator(operator, left, right) => does_not_apply(operator, &[kind_of(left), kind_of(right)]),
        ExecutionError::ValuesNotComparable(left, right) => does_not_apply("comparison", &[kind_of(left), kind_of(right)]),
        ExecutionError::UnexpectedType { got, .. } => format!("{} stands where something else is needed", Kind::of_cel_name(got).word()),
        ExecutionError::FunctionError { function, message } => match message.strip_prefix(OWN) {
            Some(problem) if function.starts_with('@') => problem.to_owned(),
            Some(problem) => format!("`{function}` {problem}"),
            None => format!("`{function}` cannot work with what it was given"),
        },
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => "division by zero".to_owned(),
        ExecutionError::Overflow(..) => "a number is out of range".to_owned(),
        ExecutionError::DuplicateKey(_) => "a map has the same key twice".to_owned(),
        ExecutionError::UnsupportedKeyType(_) => "a key of a map must be a text, a number, true or false".to_owned(),
        _ => "it cannot be evaluated".to_owned(),
    }
}

/// An operator or a function met values that it is not made for.
pub(super) fn does_not_apply(operator: &str, kinds: &[Kind]) -> String {
    let words: Vec<&str> = kinds.iter().map(|kind| kind.word()).collect();
    let advice = if kinds.contains(&Kind::Null) { NULL_ADVICE } else { "" };
    format!("`{}` does not apply to {}{advice}", sign(operator), words.join(" and "))
}

fn kind_of(value: &cel::Value) -> Kind {
    match value {
        cel::Value::Null => Kind::Null,
        cel::Value::Bool(_) => Kind::Bool,
        cel::Value::Int(_) => Kind::Int,
        cel::Value::UInt(_) | cel::Value::Float(_) => Kind::Number,
        cel::Value::String(_) => Kind::Text,
        cel::Value::List(_) => Kind::List,
        cel::Value::Map(_) => Kind::Map,
        _ => Kind::Any,
    }
}

/// The operator as it is written: the interpreter calls `+` `_+_` here and `add` there.
pub(super) fn sign(operator: &str) -> &str {
    match operator {
        "add" => "+",
        "sub" => "-",
        "mul" => "*",
        "div" => "/",
        "rem" => "%",
        "_?_:_" => "? :",
        "_[_]" => "[ ]",
        "@in" => "in",
        _ => match operator.trim_matches('_') {
            "" => operator,
            bare => bare,
        },
    }
}
