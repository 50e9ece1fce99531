//! Links between people and their accounts.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{hash::ShortHash, id::AppId, id::PersonId};

/// Is a link in force, or remembered only?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum LinkState {
    /// The account belongs to the person.
    Live,
    /// Ended because the record was proved absent (LS-4); a return of the record revives it (MT-1).
    EndedByAbsence,
    /// Ended because Joinery removed the account's access; a new assignment reactivates it (TA-11), an import does not.
    EndedByRemoval,
    /// `Live` at another host than the app has now, and not read back from the present one yet (AI-9).
    UnprovenLive,
    /// Likewise, `EndedByAbsence`.
    UnprovenAbsence,
    /// Likewise, `EndedByRemoval`.
    UnprovenRemoval,
}

impl LinkState {
    /// The word by which the state is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Live => "Live",
            Self::EndedByAbsence => "EndedByAbsence",
            Self::EndedByRemoval => "EndedByRemoval",
            Self::UnprovenLive => "UnprovenLive",
            Self::UnprovenAbsence => "UnprovenAbsence",
            Self::UnprovenRemoval => "UnprovenRemoval",
        }
    }

    /// Reads [`LinkState::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        let all =
            [Self::Live, Self::EndedByAbsence, Self::EndedByRemoval, Self::UnprovenLive, Self::UnprovenAbsence, Self::UnprovenRemoval];
        all.into_iter().find(|state| state.as_str() == text)
    }

    /// Is the link of another host, so that nothing may be written by it yet (AI-9)?
    pub fn is_unproven(self) -> bool {
        self != self.proved()
    }

    /// What the link is once the account has been read back.
    #[must_use]
    pub fn proved(self) -> Self {
        match self {
            Self::Live | Self::UnprovenLive => Self::Live,
            Self::EndedByAbsence | Self::UnprovenAbsence => Self::EndedByAbsence,
            Self::EndedByRemoval | Self::UnprovenRemoval => Self::EndedByRemoval,
        }
    }
}

/// How a link came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum LinkOrigin {
    /// An import created or matched the person. Never "unassigned" by provisioning (TA-19).
    Import,
    /// Provisioning created the account.
    Created,
    /// Provisioning found the account in the app and took it over (TA-3).
    Adopted,
}

impl LinkOrigin {
    /// The word by which the origin is stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Import => "Import",
            Self::Created => "Created",
            Self::Adopted => "Adopted",
        }
    }

    /// Reads [`LinkOrigin::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Import, Self::Created, Self::Adopted].into_iter().find(|origin| origin.as_str() == text)
    }
}

/// A link and what is remembered of its account. One person has at most one link per integration, and one account at
/// most one link.
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    /// The person.
    pub person: PersonId,
    /// The account.
    pub app_id: AppId,
    /// In force or ended.
    pub state: LinkState,
    /// How it came to be.
    pub origin: LinkOrigin,
    /// Has an assignment ever held this account? (TA-19)
    pub assigned: bool,
    /// Was the account active when it was last read or written?
    pub active: bool,
    /// The attribute values that Joinery wrote last, by SCIM path; drift and changes are told by them (TA-7, TA-8).
    pub written: Map<String, Value>,
    /// The hash of everything that `written` was computed from; equal inputs need no evaluation.
    pub inputs: Option<ShortHash>,
    /// The account's resource when it was last read or written, where it is kept.
    pub resource: Option<Value>,
}
