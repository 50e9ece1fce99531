//! Whether a plan may be applied: every rule over the complete plan, before its first write, each one reported (SG-1).

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::report::ActionClass;

mod text;

pub use text::arithmetic;

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
    /// Over the limit, and approved all the same (SG-11).
    Approved,
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
    /// What a percentage was taken of: the population, or `minPopulation` where that is larger (SG-4).
    pub base: u64,
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

/// Evaluates an import plan (SG-1 to SG-4, SG-7). `records`: how many records the full listing had. Always the same rules
/// in the same order. A listing that is not complete never gets as far as a plan (LS-3).
pub fn import(figures: RemovalFigures, records: u64, limits: &ImportLimits) -> Vec<RuleResult> {
    let live = figures.live;
    vec![
        share_removed(Rule::UnassignedPercent, figures, limits.max_unassigned_percent, limits.min_population),
        number_removed(Rule::Unassigned, figures, limits.max_unassigned),
        RuleResult {
            rule: Rule::EmptySource,
            count: records,
            population: live,
            base: live,
            limit: None,
            verdict: verdict(records == 0 && live > 0),
        },
        RuleResult {
            rule: Rule::IncompleteListing,
            count: records,
            population: records,
            base: records,
            limit: None,
            verdict: Verdict::Pass,
        },
    ]
}

/// The same rules for an import that never had a plan: all are listed, none is evaluated (SG-1).
pub fn import_without_plan(limits: &ImportLimits) -> Vec<RuleResult> {
    let rules = import(RemovalFigures::default(), 0, limits);
    rules.into_iter().map(|rule| RuleResult { verdict: Verdict::NotEvaluated, ..rule }).collect()
}

/// Evaluates a provisioning plan (SG-6). `updates`: accounts written; `creates`: POSTs and adoptions. Always the same rules
/// in the same order.
pub fn provisioning(figures: RemovalFigures, updates: u64, creates: u64, limits: &ProvisionLimits) -> Vec<RuleResult> {
    let live = figures.live;
    vec![
        share_removed(Rule::DeactivatedPercent, figures, limits.max_deactivated_percent, limits.min_population),
        number_removed(Rule::Deactivated, figures, limits.max_deactivated),
        share(Rule::UpdatedPercent, updates, live, limits.max_updated_percent, limits.min_population),
        number(Rule::Created, creates, live, limits.max_created),
    ]
}

/// Has any rule tripped?
pub fn tripped(results: &[RuleResult]) -> bool {
    results.iter().any(|result| result.verdict == Verdict::Tripped)
}

/// Those rules that have tripped and that an approval lifts: SG-7 is never lifted.
pub fn approve(results: &mut [RuleResult], lifts: impl Fn(Rule) -> bool) {
    for result in results {
        let may_be_lifted = !matches!(result.rule, Rule::EmptySource | Rule::IncompleteListing);
        if result.verdict == Verdict::Tripped && may_be_lifted && lifts(result.rule) {
            result.verdict = Verdict::Approved;
        }
    }
}

/// Has this rule tripped?
pub fn is_tripped(results: &[RuleResult], rule: Rule) -> bool {
    results.iter().any(|result| result.rule == rule && result.verdict == Verdict::Tripped)
}

/// The classes of provisioning actions that tripped rules hold back, each as a whole (SG-10).
pub fn held_classes(results: &[RuleResult]) -> BTreeSet<ActionClass> {
    results.iter().filter(|result| result.verdict == Verdict::Tripped).filter_map(|result| result.rule.holds()).collect()
}

impl Rule {
    /// The class of provisioning actions that the rule holds back; `None` for the rules of imports, which hold the whole
    /// plan (SG-9).
    pub fn holds(self) -> Option<ActionClass> {
        match self {
            Self::DeactivatedPercent | Self::Deactivated => Some(ActionClass::Removals),
            Self::UpdatedPercent => Some(ActionClass::Updates),
            Self::Created => Some(ActionClass::Creates),
            Self::UnassignedPercent | Self::Unassigned | Self::EmptySource | Self::IncompleteListing => None,
        }
    }
}

