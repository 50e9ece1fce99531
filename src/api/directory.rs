//! `Directory`: what holds for the whole organisation.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{common::EXPRESSION_LENGTH, status::conditions_schema};

/// What a `Directory` says.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[kube(
    group = "joinery.dev",
    version = "v1alpha1",
    kind = "Directory",
    plural = "directories",
    namespaced,
    status = "DirectoryStatus",
    derive = "PartialEq",
    shortname = "dir",
    category = "joinery",
    doc = "What holds for all people and apps of the namespace. Optional; named `default`. What it says stays in force when it is deleted.",
    validation = Rule::new("self.metadata.name == 'default'").message("the name of a Directory must be default: a namespace has one"),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].status"#,
        description = "Is all well?"
    ),
    printcolumn(name = "Active", type_ = "integer", json_path = ".status.people.active", description = "Active people"),
    printcolumn(name = "Staged", type_ = "integer", json_path = ".status.people.staged", description = "People who are not let in yet"),
    printcolumn(name = "Suspended", type_ = "integer", json_path = ".status.people.suspended", description = "Suspended people"),
    printcolumn(name = "Deactivated", type_ = "integer", json_path = ".status.people.deactivated", description = "People who have left"),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].reason"#,
        description = "Why it is, or is not, ready"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp", description = "Time since creation")
)]
#[serde(rename_all = "camelCase")]
pub struct DirectorySpec {
    /// Names of `AppIntegrations` that are profile sources, highest priority first. Of a person only the first source that has a
    /// live link to them decides on profile and state. Sources that are not named here come after them, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), inner(length(min = 1, max = 63)))]
    #[x_kube(
        merge_strategy = ListMerge::Atomic,
        validation = Rule::new("self.all(name, self.exists_one(other, other == name))").message("profileSources names each AppIntegration once")
    )]
    pub profile_sources: Vec<String>,
    /// People who are never deactivated, suspended or unassigned, in either direction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protected_users: Option<ProtectedUsers>,
}

/// People who are never deactivated, suspended or unassigned.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProtectedUsers {
    /// Who: a CEL condition over `user`. Whoever it fails for is protected. While it does not compile, all removals wait.
    #[serde(rename = "where")]
    #[schemars(length(min = 1, max = EXPRESSION_LENGTH))]
    pub condition: String,
}

/// What Joinery says of a `Directory`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct DirectoryStatus {
    /// The generation that this status speaks of; -1 before the first visit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = -1))]
    pub observed_generation: Option<i64>,
    /// `Ready` and `StoreAvailable`; `Reconciling` and `Stalled` while they hold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions_schema")]
    pub conditions: Vec<Condition>,
    /// How many people there are, by state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub people: Option<PeopleStatus>,
    /// How many `AppIntegrations` the namespace has.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub integrations: Option<i64>,
    /// The profile sources in the order that holds, highest priority first; at most 100 of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), inner(length(max = 253)), extend("x-kubernetes-list-type" = "atomic"))]
    pub sources: Vec<String>,
    /// The id that the store was given when it was created.
    #[serde(rename = "storeID", skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub store_id: Option<String>,
}

/// How many people there are, by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PeopleStatus {
    /// Those who get accounts.
    #[schemars(range(min = 0))]
    pub active: i64,
    /// Those who are confirmed and not let in yet.
    #[schemars(range(min = 0))]
    pub staged: i64,
    /// Those whose accounts stay as they are.
    #[schemars(range(min = 0))]
    pub suspended: i64,
    /// Those who have left.
    #[schemars(range(min = 0))]
    pub deactivated: i64,
}
