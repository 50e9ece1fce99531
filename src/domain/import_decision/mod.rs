//! From a record and what is known of it to a decision. Rules TD-5, TD-6, MT-1 to MT-7, SO-1 to SO-4, AI-10, LS-4.

use super::{
    id::IntegrationKey,
    import_plan::{AccountWrite, CandidateWrite, ImportAction, KnownAccount, LinkWrite, PersonWrite, StagedRow},
    link::LinkState,
    matching::{Candidates, MatchingRules},
    protection::Protection,
    safeguard::ImportLimits,
    sourcing::{Sourcing, on_departure},
};

mod confirm;
mod flow;
mod linked;
mod queue;
mod unlinked;

pub use confirm::{Standing, confirm};

#[cfg(test)]
mod confirmations;
#[cfg(test)]
mod histories;
#[cfg(test)]
mod model;
#[cfg(test)]
mod protected;
#[cfg(test)]
mod testing;

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
    /// `Directory.spec.profileSources`, highest priority first (SO-1).
    pub profile_sources: Vec<String>,
    /// Who is left out of removals (SO-5).
    pub protection: Protection,
    /// Does a null in the app clear the directory's value (AI-10)?
    pub push_null_values: bool,
    /// From how many complete full imports in a row a record must be missing (LS-4); 1..=5.
    pub missing_full_imports: u8,
    /// The limits.
    pub limits: ImportLimits,
    /// The rolling window of the limits, in seconds.
    pub window_seconds: u32,
    /// `approval.expiresSeconds`: how long a held plan can be approved.
    pub approval_seconds: u32,
}

/// Who confirms a proposal (MT-7); `true` = automatic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "the switches of a policy")]
pub struct Confirmation {
    /// Exact matches are linked by the import.
    pub exact_automatic: bool,
    /// Partial matches are linked by the import.
    pub partial_automatic: bool,
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
    /// What it has in common with other unlinked records of this import.
    pub twice: Twice,
    /// Does another unlinked record of this import match the person exactly, even if not only them, of whom this one is a
    /// partial match?
    pub claimed: bool,
}

/// What another unlinked record of the same import has, too: folded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "one per key, none excludes another")]
pub struct Twice {
    /// The username.
    pub user_name: bool,
    /// The e-mail address.
    pub email: bool,
    /// The attribute that exact matches go by.
    pub attribute: bool,
    /// Given and family name.
    pub names: bool,
}

/// Decides about a record that was read. `None`: nothing changes, and nothing has to be remembered.
///
/// A record whose link Joinery ended by taking the access away is not linked again by itself (MT-1): the account was
/// enabled by somebody else, or never disabled, and it belonged to a person whom it may not go back to unasked.
pub fn decide(evidence: Evidence<'_>, rules: &ImportRules) -> Option<ImportAction> {
    let action = match &evidence.row.known {
        None => unlinked::decide(evidence, rules),
        Some(known) => match known.link.state {
            LinkState::Live | LinkState::EndedByAbsence => linked::decide(evidence, known, rules),
            LinkState::EndedByRemoval => unlinked::formerly(evidence, known, rules),
            LinkState::UnprovenLive | LinkState::UnprovenAbsence | LinkState::UnprovenRemoval => unlinked::unproven(evidence, known, rules),
        },
    };
    Some(action)
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
pub fn decide_missing(known: &KnownAccount, rules: &ImportRules) -> Absence {
    let times = known.missing.saturating_add(1);
    if times >= rules.missing_full_imports {
        return Absence::ProveGone;
    }
    Absence::Counted(ImportAction { account: AccountWrite::Missing { times }, ..ImportAction::keep(known.link.app_id.clone()) })
}

/// Decides about an account that is missing often enough and that a GET has proved to be gone.
pub fn decide_gone(known: &KnownAccount, rules: &ImportRules) -> ImportAction {
    let person = &known.person;
    if rules.protection.covers(person) {
        // The count stays where it is: as soon as nobody protects the person, the next import asks again.
        return ImportAction { protected: true, ..ImportAction::keep(known.link.app_id.clone()) };
    }
    let state = effective(known, rules).and_then(|sourcing| on_departure(sourcing, person.state));
    ImportAction {
        account: AccountWrite::Missing { times: known.missing.saturating_add(1) },
        link: LinkWrite::End { person: person.id },
        person: PersonWrite::change(person.id, None, state),
        // What is gone waits for no decision.
        candidate: CandidateWrite::Remove,
        // SG-3: whatever onDeactivation says and whoever is the effective source.
        removes: true,
        ..ImportAction::keep(known.link.app_id.clone())
    }
}

/// What the policy says of departures and returns, if this integration has a say in them (SO-2).
fn effective(known: &KnownAccount, rules: &ImportRules) -> Option<Sourcing> {
    rules.sourcing.filter(|_| known.effective_source)
}

#[cfg(test)]
mod tests {
    use super::{
        testing::{id, known, rules},
        *,
    };
    use crate::domain::{
        person::PersonState::{Active, Deactivated, Suspended},
        sourcing::OnDeactivation,
    };

    #[test]
    fn so5_a_protected_person_is_not_unassigned_by_an_absence() {
        let known = KnownAccount { missing: 1, ..known("ada", Active, true) };
        assert!(decide_gone(&known, &rules()).removes);
        let action = decide_gone(&known, &ImportRules { protection: Protection::Everybody, ..rules() });
        assert_eq!(action, ImportAction { protected: true, ..ImportAction::keep(known.link.app_id.clone()) });
        assert!(!action.changes_directory());
    }

    #[test]
    fn a4_missing_counts_up_and_is_proved_before_it_means_anything() {
        for (missing_full_imports, missing, prove) in
            [(1, 0, true), (2, 0, false), (2, 1, true), (5, 3, false), (5, 4, true), (2, 255, true)]
        {
            let known = KnownAccount { missing, ..known("ada", Active, true) };
            let rules = ImportRules { missing_full_imports, ..rules() };
            match decide_missing(&known, &rules) {
                Absence::ProveGone => assert!(prove, "{missing} of {missing_full_imports}"),
                Absence::Counted(action) => {
                    assert!(!prove, "{missing} of {missing_full_imports}");
                    assert!(!action.removes && !action.changes_directory());
                    assert_eq!(action.account, AccountWrite::Missing { times: missing + 1 });
                }
            }
        }
    }

    #[test]
    fn what_is_gone_ends_its_link_and_counts_as_a_removal() {
        let gone = |known: &KnownAccount, on_deactivation| {
            let sourcing = Sourcing { on_deactivation, ..Sourcing::default() };
            decide_gone(known, &ImportRules { sourcing: Some(sourcing), ..rules() })
        };
        for (policy, state, expected) in [
            (OnDeactivation::Deactivate, Active, Some(Deactivated)),
            (OnDeactivation::Suspend, Active, Some(Suspended)),
            (OnDeactivation::DoNothing, Active, None),
            (OnDeactivation::Deactivate, Deactivated, None),
        ] {
            let action = gone(&known("ada", state, true), policy);
            assert_eq!(action.person, PersonWrite::change(id("ada"), None, expected), "{policy:?} of {state:?}");
            assert_eq!((action.link, action.removes), (LinkWrite::End { person: id("ada") }, true));
            assert_eq!(action.counts().unassigned, 1);
        }
        let elsewhere = KnownAccount { effective_source: false, ..known("ada", Active, true) };
        let action = gone(&elsewhere, OnDeactivation::Deactivate);
        assert_eq!((action.person, action.removes), (PersonWrite::Keep, true), "whoever is the effective source (SG-3)");
    }
}
