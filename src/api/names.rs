//! Names that others rely on: of the API group, of annotations and labels, and of Joinery as a writer.

use kube::api::ObjectMeta;

/// The API group of all kinds.
pub const GROUP: &str = "joinery.dev";

/// The one version of the group.
pub const VERSION: &str = "v1alpha1";

/// Under this name Joinery writes to the API server (D8).
pub const FIELD_MANAGER: &str = "joinery";

/// Annotation: any new text asks for a credentials test, a pass or a full import now.
pub const REQUESTED_AT: &str = "joinery.dev/requested-at";

/// Annotation of an `AppIntegration`: takes up the store that is there in the place of the one that the status speaks of. Its
/// text is `status.store.replacement` and holds for that replacement only (SG-12).
pub const TAKE_UP_STORE: &str = "joinery.dev/take-up-store";

/// Annotation of a Secret: the hosts that it may be sent to, separated by commas (AI-3).
pub const ALLOWED_HOSTS: &str = "joinery.dev/allowed-hosts";

/// Label of an `ImportRun`: the `ImportSchedule` that started it.
pub const SCHEDULE_LABEL: &str = "joinery.dev/schedule";

/// Label of an `ImportRun`: the `AppIntegration` that it imports from.
pub const INTEGRATION_LABEL: &str = "joinery.dev/integration";

/// The longest text, in characters, that `status.lastHandledRequest` takes.
pub const REQUEST_LENGTH: usize = 256;

/// The text of `joinery.dev/requested-at` as `status.lastHandledRequest` mirrors it. An annotation may be 256 KiB long; a
/// status that quoted it whole would be refused (D3), and the request would be handled again and again.
pub fn request(metadata: &ObjectMeta) -> Option<String> {
    let text = metadata.annotations.as_ref()?.get(REQUESTED_AT)?;
    (!text.is_empty()).then(|| text.chars().take(REQUEST_LENGTH).collect())
}

/// The text of `joinery.dev/take-up-store`.
pub fn taken_up_store(metadata: &ObjectMeta) -> Option<&str> {
    metadata.annotations.as_ref()?.get(TAKE_UP_STORE).map(String::as_str)
}

/// Does the value of `joinery.dev/allowed-hosts` name this host (AI-3)? Hosts compare without regard to case; an entry is a
/// host alone, without port, wildcard or scheme.
pub fn allows_host(allowed_hosts: &str, host: &str) -> bool {
    !host.is_empty() && allowed_hosts.split(',').any(|entry| entry.trim().eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn annotated(text: &str) -> ObjectMeta {
        ObjectMeta { annotations: Some([(REQUESTED_AT.to_owned(), text.to_owned())].into()), ..ObjectMeta::default() }
    }

    #[test]
    fn a_request_is_mirrored_up_to_what_the_status_takes() {
        assert_eq!(request(&ObjectMeta::default()), None);
        assert_eq!(request(&annotated("")), None);
        assert_eq!(request(&annotated("now")).as_deref(), Some("now"));
        let long = request(&annotated(&"ü".repeat(5_000))).unwrap();
        assert_eq!(long.chars().count(), REQUEST_LENGTH);
    }

    #[test]
    fn a_secret_consents_to_whole_hosts_only() {
        assert!(allows_host("a.example.com, Chat.example.com", "chat.example.com"));
        for (allowed, host) in [
            ("", "chat.example.com"),
            ("", ""),
            ("chat.example.com", ""),
            ("example.com", "chat.example.com"),
            ("chat.example.com", "example.com"),
            ("*.example.com", "chat.example.com"),
            ("chat.example.com.evil.example", "chat.example.com"),
            ("https://chat.example.com", "chat.example.com"),
        ] {
            assert!(!allows_host(allowed, host), "{allowed} must not allow {host}");
        }
    }
}
