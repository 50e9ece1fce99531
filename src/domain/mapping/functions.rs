//! The functions of expressions, and the one environment that knows them.
//!
//! Of a null all helpers make null: a person without an e-mail address has none in lower case either.

use std::sync::{Arc, LazyLock};

use cel::{
    Env, ExecutionError,
    common::{
        functions::Function,
        types::{CelList, CelNull, CelString, DYN_TYPE},
        value::{CowVal, Val},
    },
};
use unicode_normalization::UnicodeNormalization;

use super::{access, failure, kind::Kind};

/// The longest text that a helper or `+` makes, in bytes. Without it nested calls of `replace` multiply.
pub(super) const MAX_TEXT: usize = 64 * 1024;
/// The most parts that `split` makes.
const MAX_PARTS: usize = 1000;

/// A function that expressions may call.
pub(super) struct Signature {
    pub(super) name: &'static str,
    /// Is it written `x.name(…)`? Then `x` is the first parameter.
    pub(super) member: bool,
    pub(super) parameters: &'static [Kind],
    pub(super) result: Kind,
    /// Our own implementation; the interpreter has the others.
    own: Option<Function>,
}

const fn helper(name: &'static str, parameters: &'static [Kind], result: Kind, own: Function) -> Signature {
    Signature { name, member: false, parameters, result, own: Some(own) }
}

const fn standard(name: &'static str, member: bool, parameters: &'static [Kind], result: Kind) -> Signature {
    Signature { name, member, parameters, result, own: None }
}

/// Everything that may be called. What the interpreter has besides (bytes, types, optionals) is left out: JSON has no form
/// for it.
pub(super) const SIGNATURES: [Signature; 19] = [
    helper("lower", &[Kind::Text], Kind::Text, lower),
    helper("upper", &[Kind::Text], Kind::Text, upper),
    helper("substringBefore", &[Kind::Text, Kind::Text], Kind::Text, substring_before),
    helper("substringAfter", &[Kind::Text, Kind::Text], Kind::Text, substring_after),
    helper("join", &[Kind::List, Kind::Text], Kind::Text, join),
    helper("split", &[Kind::Text, Kind::Text], Kind::List, split),
    helper("replace", &[Kind::Text, Kind::Text, Kind::Text], Kind::Text, replace),
    helper("removeDiacritics", &[Kind::Text], Kind::Text, remove_diacritics),
    standard("default", false, &[Kind::Any, Kind::Any], Kind::Any), // rewritten before it is evaluated (lower.rs)
    standard("size", false, &[Kind::Any], Kind::Int),
    standard("string", false, &[Kind::Any], Kind::Text),
    standard("int", false, &[Kind::Any], Kind::Int),
    standard("double", false, &[Kind::Any], Kind::Number),
    standard("matches", false, &[Kind::Text, Kind::Text], Kind::Bool),
    standard("size", true, &[Kind::Any], Kind::Int),
    standard("startsWith", true, &[Kind::Text, Kind::Text], Kind::Bool),
    standard("endsWith", true, &[Kind::Text, Kind::Text], Kind::Bool),
    standard("contains", true, &[Kind::Text, Kind::Text], Kind::Bool),
    standard("matches", true, &[Kind::Text, Kind::Text], Kind::Bool),
];

static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut environment = Env::stdlib().with_optional_support(false);
    let own = SIGNATURES.iter().filter_map(|signature| Some((signature.name, signature.parameters.len(), signature.own?)));
    for (name, parameters, function) in own.chain(access::FUNCTIONS) {
        // Fails only for a name that is taken, and these are not: the tests call each.
        environment.add_overload(name, name, (0..parameters).map(|_| DYN_TYPE).collect(), function).ok();
    }
    Arc::new(environment)
});

/// The environment that all expressions share: making one costs as much as some fifty evaluations.
pub(super) fn environment() -> Arc<Env> {
    Arc::clone(&ENVIRONMENT)
}

/// What a function returns.
pub(super) type Returned<'b, 'v> = Result<CowVal<'b, 'v>, ExecutionError>;

pub(super) fn null<'b, 'v>() -> CowVal<'b, 'v> {
    CowVal::owned(CelNull)
}

pub(super) fn is_null(value: &dyn Val) -> bool {
    value.downcast_ref::<CelNull>().is_some()
}

/// A text as a function's result, if it is not too long.
pub(super) fn text<'b, 'v>(function: &str, text: String) -> Returned<'b, 'v> {
    check_length(function, text.len())?;
    Ok(CowVal::owned(CelString::from(text)))
}

pub(super) fn check_length(function: &str, bytes: usize) -> Result<(), ExecutionError> {
    if bytes > MAX_TEXT {
        return Err(failure::of_function(function, format!("makes a text of more than {} KiB", MAX_TEXT / 1024)));
    }
    Ok(())
}

/// The arguments as texts; `None` if one of them is null.
fn texts<'a, const N: usize>(function: &str, args: &'a [CowVal<'_, '_>]) -> Result<Option<[&'a str; N]>, ExecutionError> {
    let mut found = [""; N];
    for (place, arg) in found.iter_mut().zip(args) {
        if is_null(arg.as_ref()) {
            return Ok(None);
        }
        *place = arg.downcast_ref::<CelString>().map(CelString::inner).ok_or_else(|| wants(function, Kind::Text, arg.as_ref()))?;
    }
    Ok(Some(found))
}

