//! `spec.safeguards` of a `ProvisioningPolicy`: limits that stop a plan before its first write.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// Limits that stop a plan before its first write.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Safeguards {
    /// Limits of an import. An import over one changes nothing.
    #[serde(default)]
    pub import: ImportSafeguards,
    /// Limits of a provisioning pass. The class of actions that is over one is held, the others go on.
    #[serde(default)]
    pub provisioning: ProvisioningSafeguards,
    /// Removals count per run and over this rolling window, in seconds.
    #[serde(default = "window_seconds")]
    #[schemars(range(min = 60, max = 2_592_000))]
    pub window_seconds: i32,
}

impl Default for Safeguards {
    fn default() -> Self {
        Self { import: ImportSafeguards::default(), provisioning: ProvisioningSafeguards::default(), window_seconds: window_seconds() }
    }
}

/// Limits of an import.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImportSafeguards {
    /// Trips when more than this share of the linked accounts would be unassigned or deactivated. 100 turns it off.
    #[serde(default = "max_removed_percent")]
    #[schemars(range(min = 0, max = 100))]
    pub max_unassigned_percent: i32,
    /// The share is taken of at least so many accounts: a small app may lose a few of them, and not most.
    #[serde(default = "min_population")]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub min_population: i32,
    /// Trips when more than so many would be unassigned or deactivated. Absent: no such limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 10_000_000))]
    pub max_unassigned: Option<i32>,
    /// A record must be missing from so many complete full imports in a row before it counts as gone.
    #[serde(default = "missing_full_imports")]
    #[schemars(range(min = 1, max = 5))]
    pub missing_full_imports: i32,
}

impl Default for ImportSafeguards {
    fn default() -> Self {
        Self {
            max_unassigned_percent: max_removed_percent(),
            min_population: min_population(),
            max_unassigned: None,
            missing_full_imports: missing_full_imports(),
        }
    }
}

/// Limits of a provisioning pass.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProvisioningSafeguards {
    /// Trips when more than this share of the linked accounts would be deactivated. 100 turns it off.
    #[serde(default = "max_removed_percent")]
    #[schemars(range(min = 0, max = 100))]
    pub max_deactivated_percent: i32,
    /// Shares are taken of at least so many accounts: a small app may lose a few of them, and not most.
    #[serde(default = "min_population")]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub min_population: i32,
    /// Trips when more than so many would be deactivated. Absent: no such limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 10_000_000))]
    pub max_deactivated: Option<i32>,
    /// Trips when attributes of more than this share of the linked accounts would be written. 100 turns it off, since a changed
    /// mapping may well touch everybody.
    #[serde(default = "max_updated_percent")]
    #[schemars(range(min = 0, max = 100))]
    pub max_updated_percent: i32,
    /// Trips when more than so many accounts would be created or taken over. Absent: no such limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 10_000_000))]
    pub max_created: Option<i32>,
}

impl Default for ProvisioningSafeguards {
    fn default() -> Self {
        Self {
            max_deactivated_percent: max_removed_percent(),
            min_population: min_population(),
            max_deactivated: None,
            max_updated_percent: max_updated_percent(),
            max_created: None,
        }
    }
}

fn max_removed_percent() -> i32 {
    20
}

fn min_population() -> i32 {
    100
}

fn missing_full_imports() -> i32 {
    2
}

fn max_updated_percent() -> i32 {
    100
}

fn window_seconds() -> i32 {
    86_400
}
