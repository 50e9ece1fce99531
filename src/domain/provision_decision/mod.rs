//! From a person, their link and the policy to an action on the account. Rules TA-1 to TA-19, SC-4, SC-6, MA-4, MA-5.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    account::Record,
    assignment::{Assigned, Assignment},
    hash::ShortHash,
    id::IntegrationKey,
    link::{Link, LinkState},
    mapping::{Expression, Mapping},
    person::{Person, PersonState},
    profile::Profile,
    provision_plan::{ProvisionAction, ProvisionKind, ProvisionRow},
    safeguard::ProvisionLimits,
};

mod after;
mod attributes;
mod evaluate;
mod resolve;

#[cfg(test)]
mod histories;
#[cfg(test)]
mod testing;

use attributes::{Baseline, Changes};
use evaluate::{Policy, Switches};

pub use after::link_after;

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
        /// The inputs to remember with the live link, and that an assignment holds it (TA-19).
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

/// Everything that a decision is made from. Equal inputs need no second evaluation and no second attempt. The switches are
/// part of it, so that turning one on is not mistaken for something that was settled while it was off (TA-6).
#[derive(Serialize)]
struct Inputs<'a> {
    profile: &'a Profile,
    state: PersonState,
    source: bool,
    switches: Switches,
    mapping: Option<ShortHash>,
    /// `None` where no assignment matters, which keeps removals apart from everything else: one is never delayed because
    /// something else has failed (RL-3).
    assignment: Option<&'a Map<String, Value>>,
}

/// Decides about one person. Whether an account has to be looked up before it is created is left to [`resolve`].
pub fn decide(row: &ProvisionRow, rules: &ProvisionRules, now: Timestamp) -> Decision {
    decide_by(row, Policy::of(rules), now)
}

/// The table of semantics.md §7.
fn decide_by(row: &ProvisionRow, policy: Policy<'_>, now: Timestamp) -> Decision {
    let live = row.link.as_ref().filter(|link| link.state == LinkState::Live);
    let idle = Decision::Nothing { confirm: None, counted: live.is_some() };
    match row.person.state {
        PersonState::Staged => idle,
        PersonState::Deactivated => match live {
            // TA-18: to the app that said so itself, only what an assignment gave there is taken back.
            Some(link) if link.assigned || !row.source => remove(row, link, policy, now),
            _ => idle,
        },
        PersonState::Active | PersonState::Suspended => match policy.values.assigned(&row.person) {
            Assigned::Undecided => Decision::Undecided,
            Assigned::No => match live {
                // TA-19: a link that no assignment ever held is not "unassigned".
                Some(link) if link.assigned => remove(row, link, policy, now),
                _ => idle,
            },
            Assigned::Yes(values) => provide(row, &values, policy, now),
        },
    }
}

/// TA-10.
fn remove(row: &ProvisionRow, link: &Link, policy: Policy<'_>, now: Timestamp) -> Decision {
    if !policy.switches.deactivate_users {
        return Decision::Nothing { confirm: None, counted: true };
    }
    let inputs = inputs(row, policy, None);
    waiting(row, inputs, now).unwrap_or_else(|| {
        Decision::Act(ProvisionAction {
            kind: ProvisionKind::Deactivate { app_id: link.app_id.clone() },
            inputs,
            written: link.written.clone(),
        })
    })
}

/// Someone who is assigned.
fn provide(row: &ProvisionRow, values: &Map<String, Value>, policy: Policy<'_>, now: Timestamp) -> Decision {
    let inputs = inputs(row, policy, Some(values));
    match &row.link {
        Some(link) if link.state == LinkState::Live => update(row, link, values, inputs, policy, now),
        // TA-12
        _ if row.person.state == PersonState::Suspended => Decision::Nothing { confirm: None, counted: false },
        Some(link) if link.state == LinkState::EndedByRemoval => reactivate(row, link, values, inputs, policy, now),
        _ => need(row, values, inputs, policy, now),
    }
}

/// TA-7, TA-12, TA-18.
fn update(row: &ProvisionRow, link: &Link, values: &Map<String, Value>, inputs: ShortHash, policy: Policy<'_>, now: Timestamp) -> Decision {
    if link.assigned && link.inputs == Some(inputs) {
        return Decision::Nothing { confirm: None, counted: true };
    }
    let settled = Decision::Nothing { confirm: Some(inputs), counted: true };
    // On return to Active the inputs are others, so that differences go out then.
    if row.person.state == PersonState::Suspended || !writes(row, policy) {
        return settled;
    }
    if let Some(waiting) = waiting(row, inputs, now) {
        return waiting;
    }
    match changes(row, Some(link), values, policy) {
        None => Decision::Nothing { confirm: None, counted: true },
        Some(Err(kind)) => Decision::Act(ProvisionAction { kind, inputs, written: link.written.clone() }),
        Some(Ok(Changes { changes, .. })) if changes.is_empty() => settled,
        Some(Ok(Changes { changes, written })) => {
            Decision::Act(ProvisionAction { kind: ProvisionKind::Update { app_id: link.app_id.clone(), changes }, inputs, written })
        }
    }
}

