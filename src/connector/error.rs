//! One classification of every failure of an app. No variant holds text of the app: a status code, a `scimType`, our words.

use jiff::Timestamp;

use super::CredentialError;

/// A failed call.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppError {
    /// The credentials could not be had.
    #[error(transparent)]
    Credentials(#[from] CredentialError),
    /// 401.
    #[error("the app refused the credentials (401)")]
    Unauthorized,
    /// 403.
    #[error("the app accepted the credentials and forbade the request (403)")]
    Forbidden,
    /// 429, or 503 with `Retry-After` (RL-2).
    #[error("the app asked for fewer requests")]
    RateLimited {
        /// When the app may be asked again.
        retry_at: Timestamp,
    },
    /// No connection: unknown host, refused, reset before anything was sent.
    #[error("no connection to the app: {0}")]
    Unreachable(&'static str),
    /// The address policy forbids the address (H2).
    #[error("the address of the app is not allowed: {0}")]
    AddressForbidden(&'static str),
    /// The certificate is not trusted, expired, or for another name.
    #[error("the app's certificate was not accepted: {0}")]
    Tls(&'static str),
    /// No answer in time, or the connection broke after the request had left: a write may have happened (RL-5).
    #[error("the app did not answer: {0}")]
    NoAnswer(&'static str),
    /// 5xx: a write may have happened.
    #[error("the app failed with status {0}")]
    ServerFailed(u16),
    /// 404 or 410 for a single resource.
    #[error("the app has no such resource")]
    NotFound,
    /// 409, or a 4xx with `scimType: uniqueness` (SC-6).
    #[error("the app says that such a resource exists ({status})")]
    Conflict {
        /// The status code.
        status: u16,
    },
    /// Another 4xx: the same request will be refused again.
    #[error("the app refused the request with status {status}{}", scim_type.map(|t| format!(" ({t})")).unwrap_or_default())]
    Invalid {
        /// The status code.
        status: u16,
        /// RFC 7644 §3.12, if it is one of those listed there.
        scim_type: Option<&'static str>,
    },
    /// 405 or 501: the app does not do this.
    #[error("the app does not support this request ({status})")]
    Unsupported {
        /// The status code.
        status: u16,
    },
    /// A redirect; they are never followed.
    #[error("the app answered with a redirect ({0}), which is not followed; put the final address into baseURL")]
    Redirected(u16),
    /// The answer is not what SCIM says: HTML, no JSON, no `ListResponse`, too large.
    #[error("the app's answer is not SCIM: {0}")]
    NotScim(&'static str),
    /// A filter on this attribute cannot be trusted (SC-3).
    #[error("the app's filter cannot be trusted")]
    FilterUntrusted,
    /// The app reported success and shows another state (SC-9).
    #[error("the app reported success, but the account is unchanged")]
    NotApplied,
}

/// The kinds of failure that callers tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// May pass by itself: try again later.
    Transient,
    /// Ask again when the app says.
    RateLimited,
    /// Nothing works until the credentials or permissions change.
    Auth,
    /// The resource is not there.
    NotFound,
    /// Such a resource is there.
    Conflict,
    /// This request will not work until its inputs change.
    Invalid,
    /// The app cannot do this.
    Unsupported,
}

impl ErrorClass {
    /// The label in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Transient => "transient",
            Self::RateLimited => "rate_limited",
            Self::Auth => "auth",
            Self::NotFound => "not_found",
            Self::Conflict => "conflict",
            Self::Invalid => "invalid",
            Self::Unsupported => "unsupported",
        }
    }
}

impl AppError {
    /// The class of the failure.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Credentials(CredentialError::Unavailable { .. })
            | Self::Unreachable(_)
            | Self::NoAnswer(_)
            | Self::ServerFailed(_)
            | Self::NotApplied => ErrorClass::Transient,
            Self::RateLimited { .. } => ErrorClass::RateLimited,
            Self::Credentials(_) | Self::Unauthorized | Self::Forbidden | Self::Tls(_) | Self::AddressForbidden(_) => ErrorClass::Auth,
            Self::NotFound => ErrorClass::NotFound,
            Self::Conflict { .. } => ErrorClass::Conflict,
            Self::Invalid { .. } => ErrorClass::Invalid,
            Self::Unsupported { .. } | Self::Redirected(_) | Self::NotScim(_) | Self::FilterUntrusted => ErrorClass::Unsupported,
        }
    }

    /// May a write have happened although the call failed (RL-5)? Then look before sending it again.
    pub fn outcome_unknown(&self) -> bool {
        matches!(self, Self::NoAnswer(_) | Self::ServerFailed(_) | Self::NotScim(_))
    }
}
