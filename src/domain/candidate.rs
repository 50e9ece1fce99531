//! The queue of candidates: records that wait for a decision, and what may be decided about them (MT-5 to MT-8).

use serde::{Deserialize, Serialize};

use super::{
    counts::ImportCounts,
    id::{AppId, CandidateId, IntegrationKey, PersonId},
    import_plan::MappedRecord,
};

/// Whether a record is in the queue of candidates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Queued {
    /// It is not.
    #[default]
    Not,
    /// It waits for a decision.
    Pending,
    /// Somebody has decided to ignore it; so it stays until that is taken back (MT-8).
    Ignored,
}

/// What an import proposes for a record that somebody has to decide about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Proposed {
    /// The record, as decisions name it.
    pub id: CandidateId,
    /// What it looks like.
    pub kind: ProposalKind,
    /// The person that is proposed, or whom the record is linked to; `None` where there is none, or not one.
    pub person: Option<PersonId>,
    /// Why it waits.
    pub reason: PendingReason,
    /// What the record says: whoever accepts the proposal accepts this.
    pub record: MappedRecord,
}

/// What a record that waits looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ProposalKind {
    /// One person, by all exact criteria (MT-2), or whose account the record was.
    Exact,
    /// One person, by given and family name (MT-4).
    Partial,
    /// Nobody: a new person.
    New,
    /// Several people, or several records (MT-5).
    Ambiguous,
    /// One person, who would become Active by it.
    Activation,
    /// The linked person, with attributes that cannot be taken over as they are.
    Update,
}

impl ProposalKind {
    /// The word by which it is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Exact => "Exact",
            Self::Partial => "Partial",
            Self::New => "New",
            Self::Ambiguous => "Ambiguous",
            Self::Activation => "Activation",
            Self::Update => "Update",
        }
    }

    /// Reads [`ProposalKind::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        let all = [Self::Exact, Self::Partial, Self::New, Self::Ambiguous, Self::Activation, Self::Update];
        all.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// Why a record waits for a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum PendingReason {
    /// Exact matches are confirmed by hand (MT-7).
    ExactMatchManual,
    /// Partial matches are confirmed by hand (MT-7).
    PartialMatchManual,
    /// New people are confirmed by hand (MT-7).
    NewPersonManual,
    /// Several people fit, or several records fit one person (MT-5).
    Ambiguous,
    /// The person is linked to another account of this app (MT-5).
    AlreadyLinked,
    /// Joinery has ended the access of the record's account; it finds its way back to nobody by itself (MT-1).
    AccessRemoved,
    /// The username is taken by somebody else (TD-6).
    UserNameTaken,
    /// The person left and may not be reactivated by itself (SO-4).
    Reactivation,
    /// The person is Staged (MT-7) and waits for being activated (MT-8).
    Staged,
}

impl PendingReason {
    /// The word by which it is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ExactMatchManual => "ExactMatchManual",
            Self::PartialMatchManual => "PartialMatchManual",
            Self::NewPersonManual => "NewPersonManual",
            Self::Ambiguous => "Ambiguous",
            Self::AlreadyLinked => "AlreadyLinked",
            Self::AccessRemoved => "AccessRemoved",
            Self::UserNameTaken => "UserNameTaken",
            Self::Reactivation => "Reactivation",
            Self::Staged => "Staged",
        }
    }

    /// Reads [`PendingReason::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        let all = [
            Self::ExactMatchManual,
            Self::PartialMatchManual,
            Self::NewPersonManual,
            Self::Ambiguous,
            Self::AlreadyLinked,
            Self::AccessRemoved,
            Self::UserNameTaken,
            Self::Reactivation,
            Self::Staged,
        ];
        all.into_iter().find(|reason| reason.as_str() == text)
    }
}

/// A record in the queue, as it is listed. Without what the record says: that is personal data.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// Its name in decisions.
    pub id: CandidateId,
    /// Where it comes from.
    pub integration: IntegrationKey,
    /// The record.
    pub app_id: AppId,
    /// What it looks like.
    pub kind: ProposalKind,
    /// The person that is proposed, or whom the record is linked to.
    pub person: Option<PersonId>,
    /// Why it waits.
    pub reason: PendingReason,
    /// Has somebody decided to ignore it?
    pub ignored: bool,
    /// Has the record's account a live link, so that something else about it is to be decided?
    pub linked: bool,
}

/// What may be decided about a candidate (MT-8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Decision {
    /// The record is the person that is proposed, or that person becomes Active: the proposal is accepted.
    Exact,
    /// The record is a new person.
    New,
    /// The record is this person.
    Existing(PersonId),
    /// The person that is proposed becomes Active.
    Activate,
    /// The record is left as it is until this is taken back or another decision is made.
    Ignore,
    /// Takes `Ignore` back: the next import decides.
    Unignore,
}

/// A decision about one candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CandidateDecision {
    /// Which.
    pub id: CandidateId,
    /// What.
    pub decision: Decision,
}

/// What became of a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DecisionOutcome {
    /// It has taken effect.
    Applied,
    /// It had no effect; the record waits as before.
    Refused(DecisionRefusal),
}

/// Why a decision has no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum DecisionRefusal {
    /// The queue of the integration has no such candidate.
    Unknown,
    /// The proposal is not the one of the import that the decision was made on (MT-8).
    Stale,
    /// The decision is none for such a proposal, such as `Activate` for a new person.
    NotFitting,
    /// `Existing` names a person whom the organisation does not have.
    NoSuchPerson,
    /// It cannot be done: the username is somebody else's, the person or the account is linked to another, or the person to
    /// be created is there already.
    Impossible,
}

/// What became of all decisions of one approval.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DecisionsReport {
    /// Per decision, in the order in which they were given.
    pub outcomes: Vec<(CandidateId, DecisionOutcome)>,
    /// What they changed, as an import counts it.
    pub applied: ImportCounts,
}

impl DecisionsReport {
    /// How many decisions were refused.
    pub fn refused(&self) -> usize {
        self.outcomes.iter().filter(|(_, outcome)| matches!(outcome, DecisionOutcome::Refused(_))).count()
    }
}
