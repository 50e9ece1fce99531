//! The one table: what a visit came to → conditions, event, next visit (operations.md §3). Pure.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use crate::api::conditions::{ConditionType, Reason};

/// What a visit to an object came to. Waiting, held and invalid are results, not errors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Nothing is left to do (rows 8 to 11).
    Settled { reason: Reason, message: String, recheck: Duration },
    /// Work is under way (rows 7, 12).
    Progressing { message: String, after: Duration },
    /// Something else has to happen first (rows 4 to 6).
    Waiting { reason: Reason, message: String, after: Duration },
    /// A limit has tripped (row 3; 13 for a run). `known` is Unknown for a run, False for everything else.
    Held { reason: Reason, message: String, run: bool },
    /// A person must edit something (row 2; 14 for a run that failed).
    Invalid { reason: Reason, message: String, recheck: Duration },
}

/// `True`, `False` or `Unknown`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Truth {
    True,
    False,
    Unknown,
}

impl Truth {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

impl From<bool> for Truth {
    fn from(truth: bool) -> Self {
        if truth { Self::True } else { Self::False }
    }
}

/// One condition as a visit found it, without the times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Assessment {
    pub(crate) condition: ConditionType,
    pub(crate) truth: Truth,
    pub(crate) reason: Reason,
    pub(crate) message: String,
}

impl Assessment {
    pub(crate) fn new(condition: ConditionType, truth: impl Into<Truth>, reason: Reason, message: impl Into<String>) -> Self {
        Self { condition, truth: truth.into(), reason, message: message.into() }
    }
}

/// The longest message of a condition or an event.
const MESSAGE_LIMIT: usize = 1024;
/// How often a held or invalid object is looked at although nothing has told of a change.
const HOURLY: Duration = Duration::from_secs(3600);

impl Outcome {
    /// Ready, and what goes with it.
    fn assessments(&self) -> Vec<Assessment> {
        let ready = |truth: Truth, reason: &Reason, message: &str| Assessment::new(ConditionType::Ready, truth, *reason, message);
        let also = |condition, reason: &Reason, message: &str| Assessment::new(condition, true, *reason, message);
        match self {
            Self::Settled { reason, message, .. } => vec![ready(Truth::True, reason, message)],
            Self::Progressing { message, .. } => vec![
                ready(Truth::Unknown, &Reason::Progressing, message),
                also(ConditionType::Reconciling, &Reason::Progressing, message),
            ],
            Self::Waiting { reason, message, .. } => {
                vec![ready(Truth::False, reason, message), also(ConditionType::Reconciling, reason, message)]
            }
            Self::Held { reason, message, run: true } => vec![ready(Truth::Unknown, reason, message)],
            Self::Held { reason, message, run: false } => {
                vec![ready(Truth::False, reason, message), also(ConditionType::Stalled, reason, message)]
            }
            Self::Invalid { reason, message, .. } => {
                vec![ready(Truth::False, reason, message), also(ConditionType::Stalled, reason, message)]
            }
        }
    }

    /// When the object is visited again if nothing tells of a change.
    pub(crate) fn next_visit(&self) -> Duration {
        match self {
            Self::Settled { recheck, .. } | Self::Invalid { recheck, .. } => *recheck,
            Self::Progressing { after, .. } | Self::Waiting { after, .. } => *after,
            Self::Held { .. } => HOURLY,
        }
    }

