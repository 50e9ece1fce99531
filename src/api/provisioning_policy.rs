//! `ProvisioningPolicy`: what flows between the directory and one app, in both directions, and the limits it must stay in.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::{
    common::{EXPRESSION_LENGTH, IntegrationRef},
    safeguards::Safeguards,
    status::{DIGEST_LENGTH, SafeguardStatus, conditions_schema},
};

/// What a `ProvisioningPolicy` asks for.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[kube(
    group = "joinery.dev",
    version = "v1alpha1",
    kind = "ProvisioningPolicy",
    namespaced,
    status = "ProvisioningPolicyStatus",
    derive = "PartialEq",
    shortname = "provpol",
    category = "joinery",
    doc = "What flows between the directory and one app, in both directions, and the limits it must stay in. One per AppIntegration.",
    printcolumn(
        name = "Integration",
        type_ = "string",
        json_path = ".spec.integrationRef.name",
        description = "The AppIntegration it is for"
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].status"#,
        description = "Is all well?"
    ),
    printcolumn(name = "Created", type_ = "integer", json_path = ".status.applied.create", description = "Accounts created"),
    printcolumn(name = "Updated", type_ = "integer", json_path = ".status.applied.update", description = "Accounts updated"),
    printcolumn(name = "Deactivated", type_ = "integer", json_path = ".status.applied.deactivate", description = "Accounts deactivated"),
    printcolumn(name = "Failed", type_ = "integer", json_path = ".status.failed", description = "People who could not be provisioned"),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].reason"#,
        description = "Why it is, or is not, ready"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp", description = "Time since creation"),
    printcolumn(
        name = "Plan",
        type_ = "string",
        json_path = ".status.plan.digest",
        description = "The digest of the last plan",
        priority = "1"
    ),
    printcolumn(
        name = "Next-Attempt",
        type_ = "string",
        json_path = ".status.nextAttemptTime",
        description = "When a failed person is tried again",
        priority = "1"
    )
)]
#[serde(rename_all = "camelCase")]
pub struct ProvisioningPolicySpec {
    /// The `AppIntegration` that the policy is for. Cannot be changed.
    #[x_kube(
        validation = Rule::new("self == oldSelf")
            .message("integrationRef cannot be changed: create another ProvisioningPolicy for another AppIntegration")
    )]
    pub integration_ref: IntegrationRef,
    /// From the directory to the app. Absent: nothing is provisioned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_app: Option<ToApp>,
    /// From the app to the directory. Absent: the app is not imported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_directory: Option<ToDirectory>,
    /// Limits that stop a plan before its first write.
    #[serde(default)]
    pub safeguards: Safeguards,
    /// How held plans are approved.
    #[serde(default)]
    pub approval: Approval,
}

/// How held plans are approved.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Approval {
    /// How long a held plan can be approved, counted from when it was made. Holds for imports of the integration too.
    #[serde(default = "expires_seconds")]
    #[schemars(range(min = 1, max = 2_592_000))]
    pub expires_seconds: i32,
}

impl Default for Approval {
    fn default() -> Self {
        Self { expires_seconds: expires_seconds() }
    }
}

/// From the directory to the app. Every switch is off until it is turned on.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ToApp {
    /// Create an account for whoever is assigned and has none. False: existing accounts are found and linked, none is created.
    #[serde(default)]
    pub create_users: bool,
    /// Write attributes whose desired value has changed.
    #[serde(default)]
    pub update_user_attributes: bool,
    /// Deactivate the account of whoever is deactivated or no longer assigned, and activate it again when they come back.
    #[serde(default)]
    pub deactivate_users: bool,
    /// The username in the app: a CEL expression over `user` that gives a string.
    #[serde(default = "user_name")]
    #[schemars(length(min = 1, max = EXPRESSION_LENGTH))]
    pub username_format: String,
    /// Who gets an account, in order of priority. Nobody, if there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub assignments: Vec<Assignment>,
}

/// People who get an account, and the attribute values that come with it.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Assignment {
    /// The assignment's name, unique in its policy.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// Who: a CEL condition over `user`, such as `user.department == "Sales"`. Whoever it fails for neither gains nor loses by it.
    #[serde(rename = "where")]
    #[schemars(length(min = 1, max = EXPRESSION_LENGTH))]
    pub condition: String,
    /// Attribute values of this assignment: name to CEL expression over `user`. The first assignment that gives a value wins.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "values_schema")]
    pub values: BTreeMap<String, String>,
    /// List values that are united with those of later assignments, instead of winning over them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 256)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub combine: Vec<String>,
}

