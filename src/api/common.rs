//! References that several kinds share, and what they are bounded by.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// The longest expression or condition, in characters. Longer ones are refused before anybody compiles them (G3).
pub const EXPRESSION_LENGTH: u64 = 4096;

/// Names the `AppIntegration` of the same namespace that an object is about.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IntegrationRef {
    /// The name of an `AppIntegration` in the same namespace.
    #[schemars(length(min = 1, max = 63))]
    #[x_kube(
        validation = Rule::new("self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')")
            .message("integrationRef.name must be a DNS label: at most 63 of a-z, 0-9 and '-', starting and ending with a letter or digit")
    )]
    pub name: String,
}

impl IntegrationRef {
    /// A reference to the integration of this name.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into() }
    }
}

/// Names one value in a Secret of the same namespace.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretKeyRef {
    /// The name of a Secret in the same namespace. If the value is sent anywhere, the Secret's annotation
    /// `joinery.dev/allowed-hosts` must name that host.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(
        validation = Rule::new("self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')")
            .message("a Secret's name must be a DNS subdomain: labels of a-z, 0-9 and '-', joined by dots, at most 253 characters")
    )]
    pub name: String,
    /// The key inside the Secret's `data`.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(
        validation = Rule::new("self.matches('^[-._a-zA-Z0-9]+$')")
            .message("a Secret's key must consist of letters, digits, '-', '_' and '.'")
    )]
    pub key: String,
}
