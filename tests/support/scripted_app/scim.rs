//! SCIM as the app speaks it: users and discovery.

use serde_json::{Value, json};

use super::{
    State, What,
    ledger::{Entry, hash_of},
    listing, patch,
    serve::Reply,
};

pub(super) const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const LIST: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";
const JSON: (&str, &str) = ("content-type", "application/scim+json");

/// Does what was asked, with the faults that meet it.
pub(super) fn handle(state: &mut State, request: &Entry, faults: &[What]) -> Reply {
    if request.authorization != Some(hash_of(&format!("Bearer {}", state.options.token))) {
        return refuse(401, None);
    }
    let segments: Vec<_> = request.path.split('/').skip(1).collect();
    match (request.method.as_str(), segments.as_slice()) {
        ("GET", ["Users"]) => listing::list(state, request, faults),
        ("POST", ["Users"]) => create(state, request, faults),
        (method, ["Users", id]) => match percent_encoding::percent_decode_str(id).decode_utf8() {
            Ok(id) => one(state, method, &id, request, faults),
            Err(_) => refuse(400, None),
        },
        ("GET", ["ServiceProviderConfig"]) => reply(200, &config(state)),
        ("GET", ["ResourceTypes"]) => {
            reply(200, &list_of(&[json!({"name": "User", "endpoint": "/Users"}), json!({"name": "Group", "endpoint": "/Groups"})]))
        }
        ("GET", ["Schemas"]) => reply(200, &list_of(&[json!({"id": USER, "name": "User", "attributes": [{"name": "userName"}]})])),
        _ => refuse(404, None),
    }
}

fn config(state: &State) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
        "patch": {"supported": state.options.patch}, "bulk": {"supported": false}, "etag": {"supported": false},
        "filter": {"supported": true, "maxResults": 200},
        "pagination": {"cursor": state.options.cursor, "index": true},
    })
}

fn list_of(resources: &[Value]) -> Value {
    json!({"schemas": [LIST], "totalResults": resources.len(), "Resources": resources})
}

fn create(state: &mut State, request: &Entry, faults: &[What]) -> Reply {
    let Some(mut user) = request.body.clone().filter(|user| user["userName"].is_string()) else {
        return refuse(400, Some("invalidValue"));
    };
    let same_name = |other: &Value| other["userName"].as_str().map(str::to_lowercase) == user["userName"].as_str().map(str::to_lowercase);
    if state.users.values().any(same_name) {
        return refuse(409, Some("uniqueness"));
    }
    let id = state.new_id();
    user["id"] = id.clone().into();
    user["meta"] = json!({"resourceType": "User", "location": format!("/scim/v2/Users/{id}")});
    if !faults.iter().any(|fault| matches!(fault, What::Ignore)) {
        state.users.insert(id.clone(), user.clone());
        state.ledger.effect(&id, None, Some(user.clone()));
    }
    written(201, &id, user, faults)
}

fn one(state: &mut State, method: &str, id: &str, request: &Entry, faults: &[What]) -> Reply {
    let Some(before) = state.users.get(id).cloned() else { return refuse(404, None) };
    let after = match (method, &request.body) {
        ("GET", _) => return reply(200, &shown(before, faults)),
        ("DELETE", _) => None,
        ("PUT", Some(user)) if user["userName"].is_string() => {
            let mut user = user.clone();
            user["id"] = id.into();
            user["meta"] = before["meta"].clone();
            Some(user)
        }
        ("PATCH", Some(message)) => match patch::apply(before.clone(), message) {
            Ok(user) => Some(user),
            Err(scim_type) => return refuse(400, Some(scim_type)),
        },
        ("PUT" | "PATCH", _) => return refuse(400, Some("invalidSyntax")),
        _ => return refuse(405, None),
    };
    let after = after.map(|mut user| {
        if faults.iter().any(|fault| matches!(fault, What::IgnoreActive)) {
            user["active"] = before["active"].clone();
        }
        user
    });
    let ignored = faults.iter().any(|fault| matches!(fault, What::Ignore));
    let Some(after) = after else {
        if !ignored {
            state.users.remove(id);
            state.ledger.effect(id, Some(before), None);
        }
        return Reply { status: 204, headers: Vec::new(), body: Vec::new() };
    };
    let after = if ignored { before.clone() } else { after };
    state.users.insert(id.to_owned(), after.clone());
    state.ledger.effect(id, Some(before), Some(after.clone()));
    written(200, id, after, faults)
}

/// The answer to a write, as the faults leave it.
fn written(status: u16, id: &str, user: Value, faults: &[What]) -> Reply {
    let mut user = shown(user, faults);
    let location = ("location", format!("http://scim.invalid/scim/v2/Users/{id}"));
    for fault in faults {
        match fault {
            What::Empty { status, location: true } => return Reply { status: *status, headers: vec![location], body: Vec::new() },
            What::Empty { status, location: false } => return Reply { status: *status, headers: Vec::new(), body: Vec::new() },
            What::WithoutId => drop(user.as_object_mut().map(|user| user.remove("id"))),
            What::ShowsAnother => {
                user = json!({"schemas": [USER], "id": "someone-else", "userName": "someone-else", "externalId": "other"});
            }
            _ => {}
        }
    }
    let mut reply = reply(status, &user);
    if status == 201 {
        reply.headers.push(location);
    }
    reply
}

/// A user as it is shown.
pub(super) fn shown(mut user: Value, faults: &[What]) -> Value {
    if faults.iter().any(|fault| matches!(fault, What::TextActive))
        && let Some(active) = user["active"].as_bool()
    {
        user["active"] = if active { "True" } else { "False" }.into();
    }
    user
}

pub(super) fn reply(status: u16, body: &Value) -> Reply {
    Reply { status, headers: vec![(JSON.0, JSON.1.into())], body: body.to_string().into_bytes() }
}

pub(super) fn refuse(status: u16, scim_type: Option<&str>) -> Reply {
    reply(status, &error(status, scim_type))
}

/// A SCIM error. Its text is a marker that must show up nowhere (promise H4).
pub(super) fn error(status: u16, scim_type: Option<&str>) -> Value {
    let mut error = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"], "status": status.to_string(), "detail": "canary-detail-of-the-app",
    });
    if let Some(scim_type) = scim_type {
        error["scimType"] = scim_type.into();
    }
    error
}
