//! The functions of expressions, and the one environment that knows them.

use std::sync::{Arc, LazyLock};

use super::{access, failure, helpers, kind::Kind, regex};
use cel::{
    Env, ExecutionError,
    common::{
        functions::Function,
        types::{CelNull, CelString, DYN_TYPE},
        value::{CowVal, Val},
    },
};

/// The longest text that a helper or `+` makes, in bytes. Without it nested calls of `replace` multiply. An expression has
/// room for some 75 calls, which together stay below a mebibyte (G3).
pub(super) const MAX_TEXT: usize = 8 * 1024;

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
    helper("lower", &[Kind::Text], Kind::Text, helpers::lower),
    helper("upper", &[Kind::Text], Kind::Text, helpers::upper),
    helper("substringBefore", &[Kind::Text, Kind::Text], Kind::Text, helpers::substring_before),
    helper("substringAfter", &[Kind::Text, Kind::Text], Kind::Text, helpers::substring_after),
    helper("join", &[Kind::List, Kind::Text], Kind::Text, helpers::join),
    helper("split", &[Kind::Text, Kind::Text], Kind::List, helpers::split),
    helper("replace", &[Kind::Text, Kind::Text, Kind::Text], Kind::Text, helpers::replace),
    helper("removeDiacritics", &[Kind::Text], Kind::Text, helpers::remove_diacritics),
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
    for (name, parameters, function) in own.chain(access::FUNCTIONS).chain([(regex::MATCHES, 2, regex::matches as Function)]) {
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

pub(super) fn wants(function: &str, wanted: Kind, got: &dyn Val) -> ExecutionError {
    failure::of_function(function, format!("needs {}, not {}", wanted.word(), Kind::of_cel(got.get_type()).word()))
}
