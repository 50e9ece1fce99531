//! The seam between deciding and evaluating: what a policy's switches and expressions say.

use serde::Serialize;
use serde_json::{Map, Value};

use super::{ProvisionRules, attributes::Wanted};
use crate::domain::{
    assignment::{Assigned, assigned},
    hash::ShortHash,
    mapping::Variables,
    person::Person,
    provision_plan::BlockReason,
};

/// A policy, as far as decisions about accounts go.
#[derive(Clone, Copy)]
pub(super) struct Policy<'a> {
    pub switches: Switches,
    pub values: &'a dyn Values,
}

/// What the policy allows, and the hash of what decides about its values.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Switches {
    pub create_users: bool,
    pub update_user_attributes: bool,
    pub deactivate_users: bool,
    pub digest: ShortHash,
}

/// What the policy's expressions say of a person.
pub(super) trait Values {
    /// Is the person assigned, and with which values?
    fn assigned(&self, person: &Person) -> Assigned;

    /// Is the person left out of removals (SO-5)?
    fn is_protected(&self, person: &Person) -> bool;

    /// The digest of the mapping; `None` while it is not ready (MA-7).
    fn mapping(&self) -> Option<ShortHash>;

    /// What the person's account is to look like; `app` is the account as far as it is known.
    fn wanted(&self, person: &Person, assignment: &Map<String, Value>, app: Option<&Value>) -> Result<Wanted, BlockReason>;
}

impl<'a> Policy<'a> {
    pub(super) fn of(rules: &'a ProvisionRules) -> Self {
        let switches = Switches {
            create_users: rules.create_users,
            update_user_attributes: rules.update_user_attributes,
            deactivate_users: rules.deactivate_users,
            digest: rules.digest,
        };
        Self { switches, values: rules }
    }
}

impl Values for ProvisionRules {
    fn assigned(&self, person: &Person) -> Assigned {
        assigned(&self.assignments, person)
    }

    fn is_protected(&self, person: &Person) -> bool {
        self.protection.covers(person)
    }

    fn mapping(&self) -> Option<ShortHash> {
        self.mapping.as_ref().map(crate::domain::mapping::Mapping::digest)
    }

    fn wanted(&self, person: &Person, assignment: &Map<String, Value>, app: Option<&Value>) -> Result<Wanted, BlockReason> {
        let mapping = self.mapping.as_ref().ok_or(BlockReason::Mapping)?;
        let user = Variables { user: Some(person), ..Variables::default() };
        let user_name = user_name(self.user_name_format.evaluate(user).map_err(|_| BlockReason::Mapping)?)?;
        let attributes = mapping.to_app(person, assignment, app).map_err(|_| BlockReason::Mapping)?;
        Ok(Wanted { user_name, attributes })
    }
}

/// TA-14.
fn user_name(value: Value) -> Result<String, BlockReason> {
    match value {
        Value::String(name) if !name.is_empty() => Ok(name),
        Value::String(_) | Value::Null => Err(BlockReason::NoUserName),
        _ => Err(BlockReason::Mapping),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::testing, *};
    use crate::domain::{
        assignment::Assignment,
        id::IntegrationKey,
        mapping::{Apply, Expression, Mapping, MappingSource, OnNull, Preset, Scope, ToAppEntry},
        person::PersonState,
        protection::Protection,
        safeguard::ProvisionLimits,
    };

    #[test]
    fn a_username_is_a_text_that_is_not_empty() {
        assert_eq!(user_name(json!("ada")), Ok("ada".to_owned()));
        assert_eq!(user_name(json!("")), Err(BlockReason::NoUserName));
        assert_eq!(user_name(Value::Null), Err(BlockReason::NoUserName));
        assert_eq!(user_name(json!(7)), Err(BlockReason::Mapping));
    }

    fn rules(user_name_format: &str, mapping: &MappingSource) -> ProvisionRules {
        let compile = |field: &str, text: &str| Expression::compile(field, text, Scope::User).unwrap();
        ProvisionRules {
            integration: IntegrationKey::new("acme", "chat"),
            create_users: true,
            update_user_attributes: true,
            deactivate_users: true,
            assignments: vec![Assignment {
                name: "sales".to_owned(),
                condition: compile("where", "user.department == \"Sales\""),
                values: vec![("nick".to_owned(), compile("values", "user.nickName"))],
                combine: Vec::new(),
            }],
            user_name_format: compile("usernameFormat", user_name_format),
            mapping: Some(Mapping::compile(mapping).unwrap()),
            protection: Protection::default(),
            limits: ProvisionLimits {
                max_deactivated_percent: 20,
                min_population: 100,
                max_deactivated: None,
                max_updated_percent: 100,
                max_created: None,
            },
            window_seconds: 86_400,
            approval_seconds: 86_400,
            digest: ShortHash([1; 16]),
        }
    }

    fn source(target: &str, expression: &str) -> MappingSource {
        let (target, expression) = (target.to_owned(), expression.to_owned());
        let entry = ToAppEntry { target, expression, apply: Apply::default(), on_null: OnNull::default() };
        MappingSource { preset: Preset::None, to_app: vec![entry], ..MappingSource::default() }
    }

    #[test]
    fn a_policys_expressions_say_who_is_assigned_and_what_is_wanted() {
        let rules = rules("user.userName", &source("title", "assignment.nick"));
        let policy = Policy::of(&rules);
        let mut person = testing::person(PersonState::Active);
        let Assigned::Yes(values) = policy.values.assigned(&person) else { panic!("not assigned") };
        let wanted = policy.values.wanted(&person, &values, None).unwrap();
        assert_eq!(wanted.user_name, "ada");
        assert_eq!((wanted.attributes[0].path.to_string(), &wanted.attributes[0].value), ("title".to_owned(), &Some(json!("Al"))));
        assert!(policy.values.mapping().is_some());
        person.profile.set("department", json!("Legal"));
        assert_eq!(policy.values.assigned(&person), Assigned::No);
    }

    #[test]
    fn what_cannot_be_evaluated_is_a_reason_to_leave_the_person_alone() {
        let person = testing::person(PersonState::Active);
        let reason = |rules: &ProvisionRules| rules.wanted(&person, &Map::new(), None).err();
        assert_eq!(reason(&rules("user.middleName", &source("title", "user.title"))), Some(BlockReason::NoUserName));
        assert_eq!(reason(&rules("user.middleName + \"x\"", &source("title", "user.title"))), Some(BlockReason::Mapping));
        assert_eq!(reason(&rules("user.userName", &source("title", "user.middleName + \"x\""))), Some(BlockReason::Mapping));
        let unready = ProvisionRules { mapping: None, ..rules("user.userName", &source("title", "user.title")) };
        assert_eq!((unready.mapping(), reason(&unready)), (None, Some(BlockReason::Mapping)));
    }
}
