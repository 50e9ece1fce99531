//! What the integration tests share.

pub mod long;
pub mod random;
pub mod scripted_app;
