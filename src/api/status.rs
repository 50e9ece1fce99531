//! Parts of statuses that several kinds share: conditions, safeguard verdicts, and how statuses are bounded (D3).

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// The longest message of a condition, in characters (D3).
pub const MESSAGE_LENGTH: usize = 1024;

/// The length of a digest: `sha256:` and 64 hexadecimal digits.
pub const DIGEST_LENGTH: u64 = 71;

/// A safeguard rule, by the name it has in statuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum SafeguardRule {
    /// The share of links that an import would end or deactivate.
    UnassignedPercent,
    /// Their number.
    Unassigned,
    /// The share of accounts that provisioning would deactivate.
    DeactivatedPercent,
    /// Their number.
    Deactivated,
    /// The share of accounts that provisioning would write attributes to.
    UpdatedPercent,
    /// The number of accounts that provisioning would create or take over.
    Created,
    /// No records, though there are links.
    EmptySource,
    /// The listing was not proved complete.
    IncompleteListing,
}

/// What a safeguard rule says of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum SafeguardVerdict {
    /// Within the limit.
    Pass,
    /// Over the limit.
    Tripped,
    /// Over the limit, and approved all the same.
    Approved,
    /// The plan never got as far as this rule.
    NotEvaluated,
}

/// A safeguard rule with its arithmetic and its verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SafeguardStatus {
    /// Which rule: `UnassignedPercent`, `Unassigned`, `DeactivatedPercent`, `Deactivated`, `UpdatedPercent`, `Created`,
    /// `EmptySource` or `IncompleteListing`.
    pub rule: SafeguardRule,
    /// What the rule counted, such as accounts that would be deactivated.
    #[schemars(range(min = 0))]
    pub count: i64,
    /// What the count was taken of.
    #[schemars(range(min = 0))]
    pub population: i64,
    /// The limit: a percentage or a number, by the rule. Absent where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub limit: Option<i64>,
    /// `Pass`, `Tripped`, `Approved` or `NotEvaluated`.
    pub verdict: SafeguardVerdict,
}

/// The schema of `status.conditions`. The library's own knows no bounds and would make the list atomic.
pub(super) fn conditions_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 16,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
        "items": {
            "type": "object",
            "description": "One aspect of the object's state.",
            "required": ["lastTransitionTime", "message", "reason", "status", "type"],
            "properties": {
                "type": {
                    "type": "string",
                    "description": "Which aspect, such as `Ready`.",
                    "minLength": 1,
                    "maxLength": 64,
                },
                "status": {
                    "type": "string",
                    "description": "`True`, `False` or `Unknown`.",
                    "enum": ["True", "False", "Unknown"],
                },
                "reason": {
                    "type": "string",
                    "description": "Why, as one word of a closed list.",
                    "minLength": 1,
                    "maxLength": 64,
                    "pattern": "^[A-Za-z][A-Za-z0-9]*$",
                },
                "message": {
                    "type": "string",
                    "description": "What happened, what was done about it, and what the reader can do.",
                    "maxLength": MESSAGE_LENGTH,
                },
                "lastTransitionTime": {
                    "type": "string",
                    "format": "date-time",
                    "description": "When `status` last changed.",
                },
                "observedGeneration": {
                    "type": "integer",
                    "format": "int64",
                    "description": "The generation of the object that the condition speaks of.",
                    "minimum": 0,
                },
            },
        },
    })
}

/// Access to what every status has, whatever its kind.
pub trait ObjectStatus {
    /// The conditions.
    fn conditions(&self) -> &[Condition];
    /// The generation that the status speaks of; `None` before the first visit.
    fn observed_generation(&self) -> Option<i64>;
}

macro_rules! object_status {
    ($($status:ty),+ $(,)?) => {
        $(impl ObjectStatus for $status {
            fn conditions(&self) -> &[Condition] {
                &self.conditions
            }

            fn observed_generation(&self) -> Option<i64> {
                self.observed_generation
            }
        })+
    };
}

object_status!(
    super::AppIntegrationStatus,
    super::AttributeMappingStatus,
    super::ChangeApprovalStatus,
    super::DirectoryStatus,
    super::ImportRunStatus,
    super::ImportScheduleStatus,
    super::ProvisioningPolicyStatus,
);
