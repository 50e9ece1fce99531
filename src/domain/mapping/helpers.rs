//! The helpers of expressions. Of a null all of them make null: a person without an e-mail address has none in lower case
//! either.
#![allow(clippy::needless_pass_by_value)] // the interpreter hands arguments over by value

use cel::{
    ExecutionError,
    common::{
        types::{CelList, CelString},
        value::{CowVal, Val},
    },
};
use unicode_normalization::UnicodeNormalization;

use super::{
    failure,
    functions::{Returned, check_length, is_null, null, text, wants},
    kind::Kind,
};

/// The most parts that `split` makes.
const MAX_PARTS: usize = 1000;
/// The longest text that `removeDiacritics` takes, in bytes: letter by letter it is the dearest of all (G3). A name fits.
const MAX_MARKED: usize = 1024;

pub(super) fn lower<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Returned<'b, 'v> {
    of_text("lower", &args, str::to_lowercase)
}

pub(super) fn upper<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Returned<'b, 'v> {
    of_text("upper", &args, str::to_uppercase)
}

pub(super) fn remove_diacritics<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Returned<'b, 'v> {
    match texts::<1>("removeDiacritics", &args)? {
        Some([subject]) if subject.len() > MAX_MARKED => {
            Err(failure::of_function("removeDiacritics", format!("takes a text of at most {MAX_MARKED} bytes")))
        }
        Some([subject]) => text("removeDiacritics", plain_letters(subject)),
        None => Ok(null()),
    }
}

/// What stands before the first occurrence; the whole text if there is none, so that `de` stays `de` as `de-DE` becomes `de`.
pub(super) fn substring_before<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Returned<'b, 'v> {
    match texts::<2>("substringBefore", &args)? {
        Some([subject, mark]) => text("substringBefore", subject.split_once(mark).map_or(subject, |(before, _)| before).to_owned()),
        None => Ok(null()),
    }
}

/// What stands after the first occurrence; null if there is none, so that nothing is overwritten with an empty text.
pub(super) fn substring_after<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Returned<'b, 'v> {
    match texts::<2>("substringAfter", &args)?.and_then(|[subject, mark]| subject.split_once(mark)) {
        Some((_, after)) => text("substringAfter", after.to_owned()),
        None => Ok(null()),
    }
}

/// The elements with a text between them; nulls are left out.
pub(super) fn join<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Returned<'b, 'v> {
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
pub(super) fn split<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Returned<'b, 'v> {
    let Some([subject, separator]) = texts::<2>("split", &args)? else { return Ok(null()) };
    check_length("split", subject.len())?;
    let parts: Vec<&str> = if separator.is_empty() { vec![subject] } else { subject.split(separator).take(MAX_PARTS + 1).collect() };
    if parts.len() > MAX_PARTS {
        return Err(failure::of_function("split", format!("makes more than {MAX_PARTS} parts")));
    }
    let parts: Vec<Box<dyn Val + 'v>> = parts.into_iter().map(|part| Box::new(CelString::from(part.to_owned())) as _).collect();
    Ok(CowVal::owned(CelList::from(parts)))
}

/// Every occurrence replaced; an empty pattern occurs nowhere.
pub(super) fn replace<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Returned<'b, 'v> {
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

fn of_text<'b, 'v>(function: &str, args: &[CowVal<'b, 'v>], make: impl Fn(&str) -> String) -> Returned<'b, 'v> {
    match texts::<1>(function, args)? {
        Some([subject]) => text(function, make(subject)),
        None => Ok(null()),
    }
}

/// Letters without their marks. Only the marks of the Latin, Greek and Cyrillic scripts go: in others they are vowels.
fn plain_letters(text: &str) -> String {
    if text.is_ascii() {
        return text.to_owned();
    }
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
