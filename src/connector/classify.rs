//! From what happened on the wire to an [`AppError`]: the one place that does (H4: no text of the app gets through).

use std::{error::Error, io};

use rustls::CertificateError;
use serde::Deserialize;

use super::{
    AppError,
    address::{AddressForbidden, NameUnknown},
};

/// The error types of RFC 7644 §3.12, table 9.
const SCIM_TYPES: [&str; 10] = [
    "invalidFilter",
    "tooMany",
    "uniqueness",
    "mutability",
    "invalidSyntax",
    "invalidPath",
    "noTarget",
    "invalidValue",
    "invalidVers",
    "sensitive",
];

/// The schema of SCIM's error messages.
const ERROR_SCHEMA: &str = "urn:ietf:params:scim:api:messages:2.0:Error";

/// What is read of a SCIM error.
#[derive(Default, Deserialize)]
struct ErrorMessage {
    #[serde(default)]
    schemas: Vec<String>,
    #[serde(default, rename = "scimType")]
    scim_type: Option<String>,
}

impl ErrorMessage {
    fn read(body: &[u8]) -> Self {
        serde_json::from_slice(body).unwrap_or_default()
    }
}

/// Is this the body of a SCIM error?
pub(super) fn is_scim_error(body: &[u8]) -> bool {
    ErrorMessage::read(body).schemas.iter().any(|schema| schema.eq_ignore_ascii_case(ERROR_SCHEMA))
}

/// What a status other than 2xx means. 429 and 503 with `Retry-After` are the budget's business and do not come here.
pub(super) fn refusal(status: u16, body: &[u8]) -> AppError {
    match status {
        300..=399 => AppError::Redirected(status),
        401 => AppError::Unauthorized,
        403 => AppError::Forbidden,
        404 | 410 => AppError::NotFound,
        405 | 501 => AppError::Unsupported { status },
        // The server or something before it lost patience or nerve; that says nothing about the request.
        408 | 425 => AppError::NoAnswer("it gave up waiting for the request"),
        409 => AppError::Conflict { status },
        400..=499 => {
            let named = ErrorMessage::read(body).scim_type;
            let scim_type = named.and_then(|named| SCIM_TYPES.into_iter().find(|known| named.eq_ignore_ascii_case(known)));
            if scim_type == Some("uniqueness") { AppError::Conflict { status } } else { AppError::Invalid { status, scim_type } }
        }
        500..=599 => AppError::ServerFailed(status),
        _ => AppError::NotScim("the status code is not one of HTTP's"),
    }
}

/// What went wrong before an answer was complete.
pub(super) fn transport(error: &reqwest::Error) -> AppError {
    let connecting = error.is_connect();
    if let Some(found) = causes(error).find_map(|cause| of_cause(cause, connecting)) {
        return found;
    }
    match (connecting, error.is_timeout()) {
        (true, true) => AppError::Unreachable("no connection in time"),
        (true, false) => AppError::Unreachable("the connection could not be opened"),
        (false, true) => AppError::NoAnswer("no complete answer within the time limit"),
        (false, false) => AppError::NoAnswer("the connection broke before the answer was complete"),
    }
}

/// The error and its causes, outermost first.
fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    std::iter::successors(Some(error as &(dyn Error + 'static)), |current| cause(*current))
}

/// What an error is caused by. `io::Error` leaves out of its `source()` the very error that it wraps.
fn cause<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    }
}

fn of_cause(cause: &(dyn Error + 'static), connecting: bool) -> Option<AppError> {
    if let Some(AddressForbidden(why)) = cause.downcast_ref() {
        return Some(AppError::AddressForbidden(why));
    }
    if cause.downcast_ref::<NameUnknown>().is_some() {
        return Some(AppError::Unreachable("the host name does not resolve"));
    }
    if let Some(error) = cause.downcast_ref::<rustls::Error>() {
        // Servers that want a client certificate say so only after the handshake. Anything else that breaks later is a
        // broken connection like any other.
        return (connecting || matches!(error, rustls::Error::AlertReceived(_))).then(|| AppError::Tls(tls(error)));
    }
    if let Some(error) = cause.downcast_ref::<io::Error>() {
        return match error.kind() {
            io::ErrorKind::ConnectionRefused => Some(AppError::Unreachable("the connection was refused")),
            io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
                Some(AppError::Unreachable("there is no route to the host"))
            }
            _ => None,
        };
    }
    None
}

fn tls(error: &rustls::Error) -> &'static str {
    match error {
        rustls::Error::InvalidCertificate(problem) => certificate(problem),
        rustls::Error::NoCertificatesPresented => "the app showed none",
        rustls::Error::PeerIncompatible(_) => "the app offers no common TLS version or cipher (at least TLS 1.2)",
        rustls::Error::AlertReceived(_) => "the app ended the handshake",
        rustls::Error::InvalidMessage(_) => "the app does not speak TLS on this port",
        _ => "the handshake failed",
    }
}

fn certificate(problem: &CertificateError) -> &'static str {
    match problem {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "it has expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => "it is not valid yet",
        CertificateError::Revoked => "it was revoked",
        CertificateError::UnknownIssuer => "its issuer is not trusted; a private CA goes into spec.tls.caSecretRef",
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => "it is for another host name",
        CertificateError::BadSignature => "its signature is wrong",
        CertificateError::BadEncoding => "it cannot be read",
        _ => "it may not be used for this",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_one_meaning() {
        let invalid = |status| AppError::Invalid { status, scim_type: None };
        for (status, body, expected) in [
            (301, "", AppError::Redirected(301)),
            (304, "", AppError::Redirected(304)),
            (400, "", invalid(400)),
            (400, r#"{"scimType":"invalidValue"}"#, AppError::Invalid { status: 400, scim_type: Some("invalidValue") }),
            (400, r#"{"scimType":"InvalidFilter"}"#, AppError::Invalid { status: 400, scim_type: Some("invalidFilter") }),
            (400, r#"{"scimType":"s3cret of the app"}"#, invalid(400)),
            (400, r#"{"scimType":7}"#, invalid(400)),
            (400, r#"{"scimType":"uniqueness"}"#, AppError::Conflict { status: 400 }),
            (401, "<html>", AppError::Unauthorized),
            (402, "", invalid(402)),
            (403, "<html>", AppError::Forbidden),
            (404, "", AppError::NotFound),
            (405, "", AppError::Unsupported { status: 405 }),
            (408, "", AppError::NoAnswer("it gave up waiting for the request")),
            (409, "", AppError::Conflict { status: 409 }),
            (410, "", AppError::NotFound),
            (412, "", invalid(412)),
            (422, "not json", invalid(422)),
            (500, "", AppError::ServerFailed(500)),
            (501, "", AppError::Unsupported { status: 501 }),
            (503, "", AppError::ServerFailed(503)),
            (599, "", AppError::ServerFailed(599)),
        ] {
            assert_eq!(refusal(status, body.as_bytes()), expected, "{status} {body}");
        }
    }

    #[test]
    fn a_scim_error_is_told_from_any_other_body() {
        assert!(is_scim_error(br#"{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"status":"404"}"#));
        for other in ["", "<html>", "{}", "[]", "null", r#"{"schemas":"urn:ietf:params:scim:api:messages:2.0:Error"}"#] {
            assert!(!is_scim_error(other.as_bytes()), "{other}");
        }
    }
}
