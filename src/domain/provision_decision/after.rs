//! The link after an action.

use serde_json::{Map, Value};

use crate::domain::{
    account::says_active,
    id::{AppId, PersonId},
    link::{Link, LinkOrigin, LinkState},
    provision_plan::{ProvisionAction, ProvisionKind},
    scim_path::ScimPath,
};

/// The link after an action has been carried out. `resource` is the account as the app showed it, if it did; for a POST it
/// gives the account's id. `None` if there is no link then: nothing was carried out on somebody without one, or it cannot
/// be told which account the action was about.
pub fn link_after(person: PersonId, action: &ProvisionAction, before: Option<&Link>, resource: Option<Value>) -> Option<Link> {
    match &action.kind {
        ProvisionKind::Blocked { .. } => before.cloned(),
        ProvisionKind::Create { .. } => {
            let app_id = AppId::new(resource.as_ref()?.get("id")?.as_str()?);
            Some(live(person, app_id, LinkOrigin::Created, shown(resource.as_ref(), true), action, resource))
        }
        ProvisionKind::Adopt { app_id, ours, activate, .. } => {
            let origin = adopted(app_id, *ours, before);
            // Found by its username only, it is active or was not taken over. Of one found by its id nobody knows if nothing
            // is shown; taken for inactive, an import corrects it, and taken for active, it would look like a departure.
            let active = *activate || shown(resource.as_ref(), !*ours);
            Some(live(person, app_id.clone(), origin, active, action, resource))
        }
        ProvisionKind::Update { changes, .. } => {
            let before = before?;
            // TA-9: an update never changes it.
            let active = shown(resource.as_ref(), before.active);
            let resource = resource.or_else(|| patched(before, changes, active));
            Some(live(person, before.app_id.clone(), before.origin, active, action, resource))
        }
        ProvisionKind::Reactivate { changes, .. } => {
            let before = before?;
            let resource = resource.or_else(|| patched(before, changes, true));
            Some(live(person, before.app_id.clone(), before.origin, true, action, resource))
        }
        ProvisionKind::Deactivate { .. } => {
            let before = before?;
            let resource = resource.or_else(|| patched(before, &Map::new(), false));
            Some(Link {
                state: LinkState::EndedByRemoval,
                active: false,
                written: action.written.clone(),
                inputs: Some(action.inputs),
                resource,
                ..before.clone()
            })
        }
    }
}

/// The link after an action of which no more is known than that it has made the account active. Nothing counts as written
/// that was not before, and no inputs are remembered: the next pass writes the rest, or takes the access away again. `None`
/// for an action that makes no account active.
pub fn link_after_activation(person: PersonId, action: &ProvisionAction, before: Option<&Link>, resource: Option<Value>) -> Option<Link> {
    let (app_id, origin) = match &action.kind {
        ProvisionKind::Adopt { app_id, ours, activate: true, .. } => (app_id, adopted(app_id, *ours, before)),
        ProvisionKind::Reactivate { app_id, .. } => (app_id, before?.origin),
        _ => return None,
    };
    let before = before.filter(|link| link.app_id == *app_id);
    let resource = resource.or_else(|| patched(before?, &Map::new(), true));
    let written = before.map(|link| link.written.clone()).unwrap_or_default();
    Some(Link {
        person,
        app_id: app_id.clone(),
        state: LinkState::Live,
        origin,
        assigned: true,
        active: true,
        written,
        inputs: None,
        resource,
    })
}

/// Does what was planned still stand, with the account's link as it is now? An import may have ended it, or found the account
/// to be somebody else's, since the plan was made.
pub fn still_stands(person: PersonId, action: &ProvisionAction, link: Option<&Link>) -> bool {
    let theirs = |state| link.is_some_and(|link| link.person == person && link.state == state);
    match &action.kind {
        ProvisionKind::Update { .. } | ProvisionKind::Deactivate { .. } => theirs(LinkState::Live),
        ProvisionKind::Reactivate { .. } => theirs(LinkState::EndedByRemoval),
        ProvisionKind::Adopt { .. } => link.is_none_or(|link| link.person == person || link.state != LinkState::Live),
        ProvisionKind::Create { .. } | ProvisionKind::Blocked { .. } => true,
    }
}

/// How the link of an account that is taken over came to be.
fn adopted(app_id: &AppId, ours: bool, before: Option<&Link>) -> LinkOrigin {
    match before.filter(|link| link.app_id == *app_id) {
        Some(link) => link.origin,
        None if ours => LinkOrigin::Created,
        None => LinkOrigin::Adopted,
    }
}

/// A live link that an assignment holds.
fn live(person: PersonId, app_id: AppId, origin: LinkOrigin, active: bool, action: &ProvisionAction, resource: Option<Value>) -> Link {
    let (written, inputs) = (action.written.clone(), Some(action.inputs));
    Link { person, app_id, state: LinkState::Live, origin, assigned: true, active, written, inputs, resource }
}

/// `active` as the app showed it.
fn shown(resource: Option<&Value>, otherwise: bool) -> bool {
    resource.map_or(otherwise, says_active)
}

/// The account as it must look now if the app showed nothing.
fn patched(before: &Link, changes: &Map<String, Value>, active: bool) -> Option<Value> {
    let mut resource = before.resource.clone()?;
    for (path, value) in changes {
        if let Ok(path) = path.parse::<ScimPath>() {
            path.set(&mut resource, value.clone());
        }
    }
    resource.as_object_mut()?.insert("active".to_owned(), Value::Bool(active));
    Some(resource)
}
