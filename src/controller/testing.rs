//! What tests of several kinds share: every failure there is, and what holds for every status.

use jiff::Timestamp;
use serde_json::Value;

use super::{driver::Visit, kind::Kind, outcome};
use crate::{
    api::{Reason, status::MESSAGE_LENGTH},
    connector::{AppError, CredentialError},
};

/// A status larger than this is refused somewhere, or slows down everybody who watches (D3).
const STATUS_BYTES: usize = 32 * 1024;

/// The moment at which tests take place.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_second(1_782_907_200).unwrap()
}

/// One of every variant.
pub(crate) fn credential_errors() -> Vec<CredentialError> {
    let secret = || "s".repeat(253);
    let all = vec![
        CredentialError::SecretNotFound { secret: secret() },
        CredentialError::KeyMissing { secret: secret(), key: "k".repeat(253) },
        CredentialError::NotConsenting { secret: secret(), host: "h".repeat(253) },
        CredentialError::Unavailable { secret: secret(), message: "the API server answered 403".to_owned() },
    ];
    // A new variant does not compile here until it is listed above.
    for error in &all {
        match error {
            CredentialError::SecretNotFound { .. }
            | CredentialError::KeyMissing { .. }
            | CredentialError::NotConsenting { .. }
            | CredentialError::Unavailable { .. } => {}
        }
    }
    all
}

/// One of every variant, and of credentials all.
pub(crate) fn app_errors() -> Vec<AppError> {
    let mut all: Vec<AppError> = credential_errors().into_iter().map(AppError::Credentials).collect();
    all.extend([
        AppError::Unauthorized,
        AppError::Forbidden,
        AppError::RateLimited { retry_at: now() },
        AppError::Unreachable("the connection was refused"),
        AppError::AddressForbidden("it is link-local"),
        AppError::Tls("it has expired"),
        AppError::NoAnswer("no complete answer within the time limit"),
        AppError::ServerFailed(500),
        AppError::NotFound,
        AppError::Conflict { status: 409 },
        AppError::Invalid { status: 400, scim_type: Some("invalidValue") },
        AppError::Unsupported { status: 501 },
        AppError::Redirected(302),
        AppError::NotScim("it is HTML"),
        AppError::FilterUntrusted,
        AppError::NotApplied,
    ]);
    for error in &all {
        match error {
            AppError::Credentials(_)
            | AppError::Unauthorized
            | AppError::Forbidden
            | AppError::RateLimited { .. }
            | AppError::Unreachable(_)
            | AppError::AddressForbidden(_)
            | AppError::Tls(_)
            | AppError::NoAnswer(_)
            | AppError::ServerFailed(_)
            | AppError::NotFound
            | AppError::Conflict { .. }
            | AppError::Invalid { .. }
            | AppError::Unsupported { .. }
            | AppError::Redirected(_)
            | AppError::NotScim(_)
            | AppError::FilterUntrusted
            | AppError::NotApplied => {}
        }
    }
    all
}

/// Asserts that a message tells what to do, or that nothing has to be done.
pub(crate) fn assert_helps(reason: Reason, message: &str) {
    const WORDS: [&str; 19] = [
        "create",
        "delete one",
        "edit",
        "check",
        "put ",
        "give ",
        "name a ",
        "add ",
        "again",
        "by itself",
        "starts when",
        "correct",
        "until",
        "renewed",
        "is taken up",
        "the next import",
        "says itself",
        "a new plan is made",
        "use ",
    ];
    let lower = message.to_lowercase();
    assert!(message.chars().count() > 20 && WORDS.iter().any(|word| lower.contains(word)), "{reason}: {message:?} does not help");
    assert!(!lower.contains("unknown error") && !lower.contains("unexpected error"), "{reason}: {message:?} is generic");
}

/// The status that a visit leaves, as it is sent; asserts what holds for every status.
pub(crate) fn written<K: Kind>(visit: Visit<K::Status>) -> Value {
    let conditions = outcome::after_visit(&visit.outcome, &visit.conditions, &[], 1, now()).expect("a first visit says something");
    let mut status = visit.status;
    K::complete(&mut status, 1, conditions);
    let value = serde_json::to_value(&status).unwrap();
    let bytes = value.to_string().len();
    assert!(bytes <= STATUS_BYTES, "{}: a status of {bytes} bytes", K::KIND);
    let mut types = Vec::new();
    for condition in value["conditions"].as_array().unwrap() {
        let text = |field: &str| condition[field].as_str().unwrap();
        assert!(text("message").chars().count() <= MESSAGE_LENGTH, "{}: a message of {} characters", K::KIND, text("message").len());
        assert!(Reason::parse(text("reason")).is_some(), "{}: {}", K::KIND, text("reason"));
        types.push(text("type").to_owned());
    }
    let all = types.len();
    types.sort_unstable();
    types.dedup();
    assert_eq!((types.len(), types.contains(&"Ready".to_owned())), (all, true), "{}: {types:?}", K::KIND);
    value
}

/// Reason and message of Ready.
pub(crate) fn ready(status: &Value) -> (Reason, String) {
    let ready = status["conditions"].as_array().unwrap().iter().find(|condition| condition["type"] == "Ready").unwrap();
    (Reason::parse(ready["reason"].as_str().unwrap()).unwrap(), ready["message"].as_str().unwrap().to_owned())
}
