//! Whole runs against scripted apps and a real store, with faults of apps and crashes of the operator. Tests are named
//! after the promise or rule that they prove.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails; helpers too")]

#[path = "../connector/bench.rs"]
#[allow(dead_code, reason = "each test binary uses a part of it")]
mod bench;
#[allow(dead_code, reason = "the cluster tests use the rest")]
#[path = "../cluster/support.rs"]
mod cluster;
#[path = "../support/mod.rs"]
mod support;

mod approvals;
mod approved_only;
mod audit_trail;
mod blame;
mod crashes;
mod edits;
mod first_contact;
mod hosts;
mod imports;
mod kill;
mod listings;
mod matching;
mod moving;
mod numbers;
mod partial;
mod provisioning;
mod released;
mod removals;
mod replaced;
mod rules;
mod stops;
mod throttled;
mod unavailable;
mod undecided;
mod world;