    /// The label in metrics.
    pub(crate) fn label(&self) -> &'static str {
        match self {
            Self::Settled { .. } => "settled",
            Self::Progressing { .. } => "progressing",
            Self::Waiting { .. } => "waiting",
            Self::Held { .. } => "held",
            Self::Invalid { .. } => "invalid",
        }
    }

    /// Should somebody look?
    pub(crate) fn is_warning(&self) -> bool {
        matches!(self, Self::Held { .. } | Self::Invalid { .. })
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
pub(crate) fn conditions(
    outcome: &Outcome,
    assessments: &[Assessment],
    previous: &[Condition],
    generation: i64,
    now: Timestamp,
) -> Option<Vec<Condition>> {
    if matches!(outcome, Outcome::Progressing { .. }) && is_settled(previous, generation) {
        return None;
    }
    let all = outcome.assessments().into_iter().chain(assessments.iter().cloned());
    Some(all.map(|assessment| condition(assessment, previous, generation, now)).collect())
}

/// Has this generation been reported on before?
fn is_settled(previous: &[Condition], generation: i64) -> bool {
    previous
        .iter()
        .find(|condition| condition.type_ == ConditionType::Ready.as_str())
        .is_some_and(|ready| ready.observed_generation == Some(generation) && ready.status != Truth::Unknown.as_str())
}

fn condition(assessment: Assessment, previous: &[Condition], generation: i64, now: Timestamp) -> Condition {
    let Assessment { condition, truth, reason, message } = assessment;
    let before = previous.iter().find(|before| before.type_ == condition.as_str());
    // Moves with `status` only; otherwise every visit would be a write.
    let since = before.filter(|before| before.status == truth.as_str()).map_or(Time(now), |before| before.last_transition_time.clone());
    Condition {
        type_: condition.as_str().to_owned(),
        status: truth.as_str().to_owned(),
        reason: reason.as_str().to_owned(),
        message: bounded(&message),
        observed_generation: Some(generation),
        last_transition_time: since,
    }
}

/// Messages are never empty (nothing would be written) and never longer than 1,024 characters.
pub(crate) fn bounded(message: &str) -> String {
    match message.char_indices().nth(MESSAGE_LIMIT - 1) {
        _ if message.is_empty() => "-".to_owned(),
        Some((cut, _)) => format!("{}…", &message[..cut]),
        None => message.to_owned(),
    }
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
            ("row 2, by its reason", Outcome::blocked(Reason::Unauthorized, "m", HOURLY), "False", "Unauthorized", Some(ConditionType::Stalled)),
            ("row 3", Outcome::Held { reason: Reason::AwaitingApproval, message: "m".into(), run: false }, "False", "AwaitingApproval", Some(ConditionType::Stalled)),
            ("row 6", Outcome::blocked(Reason::Unreachable, "m", HOURLY), "False", "Unreachable", Some(ConditionType::Reconciling)),
            ("row 7", Outcome::Progressing { message: "m".into(), after: HOURLY }, "Unknown", "Progressing", Some(ConditionType::Reconciling)),
            ("row 9", settled(Reason::PlanOnly), "True", "PlanOnly", None),
            ("row 11", settled(Reason::Succeeded), "True", "Succeeded", None),
            ("row 13", Outcome::Held { reason: Reason::AwaitingApproval, message: "m".into(), run: true }, "Unknown", "AwaitingApproval", None),
        ];
        for (why, outcome, status, reason, also) in table {
            let conditions = conditions(&outcome, &[], &[], 1, at(0)).unwrap();
            assert_eq!(word(&conditions, ConditionType::Ready), Some((status.into(), reason.into())), "{why}");
            for condition in [ConditionType::Reconciling, ConditionType::Stalled] {
                let expected = (also == Some(condition)).then(|| ("True".to_owned(), reason.to_owned()));
                assert_eq!(word(&conditions, condition), expected, "{why}: {condition:?}");
            }
        }
    }

    #[test]
    fn a_transition_time_moves_with_the_status_only() {
        let first = conditions(&settled(Reason::Succeeded), &[], &[], 1, at(10)).unwrap();
        let again = conditions(&settled(Reason::PlanOnly), &[], &first, 2, at(20)).unwrap();
        assert_eq!(again[0].last_transition_time, Time(at(10)));
        assert_eq!(again[0].observed_generation, Some(2));
        let broken = conditions(&Outcome::invalid(Reason::InvalidSpec, "m"), &[], &again, 2, at(30)).unwrap();
        assert_eq!(broken[0].last_transition_time, Time(at(30)));
    }

    #[test]
    fn routine_work_on_a_settled_generation_says_nothing() {
        let progressing = Outcome::Progressing { message: "m".into(), after: HOURLY };
        let first = conditions(&settled(Reason::Succeeded), &[], &[], 1, at(10)).unwrap();
        assert_eq!(conditions(&progressing, &[], &first, 1, at(20)), None);
        assert!(conditions(&progressing, &[], &first, 2, at(20)).is_some(), "a new generation is reported on");
    }

    #[test]
    fn messages_are_bounded_and_never_empty() {
        assert_eq!(bounded("").len(), 1);
        assert_eq!(bounded(&"ü".repeat(5000)).chars().count(), 1024);
        assert_eq!(bounded(&"ü".repeat(1023)).chars().count(), 1023);
    }
}
