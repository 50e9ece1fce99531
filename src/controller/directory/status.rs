//! What is said of a Directory. Pure.

use std::time::Duration;

use super::{dereference::Found, validate::Obstacle};
use crate::{
    api::{ConditionType, DirectoryStatus, Reason, conditions::ConditionSpec, directory::PeopleStatus},
    controller::{attribute_mapping, driver::Visit, numbers::count, outcome::Outcome, texts},
    domain::directory::PeopleCounts,
};

/// Everything that it depends on tells of its changes.
const RECHECK: Duration = Duration::from_secs(6 * 3600);
/// The most sources that a status names.
const MAX_SOURCES: usize = 100;

pub(super) fn run(found: Found) -> Visit<DirectoryStatus> {
    let message = match found.sources.len() {
        0 => "no AppIntegration is a profile source; what is said of sources holds as soon as one is".to_owned(),
        1 => "1 profile source; what is said holds".to_owned(),
        sources => format!("{sources} profile sources in the order of status.sources; what is said holds"),
    };
    said(Outcome::Settled { reason: Reason::Succeeded, message, recheck: RECHECK }, found)
}

pub(super) fn obstacle(found: Found, obstacle: &Obstacle) -> Visit<DirectoryStatus> {
    let waits = |message: String| Outcome::Waiting { reason: Reason::UnknownSource, message, after: RECHECK };
    let outcome = match obstacle {
        Obstacle::Condition(problem) => {
            let reason = attribute_mapping::reason(problem.kind);
            let message = format!(
                "{}. Until it is corrected nobody is deactivated, suspended or unassigned in this namespace",
                texts::of_problems(std::slice::from_ref(problem))
            );
            Outcome::invalid(reason, message)
        }
        Obstacle::NoIntegration { name } => waits(format!(
            "spec.profileSources names `{name}`, and there is no such AppIntegration; create it, or take it out. The others are sources in \
             the order given"
        )),
        Obstacle::NoSource { name } => waits(format!(
            "spec.profileSources names `{name}`, whose ProvisioningPolicy does not have spec.toDirectory.sourcing.enabled; turn it on, or \
             take the name out. The others are sources in the order given"
        )),
    };
    said(outcome, found)
}

fn said(outcome: Outcome, found: Found) -> Visit<DirectoryStatus> {
    let PeopleCounts { active, staged, suspended, deactivated } = found.people;
    let available = ConditionSpec::holds(ConditionType::StoreAvailable, Reason::Succeeded, "the store can be read and written");
    Visit {
        outcome,
        conditions: vec![available],
        status: DirectoryStatus {
            people: Some(PeopleStatus {
                active: count(active),
                staged: count(staged),
                suspended: count(suspended),
                deactivated: count(deactivated),
            }),
            integrations: i64::try_from(found.integrations.len()).ok(),
            sources: found.sources.into_iter().take(MAX_SOURCES).collect(),
            store_id: (!found.store_id.is_empty()).then_some(found.store_id),
            ..DirectoryStatus::default()
        },
    }
}

#[cfg(test)]
mod tests;
