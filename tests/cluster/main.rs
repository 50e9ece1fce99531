//! Tests against a real Kubernetes API server, which `make test` starts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed expectation fails the test")]

#[allow(dead_code, reason = "the contract tests read the rest")]
#[path = "../support/cases.rs"]
mod cases;
mod crds;
#[path = "../support/samples.rs"]
mod samples;
mod support;
