//! How compiled expressions read attributes and elements, add, and loop. Their names start with `@`, so nobody can write
//! them: `lower.rs` puts them in the place of the interpreter's own operators.
//!
//! The interpreter makes an error of a key that is missing; to SCIM an attribute without a value and one that is missing
//! are the same (RFC 7643 §2.5), so here it is null. It also walks maps in an order that differs from process to process
//! and has no limit of cost; both are settled here (G3).

use cel::{
    ExecutionError,
    common::{
        functions::Function,
        types::{CelBool, CelInt, CelList, CelMap, CelMapKey, CelString, CelUInt},
        value::{CowVal, Val},
    },
};

use super::{
    failure,
    functions::{Returned, check_length, is_null, null},
    kind::Kind,
};

pub(super) const SELECT: &str = "@select";
pub(super) const HAS: &str = "@has";
pub(super) const INDEX: &str = "@index";
pub(super) const ADD: &str = "@add";
pub(super) const RANGE: &str = "@range";
pub(super) const ELEMENT: &str = "@element";

/// The longest text in a list that a loop makes, in bytes.
const MAX_ELEMENT_TEXT: usize = 1024;
/// The most values in an element of a list that a loop makes.
const MAX_ELEMENT_VALUES: usize = 32;

/// Name, number of parameters, implementation.
pub(super) const FUNCTIONS: [(&str, usize, Function); 6] =
    [(SELECT, 2, select), (HAS, 2, has), (INDEX, 2, index), (ADD, 2, add), (RANGE, 2, range), (ELEMENT, 1, element)];

/// `value.key`
fn select<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Returned<'b, 'v> {
    let Some([value, key]) = pair(args) else { return Ok(null()) };
    if is_null(value.as_ref()) {
        return Ok(null());
    }
    if value.downcast_ref::<CelMap>().is_none() {
        return Err(failure::of_function(SELECT, failure::no_attributes(word(value.as_ref()))));
    }
    let Some(key) = key.downcast_ref::<CelString>() else { return Err(failure::of_function(SELECT, "an attribute is named by a text")) };
    Ok(part(value, |value| member(value.downcast_ref::<CelMap>()?, key.inner())))
}

/// `has(value.key)`: has it a value?
fn has<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Returned<'b, 'v> {
    let found = select(args)?;
    Ok(CowVal::owned(CelBool::from(!is_null(found.as_ref()))))
}

/// `value[key]`
fn index<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Returned<'b, 'v> {
    let Some([value, key]) = pair(args) else { return Ok(null()) };
    if key.downcast_ref::<CelString>().is_some() {
        return select(vec![value, key]);
    }
    if is_null(value.as_ref()) {
        return Ok(null());
    }
    let place = match (key.downcast_ref::<CelInt>(), key.downcast_ref::<CelUInt>()) {
        (Some(place), _) => usize::try_from(*place.inner()).ok(),
        (None, Some(place)) => usize::try_from(*place.inner()).ok(),
        (None, None) => {
            return Err(failure::of_function(INDEX, failure::does_not_apply("[ ]", &[kind(value.as_ref()), kind(key.as_ref())])));
        }
    };
    if value.downcast_ref::<CelList>().is_none() {
        return Err(failure::of_function(INDEX, failure::not_indexed(word(value.as_ref()))));
    }
    Ok(part(value, |value| value.downcast_ref::<CelList>()?.inner().get(place?).map(AsRef::as_ref)))
}

/// `left + right`
fn add<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Returned<'b, 'v> {
    let Some([left, right]) = pair(args) else { return Ok(null()) };
    let refused = || ExecutionError::no_such_overload("_+_", vec![left.get_type().name().to_owned(), right.get_type().name().to_owned()]);
    if let (Some(left), Some(right)) = (left.downcast_ref::<CelString>(), right.downcast_ref::<CelString>()) {
        check_length("+", left.inner().len() + right.inner().len())?;
    }
    // A list takes anything that can be walked, also a map in its own order.
    if left.downcast_ref::<CelList>().is_some() != right.downcast_ref::<CelList>().is_some() {
        return Err(refused());
    }
    let sum = left.as_adder().ok_or_else(refused)?.add(right.as_ref())?;
    Ok(CowVal::Owned(sum.into_owned()))
}

