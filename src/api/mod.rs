//! What a user may write: the kinds of group `joinery.dev/v1alpha1`, with everything that the API server enforces by itself.
//!
//! Knows none of the other modules: turning these types into decisions is the controllers' business.
#![allow(clippy::duplicated_attributes, reason = "every printer column has a type, and several have the same")]

pub mod app_integration;
pub mod attribute_mapping;
pub mod change_approval;
pub mod common;
pub mod conditions;
pub mod crd;
pub mod directory;
pub mod import_run;
pub mod import_schedule;
pub mod names;
pub mod provisioning_policy;
pub mod safeguards;
pub mod status;
pub mod yaml;

pub use app_integration::{AppIntegration, AppIntegrationSpec, AppIntegrationStatus};
pub use attribute_mapping::{AttributeMapping, AttributeMappingSpec, AttributeMappingStatus};
pub use change_approval::{ChangeApproval, ChangeApprovalSpec, ChangeApprovalStatus};
pub use conditions::{ConditionType, Reason};
pub use crd::crds;
pub use directory::{Directory, DirectorySpec, DirectoryStatus};
pub use import_run::{ImportRun, ImportRunSpec, ImportRunStatus};
pub use import_schedule::{ImportSchedule, ImportScheduleSpec, ImportScheduleStatus};
pub use provisioning_policy::{ProvisioningPolicy, ProvisioningPolicySpec, ProvisioningPolicyStatus};
