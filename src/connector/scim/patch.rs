//! What changes look like in a PATCH (SC-7) and in a PUT (SC-8). Pure.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::wire::PATCH_OP;
use crate::{
    connector::AttributeChange,
    domain::scim_path::{CORE_USER, FilterValue, ScimPath},
};

/// Does the form of the PATCH depend on what the account holds now?
pub(super) fn needs_current(changes: &[AttributeChange]) -> bool {
    changes.iter().any(|change| change.path.filter.is_some())
}

/// The PATCH that makes these changes, one operation per attribute. `None`: nothing is left to change.
///
/// An element such as `emails[type eq "work"]` that `current` lacks cannot be addressed; it is added whole, with everything
/// that is to be in it.
pub(super) fn with_paths(changes: &[AttributeChange], current: Option<&Value>) -> Option<Value> {
    let mut operations = Vec::new();
    let mut added: BTreeMap<ScimPath, Value> = BTreeMap::new();
    for AttributeChange { path, value } in changes {
        match (value, present(path, current)) {
            (Some(value), Present::No) if path.filter.is_some() => path.set(added.entry(holder(path)).or_default(), entire(path, value)),
            (Some(value), _) => operations.push(json!({"op": "replace", "path": path.to_string(), "value": entire(path, value)})),
            (None, Present::No) => {}
            (None, Present::Element) if path.get(current.unwrap_or(&Value::Null)).is_none() => {}
            (None, _) => operations.push(json!({"op": "remove", "path": path.to_string()})),
        }
    }
    operations.extend(added.into_iter().filter_map(|(holder, resource)| {
        let elements = holder.get(&resource)?.clone();
        Some(json!({"op": "add", "path": holder.to_string(), "value": elements}))
    }));
    message(&operations)
}

/// The PATCH of apps that take no paths: one `replace` with a nested value. What is cleared is removed by its path, since
/// a value has no way to say it.
pub(super) fn without_paths(changes: &[AttributeChange], current: Option<&Value>) -> Option<Value> {
    let mut value = Value::Object(Map::new());
    let mut removals = Vec::new();
    for AttributeChange { path, value: new } in changes {
        let Some(new) = new else {
            if current.is_none_or(|current| path.get(current).is_some()) {
                removals.push(json!({"op": "remove", "path": path.to_string()}));
            }
            continue;
        };
        if path.filter.is_some() {
            // Replacing a list replaces all of it: the elements that stay must be sent along.
            let list = holder(path);
            if list.get(&value).is_none()
                && let Some(elements) = current.and_then(|current| list.get(current))
            {
                list.set(&mut value, elements.clone());
            }
        }
        path.set(&mut value, entire(path, new));
    }
    let nested = value.as_object().is_some_and(|value| !value.is_empty());
    let replace = nested.then(|| json!({"op": "replace", "value": value}));
    message(&replace.into_iter().chain(removals).collect::<Vec<_>>())
}

/// `active` in a PATCH (SC-9).
pub(super) fn active(active: bool, with_path: bool) -> Value {
    let operation = if with_path {
        json!({"op": "replace", "path": "active", "value": active})
    } else {
        json!({"op": "replace", "value": {"active": active}})
    };
    json!({"schemas": [PATCH_OP], "Operations": [operation]})
}

/// The resource to PUT: as it was read, with the changes. What we do not know, and `active`, stays as it is (SC-8).
pub(super) fn whole(mut current: Value, changes: &[AttributeChange]) -> Value {
    for AttributeChange { path, value } in changes {
        path.set(&mut current, value.as_ref().map_or(Value::Null, |value| entire(path, value)));
        if let (Some(schema), Some(_)) = (&path.schema, value) {
            name_schema(&mut current, schema);
        }
    }
    name_schema(&mut current, CORE_USER);
    if let Some(fields) = current.as_object_mut() {
        // The server's own; some refuse to see it again.
        fields.retain(|name, _| !name.eq_ignore_ascii_case("meta"));
    }
    current
}

enum Present {
    /// Not there, or its element is not.
    No,
    /// The element that the filter picks is there.
    Element,
    /// There, or nobody knows.
    Maybe,
}

fn present(path: &ScimPath, current: Option<&Value>) -> Present {
    let Some(current) = current else { return Present::Maybe };
    let target = match &path.filter {
        Some(_) => ScimPath { sub_attribute: None, ..path.clone() },
        None => path.clone(),
    };
    match (target.get(current), &path.filter) {
        (None | Some(Value::Null), _) => Present::No,
        (Some(_), Some(_)) => Present::Element,
        (Some(_), None) => Present::Maybe,
    }
}

/// The multi-valued attribute that a path with a filter leads into.
fn holder(path: &ScimPath) -> ScimPath {
    ScimPath { filter: None, sub_attribute: None, ..path.clone() }
}

/// A value that replaces a whole element, with what the element is picked by: without it, it would not be found again.
fn entire(path: &ScimPath, value: &Value) -> Value {
    let mut value = value.clone();
    if let (Some(filter), None, Some(fields)) = (&path.filter, &path.sub_attribute, value.as_object_mut())
        && !fields.keys().any(|name| name.eq_ignore_ascii_case(&filter.attribute))
    {
        let wanted = match &filter.value {
            FilterValue::Text(text) => text.as_str().into(),
            FilterValue::Bool(flag) => (*flag).into(),
        };
        fields.insert(filter.attribute.clone(), wanted);
    }
    value
}

fn message(operations: &[Value]) -> Option<Value> {
    (!operations.is_empty()).then(|| json!({"schemas": [PATCH_OP], "Operations": operations}))
}

fn name_schema(resource: &mut Value, schema: &str) {
    let Some(fields) = resource.as_object_mut() else { return };
    let schemas = fields.entry("schemas").or_insert_with(|| json!([]));
    if let Some(schemas) = schemas.as_array_mut()
        && !schemas.iter().any(|known| known.as_str().is_some_and(|known| known.eq_ignore_ascii_case(schema)))
    {
        schemas.push(schema.into());
    }
}

#[cfg(test)]
mod tests;
