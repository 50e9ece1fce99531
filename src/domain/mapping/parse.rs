//! From text to a tree, within the limits that keep parsing cheap (G3).

use cel::common::ast::{IdedExpr, SourceInfo};

use super::{ProblemKind, caret, functions};

/// The longest expression, in characters.
pub(super) const MAX_LENGTH: usize = 2048;
/// The most operators, brackets, dots and commas. They bound the size and the depth of the tree before there is one: the
/// parser and everything after it recurse.
const MAX_MARKS: usize = 300;
/// The deepest nesting of brackets, calls and conditionals.
const MAX_DEPTH: u16 = 32;
/// The stack that parsing gets, in bytes; twice what the limits above let it take.
const STACK: usize = 32 << 20;

/// Something wrong with an expression.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) kind: ProblemKind,
    pub(super) message: String,
    /// Where, in characters from the start.
    pub(super) at: Option<usize>,
}

impl Fault {
    /// A fault of the text as such.
    pub(super) fn syntax(message: impl Into<String>, at: Option<usize>) -> Self {
        Self { kind: ProblemKind::SyntaxError, message: message.into(), at }
    }
}

/// Parses an expression.
pub(super) fn parse(text: &str) -> Result<(IdedExpr, SourceInfo), Fault> {
    if text.trim().is_empty() {
        return Err(Fault::syntax("an expression must not be empty; write `null` for no value", None));
    }
    let length = text.chars().count();
    if length > MAX_LENGTH {
        return Err(Fault::syntax(format!("{length} characters are too many; an expression has at most {MAX_LENGTH}"), None));
    }
    let is_mark = |(_, character): &(usize, char)| {
        character.is_ascii_punctuation() && !matches!(character, '_' | '"' | '\'' | '\\' | '@' | '#' | '$')
    };
    if let Some((at, _)) = text.chars().enumerate().filter(is_mark).nth(MAX_MARKS) {
        return Err(Fault::syntax(
            format!("too long: an expression has at most {MAX_MARKS} operators, brackets, dots and commas"),
            Some(at),
        ));
    }
    if depth(text) > usize::from(MAX_DEPTH) {
        return Err(Fault::syntax(format!("too deep: at most {MAX_DEPTH} brackets may stand inside each other"), None));
    }
    on_a_deep_stack(|| functions::environment().parser().max_recursion_depth(MAX_DEPTH).parse_with_source_info(text))?.map_err(|errors| {
        let first = errors.errors.first();
        let message = first.map_or("it cannot be parsed", |error| error.msg.as_str());
        // What the grammar would accept instead is a list of twenty tokens that helps nobody.
        let message = message.split(" expecting ").next().unwrap_or(message).trim_start_matches("Syntax error: ");
        let at = first.and_then(|error| Some((usize::try_from(error.pos.0).ok()?, usize::try_from(error.pos.1).ok()?)));
        Fault::syntax(format!("not a valid expression: {message}"), at.map(|(line, column)| caret::offset_of(text, line, column)))
    })
}

/// Runs the parser where it has room. It recurses through the whole grammar for each bracket and for each operand of a sum,
/// which takes more than a worker's stack before the limits here are reached (over 100 KiB a bracket, not optimised).
fn on_a_deep_stack<T: Send>(parse: impl FnOnce() -> T + Send) -> Result<T, Fault> {
    std::thread::scope(|scope| {
        let parser = std::thread::Builder::new().name("parse".to_owned()).stack_size(STACK).spawn_scoped(scope, parse);
        parser.ok().and_then(|parser| parser.join().ok()).ok_or_else(|| Fault::syntax("it cannot be parsed", None))
    })
}

/// How deep brackets nest. Those in texts count too: the parser's own limit is reached only after it has recursed.
fn depth(text: &str) -> usize {
    let mut open = 0_usize;
    let mut deepest = 0;
    for character in text.chars() {
        match character {
            '(' | '[' | '{' => {
                open += 1;
                deepest = deepest.max(open);
            }
            ')' | ']' | '}' => open = open.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}