/// TA-11. Without `deactivateUsers` an account that was removed stays as it is: drift.
fn reactivate(
    row: &ProvisionRow,
    link: &Link,
    values: &Map<String, Value>,
    inputs: ShortHash,
    policy: Policy<'_>,
    now: Timestamp,
) -> Decision {
    let nothing = Decision::Nothing { confirm: None, counted: false };
    if !policy.switches.deactivate_users {
        return nothing;
    }
    if let Some(waiting) = waiting(row, inputs, now) {
        return waiting;
    }
    match changes(row, Some(link), values, policy) {
        None => nothing,
        Some(Err(kind)) => Decision::Act(ProvisionAction { kind, inputs, written: link.written.clone() }),
        Some(Ok(differing)) => {
            let Changes { changes, written } =
                if writes(row, policy) { differing } else { Changes { changes: Map::new(), written: link.written.clone() } };
            Decision::Act(ProvisionAction { kind: ProvisionKind::Reactivate { app_id: link.app_id.clone(), changes }, inputs, written })
        }
    }
}

/// TA-2, TA-5: looked up also when nothing may be created.
fn need(row: &ProvisionRow, values: &Map<String, Value>, inputs: ShortHash, policy: Policy<'_>, now: Timestamp) -> Decision {
    if let Some(waiting) = waiting(row, inputs, now) {
        return waiting;
    }
    if policy.values.mapping().is_none() {
        return Decision::Nothing { confirm: None, counted: false };
    }
    let (kind, written) = match policy.values.wanted(&row.person, values, None) {
        Ok(wanted) => {
            let (resource, written) = wanted.resource(row.person.id);
            (ProvisionKind::Need { user_name: wanted.user_name, resource }, written)
        }
        Err(reason) => (ProvisionKind::Blocked { reason }, Map::new()),
    };
    Decision::Act(ProvisionAction { kind, inputs, written })
}

/// What differs from what was written last; `None` if the mapping is not ready (MA-7).
fn changes(
    row: &ProvisionRow,
    link: Option<&Link>,
    values: &Map<String, Value>,
    policy: Policy<'_>,
) -> Option<Result<Changes, ProvisionKind>> {
    policy.values.mapping()?;
    let resource = link.and_then(|link| link.resource.as_ref());
    let nothing = Map::new();
    let baseline = Baseline { written: link.map_or(&nothing, |link| &link.written), resource };
    let wanted = policy.values.wanted(&row.person, values, resource);
    Some(wanted.map(|wanted| wanted.changes(baseline)).map_err(|reason| ProvisionKind::Blocked { reason }))
}

/// Are attributes written to an account that is there? Not to the app that they come from (TA-18).
fn writes(row: &ProvisionRow, policy: Policy<'_>) -> bool {
    policy.switches.update_user_attributes && !row.source
}

fn inputs(row: &ProvisionRow, policy: Policy<'_>, assignment: Option<&Map<String, Value>>) -> ShortHash {
    ShortHash::of_json(&Inputs {
        profile: &row.person.profile,
        state: row.person.state,
        source: row.source,
        switches: policy.switches,
        mapping: policy.values.mapping(),
        assignment,
    })
}

/// RL-3: the same attempt is not made again before its time.
fn waiting(row: &ProvisionRow, inputs: ShortHash, now: Timestamp) -> Option<Decision> {
    let failure = row.failure.as_ref().filter(|failure| failure.inputs == inputs && failure.next_attempt > now)?;
    Some(Decision::Waiting { next_attempt: failure.next_attempt })
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
///
/// An inactive account is made active only if the person's own link to it ended by removal: who else disabled it, and why,
/// cannot be told from the account (TA-9). Found by `externalId` it is linked and stays inactive.
pub fn resolve(
    person: &Person,
    need: &ProvisionAction,
    hits: &[Record],
    links: &[Link],
    name_twice: bool,
    rules: &ProvisionRules,
) -> ProvisionAction {
    resolve::resolve(person, need, hits, links, name_twice, Policy::of(rules))
}
