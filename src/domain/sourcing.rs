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
pub fn on_departure(_sourcing: Sourcing, _state: PersonState) -> Option<PersonState> {
    todo!()
}
