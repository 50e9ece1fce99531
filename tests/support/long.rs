//! Numbers of trials: a promise's own with `JOINERY_LONG=1`, a part of them otherwise.
#![allow(dead_code, reason = "each test binary uses a part of it")]

/// The first number in every run, the second in a long one.
pub fn scaled<T>(default: T, long: T) -> T {
    if is_long() { long } else { default }
}

/// Is this the long run, in which promises are tried with their full numbers?
pub fn is_long() -> bool {
    std::env::var_os("JOINERY_LONG").is_some()
}