fn values_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 64,
        "additionalProperties": {"type": "string", "minLength": 1, "maxLength": EXPRESSION_LENGTH},
    })
}

/// From the app to the directory.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ToDirectory {
    /// The username in the directory: a CEL expression over `app`, the app's record, that gives a string. Default: the record's
    /// primary e-mail address, else the work one, else the only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = EXPRESSION_LENGTH))]
    pub username_format: Option<String>,
    /// When a record and a person are the same.
    #[serde(default)]
    pub matching: Matching,
    /// Who confirms what an import proposes.
    #[serde(default)]
    pub confirmation: Confirmation,
    /// Whether the app decides on people's profiles and states.
    #[serde(default)]
    pub sourcing: Sourcing,
}

/// When a record and a person are the same.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Matching {
    /// What must be equal. All that are true must hold for one and the same person, or the one attribute; nothing chosen means
    /// the username.
    #[serde(default = "by_username")]
    #[x_kube(
        validation = Rule::new("!has(self.attribute) || !(self.username || self.email)")
            .message("exact.attribute excludes username and email: name an attribute alone, or choose username, email or both")
    )]
    pub exact: ExactMatch,
    /// True compares exactly, false without regard to case.
    #[serde(default = "case_sensitive")]
    pub case_sensitive: bool,
    /// True: where nothing is exact, a person is proposed whose given and family name are equal and whose username and e-mail
    /// address are not.
    #[serde(default)]
    pub allow_partial_matches: bool,
}

impl Default for Matching {
    fn default() -> Self {
        Self { exact: by_username(), case_sensitive: case_sensitive(), allow_partial_matches: false }
    }
}

/// What must be equal for an exact match.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExactMatch {
    /// The username.
    #[serde(default)]
    pub username: bool,
    /// The e-mail address.
    #[serde(default)]
    pub email: bool,
    /// This directory attribute, which is mapped from the app, instead of username and e-mail address. No value and an empty
    /// one match nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub attribute: Option<String>,
}

/// Who confirms what an import proposes.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Confirmation {
    /// A record that matches one person exactly: `Automatic` links it, `Manual` lets it wait.
    #[serde(default)]
    pub exact_matches: Confirm,
    /// A record that matches one person partly: `Automatic` links it, `Manual` lets it wait. Several people, or several records
    /// for one person, wait in any case.
    #[serde(default)]
    pub partial_matches: Confirm,
    /// A record that matches nobody: `Automatic` creates a person, `Manual` lets it wait.
    #[serde(default)]
    pub new_users: Confirm,
    /// True: a confirmed new person is Active. False: the person is Staged, gets no accounts yet and waits for being activated.
    #[serde(default)]
    pub activate_new_users: bool,
}

/// Who confirms a proposal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Confirm {
    /// A person does; until then the record waits and the directory stays as it is.
    #[default]
    Manual,
    /// The import does.
    Automatic,
}

/// Whether the app decides on people's profiles and states.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sourcing {
    /// The app is a profile source. The first source in the order of names that a person is linked to decides on them.
    #[serde(default)]
    pub enabled: bool,
    /// What becomes of a person whose record turned inactive or is gone: `DoNothing`, `Deactivate` or `Suspend`.
    #[serde(default)]
    pub on_deactivation: OnDeactivation,
    /// Who is made active again when the record is back and equal to the profile.
    #[serde(default)]
    pub reactivate: Reactivate,
}

/// What becomes of a person whose record turned inactive or is gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum OnDeactivation {
    /// The person stays as they are.
    DoNothing,
    /// The person is deactivated and loses their accounts.
    #[default]
    Deactivate,
    /// The person is suspended: nothing is sent to apps.
    Suspend,
}

/// Who is made active again when the record is back.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reactivate {
    /// Suspended people.
    #[serde(default)]
    pub suspended: bool,
    /// Deactivated people.
    #[serde(default)]
    pub deactivated: bool,
}

