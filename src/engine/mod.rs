//! Runs: read, decide, guard, record, apply, prove. Knows no Kubernetes, so it runs without a cluster too.
//!
//! - [`import`]: from an app to the directory
//! - [`provision`]: from the directory to an app
//! - [`journal`]: what is about to be sent is on disk first; what a crash left open is settled by looking
//! - [`check`]: credentials and capabilities
//! - [`stop`]: what ends a run before its next write
//! - [`jobs`]: the bounded pool in which runs live, apart from reconciles

use crate::{
    connector::{AppError, CredentialError},
    store::{Claim, Store, StoreError},
};

pub mod check;
pub mod import;
pub mod jobs;
pub mod journal;
pub mod provision;
pub mod stop;

/// Whether anything may be changed: `AppIntegration.spec.mode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// What would happen is published; neither the app nor the directory is changed.
    #[default]
    Plan,
    /// Plans within their limits are applied.
    Enforce,
    /// The store is not the one that the integration's status speaks of: plans are made and held (SG-12).
    Hold,
}

/// AI-9: what was linked at another host is not written to before the present one has shown it.
async fn meet_host(store: &dyn Store, claim: &Claim, host: &str) -> Result<(), StoreError> {
    if let Some(unproven) = store.meet_host(claim, host).await? {
        tracing::info!(target: "audit", integration = %claim.integration, host, unproven, "the app is at another host: links are unproven");
    }
    Ok(())
}

/// A run that ended without a report.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The store failed; the run is taken up again when it works.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The app failed in the middle of an approved plan; it is taken up again.
    #[error(transparent)]
    App(AppError),
    /// The run was stopped so early that there is nothing to say of it.
    #[error("the run was stopped: {0:?}")]
    Stopped(crate::domain::report::StopCause),
    /// The app wants a longer pause than a run may hold its place for; the run is taken up again then (RL-2).
    #[error("the app asks for a pause until {until}")]
    RateLimited {
        /// When the app may be asked again.
        until: jiff::Timestamp,
    },
}

/// The reason that conditions give for a failed app: one word of the enum in `api::conditions` per variant (promise C4).
pub fn app_failure_reason(error: &AppError) -> &'static str {
    match error {
        // Not the Secret, and not the app: the API server is in trouble.
        AppError::Credentials(CredentialError::Unavailable { .. }) => "DependencyNotReady",
        AppError::Credentials(CredentialError::SecretNotFound { .. }) => "SecretNotFound",
        AppError::Credentials(CredentialError::KeyMissing { .. }) => "SecretKeyMissing",
        AppError::Credentials(CredentialError::NotConsenting { .. }) => "SecretNotConsenting",
        AppError::Unauthorized => "Unauthorized",
        AppError::Forbidden => "Forbidden",
        AppError::RateLimited { .. } => "RateLimited",
        AppError::Tls(_) => "TLSVerificationFailed",
        AppError::AddressForbidden(_) => "InvalidSpec",
        AppError::Unreachable(_) | AppError::NoAnswer(_) | AppError::ServerFailed(_) | AppError::NotApplied => "Unreachable",
        AppError::NotFound
        | AppError::Conflict { .. }
        | AppError::Invalid { .. }
        | AppError::Unsupported { .. }
        | AppError::Redirected(_)
        | AppError::NotScim(_)
        | AppError::FilterUntrusted => "NotSCIM",
    }
}
