//! People whom nothing takes away: never deactivated, suspended or unassigned, in either direction (SO-5).

use super::{
    mapping::{Expression, Variables},
    person::Person,
};

/// `Directory.spec.protectedUsers`.
#[derive(Clone, Debug, Default)]
pub enum Protection {
    /// Nobody is protected.
    #[default]
    Nobody,
    /// Whoever the condition holds for, or fails on.
    Where(Expression),
    /// The condition does not compile: nobody knows whom it means, and all removals wait.
    Everybody,
}

impl Protection {
    /// Is the person left out of every removal plan?
    pub fn covers(&self, person: &Person) -> bool {
        match self {
            Self::Nobody => false,
            Self::Where(condition) => condition.holds(Variables { user: Some(person), ..Variables::default() }).unwrap_or(true),
            Self::Everybody => true,
        }
    }

    /// What tells it from another one.
    pub fn text(&self) -> &str {
        match self {
            Self::Nobody => "false",
            Self::Where(condition) => condition.text(),
            Self::Everybody => "true",
        }
    }
}

impl PartialEq for Protection {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::{id::PersonId, mapping::Scope, person::PersonState, profile::Profile};

    fn person(user_name: &str) -> Person {
        let mut profile = Profile::default();
        profile.set("userName", json!(user_name));
        Person { id: PersonId::parse("p-00000000-0000-0000-0000-000000000001").unwrap(), state: PersonState::Active, profile }
    }

    #[test]
    fn so5_whoever_the_condition_holds_for_or_fails_on_is_protected() {
        let by = |text: &str| Protection::Where(Expression::compile_condition("where", text, Scope::User).unwrap());
        let breakglass = by("user.userName == \"breakglass\"");
        assert!(breakglass.covers(&person("breakglass")) && !breakglass.covers(&person("ada")));
        assert!(by("user.title.startsWith(\"x\")").covers(&person("ada")), "it fails on a person without a title");
        assert!(Protection::Everybody.covers(&person("ada")) && !Protection::Nobody.covers(&person("ada")));
    }
}
