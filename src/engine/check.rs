//! The credentials test and discovery (AI-2, AI-5). Reads only.

use crate::connector::{AppError, Capabilities, Connector};

/// What a check found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckReport {
    /// The test's result. Discovery is tried only after a test that succeeded.
    pub result: Result<Capabilities, AppError>,
}

/// Tests the credentials, then asks what the app can do.
pub async fn run(connector: &dyn Connector) -> CheckReport {
    let result = match connector.check().await {
        Ok(()) => connector.discover().await,
        Err(error) => Err(error),
    };
    CheckReport { result }
}
