//! What a decision on a held plan does (SG-11): it counts for exactly one plan, once, and only so long.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    hash::{Digest, ShortHash},
    id::RunId,
    report::HeldClass,
    safeguard::RuleResult,
};

/// A decision on a held plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Decision {
    /// Exactly this plan is applied, once.
    Approve,
    /// Nothing of it is applied.
    Reject,
}

/// A decision, and who has taken it on what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecisionRecord {
    /// The UID of the `ChangeApproval`.
    pub approval: String,
    /// `spec.approver`.
    pub approver: Option<String>,
    /// The UID of the object whose plan is decided on.
    pub object: String,
    /// The digest that was decided on.
    pub digest: Digest,
    /// What was decided.
    pub decision: Decision,
    /// Is the integration in `mode: Plan`, in which an approval releases nothing (AI-6)?
    pub plan_only: bool,
    /// What has become of its decisions on candidates.
    pub candidates: CandidatesDecided,
}

/// What has become of the decisions on candidates of an approval (MT-8).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum CandidatesDecided {
    /// It has none, or none was tried.
    #[default]
    None,
    /// All of them took effect.
    All,
    /// Some had no effect.
    Some,
}

/// What came of a decision. Said once, and final.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    /// It counts: the plan is released, or rejected.
    Applied,
    /// No plan with that digest waits for a decision.
    DigestMismatch,
    /// The plan could be decided on only until a moment that has passed.
    Expired,
    /// The plan was decided on before.
    AlreadyUsed,
    /// The integration is in `mode: Plan`: an approval releases nothing.
    PlanOnly,
    /// Some of the candidates could not be decided on, and nothing of the plan is released.
    UnknownCandidate,
}

/// How far a held plan is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HoldState {
    /// It waits for a decision, frozen.
    Held,
    /// It was approved and is being applied, still frozen.
    Approved,
    /// It was rejected.
    Rejected,
    /// Nobody decided in time.
    Expired,
    /// It was approved and is over.
    Done,
    /// Nothing is over its limit any more.
    Withdrawn,
}

/// A plan that is held, frozen as it was when it was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// What an approval names.
    pub digest: Digest,
    /// Until when it can be approved and applied.
    pub expires: Timestamp,
    /// The hash of the rules that it was made under.
    pub terms: ShortHash,
    /// What the limits said of it.
    pub figures: HoldFigures,
}

/// What is told of a held plan.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HoldFigures {
    /// The held classes of a provisioning plan; an import is held as a whole.
    pub classes: Vec<HeldClass>,
    /// The rules that tripped.
    pub rules: Vec<RuleResult>,
}

/// A held plan as it is remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredHold {
    /// The run that made it.
    pub run: RunId,
    /// The plan.
    pub hold: Hold,
    /// What has become of it.
    pub state: HoldState,
}

impl StoredHold {
    /// Does it wait for a decision, and can one still be taken?
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.state == HoldState::Held && now < self.hold.expires
    }

    /// May it be applied?
    pub fn is_released(&self, now: Timestamp) -> bool {
        self.state == HoldState::Approved && now < self.hold.expires
    }
}

/// What comes of a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// What is said of it.
    pub answer: Answer,
    /// What becomes of the held plan; `None`: nothing.
    pub plan: Option<HoldState>,
}

/// What a decision does to what the target holds. `decided`: was a plan of the target with that digest decided on
/// before?
pub fn judge(standing: Option<&StoredHold>, record: &DecisionRecord, decided: bool, now: Timestamp) -> Judgement {
    if record.plan_only && (record.decision == Decision::Approve || standing.is_none()) {
        return Judgement { answer: Answer::PlanOnly, plan: None };
    }
    let of_plan = judge_plan(standing, record, decided, now);
    let plan = match (of_plan, record.decision) {
        (Answer::Applied, Decision::Approve) => Some(HoldState::Approved),
        (Answer::Applied, Decision::Reject) => Some(HoldState::Rejected),
        (Answer::Expired, _) => Some(HoldState::Expired),
        _ => None,
    };
    match record.candidates {
        CandidatesDecided::None => Judgement { answer: of_plan, plan },
        // Candidates may be decided on whether the run is held or not.
        CandidatesDecided::All => Judgement { answer: Answer::Applied, plan },
        CandidatesDecided::Some => Judgement { answer: Answer::UnknownCandidate, plan: None },
    }
}

fn judge_plan(standing: Option<&StoredHold>, record: &DecisionRecord, decided: bool, now: Timestamp) -> Answer {
    let Some(StoredHold { hold, state, .. }) = standing.filter(|standing| standing.hold.digest == record.digest) else {
        return if decided { Answer::AlreadyUsed } else { Answer::DigestMismatch };
    };
    match state {
        HoldState::Held if now < hold.expires => Answer::Applied,
        HoldState::Held | HoldState::Expired => Answer::Expired,
        HoldState::Approved | HoldState::Rejected | HoldState::Done => Answer::AlreadyUsed,
        HoldState::Withdrawn => Answer::DigestMismatch,
    }
}

