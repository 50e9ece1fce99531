//! People of the directory.

use serde::{Deserialize, Serialize};

use super::{id::PersonId, profile::Profile};

/// Where a person stands in the identity lifecycle (semantics.md §7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum PersonState {
    /// Confirmed, not yet active: nothing is provisioned.
    Staged,
    /// Has the accounts that its assignments give.
    Active,
    /// Keeps its accounts as they are; nothing is sent.
    Suspended,
    /// Has left: its accounts are deactivated.
    Deactivated,
}

impl PersonState {
    /// The word by which the state is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Staged => "Staged",
            Self::Active => "Active",
            Self::Suspended => "Suspended",
            Self::Deactivated => "Deactivated",
        }
    }

    /// Reads [`PersonState::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Staged, Self::Active, Self::Suspended, Self::Deactivated].into_iter().find(|state| state.as_str() == text)
    }
}

/// A directory entry.
#[derive(Clone, Debug, PartialEq)]
pub struct Person {
    /// The person's id, for life.
    pub id: PersonId,
    /// The person's state.
    pub state: PersonState,
    /// The person's attributes; `userName` is always among them.
    pub profile: Profile,
}