fn wants(function: &str, wanted: Kind, got: &dyn Val) -> ExecutionError {
    failure::of_function(function, format!("needs {}, not {}", wanted.word(), Kind::of_cel(got.get_type()).word()))
}

fn of_text<'b, 'v>(function: &str, args: &[CowVal<'b, 'v>], make: impl Fn(&str) -> String) -> Returned<'b, 'v> {
    match texts::<1>(function, args)? {
        Some([subject]) => text(function, make(subject)),
        None => Ok(null()),
    }
}

// The interpreter's type of functions takes the arguments by value.
#[allow(clippy::needless_pass_by_value)]
mod helpers {
    use super::*;

    pub(in super::super) fn lower<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Returned<'b, 'v> {
        of_text("lower", &args, str::to_lowercase)
    }

    pub(in super::super) fn upper<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Returned<'b, 'v> {
        of_text("upper", &args, str::to_uppercase)
    }

    pub(in super::super) fn remove_diacritics<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Returned<'b, 'v> {
        of_text("removeDiacritics", &args, plain_letters)
    }

    /// What stands before the first occurrence; the whole text if there is none, so that `de` stays `de` as `de-DE` becomes `de`.
    pub(in super::super) fn substring_before<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Returned<'b, 'v> {
        match texts::<2>("substringBefore", &args)? {
            Some([subject, mark]) => text("substringBefore", subject.split_once(mark).map_or(subject, |(before, _)| before).to_owned()),
            None => Ok(null()),
        }
    }

    /// What stands after the first occurrence; null if there is none, so that nothing is overwritten with an empty text.
    pub(in super::super) fn substring_after<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Returned<'b, 'v> {
        match texts::<2>("substringAfter", &args)?.and_then(|[subject, mark]| subject.split_once(mark)) {
            Some((_, after)) => text("substringAfter", after.to_owned()),
            None => Ok(null()),
        }
    }

    /// The elements with a text between them; nulls are left out.
    pub(in super::super) fn join<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Returned<'b, 'v> {
        let [list, separator] = args.as_slice() else { return Ok(null()) };
        if is_null(list.as_ref()) || is_null(separator.as_ref()) {
            return Ok(null());
        }
        let elements = list.downcast_ref::<CelList>().ok_or_else(|| wants("join", Kind::List, list.as_ref()))?;
        let separator = separator.downcast_ref::<CelString>().ok_or_else(|| wants("join", Kind::Text, separator.as_ref()))?;
        let mut joined = String::new();
        for (place, element) in elements.inner().iter().filter(|element| !is_null(element.as_ref())).enumerate() {
            let element = element.downcast_ref::<CelString>().ok_or_else(|| wants("join", Kind::Text, element.as_ref()))?;
            check_length("join", joined.len() + separator.inner().len() + element.inner().len())?;
            if place > 0 {
                joined.push_str(separator.inner());
            }
            joined.push_str(element.inner());
        }
        text("join", joined)
    }

    /// The parts between the separators; an empty separator separates nothing.
    pub(in super::super) fn split<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Returned<'b, 'v> {
        let Some([subject, separator]) = texts::<2>("split", &args)? else { return Ok(null()) };
        let parts: Vec<&str> = if separator.is_empty() { vec![subject] } else { subject.split(separator).take(MAX_PARTS + 1).collect() };
        if parts.len() > MAX_PARTS {
            return Err(failure::of_function("split", format!("makes more than {MAX_PARTS} parts")));
        }
        let parts: Vec<Box<dyn Val + 'v>> = parts.into_iter().map(|part| Box::new(CelString::from(part.to_owned())) as _).collect();
        Ok(CowVal::owned(CelList::from(parts)))
    }

    /// Every occurrence replaced; an empty pattern occurs nowhere.
    pub(in super::super) fn replace<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Returned<'b, 'v> {
        match texts::<3>("replace", &args)? {
            Some([subject, "", _]) => text("replace", subject.to_owned()),
            Some([subject, pattern, with]) => {
                // Before it is made: 64 KiB of short patterns and a long replacement are gigabytes.
                check_length("replace", subject.len() + subject.matches(pattern).count().saturating_mul(with.len()))?;
                text("replace", subject.replace(pattern, with))
            }
            None => Ok(null()),
        }
    }
}
use helpers::{join, lower, remove_diacritics, replace, split, substring_after, substring_before, upper};

/// Letters without their marks. Only the marks of the Latin, Greek and Cyrillic scripts go: in others they are vowels.
fn plain_letters(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for letter in text.nfd().filter(|letter| !('\u{300}'..='\u{36f}').contains(letter)) {
        match undecomposed(letter) {
            Some(letters) => plain.push_str(letters),
            None => plain.push(letter),
        }
    }
    plain.nfc().collect()
}

/// Latin letters whose stroke or joining is no mark in Unicode.
fn undecomposed(letter: char) -> Option<&'static str> {
    Some(match letter {
        'ß' => "ss",
        'ẞ' => "SS",
        'æ' => "ae",
        'Æ' => "AE",
        'œ' => "oe",
        'Œ' => "OE",
        'ø' => "o",
        'Ø' => "O",
        'đ' | 'ð' => "d",
        'Đ' | 'Ð' => "D",
        'ł' => "l",
        'Ł' => "L",
        'þ' => "th",
        'Þ' => "Th",
        'ħ' => "h",
        'Ħ' => "H",
        'ı' => "i",
        _ => return None,
    })
}