/// What Joinery says of a `ProvisioningPolicy`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ProvisioningPolicyStatus {
    /// The generation that this status speaks of; -1 before the first visit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = -1))]
    pub observed_generation: Option<i64>,
    /// `Ready`, and `Accepted`, `Provisioned`; `SafeguardTripped`, `Reconciling` and `Stalled` while they hold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions_schema")]
    pub conditions: Vec<Condition>,
    /// The last plan: what was to be done, held classes included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<ProvisionPlanStatus>,
    /// What was done of it; never more than the plan.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub applied: Option<ProvisionCountsStatus>,
    /// Classes of actions that a limit holds back.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["class"]))]
    pub held: Vec<HeldStatus>,
    /// Every safeguard rule with its arithmetic.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["rule"]))]
    pub safeguards: Vec<SafeguardStatus>,
    /// People who could not be provisioned. They are tried again by themselves.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub failed: Option<i64>,
    /// People whose assignment could not be decided. They keep what they have.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub undecided: Option<i64>,
    /// When the next failed person is tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_attempt_time: Option<Time>,
    /// The last text of the annotation `joinery.dev/requested-at` that was acted upon; the same text never acts twice.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub last_handled_request: Option<String>,
}

/// A plan in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ProvisionPlanStatus {
    /// The plan's digest, equal for equal plans: of what is held, while something is, and else of all of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = DIGEST_LENGTH))]
    pub digest: Option<String>,
    /// Until when what is held of it can be approved; a new plan is made then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<Time>,
    /// What is to become of the accounts.
    #[serde(flatten)]
    pub counts: ProvisionCountsStatus,
}

/// Accounts of a pass, by what becomes of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ProvisionCountsStatus {
    /// Accounts created.
    #[schemars(range(min = 0))]
    pub create: i64,
    /// Accounts that were in the app already and are taken over.
    #[schemars(range(min = 0))]
    pub adopt: i64,
    /// Accounts whose attributes are written.
    #[schemars(range(min = 0))]
    pub update: i64,
    /// Accounts deactivated.
    #[schemars(range(min = 0))]
    pub deactivate: i64,
    /// Accounts made active again.
    #[schemars(range(min = 0))]
    pub reactivate: i64,
    /// Accounts that need nothing.
    #[schemars(range(min = 0))]
    pub unchanged: i64,
    /// People who would lose their account and whom the Directory protects.
    #[schemars(range(min = 0))]
    pub protected: i64,
}

/// A class of actions that a limit holds back.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeldStatus {
    /// Which actions: `Creates`, `Updates` or `Removals`.
    pub class: HeldClass,
    /// How many.
    #[schemars(range(min = 0))]
    pub count: i64,
}

/// A class of provisioning actions that is held as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum HeldClass {
    /// New and adopted accounts.
    Creates,
    /// Attribute writes and reactivations.
    Updates,
    /// Deactivations.
    Removals,
}

fn user_name() -> String {
    "user.userName".to_owned()
}

fn expires_seconds() -> i32 {
    86_400
}

fn by_username() -> ExactMatch {
    ExactMatch { username: true, ..ExactMatch::default() }
}

fn case_sensitive() -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_switch_is_off_until_it_is_turned_on() {
        let spec: ProvisioningPolicySpec =
            serde_json::from_value(serde_json::json!({"integrationRef": {"name": "chat"}, "toApp": {}, "toDirectory": {}})).unwrap();
        let to_app = spec.to_app.unwrap();
        assert!(!to_app.create_users && !to_app.update_user_attributes && !to_app.deactivate_users && to_app.assignments.is_empty());
        assert_eq!(to_app.username_format, "user.userName");
        let to_directory = spec.to_directory.unwrap();
        assert_eq!(to_directory.matching, Matching::default());
        assert_eq!(to_directory.confirmation, Confirmation::default());
        assert_eq!(to_directory.confirmation.new_users, Confirm::Manual);
        assert_eq!(to_directory.sourcing.on_deactivation, OnDeactivation::Deactivate);
        assert!(!to_directory.sourcing.enabled);
    }

    #[test]
    fn naming_one_criterion_does_not_add_the_other() {
        let matching: Matching = serde_json::from_value(serde_json::json!({"exact": {"email": true}})).unwrap();
        assert_eq!(matching.exact, ExactMatch { email: true, ..ExactMatch::default() });
        let matching: Matching = serde_json::from_value(serde_json::json!({"exact": {"attribute": "employeeNumber"}})).unwrap();
        assert!(!matching.exact.username && !matching.exact.email && !matching.allow_partial_matches);
    }
}
