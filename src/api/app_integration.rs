//! `AppIntegration`: how to reach one app, with which credentials, and whether Joinery may change anything there.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    common::SecretKeyRef,
    status::{DIGEST_LENGTH, conditions_schema},
};

/// How many resource types `status.capabilities` lists at most.
pub const RESOURCE_TYPES: usize = 32;

/// The longest name, in characters, of a resource type in `status.capabilities`.
pub const RESOURCE_TYPE_LENGTH: usize = 64;

/// What an `AppIntegration` asks for.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[kube(
    group = "joinery.dev",
    version = "v1alpha1",
    kind = "AppIntegration",
    namespaced,
    status = "AppIntegrationStatus",
    derive = "PartialEq",
    shortname = "appint",
    category = "joinery",
    doc = "How to reach one app, with which credentials, and whether Joinery may change anything there.",
    validation = Rule::new("self.metadata.name.size() <= 63 && !self.metadata.name.contains('.')")
        .message("the name of an AppIntegration must be a DNS label, since others refer to it: at most 63 of a-z, 0-9 and '-', no dots"),
    printcolumn(name = "Connector", type_ = "string", json_path = ".status.connector", description = "The protocol spoken with the app"),
    printcolumn(name = "Mode", type_ = "string", json_path = ".spec.mode", description = "Plan or Enforce"),
    printcolumn(name = "Ready", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#, description = "Is all well?"),
    printcolumn(name = "Accounts", type_ = "integer", json_path = ".status.accounts.linked", description = "Accounts linked to a person"),
    printcolumn(name = "Pending", type_ = "integer", json_path = ".status.accounts.pending", description = "Records that wait for a decision"),
    printcolumn(name = "Reason", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].reason"#, description = "Why it is, or is not, ready"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp", description = "Time since creation"),
    printcolumn(name = "Host", type_ = "string", json_path = ".status.host", description = "The host of the app", priority = "1"),
    printcolumn(name = "Next-Attempt", type_ = "string", json_path = ".status.nextAttemptTime", description = "When Joinery looks again by itself", priority = "1")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new(
        "!has(self.connector.scim) || !has(oldSelf.connector.scim) \
         || self.connector.scim.baseURL.find('://[^/?#]+') == oldSelf.connector.scim.baseURL.find('://[^/?#]+') \
         || (has(self.acknowledgeEndpointChange) \
         && self.connector.scim.baseURL.find('://[^/?#]+') == '://' + self.acknowledgeEndpointChange)"
    )
    .message("another host in connector.scim.baseURL makes every link point to another app: it is allowed when \
              spec.acknowledgeEndpointChange equals the new host as baseURL spells it, port included")
    .field_path(".acknowledgeEndpointChange")
)]
pub struct AppIntegrationSpec {
    /// A name for people. Nothing depends on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub display_name: Option<String>,
    /// How the app is spoken to: exactly one member.
    #[x_kube(
        validation = Rule::new("has(self.scim)").message("connector needs exactly one member: scim"),
        validation = Rule::new("has(self.scim) == has(oldSelf.scim)")
            .message("the kind of connector cannot be changed: create another AppIntegration for another kind of app")
    )]
    pub connector: Connector,
    /// The credentials: exactly one member.
    #[x_kube(validation = Rule::new("has(self.bearerToken)").message("authentication needs exactly one member: bearerToken"))]
    pub authentication: Authentication,
    /// `Plan` computes and publishes what would happen, in both directions, and changes neither the app nor the directory.
    /// `Enforce` does it.
    #[serde(default)]
    pub mode: Mode,
    /// True stops before the next call that would change something. Tests and planning go on.
    #[serde(default)]
    pub suspend: bool,
    /// The pace at which the app is called. Integrations with the same host and credentials share the lowest.
    #[serde(default)]
    pub rate_limit: RateLimit,
    /// How long to wait for an answer, in seconds. Later the outcome counts as unknown and is looked up.
    #[serde(default = "request_timeout_seconds")]
    #[schemars(range(min = 1, max = 600))]
    pub request_timeout_seconds: i32,
    /// How often the credentials are tested, in seconds. A changed spec or Secret is tested at once.
    #[serde(default = "credentials_check_interval_seconds")]
    #[schemars(range(min = 60, max = 86_400))]
    pub credentials_check_interval_seconds: i32,
    /// How the app's certificate is verified. Verification cannot be turned off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// The new host, with its port if `baseURL` has one. Needed when the host in `baseURL` changes, because that makes every link
    /// point to another app. Until an account has been read at the new host under the id that is linked, with the person's id as
    /// its `externalId` or with the same username, nothing is written to it, and its person counts as failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 261))]
    pub acknowledge_endpoint_change: Option<String>,
    /// True: an attribute that is null in the app becomes null in the directory. False: the directory keeps its value.
    #[serde(default)]
    pub push_null_values: bool,
}