macro_rules! words {
    ($name:ident { $($variant:ident,)+ }) => {
        impl $name {
            /// The word by which it is stored.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant),)+ }
            }

            /// Reads the word; `None` for any other.
            pub fn parse(word: &str) -> Option<Self> {
                [$(Self::$variant,)+].into_iter().find(|candidate| candidate.as_str() == word)
            }
        }
    };
}

words! { Decision { Approve, Reject, } }
words! { Answer { Applied, DigestMismatch, Expired, AlreadyUsed, PlanOnly, UnknownCandidate, } }
words! { HoldState { Held, Approved, Rejected, Expired, Done, Withdrawn, } }

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::hash::DigestBuilder;

    fn digest(plan: &str) -> Digest {
        let mut digest = DigestBuilder::new();
        digest.part(plan.as_bytes());
        digest.finish()
    }

    fn record(plan: &str, decision: Decision) -> DecisionRecord {
        let (approval, object) = ("approval".to_owned(), "object".to_owned());
        DecisionRecord {
            approval,
            approver: None,
            object,
            digest: digest(plan),
            decision,
            plan_only: false,
            candidates: CandidatesDecided::None,
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn sg11_one_plan_once_until_it_expires() {
        let standing = |state| {
            let hold = Hold { digest: digest("held"), expires: at(100), terms: ShortHash::of(b"terms"), figures: HoldFigures::default() };
            StoredHold { run: RunId(1), hold, state }
        };
        for (why, standing, plan, decided, second, answer) in [
            ("in time", Some(standing(HoldState::Held)), "held", false, 99, Answer::Applied),
            ("a plan of that digest was decided on, and is held again", Some(standing(HoldState::Held)), "held", true, 99, Answer::Applied),
            ("at the last moment it is over", Some(standing(HoldState::Held)), "held", false, 100, Answer::Expired),
            ("nobody decided", Some(standing(HoldState::Expired)), "held", false, 101, Answer::Expired),
            ("another digest", Some(standing(HoldState::Held)), "other", false, 99, Answer::DigestMismatch),
            ("a digest of before", Some(standing(HoldState::Held)), "other", true, 99, Answer::AlreadyUsed),
            ("while it is applied", Some(standing(HoldState::Approved)), "held", true, 99, Answer::AlreadyUsed),
            ("after it was applied", Some(standing(HoldState::Done)), "held", true, 99, Answer::AlreadyUsed),
            ("after it was rejected", Some(standing(HoldState::Rejected)), "held", true, 99, Answer::AlreadyUsed),
            ("the limit was raised", Some(standing(HoldState::Withdrawn)), "held", false, 99, Answer::DigestMismatch),
            ("nothing is held", None, "held", false, 99, Answer::DigestMismatch),
            ("nothing is held any more", None, "held", true, 99, Answer::AlreadyUsed),
        ] {
            for decision in [Decision::Approve, Decision::Reject] {
                let mut record = record(plan, decision);
                let judged = judge(standing.as_ref(), &record, decided, at(second));
                assert_eq!(judged.answer, answer, "{why}");
                let changes = matches!(answer, Answer::Applied | Answer::Expired);
                assert_eq!(judged.plan.is_some(), changes, "{why}: what does not count changes nothing");
                record.candidates = CandidatesDecided::All;
                let with = judge(standing.as_ref(), &record, decided, at(second));
                assert_eq!(with, Judgement { answer: Answer::Applied, ..judged }, "{why}: the plan is none of the candidates' business");
                record.candidates = CandidatesDecided::Some;
                let refused = Judgement { answer: Answer::UnknownCandidate, plan: None };
                assert_eq!(judge(standing.as_ref(), &record, decided, at(second)), refused, "{why}");
                record.plan_only = true;
                if decision == Decision::Approve || standing.is_none() {
                    let nothing = Judgement { answer: Answer::PlanOnly, plan: None };
                    assert_eq!(judge(standing.as_ref(), &record, decided, at(second)), nothing, "{why}");
                }
            }
        }
    }

    #[test]
    fn words_are_read_as_they_are_written() {
        for state in [HoldState::Held, HoldState::Approved, HoldState::Rejected, HoldState::Expired, HoldState::Done, HoldState::Withdrawn]
        {
            assert_eq!(HoldState::parse(state.as_str()), Some(state));
        }
        assert_eq!(Answer::parse("AlreadyUsed"), Some(Answer::AlreadyUsed));
        assert_eq!(Decision::parse("Maybe"), None);
    }
}
