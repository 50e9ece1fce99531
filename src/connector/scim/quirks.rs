//! Where an app differs from what it says of itself, as data: what is done follows from these, from what the app advertises
//! and from what it was caught at.

use crate::connector::Capabilities;

/// The `quirks` of an `AppIntegration`. They win over what the app says (SC-2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quirks {
    /// How attributes are written.
    pub update: UpdateStyle,
    /// How listings are paged.
    pub paging: Paging,
    /// Accounts per page, 1 to 1000.
    pub page_size: u32,
}

impl Default for Quirks {
    fn default() -> Self {
        Self { update: UpdateStyle::Auto, paging: Paging::Auto, page_size: 100 }
    }
}

/// How attributes are written (SC-7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UpdateStyle {
    /// PATCH if it is advertised and works, else PUT.
    #[default]
    Auto,
    /// PATCH, each operation with a path.
    Patch,
    /// PATCH, one operation without a path.
    PatchPathless,
    /// PUT of the whole resource.
    Put,
}

/// How listings are paged (LS-1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Paging {
    /// Cursors if they are advertised, else indexes, else one request without parameters.
    #[default]
    Auto,
    /// `startIndex` and `count`.
    Index,
    /// Cursors (RFC 9865).
    Cursor,
}

/// The way an update goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Patch,
    PatchPathless,
    Put,
}

impl Quirks {
    /// How to write. `None`: that depends on what the app advertises.
    pub(super) fn verb(self) -> Option<Verb> {
        match self.update {
            UpdateStyle::Auto => None,
            UpdateStyle::Patch => Some(Verb::Patch),
            UpdateStyle::PatchPathless => Some(Verb::PatchPathless),
            UpdateStyle::Put => Some(Verb::Put),
        }
    }

    /// What the app says, as the quirks correct it.
    pub(super) fn correct(self, mut said: Capabilities) -> Capabilities {
        if let Some(verb) = self.verb() {
            said.patch = verb != Verb::Put;
        }
        match self.paging {
            Paging::Auto => {}
            Paging::Index => said.cursor_paging = false,
            Paging::Cursor => said.cursor_paging = true,
        }
        said
    }
}
