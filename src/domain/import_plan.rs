//! What an import decides for each record. One row per record that changes anything; unchanged records have none.

use serde::{Deserialize, Serialize};

use super::{
    candidate::{Proposed, Queued},
    counts::ImportCounts,
    hash::{DigestBuilder, ShortHash},
    id::{AppId, PersonId},
    link::Link,
    person::{Person, PersonState},
    profile::Profile,
};

/// A record that was read, mapped and put aside until the listing is proved complete.
#[derive(Clone, Debug, PartialEq)]
pub struct StagedRecord {
    /// The account.
    pub app_id: AppId,
    /// The hash of the record's text.
    pub hash: ShortHash,
    /// Is the record active?
    pub active: bool,
    /// The mapped profile, or why the record could not be mapped.
    pub mapped: Result<MappedRecord, RecordFailure>,
    /// What it is looked up by, besides username and e-mail address.
    pub keys: MatchKeys,
}

/// Folded keys that only some policies use; see [`super::matching::MatchingRules::keys`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MatchKeys {
    /// Of the attribute that exact matches go by.
    pub attribute: Option<String>,
    /// Of given and family name.
    pub names: Option<String>,
}

/// A record as the mapping and the username format turn it into directory terms.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MappedRecord {
    /// Attributes with values, `userName` among them.
    pub profile: Profile,
    /// Attributes that the record has no value for and that are to be cleared (AI-10).
    pub cleared: Vec<String>,
}

/// Why a record is left as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RecordFailure {
    /// The record's JSON could not be read.
    Unreadable,
    /// An expression of the mapping failed, or gave a value of the wrong type (MA-6).
    Mapping,
    /// The username format gave null or the empty string (TD-6).
    NoUserName,
}

/// What is remembered of a record's account before the import.
#[derive(Clone, Debug, PartialEq)]
pub struct KnownAccount {
    /// The link, live or ended.
    pub link: Link,
    /// The linked person.
    pub person: Person,
    /// Is this integration the person's effective source (SO-1)? For an ended link: would it be, were the link live again?
    pub effective_source: bool,
    /// From how many complete full imports in a row the record was missing.
    pub missing: u8,
}

/// A record with everything that its decision needs.
#[derive(Clone, Debug, PartialEq)]
pub struct StagedRow {
    /// The record.
    pub staged: StagedRecord,
    /// Its account's link and person, if it has ever been linked.
    pub known: Option<KnownAccount>,
    /// Its place in the queue of candidates.
    pub queued: Queued,
}

impl StagedRow {
    /// Is the record matched like one that was never linked? One whose link is another host's is (AI-9).
    pub fn is_unlinked(&self) -> bool {
        self.known.as_ref().is_none_or(|known| known.link.state.is_unproven())
    }
}

/// A decision about one record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImportAction {
    /// The record's account.
    pub app_id: AppId,
    /// What becomes of the account's row.
    pub account: AccountWrite,
    /// What becomes of the link.
    pub link: LinkWrite,
    /// What becomes of the person.
    pub person: PersonWrite,
    /// What becomes of the queue of pending records.
    pub candidate: CandidateWrite,
    /// Does the action take access away, so that it counts for SG-3 (a link proved absent or turned inactive)?
    pub removes: bool,
    /// Is the record left as it is because it failed?
    pub failed: Option<RecordFailure>,
    /// Is the record left out: inactive (TD-5), or ignored by decision (MT-8)?
    pub ignored: bool,
    /// Is something not taken away because the person is protected (SO-5)?
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub protected: bool,
}

/// What becomes of an account's row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AccountWrite {
    /// Nothing.
    Keep,
    /// The record was read.
    Seen {
        /// The hash to remember; `None` to look at the record again in the next import, changed or not.
        hash: Option<ShortHash>,
        /// Is the record active? Also false for a record that is active again while its person has not been let back in
        /// (SO-4): the return stays open until it is accepted.
        active: bool,
    },
    /// The record was missing from a complete listing, so many in a row now.
    Missing {
        /// The count, this import included.
        times: u8,
    },
}

/// What becomes of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LinkWrite {
    /// Nothing.
    Keep,
    /// A new link, of origin `Import`, or an ended one revived.
    Create {
        /// The person, who is there already or created by the same action.
        person: PersonId,
    },
    /// The link ends by absence.
    End {
        /// The person.
        person: PersonId,
    },
}

/// What becomes of a person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum PersonWrite {
    /// Nothing.
    Keep,
    /// A new person.
    Create {
        /// The id, derived from the record (SC-5).
        id: PersonId,
        /// Active or Staged (MT-7).
        state: PersonState,
        /// The profile.
        profile: Profile,
    },
    /// A changed person.
    Change {
        /// Who.
        id: PersonId,
        /// The whole new profile, if attributes change.
        profile: Option<Profile>,
        /// The new state, if it changes.
        state: Option<PersonState>,
    },
}

/// What becomes of a pending record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum CandidateWrite {
    /// Nothing.
    Keep,
    /// The record waits for a decision.
    Put(Box<Proposed>),
    /// The record waits no longer.
    Remove,
}

impl PersonWrite {
    /// A change of a person, or nothing if neither changes.
    pub fn change(id: PersonId, profile: Option<Profile>, state: Option<PersonState>) -> Self {
        if profile.is_none() && state.is_none() { Self::Keep } else { Self::Change { id, profile, state } }
    }
}

impl ImportAction {
    /// The action that changes nothing about a record.
    pub fn keep(app_id: AppId) -> Self {
        Self {
            app_id,
            account: AccountWrite::Keep,
            link: LinkWrite::Keep,
            person: PersonWrite::Keep,
            candidate: CandidateWrite::Keep,
            removes: false,
            failed: None,
            ignored: false,
            protected: false,
        }
    }

    /// What the action adds to the counts of its plan.
    pub fn counts(&self) -> ImportCounts {
        let mut counts = ImportCounts::default();
        match &self.person {
            PersonWrite::Keep => {}
            PersonWrite::Create { .. } => counts.new = 1,
            PersonWrite::Change { profile, state, .. } => {
                counts.updated = u64::from(profile.is_some());
                match state {
                    Some(PersonState::Deactivated) => counts.deactivated = 1,
                    Some(PersonState::Suspended) => counts.suspended = 1,
                    Some(PersonState::Active) => counts.reactivated = 1,
                    Some(PersonState::Staged) | None => {}
                }
            }
        }
        match self.link {
            LinkWrite::Create { .. } if counts.new == 0 => counts.matched = 1,
            LinkWrite::End { .. } => counts.unassigned = 1,
            LinkWrite::Create { .. } | LinkWrite::Keep => {}
        }
        counts.pending = u64::from(matches!(self.candidate, CandidateWrite::Put(_)) && !self.ignored);
        counts.failed = u64::from(self.failed.is_some());
        counts.ignored = u64::from(self.ignored);
        counts.protected = u64::from(self.protected);
        counts
    }

    /// Does the action change a person or a link?
    pub fn changes_directory(&self) -> bool {
        !matches!((&self.link, &self.person), (LinkWrite::Keep, PersonWrite::Keep))
    }

    /// Is it part of what an approval is bound to? What counts for a limit is, though it may change no person (SG-3).
    pub fn is_decided_on(&self) -> bool {
        self.removes || self.changes_directory()
    }

    /// Adds the action to the digest of its plan. Actions are fed in the order of their app ids.
    pub fn feed(&self, digest: &mut DigestBuilder) {
        // Written by serde_json, whose maps are sorted, so equal actions have equal texts.
        digest.part(&serde_json::to_vec(self).unwrap_or_default());
    }
}
