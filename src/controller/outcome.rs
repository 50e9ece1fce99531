//! The one table: what a visit came to → conditions, event, next visit (operations.md §3). Pure.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use crate::api::conditions::{self, ConditionSpec, ConditionType, Reason, Status};

/// What a visit to an object came to. Waiting, held and invalid are results, not errors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Nothing is left to do (rows 8 to 11).
    Settled { reason: Reason, message: String, recheck: Duration },
    /// Work is under way (row 7).
    Progressing { message: String, after: Duration },
    /// An ImportRun is under way (row 12): no routine, and said whatever it waited for before.
    Running { message: String, after: Duration },
    /// Something else has to happen first (rows 4 to 6).
    Waiting { reason: Reason, message: String, after: Duration },
    /// A limit has tripped, or the store was replaced (row 3; 13 for a run). Ready is Unknown for a run, False for everything else.
    Held { reason: Reason, message: String, run: bool, recheck: Duration },
    /// A person must edit something (row 2; 14 for a run that failed).
    Invalid { reason: Reason, message: String, recheck: Duration },
}

/// How often a held or invalid object is looked at although nothing has told of a change.
const HOURLY: Duration = Duration::from_secs(3600);

impl Outcome {
    /// Ready, and what goes with it.
    fn words(&self) -> Vec<ConditionSpec> {
        let ready = |truth: Status, reason: &Reason, message: &str| ConditionSpec::new(ConditionType::Ready, truth, *reason, message);
        let also = |condition, reason: &Reason, message: &str| ConditionSpec::holds(condition, *reason, message);
        match self {
            Self::Settled { reason, message, .. } => vec![ready(Status::True, reason, message)],
            Self::Progressing { message, .. } | Self::Running { message, .. } => {
                vec![ready(Status::Unknown, &Reason::Progressing, message), also(ConditionType::Reconciling, &Reason::Progressing, message)]
            }
            Self::Waiting { reason, message, .. } => {
                vec![ready(Status::False, reason, message), also(ConditionType::Reconciling, reason, message)]
            }
            Self::Held { reason, message, run: true, .. } => vec![ready(Status::Unknown, reason, message)],
            Self::Held { reason, message, run: false, .. } => {
                vec![ready(Status::False, reason, message), also(ConditionType::Stalled, reason, message)]
            }
            Self::Invalid { reason, message, .. } => {
                vec![ready(Status::False, reason, message), also(ConditionType::Stalled, reason, message)]
            }
        }
    }

    /// When the object is visited again if nothing tells of a change.
    pub(crate) fn next_visit(&self) -> Duration {
        match self {
            Self::Settled { recheck, .. } | Self::Invalid { recheck, .. } | Self::Held { recheck, .. } => *recheck,
            Self::Progressing { after, .. } | Self::Running { after, .. } | Self::Waiting { after, .. } => *after,
        }
    }

    /// The label in metrics.
    pub(crate) fn label(&self) -> &'static str {
        match self {
            Self::Settled { .. } => "settled",
            Self::Progressing { .. } | Self::Running { .. } => "progressing",
            Self::Waiting { .. } => "waiting",
            Self::Held { .. } => "held",
            Self::Invalid { .. } => "invalid",
        }
    }

    /// Should somebody look?
    pub(crate) fn is_warning(&self) -> bool {
        matches!(self, Self::Held { .. } | Self::Invalid { .. })
    }

    /// A held object, visited again every hour, and when something is told.
    pub(crate) fn held(reason: Reason, message: impl Into<String>, run: bool) -> Self {
        Self::Held { reason, message: message.into(), run, recheck: HOURLY }
    }

    /// An invalid object, visited again every hour, and on its change.
    pub(crate) fn invalid(reason: Reason, message: impl Into<String>) -> Self {
        Self::Invalid { reason, message: message.into(), recheck: HOURLY }
    }

    /// By the reason: whether somebody must edit something (row 2) or it is waited for (row 6).
    pub(crate) fn blocked(reason: Reason, message: impl Into<String>, after: Duration) -> Self {
        let message = message.into();
        match reason {
            Reason::InvalidSpec
            | Reason::SecretNotConsenting
            | Reason::NotScim
            | Reason::TlsVerificationFailed
            | Reason::Unauthorized
            | Reason::Forbidden
            | Reason::InvalidSchedule
            | Reason::ConflictingPolicy
            | Reason::ConflictingMapping => Self::Invalid { reason, message, recheck: after },
            _ => Self::Waiting { reason, message, after },
        }
    }
}