/// How an app is spoken to.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Connector {
    /// SCIM 2.0 (RFC 7643, RFC 7644).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scim: Option<ScimConnector>,
}

/// A SCIM 2.0 service provider.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScimConnector {
    /// Where the app's SCIM endpoints begin, such as `https://chat.example.com/scim/v2`. `http://` is accepted for loopback
    /// addresses, elsewhere only when the operator allows it.
    #[serde(rename = "baseURL")]
    #[schemars(length(min = 1, max = 2048))]
    #[x_kube(
        validation = Rule::new("self.matches('^https?://')")
            .message("baseURL must start with https:// (or http:// for a loopback address)"),
        validation = Rule::new("self.matches('^[!-~]+$') && !self.contains('?') && !self.contains('#')")
            .message("baseURL must end with its path, such as https://chat.example.com/scim/v2: no query, no fragment, no spaces, \
                      other characters percent-encoded"),
        validation = Rule::new("!self.find('://[^/?#]*').contains('@')")
            .message("baseURL must not hold a user name or password: credentials belong in spec.authentication"),
        validation = Rule::new(
            "!self.matches('^https?://') || self.find('://[^/?#]*').contains('@') \
             || self.matches('^[a-z]+://([A-Za-z0-9]([-A-Za-z0-9._]*[A-Za-z0-9])?|[[][0-9A-Fa-f:.]+[]])(:[0-9]{1,5})?($|[/?#])')"
        )
        .message("baseURL must name a host after the scheme: a name (international ones as xn--…), an IPv4 address or an IPv6 \
                  address in brackets, and optionally a port")
    )]
    pub base_url: String,
    /// What the app does otherwise than its discovery endpoints say, or does not say at all. Default: ask the app.
    #[serde(default)]
    pub quirks: Quirks,
}

/// Peculiarities of a SCIM app.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Quirks {
    /// How accounts are updated: `Auto` (PATCH if the app advertises it, else PUT), `Patch`, `PatchPathless` (PATCH with one value
    /// object and no paths) or `Put`.
    #[serde(default)]
    pub update: UpdateQuirk,
    /// How lists are paged: `Auto` (what the app advertises), `Index` (`startIndex`) or `Cursor` (RFC 9865).
    #[serde(default)]
    pub paging: PagingQuirk,
    /// How many accounts are asked for per page. An app may answer with fewer.
    #[serde(default = "page_size")]
    #[schemars(range(min = 1, max = 1000))]
    pub page_size: i32,
}

impl Default for Quirks {
    fn default() -> Self {
        Self { update: UpdateQuirk::Auto, paging: PagingQuirk::Auto, page_size: page_size() }
    }
}

/// How accounts are updated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum UpdateQuirk {
    /// PATCH if the app advertises it, else PUT.
    #[default]
    Auto,
    /// PATCH with one path per attribute.
    Patch,
    /// PATCH with one value object and no paths.
    PatchPathless,
    /// GET, then PUT of the whole account.
    Put,
}

/// How lists are paged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum PagingQuirk {
    /// As the app advertises.
    #[default]
    Auto,
    /// By `startIndex` and `count`.
    Index,
    /// By cursor (RFC 9865).
    Cursor,
}

/// The credentials for an app.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Authentication {
    /// A token that is sent as `Authorization: Bearer`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bearer_token: Option<BearerToken>,
}

/// A bearer token.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BearerToken {
    /// Where the token is. A changed Secret is tested and used without a restart.
    pub secret_ref: SecretKeyRef,
}

/// Whether anything is changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Mode {
    /// Compute and publish what would happen.
    #[default]
    Plan,
    /// Do it.
    Enforce,
}

/// The pace at which an app is called.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RateLimit {
    /// Requests per second, on average.
    #[serde(default = "requests_per_second")]
    #[schemars(range(min = 1, max = 1000))]
    pub requests_per_second: i32,
    /// Requests that may be sent at once after a pause.
    #[serde(default = "burst")]
    #[schemars(range(min = 1, max = 1000))]
    pub burst: i32,
    /// Requests under way at once.
    #[serde(default = "concurrency")]
    #[schemars(range(min = 1, max = 64))]
    pub concurrency: i32,
}

impl Default for RateLimit {
    fn default() -> Self {
        Self { requests_per_second: requests_per_second(), burst: burst(), concurrency: concurrency() }
    }
}

/// How an app's certificate is verified.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tls {
    /// PEM certificates of a private authority, trusted for this app besides the public ones.
    pub ca_secret_ref: SecretKeyRef,
}

