//! Whether a plan may be applied: every rule over the complete plan, before its first write, each one reported (SG-1).

use serde::{Deserialize, Serialize};

/// A safeguard rule, by its name in statuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Rule {
    /// The share of links that an import would end or deactivate (SG-3).
    UnassignedPercent,
    /// Their number (SG-3).
    Unassigned,
    /// The share of accounts that provisioning would deactivate (SG-6).
    DeactivatedPercent,
    /// Their number (SG-6).
    Deactivated,
    /// The share of accounts that provisioning would write attributes to (SG-6).
    UpdatedPercent,
    /// The number of POSTs and adoptions (SG-6).
    Created,
    /// No records though links exist (SG-7).
    EmptySource,
    /// The listing was not proved complete (LS-2).
    IncompleteListing,
}

/// What a rule says of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Verdict {
    /// Within the limit.
    Pass,
    /// Over the limit.
    Tripped,
    /// The plan never got as far as this rule.
    NotEvaluated,
}

/// A rule, its arithmetic and its verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleResult {
    /// Which rule.
    pub rule: Rule,
    /// What it counted.
    pub count: u64,
    /// What the count was taken of.
    pub population: u64,
    /// The limit: a percentage or a number, by the rule; absent where there is none.
    pub limit: Option<u64>,
    /// The verdict.
    pub verdict: Verdict,
}

/// The numbers of SG-2: S = accounts that the run removes, W = accounts removed in the window without approval, L = live
/// links before the plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RemovalFigures {
    /// `|S|`
    pub planned: u64,
    /// `|S ∪ W|`
    pub removed: u64,
    /// `|L ∪ W|`
    pub population: u64,
    /// `|L|`
    pub live: u64,
}

/// The limits of `safeguards.import` (SG-3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImportLimits {
    /// `maxUnassignedPercent`, 0..=100; 100 switches it off.
    pub max_unassigned_percent: u64,
    /// `minPopulation`: the percentage is taken of at least so many (SG-4).
    pub min_population: u64,
    /// `maxUnassigned`.
    pub max_unassigned: Option<u64>,
}

/// The limits of `safeguards.provisioning` (SG-6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProvisionLimits {
    /// `maxDeactivatedPercent`, 0..=100; 100 switches it off.
    pub max_deactivated_percent: u64,
    /// `minPopulation` (SG-4).
    pub min_population: u64,
    /// `maxDeactivated`.
    pub max_deactivated: Option<u64>,
    /// `maxUpdatedPercent`, 0..=100; 100 switches it off.
    pub max_updated_percent: u64,
    /// `maxCreated`.
    pub max_created: Option<u64>,
}

/// Evaluates an import plan (SG-1 to SG-4, SG-7). `records`: how many records the full listing had.
pub fn import(_figures: RemovalFigures, _records: u64, _limits: &ImportLimits) -> Vec<RuleResult> {
    todo!()
}

/// Evaluates a provisioning plan (SG-6). `updates`: accounts written; `creates`: POSTs and adoptions.
pub fn provisioning(_figures: RemovalFigures, _updates: u64, _creates: u64, _limits: &ProvisionLimits) -> Vec<RuleResult> {
    todo!()
}

/// The arithmetic of a tripped rule in words, such as `201 of 1000 accounts (20.1 %) would be unassigned; the limit is 20 %.`
/// Percentages in tenths, rounded up.
pub fn arithmetic(_result: &RuleResult) -> String {
    todo!()
}
