//! Joinery: identity lifecycle and provisioning as code on Kubernetes.
//!
//! - [`api`]: what a user may write
//! - [`domain`]: what the product decides; pure
//! - [`connector`]: the edge to apps
//! - [`store`]: what must survive
//! - [`engine`]: runs; no Kubernetes
//! - [`controller`]: the edge to Kubernetes
//! - [`server`]: health and metrics; [`telemetry`]: logs and metric families
//! - [`cli`]: commands and settings; [`candidates`]: the command that lists them; [`operator`]: the process; [`clock`]: the one place that reads the time

// Unit tests read files of the integration tests, which know the crate by its name.
#[cfg(test)]
extern crate self as joinery;

pub mod api;
pub mod candidates;
pub mod cli;
pub mod clock;
pub mod connector;
pub mod controller;
pub mod domain;
pub mod engine;
pub mod operator;
pub mod server;
pub mod store;
pub mod telemetry;
