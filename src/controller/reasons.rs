//! Reasons for failures of others, and what a reader can do about each.

use crate::{
    api::Reason,
    connector::AppError,
    engine::{self, RunError},
    store::StoreError,
};

/// The reason that conditions give for a failed app (promise C4).
pub(crate) fn of_app(error: &AppError) -> Reason {
    named(engine::app_failure_reason(error))
}

/// A reason by its word, as runs store it.
pub(crate) fn named(word: &str) -> Reason {
    Reason::parse(word).unwrap_or(Reason::Unreachable)
}

/// Why a run ended without a report, and how that is said. `None` for one that was stopped, as by a shutdown or an edit: it
/// goes on by itself, and nothing is wrong.
pub(crate) fn interruption(error: &RunError) -> Option<(Reason, String)> {
    let reason = match error {
        RunError::Store(StoreError::LostEpoch) => Reason::RunActive,
        RunError::Store(_) => Reason::StoreUnavailable,
        RunError::App(error) => of_app(error),
        RunError::RateLimited { .. } => Reason::RateLimited,
        RunError::Stopped(_) => return None,
    };
    Some((reason, error.to_string()))
}

/// What happened, and what the reader can do.
pub(crate) fn with_advice(what: &str, reason: Reason) -> String {
    format!("{what}. {}", advice(reason)).trim_end().to_owned()
}

/// What the reader can do.
pub(crate) fn advice(reason: Reason) -> &'static str {
    match reason {
        Reason::DependencyNotReady => "It is tried again by itself.",
        Reason::SecretNotFound => "Create the Secret; it is looked for every minute.",
        Reason::SecretKeyMissing => "Put the token under that key; the Secret is read every minute.",
        Reason::SecretNotConsenting => "Nothing was sent.",
        Reason::Unauthorized => "Put a valid token into the Secret; it is tested as soon as it changes.",
        Reason::Forbidden => "Give the token's owner the right to read and manage users in the app.",
        Reason::Unreachable => "Check baseURL, DNS, network policies and the app; it is tried again by itself.",
        Reason::TlsVerificationFailed => {
            "Verification cannot be turned off: name a private CA in spec.tls, or have the certificate renewed."
        }
        Reason::RateLimited => "It is tried again when the app allows it; a lower spec.rateLimit avoids this.",
        Reason::NotScim => "Check that baseURL is the SCIM base, such as https://chat.example.com/scim/v2.",
        Reason::InvalidSpec => "Edit the spec.",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::testing;

    #[test]
    fn c4_every_failure_of_an_app_has_a_reason_of_its_own_and_advice() {
        for error in testing::app_errors() {
            let word = engine::app_failure_reason(&error);
            assert!(Reason::parse(word).is_some(), "{error}: {word} is no reason");
            assert_eq!(of_app(&error).as_str(), word, "{error}");
            assert!(!advice(of_app(&error)).is_empty(), "{error}: no advice for {word}");
            testing::assert_helps(of_app(&error), &with_advice(&error.to_string(), of_app(&error)));
        }
    }
}