/// SG-2: a plan that removes nobody passes, whatever was removed in the window before.
fn share_removed(rule: Rule, figures: RemovalFigures, limit: u64, min_population: u64) -> RuleResult {
    let result = share(rule, figures.removed, figures.population, limit, min_population);
    if figures.planned == 0 { RuleResult { verdict: Verdict::Pass, ..result } } else { result }
}

fn number_removed(rule: Rule, figures: RemovalFigures, max: Option<u64>) -> RuleResult {
    let result = number(rule, figures.removed, figures.population, max);
    if figures.planned == 0 { RuleResult { verdict: Verdict::Pass, ..result } } else { result }
}

/// SG-1, SG-4. In u128, where no product of two u64 overflows: a limit that wraps around is no limit.
fn share(rule: Rule, count: u64, population: u64, limit: u64, min_population: u64) -> RuleResult {
    let base = population.max(min_population);
    let over = limit < 100 && u128::from(count) * 100 > u128::from(limit) * u128::from(base);
    RuleResult { rule, count, population, base, limit: Some(limit), verdict: verdict(over) }
}

fn number(rule: Rule, count: u64, population: u64, max: Option<u64>) -> RuleResult {
    let over = max.is_some_and(|max| count > max);
    RuleResult { rule, count, population, base: population, limit: max, verdict: verdict(over) }
}

