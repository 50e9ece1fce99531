//! What is said of a finished run: counts, digests and verdicts. Stored with the run; statuses are made from it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    counts::{ImportCounts, ProvisionCounts},
    hash::Digest,
    safeguard::{self, RuleResult},
};

/// How an import ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ImportEnd {
    /// The whole plan is applied.
    Applied,
    /// The plan was empty.
    NothingToDo,
    /// `mode: Plan`: the plan was published, nothing was changed.
    PlanOnly,
    /// A limit tripped; nothing of the run was applied (SG-9).
    Held,
    /// The held plan was approved and is being applied (SG-11): not the end yet.
    Approved,
    /// The held plan was rejected; nothing of it was applied (SG-11).
    Rejected,
    /// The held plan was not approved, or not applied, in time (SG-11).
    ApprovalExpired,
    /// The store is not the one that the integration's status speaks of; nothing of the run was applied (SG-12).
    StoreReplaced,
    /// The listing was not proved complete in three attempts (LS-3).
    SnapshotIncomplete {
        /// What was wrong with the last attempt, in our own words.
        problem: String,
    },
    /// No records, though links exist (SG-7).
    EmptySource,
    /// Applied, except for people who failed (RU-5).
    PartiallyApplied,
    /// Stopped before its next write by `suspend`, a deadline, a lost epoch or a shutdown (RU-4).
    Stopped {
        /// What stopped it.
        by: StopCause,
    },
    /// The app could not be read: credentials, network, protocol.
    AppFailed {
        /// The reason, as conditions spell it.
        reason: String,
        /// What happened, in our own words.
        message: String,
    },
}

/// What stops a run before its next write (RU-4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StopCause {
    /// `spec.suspend` of the integration or of the schedule.
    Suspended,
    /// `activeDeadlineSeconds` have passed.
    DeadlineExceeded,
    /// A newer run took the integration over.
    Superseded,
    /// The spec that the run works by, or the way to its app, has changed; it is begun afresh under the new one.
    Changed,
    /// The process is going down; the run is taken up again by the next one.
    Shutdown,
}

/// How much of the app a run has read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// Distinct records.
    pub records: u64,
    /// Pages.
    pub pages: u64,
    /// Was the listing proved complete (LS-2)?
    pub complete: bool,
}

/// The result of an import.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImportReport {
    /// How it ended.
    pub end: ImportEnd,
    /// What was read.
    pub snapshot: Snapshot,
    /// The digest of the plan, once there is one.
    pub digest: Option<Digest>,
    /// What the plan holds.
    pub plan: ImportCounts,
    /// What was applied; never more than the plan.
    pub applied: ImportCounts,
    /// Every safeguard rule with its arithmetic (SG-1).
    pub safeguards: Vec<RuleResult>,
    /// Until when the plan can be approved, if it is held.
    #[serde(default)]
    pub expires: Option<Timestamp>,
    /// When the run ended.
    pub finished: Timestamp,
}

impl ImportReport {
    /// Of a run whose place a newer one has taken before it began.
    pub fn replaced(now: Timestamp) -> Self {
        Self {
            end: ImportEnd::Stopped { by: StopCause::Superseded },
            snapshot: Snapshot::default(),
            digest: None,
            plan: ImportCounts::default(),
            applied: ImportCounts::default(),
            safeguards: Vec::new(),
            expires: None,
            finished: now,
        }
    }

    /// The held plan was approved: it is not over any more.
    pub fn approve(&mut self) {
        self.end = ImportEnd::Approved;
        safeguard::approve(&mut self.safeguards, |_| true);
    }

    /// Is the plan approved and not applied yet?
    pub fn is_released(&self) -> bool {
        self.end == ImportEnd::Approved
    }
}

/// How a provisioning pass ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProvisionEnd {
    /// Everything that was not held is done; some people may have failed.
    Done,
    /// `mode: Plan`: nothing was written.
    PlanOnly,
    /// The store is not the one that the integration's status speaks of: nothing was written (SG-12).
    StoreReplaced,
    /// Stopped before its next write.
    Stopped {
        /// What stopped it.
        by: StopCause,
    },
    /// The app could not be reached or refused the credentials.
    AppFailed {
        /// The reason, as conditions spell it.
        reason: String,
        /// What happened, in our own words.
        message: String,
    },
}

/// A class of provisioning actions that is held as a whole (SG-10).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ActionClass {
    /// POSTs and adoptions.
    Creates,
    /// Attribute writes and reactivations.
    Updates,
    /// Deactivations.
    Removals,
}

impl ActionClass {
    /// All of them, in the order in which they are applied (RU-1).
    pub const ALL: [Self; 3] = [Self::Creates, Self::Updates, Self::Removals];

    /// The word in statuses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Creates => "Creates",
            Self::Updates => "Updates",
            Self::Removals => "Removals",
        }
    }
}

/// A held class and its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldClass {
    /// Which actions.
    pub class: ActionClass,
    /// How many.
    pub count: u64,
}

/// The result of a provisioning pass.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProvisionReport {
    /// How it ended.
    pub end: ProvisionEnd,
    /// The digest of the plan, once there is one.
    pub digest: Option<Digest>,
    /// What the plan holds, held classes included.
    pub plan: ProvisionCounts,
    /// What was applied; never more than the plan.
    pub applied: ProvisionCounts,
    /// Classes that a limit holds back.
    pub held: Vec<HeldClass>,
    /// People who could not be provisioned: several accounts fit, an attribute was refused, the app failed.
    pub failed: u64,
    /// People whose assignment is undecided (TA-17).
    pub undecided: u64,
    /// Those among the failed whose link was made at another host, and whom the present one does not show (AI-9).
    #[serde(default)]
    pub unproven: u64,
    /// Every safeguard rule with its arithmetic (SG-1).
    pub safeguards: Vec<RuleResult>,
    /// Until when what is held can be approved.
    #[serde(default)]
    pub expires: Option<Timestamp>,
    /// When the next failed person is tried again.
    pub next_attempt: Option<Timestamp>,
    /// When the pass ended.
    pub finished: Timestamp,
}
