//! Joinery: identity lifecycle and provisioning as code on Kubernetes.
//!
//! - [`domain`]: what the product decides; pure
//! - [`connector`]: the edge to apps
//! - [`store`]: what must survive
//! - [`api`]: what a user may write
//! - [`clock`]: the one place that reads the time

pub mod api;
pub mod clock;
pub mod connector;
pub mod domain;
pub mod engine;
pub mod store;
