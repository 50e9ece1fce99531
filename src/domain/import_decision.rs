//! From a record and what is known of it to a decision. Rules TD-5, TD-6, MT-1 to MT-7, SO-1 to SO-4, AI-10, LS-4.

use super::{
    id::IntegrationKey,
    import_plan::{ImportAction, KnownAccount, StagedRow},
    matching::{Candidates, MatchingRules},
    safeguard::ImportLimits,
    sourcing::Sourcing,
};

/// What a policy says of imports.
#[derive(Clone, Debug, PartialEq)]
pub struct ImportRules {
    /// The integration that is imported.
    pub integration: IntegrationKey,
    /// How records are matched.
    pub matching: MatchingRules,
    /// Who confirms.
    pub confirmation: Confirmation,
    /// `None`: the app is no profile source.
    pub sourcing: Option<Sourcing>,
    /// Does a null in the app clear the directory's value (AI-10)?
    pub push_null_values: bool,
    /// From how many complete full imports in a row a record must be missing (LS-4); 1..=5.
    pub missing_full_imports: u8,
    /// The limits.
    pub limits: ImportLimits,
    /// The rolling window of the limits, in seconds.
    pub window_seconds: u32,
}

/// Who confirms a proposal (MT-7); `true` = automatic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Confirmation {
    /// Exact matches are linked by the import.
    pub exact_automatic: bool,
    /// New people are created by the import.
    pub new_automatic: bool,
    /// New people are Active; otherwise Staged.
    pub activate_new: bool,
}

/// A record with everything its decision needs.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// The record and what is known of it.
    pub row: &'a StagedRow,
    /// People who may be it. For a linked record: people who have the new username.
    pub candidates: Candidates<'a>,
    /// Has another unlinked record of this import the same folded username?
    pub user_name_twice: bool,
    /// Has another unlinked record of this import the same folded e-mail address?
    pub email_twice: bool,
}

/// Decides about a record that was read. `None`: nothing changes, and nothing has to be remembered.
pub fn decide(_evidence: Evidence<'_>, _rules: &ImportRules) -> Option<ImportAction> {
    todo!()
}

/// What a record's absence from a complete listing means.
#[derive(Clone, Debug, PartialEq)]
pub enum Absence {
    /// Not missing often enough; the count goes up.
    Counted(ImportAction),
    /// Missing often enough: whether it is gone has to be proved by a GET (LS-4).
    ProveGone,
}

/// Decides about a linked account that a complete, non-empty full listing does not have.
pub fn decide_missing(_known: &KnownAccount, _rules: &ImportRules) -> Absence {
    todo!()
}

/// Decides about an account that is missing often enough and that a GET has proved to be gone.
pub fn decide_gone(_known: &KnownAccount, _rules: &ImportRules) -> ImportAction {
    todo!()
}
