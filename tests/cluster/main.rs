//! Tests against a real Kubernetes API server, which `make test` starts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed expectation fails the test")]

mod answers;
mod audit;
mod bounds;
#[allow(dead_code, reason = "the contract tests read the rest")]
#[path = "../support/cases.rs"]
mod cases;
mod crds;
mod deletion;
#[path = "../support/dice.rs"]
mod dice;
mod directory;
mod edits;
mod failures;
mod golden;
mod legal;
mod lifecycle;
mod main_job;
mod many;
mod operator;
mod orders;
mod ownership;
mod plane;
mod privacy;
mod rest;
mod rivals;
#[path = "../support/samples.rs"]
mod samples;
mod scim;
#[path = "../support/scripted_app/mod.rs"]
mod scripted_app;
mod secrets;
mod state_table;
mod support;
mod tenancy;
mod world;
