//! `ImportSchedule`: when imports run, in the words and with the habits of `CronJob`.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{common::IntegrationRef, status::conditions_schema};

/// The longest name of an `ImportSchedule`: a run's name adds its type and its slot, and becomes a label's value too.
pub const NAME_LENGTH: usize = 44;

/// What an `ImportSchedule` asks for.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[kube(
    group = "joinery.dev",
    version = "v1alpha1",
    kind = "ImportSchedule",
    namespaced,
    status = "ImportScheduleStatus",
    derive = "PartialEq",
    shortname = "impsched",
    category = "joinery",
    doc = "When imports from one app run. Each slot becomes an ImportRun.",
    validation = Rule::new("self.metadata.name.size() <= 44")
        .message("the name of an ImportSchedule must have at most 44 characters, since its runs add theirs to it"),
    printcolumn(name = "Integration", type_ = "string", json_path = ".spec.integrationRef.name", description = "The AppIntegration it imports from"),
    printcolumn(name = "Full", type_ = "string", json_path = ".spec.full.schedule", description = "When full imports run"),
    printcolumn(name = "Suspend", type_ = "boolean", json_path = ".spec.suspend", description = "Are imports suspended?"),
    printcolumn(name = "Active", type_ = "string", json_path = ".status.active[*].name", description = "The run that is under way"),
    printcolumn(name = "Last-Run", type_ = "date", json_path = ".status.lastScheduleTime", description = "Time since the last run was due"),
    printcolumn(name = "Next-Run", type_ = "string", json_path = ".status.nextScheduleTime", description = "When the next run is due"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp", description = "Time since creation"),
    printcolumn(name = "Time-Zone", type_ = "string", json_path = ".spec.timeZone", description = "The time zone of the schedule", priority = "1"),
    printcolumn(name = "Reason", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].reason"#, description = "Why it is, or is not, ready", priority = "1")
)]
#[serde(rename_all = "camelCase")]
pub struct ImportScheduleSpec {
    /// The `AppIntegration` to import from. Cannot be changed.
    #[x_kube(
        validation = Rule::new("self == oldSelf")
            .message("integrationRef cannot be changed: create another ImportSchedule for another AppIntegration")
    )]
    pub integration_ref: IntegrationRef,
    /// The IANA time zone that schedules are read in, such as `Europe/Berlin`.
    #[serde(default = "time_zone")]
    #[schemars(length(min = 1, max = 64))]
    pub time_zone: String,
    /// Full imports: everything is read; they alone find out who is gone.
    pub full: ScheduleRule,
    /// What happens when a run is due while another one is under way: `Forbid` skips the new one, `Replace` stops the old one
    /// before its next write.
    #[serde(default)]
    pub concurrency_policy: ConcurrencyPolicy,
    /// How late a run may start, in seconds. After a downtime at most one run is caught up with.
    #[serde(default = "starting_deadline_seconds")]
    #[schemars(range(min = 10, max = 604_800))]
    pub starting_deadline_seconds: i32,
    /// How long a run may take, in seconds. Then it stops before its next write.
    #[serde(default = "active_deadline_seconds")]
    #[schemars(range(min = 60, max = 604_800))]
    pub active_deadline_seconds: i32,
    /// Each slot is delayed by up to so many seconds, always by the same. Default: a tenth of the interval, at most 300.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 3600))]
    pub jitter_seconds: Option<i32>,
    /// True: no run is started, and one that is under way stops before its next write.
    #[serde(default)]
    pub suspend: bool,
    /// How many runs that succeeded are kept.
    #[serde(default = "runs_history_limit")]
    #[schemars(range(min = 0, max = 100))]
    pub successful_runs_history_limit: i32,
    /// How many runs that failed are kept.
    #[serde(default = "runs_history_limit")]
    #[schemars(range(min = 0, max = 100))]
    pub failed_runs_history_limit: i32,
    /// How many runs that a limit holds back are kept.
    #[serde(default = "held_runs_history_limit")]
    #[schemars(range(min = 1, max = 100))]
    pub held_runs_history_limit: i32,
}

/// When something runs.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScheduleRule {
    /// Five cron fields: minute, hour, day of month, month, day of week, such as `0 2 * * *`.
    #[schemars(length(min = 1, max = 128))]
    pub schedule: String,
}

/// What happens when a run is due while another one is under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum ConcurrencyPolicy {
    /// The new run is skipped.
    #[default]
    Forbid,
    /// The old run stops before its next write.
    Replace,
}

/// What Joinery says of an `ImportSchedule`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ImportScheduleStatus {
    /// The generation that this status speaks of; -1 before the first visit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = -1))]
    pub observed_generation: Option<i64>,
    /// `Ready`, and `Scheduled`, `LastRunSucceeded`; `SafeguardTripped`, `Reconciling` and `Stalled` while they hold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions_schema")]
    pub conditions: Vec<Condition>,
    /// The runs that are under way.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub active: Vec<ActiveRun>,
    /// The last slot that was dealt with: a run was started for it, or it was left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_schedule_time: Option<Time>,
    /// When a run last succeeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_successful_time: Option<Time>,
    /// When the next run is due.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_schedule_time: Option<Time>,
    /// The last text of the annotation `joinery.dev/requested-at` that was acted upon; the same text never acts twice.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub last_handled_request: Option<String>,
}

/// A run that is under way.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ActiveRun {
    /// The name of the `ImportRun`.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

fn time_zone() -> String {
    "Etc/UTC".to_owned()
}

fn starting_deadline_seconds() -> i32 {
    3600
}

fn active_deadline_seconds() -> i32 {
    21_600
}

fn runs_history_limit() -> i32 {
    3
}

fn held_runs_history_limit() -> i32 {
    5
}
