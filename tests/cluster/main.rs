//! Tests against a real Kubernetes API server, which `make test` starts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed expectation fails the test")]

mod audit;
#[allow(dead_code, reason = "the contract tests read the rest")]
#[path = "../support/cases.rs"]
mod cases;
mod crds;
mod failures;
#[path = "../support/long.rs"]
mod long;
mod main_job;
mod many;
#[path = "../support/mutate.rs"]
mod mutate;
mod mutations;
mod operator;
mod privacy;
#[path = "../support/random.rs"]
mod random;
#[path = "../support/samples.rs"]
mod samples;
mod scim;
mod support;
mod world;
