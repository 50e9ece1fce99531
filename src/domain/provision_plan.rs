//! What a provisioning pass decides for each person.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{counts::ProvisionCounts, hash::ShortHash, id::AppId, link::Link, person::Person, report::ActionClass};

/// A person with everything that the decision about an account needs.
#[derive(Clone, Debug, PartialEq)]
pub struct ProvisionRow {
    /// The person.
    pub person: Person,
    /// The person's link to the app, live or ended.
    pub link: Option<Link>,
    /// Is the app the person's effective source (TA-18)?
    pub source: bool,
    /// The last attempt, if it failed.
    pub failure: Option<Failure>,
}

/// A failed attempt to provision a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What was attempted.
    pub inputs: ShortHash,
    /// How often in a row.
    pub attempts: u32,
    /// When it is tried again, if the inputs stay as they are (RL-3).
    pub next_attempt: Timestamp,
}

/// A decision about one person's account in one app.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProvisionAction {
    /// What is to be done.
    pub kind: ProvisionKind,
    /// The hash of everything that the decision was made from; remembered with the link when it is done.
    pub inputs: ShortHash,
    /// Attribute values by SCIM path, as they will have been written when the action is done.
    pub written: Map<String, Value>,
}

/// What is to be done with an account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ProvisionKind {
    /// The person needs an account. One POST, of which the lookups before it make something else if the app has the account.
    Create {
        /// The complete resource.
        resource: Value,
    },
    /// Looked up: the app has the account. It is linked, and what differs is written.
    Adopt {
        /// The account.
        app_id: AppId,
        /// Changed attributes by SCIM path; null clears. Empty: only linked.
        changes: Map<String, Value>,
        /// Was it found by `externalId`, so that it is ours (TA-2), or by the username only (TA-3)?
        ours: bool,
        /// Has it to be made active first? Only for accounts that Joinery deactivated.
        activate: bool,
    },
    /// Changed attributes are written.
    Update {
        /// The account.
        app_id: AppId,
        /// Changed attributes by SCIM path; null clears.
        changes: Map<String, Value>,
    },
    /// The account is made active again, and what changed since is written (TA-11).
    Reactivate {
        /// The account.
        app_id: AppId,
        /// Changed attributes by SCIM path; null clears.
        changes: Map<String, Value>,
    },
    /// `active: false`; the link becomes a tombstone (TA-10).
    Deactivate {
        /// The account.
        app_id: AppId,
    },
    /// Nothing is written: what stands in the way is counted and reported.
    Blocked {
        /// Why.
        reason: BlockReason,
    },
}

/// Why a person's account is left as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum BlockReason {
    /// Several accounts fit, or the lookups name different ones (TA-4).
    SeveralAccounts,
    /// The account that fits belongs to somebody else, now or formerly (TA-4).
    LinkedToAnother,
    /// The account that fits is inactive, and it was not Joinery that deactivated it (TA-3).
    FoundInactive,
    /// `createUsers` is off, and the app has no such account (TA-5).
    CreateUsersOff,
    /// The app's filters cannot be trusted and its listing is not complete, so that nobody can say whether the account
    /// exists (SC-4).
    NotProvable,
    /// An expression failed or gave a value of the wrong type (MA-6).
    Mapping,
    /// The username format gave null or the empty string (TA-14).
    NoUserName,
    /// Two people would get the same username (TA-14).
    UserNameNotUnique,
    /// The link was made at another host, and the present one does not show the account to be the person's (AI-9).
    Unproven,
}

impl ProvisionKind {
    /// What the action adds to the counts of its plan.
    pub fn counts(&self) -> ProvisionCounts {
        let mut counts = ProvisionCounts::default();
        match self {
            Self::Create { .. } => counts.create = 1,
            Self::Adopt { .. } => counts.adopt = 1,
            Self::Update { .. } => counts.update = 1,
            Self::Reactivate { .. } => counts.reactivate = 1,
            Self::Deactivate { .. } => counts.deactivate = 1,
            Self::Blocked { .. } => {}
        }
        counts
    }

    /// The class that a safeguard holds the action with; `None` for what writes nothing.
    pub fn class(&self) -> Option<ActionClass> {
        match self {
            Self::Create { .. } | Self::Adopt { .. } => Some(ActionClass::Creates),
            Self::Update { .. } | Self::Reactivate { .. } => Some(ActionClass::Updates),
            Self::Deactivate { .. } => Some(ActionClass::Removals),
            Self::Blocked { .. } => None,
        }
    }

    /// The word in the audit trail and in metrics.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Create { .. } => "create",
            Self::Adopt { .. } => "adopt",
            Self::Update { .. } => "update",
            Self::Reactivate { .. } => "reactivate",
            Self::Deactivate { .. } => "deactivate",
            Self::Blocked { .. } => "blocked",
        }
    }

    /// The account that is written to, where it is known.
    pub fn app_id(&self) -> Option<&AppId> {
        match self {
            Self::Adopt { app_id, .. } | Self::Update { app_id, .. } | Self::Reactivate { app_id, .. } | Self::Deactivate { app_id } => {
                Some(app_id)
            }
            Self::Create { .. } | Self::Blocked { .. } => None,
        }
    }
}

impl ProvisionAction {
    /// The username of the account that is to be created: what must be unique in a pass (TA-14). `None` for everything but a
    /// creation.
    pub fn new_account_name(&self) -> Option<&str> {
        match &self.kind {
            ProvisionKind::Create { resource } => resource.get("userName").and_then(Value::as_str),
            _ => None,
        }
    }

    /// The SCIM paths that the action writes, for the audit trail; no values.
    pub fn attributes(&self) -> Vec<&str> {
        let (active, values) = match &self.kind {
            ProvisionKind::Create { .. } => (true, &self.written),
            ProvisionKind::Adopt { changes, activate, .. } => (*activate, changes),
            ProvisionKind::Update { changes, .. } => (false, changes),
            ProvisionKind::Reactivate { changes, .. } => (true, changes),
            ProvisionKind::Deactivate { .. } => return vec!["active"],
            ProvisionKind::Blocked { .. } => return Vec::new(),
        };
        active.then_some("active").into_iter().chain(values.keys().map(String::as_str)).collect()
    }
}
