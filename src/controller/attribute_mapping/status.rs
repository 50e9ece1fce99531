//! What is said of an AttributeMapping. Pure.

use std::time::Duration;

use super::validate::{Invalid, reason};
use crate::{
    api::{AttributeMappingStatus, ConditionType, Reason, conditions::ConditionSpec},
    controller::{driver::Visit, outcome::Outcome, texts},
    domain::mapping::Mapping,
};

/// A mapping depends on nothing but itself.
const RECHECK: Duration = Duration::from_secs(6 * 3600);

pub(super) fn run(mapping: &Mapping) -> Visit<AttributeMappingStatus> {
    let (to_app, to_directory) = mapping.sizes();
    let message = format!("{to_app} attributes go to the app, {to_directory} to the directory; all tests pass");
    Visit {
        outcome: Outcome::Settled { reason: Reason::Succeeded, message: message.clone(), recheck: RECHECK },
        conditions: vec![ConditionSpec::holds(ConditionType::Compiled, Reason::Succeeded, message)],
        status: AttributeMappingStatus {
            to_app: i64::try_from(to_app).ok(),
            to_directory: i64::try_from(to_directory).ok(),
            ..AttributeMappingStatus::default()
        },
    }
}

pub(super) fn invalid(problem: &Invalid) -> Visit<AttributeMappingStatus> {
    let (reason, message) = match problem {
        Invalid::Conflict { older } => {
            let message = format!("the AttributeMapping `{older}` is older and counts for this integration; delete one of the two");
            (Reason::ConflictingMapping, message)
        }
        Invalid::Problems(problems) => {
            let first = problems.first().map_or(Reason::InvalidSpec, |problem| reason(problem.kind));
            (first, texts::of_problems(problems))
        }
    };
    Visit {
        outcome: Outcome::invalid(reason, message.clone()),
        conditions: vec![ConditionSpec::fails(ConditionType::Compiled, reason, message)],
        status: AttributeMappingStatus::default(),
    }
}

#[cfg(test)]
mod tests;
