//! `ImportRun`: one import, with its plan, its verdict and its result. To an `ImportSchedule` what a `Job` is to a `CronJob`.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    common::IntegrationRef,
    status::{DIGEST_LENGTH, SafeguardStatus, conditions_schema},
};

/// What an `ImportRun` asks for.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[kube(
    group = "joinery.dev",
    version = "v1alpha1",
    kind = "ImportRun",
    namespaced,
    status = "ImportRunStatus",
    derive = "PartialEq",
    shortname = "imprun",
    category = "joinery",
    doc = "One import from one app: its plan, its verdict, its result. Created by an ImportSchedule, or by hand to import now.",
    validation = Rule::new("self.metadata.name.size() <= 63")
        .message("the name of an ImportRun must have at most 63 characters"),
    printcolumn(name = "Type", type_ = "string", json_path = ".spec.type", description = "The type of import"),
    printcolumn(name = "Read", type_ = "integer", json_path = ".status.snapshot.records", description = "Records read"),
    printcolumn(name = "New", type_ = "integer", json_path = ".status.plan.new", description = "People to create"),
    printcolumn(name = "Updated", type_ = "integer", json_path = ".status.plan.updated", description = "People to update"),
    printcolumn(name = "Unassigned", type_ = "integer", json_path = ".status.plan.unassigned", description = "Links to end because the record is gone"),
    printcolumn(name = "Verdict", type_ = "string", json_path = ".status.verdict", description = "What the safeguards say"),
    printcolumn(name = "State", type_ = "string", json_path = ".status.state", description = "How far the run is"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp", description = "Time since creation"),
    printcolumn(name = "Integration", type_ = "string", json_path = ".spec.integrationRef.name", description = "The AppIntegration it imports from", priority = "1"),
    printcolumn(name = "Plan", type_ = "string", json_path = ".status.plan.digest", description = "The digest of the plan", priority = "1"),
    printcolumn(name = "Reason", type_ = "string", json_path = r#".status.conditions[?(@.type=="Succeeded")].reason"#, description = "How it ended, or why it has not", priority = "1")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self == oldSelf").message("an ImportRun cannot be changed: create another one to import again"))]
pub struct ImportRunSpec {
    /// The `AppIntegration` to import from.
    pub integration_ref: IntegrationRef,
    /// The type of import: `Full` reads everything and finds out who is gone.
    #[serde(rename = "type")]
    pub kind: ImportType,
}

/// A type of import.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum ImportType {
    /// Everything is read.
    Full,
}

/// What Joinery says of an `ImportRun`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ImportRunStatus {
    /// The generation that this status speaks of; -1 before the first visit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = -1))]
    pub observed_generation: Option<i64>,
    /// `Ready`, and `Succeeded` (Unknown while the run goes on or is held), `SnapshotComplete`; `SafeguardTripped`,
    /// `AwaitingApproval`, `Reconciling` and `Stalled` while they hold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions_schema")]
    pub conditions: Vec<Condition>,
    /// When the run began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Time>,
    /// When the run ended. A held run has not ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completion_time: Option<Time>,
    /// What was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<SnapshotStatus>,
    /// The plan: what was to be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<ImportPlanStatus>,
    /// What was done of it; never more than the plan.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub applied: Option<ImportCountsStatus>,
    /// Every safeguard rule with its arithmetic.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["rule"]))]
    pub safeguards: Vec<SafeguardStatus>,
    /// What the safeguards say in one word: `Pass`, `SafeguardTripped`, `Approved`, `EmptySource` or `SnapshotIncomplete`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<RunVerdict>,
    /// How far the run is, in one word for tables; conditions say more: `Waiting`, `Running`, `Held`, `Succeeded` or `Failed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<RunState>,
}

/// How much of the app a run has read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct SnapshotStatus {
    /// Distinct records read.
    #[schemars(range(min = 0))]
    pub records: i64,
    /// Pages read.
    #[schemars(range(min = 0))]
    pub pages: i64,
    /// Is the listing proved complete? Otherwise nothing of the run is applied.
    pub complete: bool,
}

/// The plan in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ImportPlanStatus {
    /// The plan's digest: equal for equal plans.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = DIGEST_LENGTH))]
    pub digest: Option<String>,
    /// Until when a held plan can be approved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<Time>,
    /// What is to become of the records.
    #[serde(flatten)]
    pub counts: ImportCountsStatus,
}

/// Records and people of an import, by what becomes of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ImportCountsStatus {
    /// New people.
    #[schemars(range(min = 0))]
    pub new: i64,
    /// Records linked to people who were there.
    #[schemars(range(min = 0))]
    pub matched: i64,
    /// People whose attributes change.
    #[schemars(range(min = 0))]
    pub updated: i64,
    /// Linked records that change nothing.
    #[schemars(range(min = 0))]
    pub unchanged: i64,
    /// People deactivated.
    #[schemars(range(min = 0))]
    pub deactivated: i64,
    /// People suspended.
    #[schemars(range(min = 0))]
    pub suspended: i64,
    /// Links ended because the record is gone.
    #[schemars(range(min = 0))]
    pub unassigned: i64,
    /// People made active again.
    #[schemars(range(min = 0))]
    pub reactivated: i64,
    /// Records that wait for a decision.
    #[schemars(range(min = 0))]
    pub pending: i64,
    /// Records left out, such as inactive ones that nobody is linked to.
    #[schemars(range(min = 0))]
    pub ignored: i64,
    /// Records that could not be mapped or would collide. They are left as they are.
    #[schemars(range(min = 0))]
    pub failed: i64,
    /// People who would lose something and whom the Directory protects.
    #[schemars(range(min = 0))]
    pub protected: i64,
}

/// What the safeguards say in one word: `Pass`, `SafeguardTripped`, `Approved`, `EmptySource` or `SnapshotIncomplete`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum RunVerdict {
    /// Within all limits.
    Pass,
    /// Over a limit.
    SafeguardTripped,
    /// Over a limit, and approved all the same.
    Approved,
    /// No records, though there are links.
    EmptySource,
    /// The listing was not proved complete.
    SnapshotIncomplete,
}

/// How far the run is, in one word for tables; conditions say more: `Waiting`, `Running`, `Held`, `Succeeded` or `Failed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum RunState {
    /// The run has not begun.
    Waiting,
    /// The run goes on.
    Running,
    /// A limit holds the plan back.
    Held,
    /// The run is over and did what it was to do.
    Succeeded,
    /// The run is over and did not.
    Failed,
}
