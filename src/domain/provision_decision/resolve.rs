//! From "needs an account" to what is done about it, once the app was looked into (SC-4, TA-2 to TA-5, TA-14).

use serde_json::{Map, Value};

use super::{
    attributes::{Baseline, EXTERNAL_ID},
    evaluate::Policy,
};
use crate::domain::{
    account::Record,
    assignment::Assigned,
    fold::same_folded,
    id::PersonId,
    link::{Link, LinkState},
    person::Person,
    provision_plan::{BlockReason, ProvisionAction, ProvisionKind},
};

/// See [`super::resolve`].
pub(super) fn resolve(
    person: &Person,
    need: &ProvisionAction,
    hits: &[Record],
    links: &[Link],
    name_twice: bool,
    policy: Policy<'_>,
) -> ProvisionAction {
    let ProvisionKind::Need { user_name, resource } = &need.kind else { return need.clone() };
    // TA-14: also if one of the two is found by its id, since which of them keeps the name is nobody's to guess.
    if name_twice {
        return blocked(need, BlockReason::UserNameNotUnique);
    }
    match find(person.id, user_name, hits) {
        Err(reason) => blocked(need, reason),
        Ok(Some(found)) => adopt(person, need, found, links, policy),
        Ok(None) if !policy.switches.create_users => blocked(need, BlockReason::CreateUsersOff),
        Ok(None) => ProvisionAction { kind: ProvisionKind::Create { resource: resource.clone() }, ..need.clone() },
    }
}

/// An account that fits.
#[derive(Clone, Copy)]
struct Found<'a> {
    account: &'a Record,
    /// By `externalId`, not by the username only.
    ours: bool,
}

/// The one account that fits, if there is one (TA-4).
fn find<'a>(person: PersonId, user_name: &str, hits: &'a [Record]) -> Result<Option<Found<'a>>, BlockReason> {
    let id = person.to_string();
    let by_id = only(hits.iter().filter(|hit| hit.external_id() == Some(id.as_str())))?;
    let by_name = only(hits.iter().filter(|hit| hit.user_name().is_some_and(|name| same_folded(name, user_name))))?;
    match (by_id, by_name) {
        (Some(by_id), Some(by_name)) if by_id.id != by_name.id => Err(BlockReason::SeveralAccounts),
        (Some(account), _) => Ok(Some(Found { account, ours: true })),
        (None, Some(account)) => Ok(Some(Found { account, ours: false })),
        (None, None) => Ok(None),
    }
}

/// One account found twice is one account; ids compare exactly (SC-4).
fn only<'a>(mut hits: impl Iterator<Item = &'a Record>) -> Result<Option<&'a Record>, BlockReason> {
    let first = hits.next();
    match first {
        Some(first) if hits.any(|other| other.id != first.id) => Err(BlockReason::SeveralAccounts),
        _ => Ok(first),
    }
}

fn adopt(person: &Person, need: &ProvisionAction, found: Found<'_>, links: &[Link], policy: Policy<'_>) -> ProvisionAction {
    let account = found.account;
    if belongs_to_another(person.id, found, links) {
        return blocked(need, BlockReason::LinkedToAnother);
    }
    let removed = links.iter().any(|link| link.app_id == account.id && link.person == person.id && link.state == LinkState::EndedByRemoval);
    if !account.active() && !found.ours && !removed {
        return blocked(need, BlockReason::FoundInactive);
    }
    let activate = !account.active() && removed && policy.switches.deactivate_users;
    match differences(person, account, policy) {
        Err(reason) => blocked(need, reason),
        Ok((changes, written)) => {
            let kind = ProvisionKind::Adopt { app_id: account.id.clone(), changes, ours: found.ours, activate };
            ProvisionAction { kind, inputs: need.inputs, written }
        }
    }
}

/// TA-4. The account itself also says whose it is, when the links that said so are lost with the store (SG-12).
fn belongs_to_another(person: PersonId, found: Found<'_>, links: &[Link]) -> bool {
    let linked = links.iter().any(|link| link.app_id == found.account.id && link.person != person);
    let named = found.account.external_id().and_then(PersonId::parse).is_some_and(|named| named != person);
    linked || named
}

/// What has to be written to an account that is taken over, and what will have been written then. Without
/// `updateUserAttributes` it is linked only.
fn differences(person: &Person, account: &Record, policy: Policy<'_>) -> Result<(Map<String, Value>, Map<String, Value>), BlockReason> {
    let nothing = Map::new();
    if !policy.switches.update_user_attributes {
        return Ok((Map::new(), Map::new()));
    }
    // An entry may look at the account that is there, which the planned POST could not.
    let Assigned::Yes(values) = policy.values.assigned(person) else { return Err(BlockReason::Mapping) };
    let wanted = policy.values.wanted(person, &values, Some(&account.resource))?;
    let mut changes = wanted.changes(Baseline { written: &nothing, resource: Some(&account.resource) });
    let id = person.id.to_string();
    if account.external_id() != Some(id.as_str()) {
        // By it a store that was lost finds the account again (SC-5).
        changes.changes.insert(EXTERNAL_ID.to_owned(), Value::from(id));
    }
    Ok((changes.changes, changes.written))
}

fn blocked(need: &ProvisionAction, reason: BlockReason) -> ProvisionAction {
    ProvisionAction { kind: ProvisionKind::Blocked { reason }, inputs: need.inputs, written: Map::new() }
}
