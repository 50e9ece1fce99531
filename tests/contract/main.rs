//! Fast tests of what is promised to others: generated files, schemas, manifests, and who may know whom.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed expectation fails the test")]

mod architecture;
mod defaults;
mod generated;
mod manifests;
mod promises;
mod reasons;
mod schemas;
mod source;

#[allow(dead_code, reason = "the cluster tests read the rest")]
#[path = "../support/cases.rs"]
mod cases;
#[path = "../support/samples.rs"]
mod samples;
