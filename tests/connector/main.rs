//! The connector against a scripted app. Tests are named after the promise or rule that they prove.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails; helpers too")]

#[path = "../support/mod.rs"]
mod support;

mod addresses;
mod bad_answers;
mod bench;
mod certificates;
mod classification;
mod discovery;
mod listing;
mod lookups;
mod rates;
mod secrets;
mod writes;
