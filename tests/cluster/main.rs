//! Tests against a real Kubernetes API server, which `make test` starts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed expectation fails the test")]

mod audit;
#[allow(dead_code, reason = "the contract tests read the rest")]
#[path = "../support/cases.rs"]
mod cases;
mod crds;
mod failures;
mod main_job;
mod many;
mod operator;
mod privacy;
mod replaced;
#[path = "../support/samples.rs"]
mod samples;
mod scim;
mod store_down;
mod support;
mod world;
