//! The connector against a scripted app. Tests are named after the promise or rule that they prove.

#[path = "../support/mod.rs"]
mod support;

mod bench;
mod listing;
