//! Builders for the tests of provisioning decisions: a policy whose expressions are constants.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{
    Decision,
    attributes::Wanted,
    decide_by,
    evaluate::{Policy, Switches, Values},
};
use crate::domain::{
    account::Record,
    assignment::Assigned,
    hash::ShortHash,
    id::{AppId, IntegrationKey, PersonId},
    link::{Link, LinkOrigin, LinkState},
    mapping::{Apply, DesiredAttribute, OnNull},
    person::{Person, PersonState},
    profile::Profile,
    provision_plan::{BlockReason, ProvisionAction, ProvisionRow},
};

/// The enterprise extension's department, an attribute with a schema of its own.
pub(super) const DEPARTMENT: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department";

/// A policy that gives an account to whoever it says, named after the person, with title, department (cleared by null),
/// nick name (in the POST only).
#[derive(Clone)]
pub(super) struct Fake {
    pub switches: Switches,
    pub assigned: Assigned,
    pub mapping: Option<ShortHash>,
    pub fails: Option<BlockReason>,
    pub protected: bool,
}

impl Fake {
    /// Everybody is assigned, every switch is on.
    pub(super) fn all_on() -> Self {
        let switches = Switches { create_users: true, update_user_attributes: true, deactivate_users: true, digest: ShortHash([1; 16]) };
        Self { switches, assigned: Assigned::Yes(Map::new()), mapping: Some(ShortHash([2; 16])), fails: None, protected: false }
    }

    pub(super) fn all_off() -> Self {
        let on = Self::all_on();
        let off = Switches { create_users: false, update_user_attributes: false, deactivate_users: false, ..on.switches };
        Self { switches: off, ..on }
    }

    pub(super) fn no_updates() -> Self {
        let on = Self::all_on();
        Self { switches: Switches { update_user_attributes: false, ..on.switches }, ..on }
    }

    pub(super) fn no_deactivations() -> Self {
        let on = Self::all_on();
        Self { switches: Switches { deactivate_users: false, ..on.switches }, ..on }
    }

    pub(super) fn nobody() -> Self {
        Self { assigned: Assigned::No, ..Self::all_on() }
    }

    pub(super) fn policy(&self) -> Policy<'_> {
        Policy { switches: self.switches, values: self }
    }

    pub(super) fn decide(&self, row: &ProvisionRow) -> Decision {
        decide_by(row, self.policy(), now())
    }

    pub(super) fn act(&self, row: &ProvisionRow) -> ProvisionAction {
        match self.decide(row) {
            Decision::Act(action) => action,
            other => panic!("{other:?}"),
        }
    }
}

impl Values for Fake {
    fn assigned(&self, _person: &Person) -> Assigned {
        self.assigned.clone()
    }

    fn is_protected(&self, _person: &Person) -> bool {
        self.protected
    }

    fn mapping(&self) -> Option<ShortHash> {
        self.mapping
    }

    fn wanted(&self, person: &Person, _assignment: &Map<String, Value>, _app: Option<&Value>) -> Result<Wanted, BlockReason> {
        if let Some(reason) = self.fails {
            return Err(reason);
        }
        let attribute = |target: &str, source: &str, apply, on_null| DesiredAttribute {
            path: target.parse().unwrap(),
            value: person.profile.get(source).cloned(),
            apply,
            on_null,
        };
        let attributes = vec![
            attribute("title", "title", Apply::CreateAndUpdate, OnNull::Omit),
            attribute(DEPARTMENT, "department", Apply::CreateAndUpdate, OnNull::Clear),
            attribute("nickName", "nickName", Apply::CreateOnly, OnNull::Omit),
        ];
        Ok(Wanted { user_name: person.profile.user_name().unwrap_or_default().to_owned(), attributes })
    }
}

pub(super) fn now() -> Timestamp {
    "2026-01-01T12:00:00Z".parse().unwrap()
}

pub(super) fn id(name: &str) -> PersonId {
    PersonId::derive(&IntegrationKey::new("acme", "hr"), &AppId::new(name))
}

pub(super) fn person(state: PersonState) -> Person {
    let profile = [("userName", "ada"), ("title", "clerk"), ("department", "Sales"), ("nickName", "Al")];
    let profile: Profile = profile.into_iter().map(|(name, value)| (name.to_owned(), json!(value))).collect();
    Person { id: id("ada"), state, profile }
}

/// The person without a link.
pub(super) fn row(state: PersonState) -> ProvisionRow {
    ProvisionRow { person: person(state), link: None, source: false, failure: None }
}

/// The person with the account that was created for them, as it was written.
pub(super) fn provisioned(state: PersonState) -> ProvisionRow {
    ProvisionRow { link: Some(link(LinkState::Live)), ..row(state) }
}

pub(super) fn link(state: LinkState) -> Link {
    Link {
        person: id("ada"),
        app_id: AppId::new("1"),
        state,
        origin: LinkOrigin::Created,
        assigned: true,
        active: state == LinkState::Live,
        written: written(),
        inputs: None,
        resource: None,
    }
}

pub(super) fn written() -> Map<String, Value> {
    map(json!({"userName": "ada", "title": "clerk", DEPARTMENT: "Sales", "nickName": "Al"}))
}

pub(super) fn map(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => panic!("{other}"),
    }
}

pub(super) fn account(app_id: &str, resource: Value) -> Record {
    Record { id: AppId::new(app_id), resource }
}
