//! What a profile source's deactivations and reactivations do to a person (SO-2 to SO-4).

use super::person::PersonState;

/// `sourcing.onDeactivation`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OnDeactivation {
    /// The person stays as they are.
    DoNothing,
    /// The person is deactivated.
    #[default]
    Deactivate,
    /// The person is suspended.
    Suspend,
}

/// `toDirectory.sourcing` of an app that is a profile source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Sourcing {
    /// What a deactivated or absent record does.
    pub on_deactivation: OnDeactivation,
    /// Is a suspended person made active again when the record is back?
    pub reactivate_suspended: bool,
    /// Is a deactivated person made active again when the record is back?
    pub reactivate_deactivated: bool,
}

/// The new state of a person whose record at the effective source has turned inactive or is gone; `None`: unchanged.
pub fn on_departure(sourcing: Sourcing, state: PersonState) -> Option<PersonState> {
    match (sourcing.on_deactivation, state) {
        (OnDeactivation::Deactivate, PersonState::Active | PersonState::Suspended) => Some(PersonState::Deactivated),
        (OnDeactivation::Suspend, PersonState::Active) => Some(PersonState::Suspended),
        // Someone staged was never let in, and nobody who has left is let back in as a suspended person (semantics.md §7).
        _ => None,
    }
}

/// What the return of a record means to its person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Return {
    /// The person has not left.
    Present,
    /// The person has left, and this source does not bring people back.
    Refused,
    /// The person has left and may be made active again, if the record says of them what the directory does (SO-4).
    Allowed,
}

/// What it means that a person's record at the effective source has turned active or is back (SO-4).
pub fn on_return(sourcing: Sourcing, state: PersonState) -> Return {
    let allowed = match state {
        PersonState::Staged | PersonState::Active => return Return::Present,
        PersonState::Suspended => sourcing.reactivate_suspended,
        PersonState::Deactivated => sourcing.reactivate_deactivated,
    };
    if allowed { Return::Allowed } else { Return::Refused }
}

#[cfg(test)]
mod tests {
    use super::*;
    use PersonState::{Active, Deactivated, Staged, Suspended};

    #[test]
    fn a_departure_takes_a_person_along_the_states_of_section_7_only() {
        for (policy, state, expected) in [
            (OnDeactivation::DoNothing, Active, None),
            (OnDeactivation::DoNothing, Suspended, None),
            (OnDeactivation::Deactivate, Active, Some(Deactivated)),
            (OnDeactivation::Deactivate, Suspended, Some(Deactivated)),
            (OnDeactivation::Deactivate, Deactivated, None),
            (OnDeactivation::Deactivate, Staged, None),
            (OnDeactivation::Suspend, Active, Some(Suspended)),
            (OnDeactivation::Suspend, Suspended, None),
            (OnDeactivation::Suspend, Deactivated, None),
            (OnDeactivation::Suspend, Staged, None),
        ] {
            let sourcing = Sourcing { on_deactivation: policy, ..Sourcing::default() };
            assert_eq!(on_departure(sourcing, state), expected, "{policy:?} of {state:?}");
        }
    }

    #[test]
    fn each_flag_brings_back_its_own_state() {
        let suspended_only = Sourcing { reactivate_suspended: true, ..Sourcing::default() };
        let deactivated_only = Sourcing { reactivate_deactivated: true, ..Sourcing::default() };
        for (sourcing, state, expected) in [
            (Sourcing::default(), Suspended, Return::Refused),
            (Sourcing::default(), Deactivated, Return::Refused),
            (suspended_only, Suspended, Return::Allowed),
            (suspended_only, Deactivated, Return::Refused),
            (deactivated_only, Suspended, Return::Refused),
            (deactivated_only, Deactivated, Return::Allowed),
            (deactivated_only, Active, Return::Present),
            (suspended_only, Staged, Return::Present),
        ] {
            assert_eq!(on_return(sourcing, state), expected, "{state:?}");
        }
    }
}
