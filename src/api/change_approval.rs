//! `ChangeApproval`: one decision on one held plan, bound to that plan's digest.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::status::{DIGEST_LENGTH, conditions_schema};

/// What a `ChangeApproval` decides.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[kube(
    group = "joinery.dev",
    version = "v1alpha1",
    kind = "ChangeApproval",
    namespaced,
    status = "ChangeApprovalStatus",
    derive = "PartialEq",
    shortname = "chgappr",
    category = "joinery",
    doc = "One decision on one held plan, bound to that plan's digest. It counts once; deleting it afterwards changes nothing.",
    printcolumn(name = "Kind", type_ = "string", json_path = ".spec.target.kind", description = "The kind of what is held"),
    printcolumn(name = "Target", type_ = "string", json_path = ".spec.target.name", description = "The name of what is held"),
    printcolumn(name = "Decision", type_ = "string", json_path = ".spec.decision", description = "What was decided"),
    printcolumn(
        name = "Accepted",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Accepted")].status"#,
        description = "Did the decision count?"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Accepted")].reason"#,
        description = "Why it did, or did not"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp", description = "Time since creation"),
    printcolumn(name = "Plan", type_ = "string", json_path = ".spec.planDigest", description = "The digest of the plan", priority = "1")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self == oldSelf").message("a ChangeApproval cannot be changed: create another one for another decision"),
    validation = Rule::new("!has(self.candidates) || self.candidates.size() == 0 || self.decision == 'Approve'")
        .message("candidates are decided on with decision Approve; Reject carries none"),
    validation = Rule::new("!has(self.candidates) || self.candidates.size() == 0 || self.target.kind == 'ImportRun'")
        .message("candidates are those of an ImportRun: name one as target, or leave candidates out")
)]
pub struct ChangeApprovalSpec {
    /// What is held.
    pub target: ApprovalTarget,
    /// The digest of the held plan, from the target's `status.plan.digest`. Of any other plan nothing is decided.
    #[schemars(length(max = DIGEST_LENGTH))]
    #[x_kube(
        validation = Rule::new("self.matches('^sha256:[0-9a-f]{64}$')")
            .message("planDigest must be sha256: and 64 of 0-9 and a-f, as in status.plan.digest of the target")
    )]
    pub plan_digest: String,
    /// `Approve`: exactly this plan is applied, once. `Reject`: nothing of it is, and it is not asked for again.
    pub decision: ApprovalDecision,
    /// Why, for whoever reads it later, such as the number of a change. Do not name people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub reason: Option<String>,
    /// Who decided. Where an admission policy asks for it, it is the user who makes the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub approver: Option<String>,
    /// Decisions on records of an import that wait for one, held or not. `joinery candidates` lists them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 500))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["id".into()]))]
    pub candidates: Vec<CandidateChoice>,
}

/// A decision on one record that waits.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("(self.decision == 'Existing') == has(self.user)")
        .message("user names the person of decision Existing, and goes with no other decision")
)]
pub struct CandidateChoice {
    /// The candidate, as `joinery candidates` lists it.
    #[schemars(length(min = 1, max = 38))]
    #[x_kube(
        validation = Rule::new("self.matches('^c-[0-9a-f-]+$')").message("id must be c- and an id, as `joinery candidates` lists it")
    )]
    pub id: String,
    /// `Exact`: the proposal is right. `New`: a new person. `Existing`: the person in `user`. `Activate`: the person that is
    /// proposed becomes Active. `Ignore`: left as it is. `Unignore`: the next import decides again.
    pub decision: CandidateVerdict,
    /// The person of `Existing`: `p-` and an id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 38))]
    #[x_kube(validation = Rule::new("self.matches('^p-[0-9a-f-]+$')").message("user must be p- and the id of a person"))]
    pub user: Option<String>,
}

/// What may be decided about a record that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum CandidateVerdict {
    /// The proposal is right.
    Exact,
    /// The record is a new person.
    New,
    /// The record is the person in `user`.
    Existing,
    /// The person that is proposed becomes Active.
    Activate,
    /// The record is left as it is until this is taken back.
    Ignore,
    /// Takes `Ignore` back: the next import decides.
    Unignore,
}

/// Names what a plan is held of.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalTarget {
    /// The kind: `ImportRun` or `ProvisioningPolicy`.
    pub kind: TargetKind,
    /// The name of an object of that kind in the same namespace.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// What plans are held of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum TargetKind {
    /// The plan of one import.
    ImportRun,
    /// The held classes of a provisioning plan.
    ProvisioningPolicy,
}

/// A decision on a held plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum ApprovalDecision {
    /// Exactly this plan is applied, once.
    Approve,
    /// Nothing of it is applied.
    Reject,
}

/// What Joinery says of a `ChangeApproval`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ChangeApprovalStatus {
    /// The generation that this status speaks of; -1 before the first visit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = -1))]
    pub observed_generation: Option<i64>,
    /// `Ready` and `Accepted`: did the decision count? `Reconciling` and `Stalled` while they hold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions_schema")]
    pub conditions: Vec<Condition>,
}
