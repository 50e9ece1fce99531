//! The regular expressions of `matches`. Matching takes linear time, but compiling does not: `(\w{50}){50}` takes longer
//! than everything else of a person.

use cel::{
    Context, Value,
    common::ast::{CallExpr, Expr, IdedExpr, LiteralValue},
};

use super::functions;

/// The longest pattern, in bytes.
const MAX_LENGTH: usize = 128;
/// The most classes such as `\w` or `\p{L}`: each is hundreds of ranges of Unicode.
const MAX_CLASSES: usize = 4;

/// Refuses what is no pattern, and what is expensive to compile.
pub(super) fn check(pattern: &str) -> Result<(), String> {
    if pattern.len() > MAX_LENGTH {
        return Err(format!("the pattern is too long; it has at most {MAX_LENGTH} bytes"));
    }
    let bytes = pattern.as_bytes();
    let classes = bytes.windows(2).filter(|pair| pair[0] == b'\\' && pair[1].is_ascii_alphabetic()).count();
    if classes > MAX_CLASSES {
        return Err(format!("the pattern has too many classes such as `\\w`; at most {MAX_CLASSES}"));
    }
    let counted = bytes.iter().enumerate().any(|(place, byte)| *byte == b'{' && bytes.get(place + 1).is_some_and(u8::is_ascii_digit));
    if counted || pattern.contains("(?") {
        return Err("counted repetition `{…}` and flags `(?…)` are not allowed in a pattern; `*`, `+`, `?` and sets are".to_owned());
    }
    compiles(pattern)
}

/// Lets the interpreter compile it once.
fn compiles(pattern: &str) -> Result<(), String> {
    let text = |text: &str| IdedExpr { id: 0, expr: Expr::Literal(LiteralValue::String(text.to_owned().into())) };
    let call = CallExpr { func_name: "matches".to_owned(), target: None, args: vec![text(""), text(pattern)] };
    let context = Context::with_env(functions::environment());
    Value::resolve(&IdedExpr { id: 0, expr: Expr::Call(call) }, &context)
        .map(drop)
        .map_err(|_| "the pattern is not a regular expression".to_owned())
}
