//! `AttributeMapping`: which attribute becomes which, in both directions.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    common::{EXPRESSION_LENGTH, IntegrationRef},
    status::conditions_schema,
};

/// What an `AttributeMapping` asks for.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "joinery.dev",
    version = "v1alpha1",
    kind = "AttributeMapping",
    namespaced,
    status = "AttributeMappingStatus",
    derive = "PartialEq",
    shortname = "attrmap",
    category = "joinery",
    doc = "Which attribute becomes which between the directory and one app, in both directions. One per AppIntegration.",
    printcolumn(
        name = "Integration",
        type_ = "string",
        json_path = ".spec.integrationRef.name",
        description = "The AppIntegration it is for"
    ),
    printcolumn(
        name = "Compiled",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Compiled")].status"#,
        description = "Do all expressions compile and all tests pass?"
    ),
    printcolumn(name = "To-App", type_ = "integer", json_path = ".status.toApp", description = "Attributes written to the app"),
    printcolumn(
        name = "To-Directory",
        type_ = "integer",
        json_path = ".status.toDirectory",
        description = "Attributes written to the directory"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp", description = "Time since creation"),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].reason"#,
        description = "Why it is, or is not, ready",
        priority = "1"
    )
)]
#[serde(rename_all = "camelCase")]
pub struct AttributeMappingSpec {
    /// The `AppIntegration` that the mapping is for. Cannot be changed.
    #[x_kube(
        validation = Rule::new("self == oldSelf")
            .message("integrationRef cannot be changed: create another AttributeMapping for another AppIntegration")
    )]
    pub integration_ref: IntegrationRef,
    /// The base mapping that the entries below override: `SCIMCore` (core attributes and the enterprise extension under their own
    /// names, both ways) or `None`.
    #[serde(default)]
    pub preset: Preset,
    /// Attributes of the app, each target once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 200))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["target".into()]))]
    pub to_app: Vec<ToAppEntry>,
    /// Attributes of the directory, each target once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 200))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["target".into()]))]
    pub to_directory: Vec<ToDirectoryEntry>,
    /// Tests that run at every change. While one fails, the mapping is not used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub tests: Vec<MappingTest>,
}

/// A base mapping.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Preset {
    /// Core attributes and the enterprise extension under their own names, both ways.
    #[default]
    #[serde(rename = "SCIMCore")]
    ScimCore,
    /// Nothing.
    None,
}

/// An attribute of the app.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ToAppEntry {
    /// The SCIM path, such as `name.givenName` or, for an extension, `urn:…:User:department`.
    #[schemars(length(min = 1, max = 256))]
    pub target: String,
    /// The value: a CEL expression over `user` (the directory profile), `assignment` (its values) and `app` (the account as it is).
    #[schemars(length(min = 1, max = EXPRESSION_LENGTH))]
    pub expression: String,
    /// When the attribute is written: `CreateAndUpdate` (default) or `CreateOnly`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apply: Option<Apply>,
    /// What a null means: `Omit` (default) leaves the app's value alone, `Clear` clears it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_null: Option<OnNull>,
}

/// When the attribute is written: `CreateAndUpdate` (default) or `CreateOnly`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Apply {
    /// When the account is created, and whenever the value changes.
    #[default]
    CreateAndUpdate,
    /// When the account is created, and never again.
    CreateOnly,
}

/// What a null means: `Omit` (default) leaves the app's value alone, `Clear` clears it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum OnNull {
    /// The app's value stays.
    #[default]
    Omit,
    /// The app's value is cleared.
    Clear,
}

/// An attribute of the directory.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ToDirectoryEntry {
    /// The directory attribute, such as `department`.
    #[schemars(length(min = 1, max = 256))]
    pub target: String,
    /// The value: a CEL expression over `app`, the app's record.
    #[schemars(length(min = 1, max = EXPRESSION_LENGTH))]
    pub expression: String,
}

/// A test of the mapping.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MappingTest {
    /// What is tested, in a few words; unique in its mapping.
    #[schemars(length(min = 1, max = 128))]
    pub name: String,
    /// Which list is tried: `ToApp` or `ToDirectory`.
    pub direction: Direction,
    /// What the expressions see: `user`, `assignment` and `app`, as far as they matter.
    pub given: MappingTestGiven,
    /// The expected value of each target named, at least one; null means none.
    #[schemars(schema_with = "expect_schema")]
    pub expect: BTreeMap<String, Value>,
}

/// Which way a mapping goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Direction {
    /// From the directory to the app.
    ToApp,
    /// From the app to the directory.
    ToDirectory,
}

/// What the expressions of a test see.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MappingTestGiven {
    /// The person's profile, by attribute. Attributes left out are null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "free_object_schema")]
    pub user: Option<Map<String, Value>>,
    /// The values of the person's assignment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "free_object_schema")]
    pub assignment: Option<Map<String, Value>>,
    /// The app's record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "free_object_schema")]
    pub app: Option<Map<String, Value>>,
}

// Without `preserve-unknown-fields` the API server would prune everything inside.
fn free_object_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
}

fn expect_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "minProperties": 1,
        "maxProperties": 200,
        "additionalProperties": {"x-kubernetes-preserve-unknown-fields": true, "nullable": true},
    })
}

/// What Joinery says of an `AttributeMapping`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AttributeMappingStatus {
    /// The generation that this status speaks of; -1 before the first visit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = -1))]
    pub observed_generation: Option<i64>,
    /// `Ready` and `Compiled`; `Stalled` while it holds.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions_schema")]
    pub conditions: Vec<Condition>,
    /// How many attributes are written to the app, preset included.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub to_app: Option<i64>,
    /// How many attributes are written to the directory, preset included.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub to_directory: Option<i64>,
}
