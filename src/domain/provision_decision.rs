//! From a person, their link and the policy to an action on the account. Rules TA-1 to TA-19, SC-4, SC-6, MA-4, MA-5.

use jiff::Timestamp;
use serde_json::Value;

use super::{
    account::Record,
    assignment::Assignment,
    hash::ShortHash,
    id::{IntegrationKey, PersonId},
    link::Link,
    mapping::{Expression, Mapping},
    person::Person,
    provision_plan::{ProvisionAction, ProvisionRow},
    safeguard::ProvisionLimits,
};

/// What a policy says of provisioning.
#[derive(Clone, Debug)]
pub struct ProvisionRules {
    /// The integration that is provisioned.
    pub integration: IntegrationKey,
    /// `createUsers`
    pub create_users: bool,
    /// `updateUserAttributes`
    pub update_user_attributes: bool,
    /// `deactivateUsers`
    pub deactivate_users: bool,
    /// Who gets an account.
    pub assignments: Vec<Assignment>,
    /// The account's username; a text over `user`.
    pub user_name_format: Expression,
    /// The attributes. `None` if the mapping does not compile: creates and updates stop, removals go on (MA-7).
    pub mapping: Option<Mapping>,
    /// The limits.
    pub limits: ProvisionLimits,
    /// The rolling window of the limits, in seconds.
    pub window_seconds: u32,
    /// The hash of everything above that decides about values: part of each action's inputs.
    pub digest: ShortHash,
}

/// What a pass decides about one person.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// Nobody needs to do anything. `confirm`: remember that these inputs need no write.
    Nothing {
        /// The inputs to remember with the link.
        confirm: Option<ShortHash>,
        /// Is there a live account, so that it counts as unchanged?
        counted: bool,
    },
    /// The assignment is undecided (TA-17).
    Undecided,
    /// The last attempt failed, and it is not time for the next one (RL-3).
    Waiting {
        /// When it is.
        next_attempt: Timestamp,
    },
    /// An action.
    Act(ProvisionAction),
}

/// Decides about one person. Whether an account has to be looked up before it is created is left to [`resolve`].
pub fn decide(_row: &ProvisionRow, _rules: &ProvisionRules, _now: Timestamp) -> Decision {
    todo!()
}

/// The person's account name in the app, as `usernameFormat` gives it: what must be unique in a pass (TA-14). `None` if the
/// person needs no account or has one.
pub fn account_name(action: &ProvisionAction) -> Option<&str> {
    match &action.kind {
        super::provision_plan::ProvisionKind::Need { user_name, .. } => Some(user_name),
        _ => None,
    }
}

/// Turns a `Need` into what is to be done, now that the app was looked into (SC-4). `hits` are the accounts whose
/// `externalId` is the person's id or whose `userName` is the account name; `links` are the links of those accounts;
/// `name_twice`: another person of this pass needs the same account name.
pub fn resolve(_person: &Person, _need: &ProvisionAction, _hits: &[Record], _links: &[Link], _name_twice: bool, _rules: &ProvisionRules) -> ProvisionAction {
    todo!()
}

/// The link after an action has been carried out.
pub fn link_after(_person: PersonId, _action: &ProvisionAction, _before: Option<&Link>, _resource: Option<Value>) -> Option<Link> {
    todo!()
}
