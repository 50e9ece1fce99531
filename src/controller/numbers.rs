//! Numbers and times as statuses show them.

use jiff::Timestamp;

use crate::{
    api::status::{SafeguardRule, SafeguardStatus, SafeguardVerdict},
    domain::safeguard::{Rule, RuleResult, Verdict},
};

/// A count, as far as a status can show it.
pub(crate) fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Statuses show whole seconds; with fractions a status read back would differ from the one written.
pub(crate) fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

/// Every rule with its arithmetic (SG-1).
pub(crate) fn safeguards(results: &[RuleResult]) -> Vec<SafeguardStatus> {
    results
        .iter()
        .map(|result| SafeguardStatus {
            rule: match result.rule {
                Rule::UnassignedPercent => SafeguardRule::UnassignedPercent,
                Rule::Unassigned => SafeguardRule::Unassigned,
                Rule::DeactivatedPercent => SafeguardRule::DeactivatedPercent,
                Rule::Deactivated => SafeguardRule::Deactivated,
                Rule::UpdatedPercent => SafeguardRule::UpdatedPercent,
                Rule::Created => SafeguardRule::Created,
                Rule::EmptySource => SafeguardRule::EmptySource,
                Rule::IncompleteListing => SafeguardRule::IncompleteListing,
            },
            count: count(result.count),
            population: count(result.population),
            limit: result.limit.map(count),
            verdict: match result.verdict {
                Verdict::Pass => SafeguardVerdict::Pass,
                Verdict::Tripped => SafeguardVerdict::Tripped,
                Verdict::Approved => SafeguardVerdict::Approved,
                Verdict::NotEvaluated => SafeguardVerdict::NotEvaluated,
            },
        })
        .collect()
}
