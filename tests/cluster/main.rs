//! Tests against a real Kubernetes API server, which `make test` starts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed expectation fails the test")]

mod answers;
mod approvals;
mod audit;
mod bounds;
#[allow(dead_code, reason = "the contract tests read the rest")]
#[path = "../support/cases.rs"]
mod cases;
mod crds;
mod deletion;
mod devenv;
mod directory;
mod edits;
mod failures;
mod golden;
mod held_events;
mod identity;
mod legal;
mod lifecycle;
#[path = "../support/long.rs"]
mod long;
mod main_job;
mod many;
mod matching;
#[path = "../support/mutate.rs"]
mod mutate;
mod mutations;
mod operator;
mod orders;
mod organisation;
mod ownership;
mod plane;
mod privacy;
#[path = "../support/random.rs"]
mod random;
mod replaced;
mod rest;
mod rivals;
#[path = "../support/samples.rs"]
mod samples;
mod scim;
#[path = "../support/scripted_app/mod.rs"]
mod scripted_app;
mod secrets;
mod state_table;
mod store_down;
mod support;
mod tenancy;
mod world;
