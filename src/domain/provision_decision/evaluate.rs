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
#[allow(clippy::struct_excessive_bools, reason = "they are the three switches of the policy")]
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

    use super::*;

    #[test]
    fn a_username_is_a_text_that_is_not_empty() {
        assert_eq!(user_name(json!("ada")), Ok("ada".to_owned()));
        assert_eq!(user_name(json!("")), Err(BlockReason::NoUserName));
        assert_eq!(user_name(Value::Null), Err(BlockReason::NoUserName));
        assert_eq!(user_name(json!(7)), Err(BlockReason::Mapping));
    }
}