/// The conditions after a visit. `None`: the object is at work on what it has reported on already, and says nothing new, so
/// that routine work does not make applications flicker.
pub(crate) fn after_visit(
    outcome: &Outcome,
    own: &[ConditionSpec],
    previous: &[Condition],
    generation: i64,
    now: Timestamp,
) -> Option<Vec<Condition>> {
    if matches!(outcome, Outcome::Progressing { .. }) && is_settled(previous, generation) {
        return None;
    }
    let all: Vec<ConditionSpec> = outcome.words().into_iter().chain(own.iter().cloned()).collect();
    Some(conditions::write(&all, previous, generation, &Time(now)))
}

/// Has this generation been reported on before?
fn is_settled(previous: &[Condition], generation: i64) -> bool {
    previous
        .iter()
        .find(|condition| condition.type_ == ConditionType::Ready.as_str())
        .is_some_and(|ready| ready.observed_generation == Some(generation) && ready.status != Status::Unknown.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn settled(reason: Reason) -> Outcome {
        Outcome::Settled { reason, message: "all is well".into(), recheck: HOURLY }
    }

    fn word(conditions: &[Condition], condition: ConditionType) -> Option<(String, String)> {
        conditions.iter().find(|c| c.type_ == condition.as_str()).map(|c| (c.status.clone(), c.reason.clone()))
    }

    #[test]
    fn every_outcome_says_the_words_of_its_row() {
        let table: [(&str, Outcome, &str, &str, Option<ConditionType>); 8] = [
            ("row 2", Outcome::invalid(Reason::InvalidSpec, "m"), "False", "InvalidSpec", Some(ConditionType::Stalled)),
            (
                "row 2, by its reason",
                Outcome::blocked(Reason::Unauthorized, "m", HOURLY),
                "False",
                "Unauthorized",
                Some(ConditionType::Stalled),
            ),
            ("row 3", Outcome::held(Reason::AwaitingApproval, "m", false), "False", "AwaitingApproval", Some(ConditionType::Stalled)),
            ("row 6", Outcome::blocked(Reason::Unreachable, "m", HOURLY), "False", "Unreachable", Some(ConditionType::Reconciling)),
            (
                "row 7",
                Outcome::Progressing { message: "m".into(), after: HOURLY },
                "Unknown",
                "Progressing",
                Some(ConditionType::Reconciling),
            ),
            ("row 9", settled(Reason::PlanOnly), "True", "PlanOnly", None),
            ("row 11", settled(Reason::Succeeded), "True", "Succeeded", None),
            ("row 13", Outcome::held(Reason::AwaitingApproval, "m", true), "Unknown", "AwaitingApproval", None),
        ];
        for (why, outcome, status, reason, also) in table {
            let conditions = after_visit(&outcome, &[], &[], 1, at(0)).unwrap();
            assert_eq!(word(&conditions, ConditionType::Ready), Some((status.into(), reason.into())), "{why}");
            for condition in [ConditionType::Reconciling, ConditionType::Stalled] {
                let expected = (also == Some(condition)).then(|| ("True".to_owned(), reason.to_owned()));
                assert_eq!(word(&conditions, condition), expected, "{why}: {condition:?}");
            }
        }
    }

    #[test]
    fn a_transition_time_moves_with_the_status_only() {
        let first = after_visit(&settled(Reason::Succeeded), &[], &[], 1, at(10)).unwrap();
        let again = after_visit(&settled(Reason::PlanOnly), &[], &first, 2, at(20)).unwrap();
        assert_eq!(again[0].last_transition_time, Time(at(10)));
        assert_eq!(again[0].observed_generation, Some(2));
        let broken = after_visit(&Outcome::invalid(Reason::InvalidSpec, "m"), &[], &again, 2, at(30)).unwrap();
        assert_eq!(broken[0].last_transition_time, Time(at(30)));
    }

    #[test]
    fn routine_work_on_a_settled_generation_says_nothing() {
        let progressing = Outcome::Progressing { message: "m".into(), after: HOURLY };
        let first = after_visit(&settled(Reason::Succeeded), &[], &[], 1, at(10)).unwrap();
        assert_eq!(after_visit(&progressing, &[], &first, 1, at(20)), None);
        assert!(after_visit(&progressing, &[], &first, 2, at(20)).is_some(), "a new generation is reported on");
        let waited = Outcome::Waiting { reason: Reason::DependencyNotReady, message: "m".into(), after: HOURLY };
        let waited = after_visit(&waited, &[], &[], 1, at(10)).unwrap();
        let running = after_visit(&Outcome::Running { message: "m".into(), after: HOURLY }, &[], &waited, 1, at(20)).unwrap();
        assert_eq!(word(&running, ConditionType::Ready), Some(("Unknown".into(), "Progressing".into())), "a run that waited and runs");
    }
}