/// What Joinery says of an `AppIntegration`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AppIntegrationStatus {
    /// The generation that this status speaks of; -1 before the first visit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = -1))]
    pub observed_generation: Option<i64>,
    /// `Ready`, and `CredentialsValid`, `EndpointReachable`, `CapabilitiesKnown`; `SafeguardTripped`, `Reconciling` and `Stalled`
    /// while they hold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions_schema")]
    pub conditions: Vec<Condition>,
    /// The protocol spoken with the app: `SCIM`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connector: Option<ConnectorKind>,
    /// The host of `baseURL`, with its port if it has one, that this status speaks of.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 261))]
    pub host: Option<String>,
    /// What the app can do, as far as it says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<CapabilitiesStatus>,
    /// How many accounts are in which state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accounts: Option<AccountsStatus>,
    /// The store that this status speaks of. It stays when the store is lost or an older one takes its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store: Option<StoreStatus>,
    /// When the credentials were last tested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_credentials_check_time: Option<Time>,
    /// When Joinery looks at this object again by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_attempt_time: Option<Time>,
    /// The last text of the annotation `joinery.dev/requested-at` that was acted upon; the same text never acts twice.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub last_handled_request: Option<String>,
}

/// The protocol spoken with the app: `SCIM`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum ConnectorKind {
    /// SCIM 2.0.
    #[serde(rename = "SCIM")]
    Scim,
}

/// What an app can do, as far as it says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[allow(clippy::struct_excessive_bools, reason = "what an app advertises is a list of yes and no")]
pub struct CapabilitiesStatus {
    /// The app advertises PATCH.
    pub patch: bool,
    /// The app advertises bulk requests. They are not used.
    pub bulk: bool,
    /// The app advertises filters. One is trusted only after it has proved itself.
    pub filter: bool,
    /// The app advertises `ETags`.
    pub etag: bool,
    /// The app advertises cursor paging (RFC 9865).
    pub cursor_paging: bool,
    /// The names of the app's resource types, sorted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = RESOURCE_TYPES), inner(length(max = RESOURCE_TYPE_LENGTH)), extend("x-kubernetes-list-type" = "set"))]
    pub resource_types: Vec<String>,
    /// The digest of the app's `/Schemas`: another one means that the app has changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = DIGEST_LENGTH))]
    pub schema_digest: Option<String>,
}

/// The store that a status speaks of, and how far it had come with this integration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct StoreStatus {
    /// The id that the store was given when it was created.
    #[schemars(length(max = 64))]
    pub id: String,
    /// How far the store had come: grows with every run of this integration that changes something.
    #[schemars(range(min = 0))]
    pub revision: i64,
    /// Only while another or an older store is there: names that replacement. The annotation `joinery.dev/take-up-store` with this
    /// text takes the store up.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub replacement: Option<String>,
}

/// How many accounts are in which state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AccountsStatus {
    /// Accounts linked to a person.
    #[schemars(range(min = 0))]
    pub linked: i64,
    /// Records that wait for a decision.
    #[schemars(range(min = 0))]
    pub pending: i64,
    /// Accounts whose last attempt failed.
    #[schemars(range(min = 0))]
    pub failed: i64,
}

impl AppIntegrationSpec {
    /// The host of the app with its port, as `baseURL` spells it: what `acknowledgeEndpointChange` has to equal. `None` if the
    /// URL has none, which the API server refuses.
    pub fn endpoint_host(&self) -> Option<&str> {
        let (_, rest) = self.connector.scim.as_ref()?.base_url.split_once("://")?;
        let host = rest.split(['/', '?', '#']).next()?;
        (!host.is_empty()).then_some(host)
    }
}

fn request_timeout_seconds() -> i32 {
    60
}

fn credentials_check_interval_seconds() -> i32 {
    3600
}

fn page_size() -> i32 {
    100
}

fn requests_per_second() -> i32 {
    25
}

fn burst() -> i32 {
    25
}

fn concurrency() -> i32 {
    8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(base_url: &str) -> AppIntegrationSpec {
        serde_json::from_value(serde_json::json!({
            "connector": {"scim": {"baseURL": base_url}},
            "authentication": {"bearerToken": {"secretRef": {"name": "chat-scim", "key": "token"}}},
        }))
        .unwrap()
    }

    #[test]
    fn what_is_left_out_takes_the_documented_defaults() {
        let spec = spec("https://chat.example.com/scim/v2");
        assert_eq!(spec.mode, Mode::Plan);
        assert!(!spec.suspend && !spec.push_null_values);
        assert_eq!(spec.rate_limit, RateLimit { requests_per_second: 25, burst: 25, concurrency: 8 });
        assert_eq!((spec.request_timeout_seconds, spec.credentials_check_interval_seconds), (60, 3600));
        assert_eq!(spec.connector.scim.unwrap().quirks, Quirks::default());
    }

    #[test]
    fn the_endpoint_host_is_what_stands_between_scheme_and_path() {
        for (base_url, host) in [
            ("https://chat.example.com/scim/v2", Some("chat.example.com")),
            ("http://127.0.0.1:18081/v2", Some("127.0.0.1:18081")),
            ("https://[::1]:8443", Some("[::1]:8443")),
            ("https://", None),
            ("chat.example.com", None),
        ] {
            assert_eq!(spec(base_url).endpoint_host(), host, "{base_url}");
        }
    }
}
