//! The regular expressions of `matches`. Matching takes linear time, but compiling does not: `(\w{50}){50}` takes longer
//! than everything else of a person. So patterns are bounded, and compiled once per thread instead of once per person.
#![allow(clippy::needless_pass_by_value)] // the interpreter hands arguments over by value

use std::{cell::RefCell, collections::HashMap};

use cel::{
    ExecutionError,
    common::{
        types::{CelBool, CelString},
        value::CowVal,
    },
};
use regex::Regex;

use super::{
    failure,
    functions::{Returned, wants},
    kind::Kind,
};

/// What `matches` becomes when it is evaluated; nobody can write it.
pub(super) const MATCHES: &str = "@matches";

/// The longest pattern, in bytes.
const MAX_LENGTH: usize = 128;
/// The most classes such as `\w` or `\p{L}`: each is hundreds of ranges of Unicode.
const MAX_CLASSES: usize = 4;
/// Patterns that a thread keeps compiled. Beyond them it starts anew.
const MAX_KEPT: usize = 256;

thread_local! {
    static KEPT: RefCell<HashMap<String, Regex>> = RefCell::default();
}

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
    Regex::new(pattern).map(drop).map_err(|_| "the pattern is not a regular expression".to_owned())
}

/// `text.matches(pattern)`: is there a place in the text that fits?
pub(super) fn matches<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Returned<'b, 'v> {
    let [text, pattern] = args.as_slice() else { return Err(failure::of_function("matches", "takes a text and a pattern")) };
    let [text, pattern] = [text, pattern].map(|arg| {
        let arg = arg.as_ref();
        arg.downcast_ref::<CelString>().map(CelString::inner).ok_or_else(|| wants("matches", Kind::Text, arg))
    });
    Ok(CowVal::owned(CelBool::from(fits(text?, pattern?)?)))
}

fn fits(text: &str, pattern: &str) -> Result<bool, ExecutionError> {
    KEPT.with_borrow_mut(|kept| {
        if let Some(compiled) = kept.get(pattern) {
            return Ok(compiled.is_match(text));
        }
        let compiled =
            Regex::new(pattern).map_err(|_| failure::of_function("matches", "has a pattern that is not a regular expression"))?;
        let fits = compiled.is_match(text);
        if kept.len() >= MAX_KEPT {
            kept.clear();
        }
        kept.insert(pattern.to_owned(), compiled);
        Ok(fits)
    })
}