/// What a loop walks: the list, or the keys of the map in their order; at most `limit` of them.
fn range<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Returned<'b, 'v> {
    let Some([value, limit]) = pair(args) else { return Ok(null()) };
    let limit = limit.downcast_ref::<CelInt>().map_or(0, |limit| usize::try_from(*limit.inner()).unwrap_or_default());
    let length = match (value.downcast_ref::<CelList>(), value.downcast_ref::<CelMap>()) {
        (Some(list), _) => list.inner().len(),
        (None, Some(map)) => map.inner().len(),
        (None, None) if is_null(value.as_ref()) => return Ok(CowVal::owned(CelList::default())),
        (None, None) => return Err(failure::of_function(RANGE, format!("{} has no elements", word(value.as_ref())))),
    };
    if length > limit {
        return Err(failure::of_function(RANGE, format!("a list of more than {limit} elements is too long for what is done with each")));
    }
    match value.downcast_ref::<CelMap>() {
        Some(map) => {
            let mut keys: Vec<&CelMapKey<'v>> = map.inner().keys().collect();
            keys.sort();
            Ok(CowVal::owned(CelList::from(keys.into_iter().map(|key| key.inner().clone_as_boxed()).collect::<Vec<Box<dyn Val + 'v>>>())))
        }
        None => Ok(value),
    }
}

/// An element of a list that a loop makes; one that is large would be large as often as the loop runs.
fn element<'b, 'v>(mut args: Vec<CowVal<'b, 'v>>) -> Returned<'b, 'v> {
    let Some(value) = args.pop() else { return Ok(null()) };
    let mut left = MAX_ELEMENT_VALUES;
    if is_small(value.as_ref(), &mut left) {
        Ok(value)
    } else {
        Err(failure::of_function(ELEMENT, "an element of the list that `map` makes is too large"))
    }
}

fn is_small(value: &dyn Val, left: &mut usize) -> bool {
    if *left == 0 {
        return false;
    }
    *left -= 1;
    if let Some(text) = value.downcast_ref::<CelString>() {
        text.inner().len() <= MAX_ELEMENT_TEXT
    } else if let Some(list) = value.downcast_ref::<CelList>() {
        list.inner().iter().all(|element| is_small(element.as_ref(), left))
    } else if let Some(map) = value.downcast_ref::<CelMap>() {
        map.inner().values().all(|value| is_small(value.as_ref(), left))
    } else {
        true
    }
}

fn pair<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Option<[CowVal<'b, 'v>; 2]> {
    args.try_into().ok()
}

fn kind(value: &dyn Val) -> Kind {
    Kind::of_cel(value.get_type())
}

fn word(value: &dyn Val) -> &'static str {
    kind(value).word()
}

/// A part of the value, lent if the value is; null if there is none.
fn part<'b, 'v>(value: CowVal<'b, 'v>, find: impl for<'a> Fn(&'a (dyn Val + 'v)) -> Option<&'a (dyn Val + 'v)>) -> CowVal<'b, 'v> {
    match value {
        CowVal::Borrowed(value) => find(value).map_or_else(null, CowVal::Borrowed),
        CowVal::Owned(value) => find(value.as_ref()).map_or_else(null, |found| CowVal::Owned(found.clone_as_boxed())),
    }
}

/// A member by its name, as [`super::path::member`] finds it. Of several that differ in case only, the first by name: a
/// map has no order of its own.
fn member<'a, 'v>(map: &'a CelMap<'v>, name: &str) -> Option<&'a (dyn Val + 'v)> {
    let exact = CelMapKey::from(name.to_owned());
    if let Some(value) = map.inner().get(&exact) {
        return Some(value.as_ref());
    }
    let same = |key: &&CelMapKey<'v>| matches!(key, CelMapKey::String(text) if text.inner().eq_ignore_ascii_case(name));
    let key = map.inner().keys().filter(same).min()?;
    map.inner().get(key).map(AsRef::as_ref)
}