fn verdict(over: bool) -> Verdict {
    if over { Verdict::Tripped } else { Verdict::Pass }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::{prelude::*, test_runner::Config};

    use super::*;

    const OFF: ImportLimits = ImportLimits { max_unassigned_percent: 100, min_population: 100, max_unassigned: None };

    /// The figures of a plan that removes `s` of `l` live links, after `w` others were removed in the window.
    fn figures(l: u64, s: u64, w: u64) -> RemovalFigures {
        RemovalFigures { planned: s, removed: s + w, population: l + w, live: l }
    }

    fn of(results: &[RuleResult], rule: Rule) -> RuleResult {
        *results.iter().find(|result| result.rule == rule).unwrap()
    }

    /// The table of semantics.md §8. Row 10: what was approved is not part of W. Row 11: who is protected is left out of S
    /// before anything is counted. Rows 12 and 13 have the formula of the app's rule.
    #[test]
    fn the_safeguard_table() {
        for (row, (l, s, w), (limit, min_population, max), held) in [
            ("1", (1000, 200, 0), (20, 100, None), None),
            ("2", (1000, 201, 0), (20, 100, None), Some("20.1 %")),
            ("3", (101, 21, 0), (20, 100, None), Some("20.8 %")),
            ("4", (60, 20, 0), (20, 100, None), None),
            ("5", (60, 21, 0), (20, 100, None), Some("35.0 %")),
            ("6", (50, 11, 0), (20, 0, None), Some("22.0 %")),
            ("7", (850, 50, 150), (20, 100, None), None),
            ("8", (850, 51, 150), (20, 100, None), Some("20.1 %")),
            ("9", (1666, 334, 0), (20, 100, None), Some("20.1 %")),
            ("10", (700, 100, 0), (20, 100, None), None),
            ("11", (1000, 200, 0), (20, 100, None), None),
            ("12", (880, 90, 120), (20, 100, None), Some("21.0 %")),
            ("13", (99, 60, 0), (20, 100, None), Some("60.7 %")),
        ] {
            let limits = ImportLimits { max_unassigned_percent: limit, min_population, max_unassigned: max };
            let results = import(figures(l, s, w), l - s, &limits);
            let result = of(&results, Rule::UnassignedPercent);
            assert_eq!((result.count, result.population, result.limit), (s + w, l + w, Some(limit)), "row {row}");
            assert_eq!(result.verdict == Verdict::Tripped, held.is_some(), "row {row}");
            assert_eq!(tripped(&results), held.is_some(), "row {row}");
            if let Some(percent) = held {
                assert!(arithmetic(&result).contains(percent), "row {row}: {}", arithmetic(&result));
            }
        }
    }

    #[test]
    fn row_5a_an_absolute_limit_holds_whatever_the_percentage_says() {
        let limits = ImportLimits { max_unassigned_percent: 20, min_population: 100, max_unassigned: Some(50) };
        let results = import(figures(400, 60, 0), 340, &limits);
        assert_eq!(of(&results, Rule::UnassignedPercent).verdict, Verdict::Pass);
        assert_eq!(of(&results, Rule::Unassigned).verdict, Verdict::Tripped);
        assert!(!tripped(&import(figures(400, 50, 0), 350, &limits)), "the limit itself is allowed");
    }

    #[test]
    fn row_14_an_empty_source_trips_whatever_the_limits_are() {
        let results = import(figures(3, 3, 0), 0, &OFF);
        assert_eq!(of(&results, Rule::EmptySource).verdict, Verdict::Tripped);
        assert_eq!(of(&results, Rule::UnassignedPercent).verdict, Verdict::Pass, "100 switches the percentage off");
        assert!(tripped(&import(figures(3, 0, 0), 0, &OFF)), "also when nothing was planned (SG-7)");
        assert!(!tripped(&import(figures(0, 0, 0), 0, &OFF)), "no records and no links: nothing to do");
    }

    #[test]
    fn a_plan_that_removes_nobody_passes_however_many_went_before() {
        let limits = ImportLimits { max_unassigned_percent: 20, min_population: 100, max_unassigned: Some(10) };
        assert!(!tripped(&import(figures(100, 0, 900), 100, &limits)));
    }

    #[test]
    fn every_rule_is_listed_in_the_same_order() {
        let rules = |results: &[RuleResult]| results.iter().map(|result| result.rule).collect::<Vec<_>>();
        assert_eq!(
            rules(&import(figures(0, 0, 0), 0, &OFF)),
            [Rule::UnassignedPercent, Rule::Unassigned, Rule::EmptySource, Rule::IncompleteListing]
        );
        assert_eq!(
            rules(&provisioning(figures(0, 0, 0), 0, 0, &provision_limits())),
            [Rule::DeactivatedPercent, Rule::Deactivated, Rule::UpdatedPercent, Rule::Created]
        );
    }

    fn provision_limits() -> ProvisionLimits {
        ProvisionLimits {
            max_deactivated_percent: 20,
            min_population: 100,
            max_deactivated: None,
            max_updated_percent: 100,
            max_created: None,
        }
    }

    /// A9, SG-10: whatever caused the actions, the class that is over its limit is held, and no other.
    #[test]
    fn a9_a_tripped_class_is_held_and_the_others_are_not() {
        let limits = ProvisionLimits { max_updated_percent: 10, max_created: Some(15), ..provision_limits() };
        let held = |removals, updates, creates| held_classes(&provisioning(figures(1000, removals, 0), updates, creates, &limits));
        assert_eq!(held(200, 100, 15), BTreeSet::new());
        assert_eq!(held(201, 100, 15), BTreeSet::from([ActionClass::Removals]));
        assert_eq!(held(300, 0, 20), BTreeSet::from([ActionClass::Creates, ActionClass::Removals]));
        assert_eq!(held(0, 101, 0), BTreeSet::from([ActionClass::Updates]));
        assert_eq!(held_classes(&provisioning(figures(10_000, 10_000, 0), 10_000, 10_000, &limits)).len(), 3);
        let absolute = ProvisionLimits { max_deactivated: Some(5), ..provision_limits() };
        assert_eq!(held_classes(&provisioning(figures(1000, 6, 0), 0, 0, &absolute)), BTreeSet::from([ActionClass::Removals]));
    }

    /// A5: 24 runs of 5 % each; once the window is full, no run gets through.
    #[test]
    fn a5_a_rolling_window_stops_exactly_at_the_limit() {
        let limits = ImportLimits { max_unassigned_percent: 20, min_population: 100, max_unassigned: None };
        let (mut live, mut window) = (1000, 0);
        for _ in 0..24 {
            if !tripped(&import(figures(live, 50, window), live - 50, &limits)) {
                live -= 50;
                window += 50;
            }
        }
        assert_eq!(window, 200);
    }

    /// How many cases a property test runs; the long run has twenty times as many.
    fn cases(long: u32) -> Config {
        let cases = if std::env::var_os("JOINERY_LONG").is_some() { long } else { long / 20 };
        Config { cases, failure_persistence: None, ..Config::default() }
    }

    /// The rule in other words: the most accounts that a plan may remove, by division instead of multiplication.
    fn most_allowed(population: u64, limit: u64, min_population: u64) -> u64 {
        let base = u128::from(population.max(min_population));
        if limit >= 100 { u64::MAX } else { u64::try_from(base * u128::from(limit) / 100).unwrap() }
    }

    /// Small numbers, where the limits are, and large ones, where overflows are.
    fn size() -> impl Strategy<Value = u64> {
        prop_oneof![0_u64..=3, 0_u64..=400, 0_u64..=2_000_000, any::<u64>()]
    }

    proptest! {
        #![proptest_config(cases(1_000_000))]

        #[test]
        fn a1_an_import_trips_exactly_when_the_oracle_says(
            planned in size(), before in size(), kept in size(), records in size(),
            limit in 0_u64..=100, min_population in size(), max in proptest::option::of(size()), live_of_window in size(),
        ) {
            // W holds `before` accounts that are not in S; some of them may be live again and so be in L as well.
            let removed = planned.saturating_add(before);
            let population = removed.saturating_add(kept);
            let live = planned.saturating_add(kept).saturating_add(live_of_window.min(before)).min(population);
            let figures = RemovalFigures { planned, removed, population, live };
            let limits = ImportLimits { max_unassigned_percent: limit, min_population, max_unassigned: max };
            let results = import(figures, records, &limits);

            let too_large = planned > 0 && removed > most_allowed(population, limit, min_population);
            let too_many = planned > 0 && removed > max.unwrap_or(u64::MAX);
            let empty = records == 0 && live > 0;
            prop_assert_eq!(of(&results, Rule::UnassignedPercent).verdict == Verdict::Tripped, too_large);
            prop_assert_eq!(of(&results, Rule::Unassigned).verdict == Verdict::Tripped, too_many);
            prop_assert_eq!(of(&results, Rule::EmptySource).verdict == Verdict::Tripped, empty);
            prop_assert_eq!(tripped(&results), too_large || too_many || empty);
        }
    }

    proptest! {
        #![proptest_config(cases(100_000))]

        #[test]
        fn a3_no_records_remove_nobody(live in 1_u64.., planned in size(), limit in 0_u64..=100, min_population in size(), max in proptest::option::of(size())) {
            let planned = planned.min(live);
            let figures = RemovalFigures { planned, removed: planned, population: live, live };
            let limits = ImportLimits { max_unassigned_percent: limit, min_population, max_unassigned: max };
            prop_assert!(tripped(&import(figures, 0, &limits)));
        }

        #[test]
        fn a9_a_class_is_held_exactly_when_the_oracle_says(
            live in size(), planned in size(), updates in size(), creates in size(),
            percent in 0_u64..=100, updated in 0_u64..=100, min_population in size(), max in proptest::option::of(size()),
        ) {
            let figures = RemovalFigures { planned, removed: planned, population: live.max(planned), live };
            let limits = ProvisionLimits {
                max_deactivated_percent: percent, min_population, max_deactivated: max, max_updated_percent: updated, max_created: max,
            };
            let held = held_classes(&provisioning(figures, updates, creates, &limits));
            let removals = planned > most_allowed(figures.population, percent, min_population) || planned > max.unwrap_or(u64::MAX);
            prop_assert_eq!(held.contains(&ActionClass::Removals), planned > 0 && removals);
            prop_assert_eq!(held.contains(&ActionClass::Updates), updates > most_allowed(live, updated, min_population));
            prop_assert_eq!(held.contains(&ActionClass::Creates), creates > max.unwrap_or(u64::MAX));
        }
    }
}
