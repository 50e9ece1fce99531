//! A rule's arithmetic in words, as statuses show it.

use super::{Rule, RuleResult};

/// The arithmetic of a tripped rule in words, such as `201 of 1000 accounts (20.1 %) would be unassigned; the limit is 20 %.`
/// Percentages in tenths, rounded up.
pub fn arithmetic(result: &RuleResult) -> String {
    match result.rule {
        Rule::UnassignedPercent => share(result, "unassigned"),
        Rule::DeactivatedPercent => share(result, "deactivated"),
        Rule::UpdatedPercent => share(result, "updated"),
        Rule::Unassigned => number(result, "unassigned"),
        Rule::Deactivated => number(result, "deactivated"),
        Rule::Created => number(result, "created or taken over"),
        Rule::EmptySource => {
            format!("The app returned {} records, while {} are linked.", result.count, accounts(result.population))
        }
        Rule::IncompleteListing => "The app's listing was not proved complete.".to_owned(),
    }
}

fn share(result: &RuleResult, verb: &str) -> String {
    let RuleResult { count, population, base, .. } = *result;
    let limit = result.limit.unwrap_or(100);
    // Where minPopulation decided, the percentage alone would not explain the verdict.
    let of = if base > population { format!(" of at least {base}") } else { String::new() };
    let percent = percent(count, population).map(|percent| format!(" ({percent} %)")).unwrap_or_default();
    format!("{count} of {}{percent} would be {verb}; the limit is {limit} %{of}.", accounts(population))
}

fn number(result: &RuleResult, verb: &str) -> String {
    let limit = result.limit.map_or_else(|| "there is no limit".to_owned(), |limit| format!("the limit is {limit}"));
    format!("{} would be {verb}; {limit}.", accounts(result.count))
}

fn accounts(number: u64) -> String {
    if number == 1 { "1 account".to_owned() } else { format!("{number} accounts") }
}

/// In tenths, rounded up, so that what is over a limit never prints as the limit (SG-1). `None` of nobody.
fn percent(count: u64, population: u64) -> Option<String> {
    if population == 0 {
        return None;
    }
    let tenths = (u128::from(count) * 1000).div_ceil(u128::from(population));
    Some(format!("{}.{}", tenths / 10, tenths % 10))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::safeguard::Verdict;

    #[test]
    fn each_rule_says_what_would_happen_and_what_the_limit_is() {
        for (rule, count, population, base, limit, text) in [
            (Rule::UnassignedPercent, 201, 1000, 1000, Some(20), "201 of 1000 accounts (20.1 %) would be unassigned; the limit is 20 %."),
            (
                Rule::UnassignedPercent,
                21,
                60,
                100,
                Some(20),
                "21 of 60 accounts (35.0 %) would be unassigned; the limit is 20 % of at least 100.",
            ),
            (Rule::UnassignedPercent, 1, 1, 1, Some(0), "1 of 1 account (100.0 %) would be unassigned; the limit is 0 %."),
            (
                Rule::DeactivatedPercent,
                200_001,
                1_000_000,
                1_000_000,
                Some(20),
                "200001 of 1000000 accounts (20.1 %) would be deactivated; the limit is 20 %.",
            ),
            (Rule::UpdatedPercent, 5, 0, 10, Some(10), "5 of 0 accounts would be updated; the limit is 10 % of at least 10."),
            (Rule::Unassigned, 60, 400, 400, Some(50), "60 accounts would be unassigned; the limit is 50."),
            (Rule::Deactivated, 1, 400, 400, Some(0), "1 account would be deactivated; the limit is 0."),
            (Rule::Created, 60, 0, 0, Some(50), "60 accounts would be created or taken over; the limit is 50."),
            (Rule::EmptySource, 0, 388, 388, None, "The app returned 0 records, while 388 accounts are linked."),
        ] {
            let result = RuleResult { rule, count, population, base, limit, verdict: Verdict::Tripped };
            assert_eq!(arithmetic(&result), text);
        }
    }

    #[test]
    fn what_is_over_a_limit_never_prints_as_the_limit() {
        for population in 1..2000_u64 {
            let count = population * 20 / 100 + 1;
            assert_ne!(percent(count, population).unwrap(), "20.0", "{count} of {population}");
        }
    }
}
