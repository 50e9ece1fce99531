//! PATCH as RFC 7644 §3.5.2 has it, written apart from the product's own paths, so that not only our reading is tested.

use serde_json::{Value, json};

/// Where an operation points.
struct Target {
    schema: Option<String>,
    attribute: String,
    filter: Option<(String, Value)>,
    sub: Option<String>,
}

/// The user after the operations, or the `scimType` of the refusal.
pub(super) fn apply(mut user: Value, message: &Value) -> Result<Value, &'static str> {
    if message["schemas"] != json!(["urn:ietf:params:scim:api:messages:2.0:PatchOp"]) {
        return Err("invalidSyntax");
    }
    for operation in message["Operations"].as_array().ok_or("invalidSyntax")? {
        let op = operation["op"].as_str().ok_or("invalidSyntax")?;
        match operation["path"].as_str() {
            Some(path) => at_path(&mut user, op, &parse(path).ok_or("invalidPath")?, &operation["value"])?,
            None if op == "remove" => return Err("noTarget"),
            None => merge(&mut user, &operation["value"]),
        }
    }
    Ok(user)
}

/// What a pathless operation does: values are replaced, objects merged, lists replaced.
fn merge(into: &mut Value, from: &Value) {
    let Some(from) = from.as_object() else {
        *into = from.clone();
        return;
    };
    for (name, value) in from {
        merge(&mut into[name.as_str()], value);
    }
}

fn at_path(user: &mut Value, op: &str, target: &Target, value: &Value) -> Result<(), &'static str> {
    let holder = match &target.schema {
        Some(schema) => &mut user[schema.as_str()],
        None => user,
    };
    let slot = &mut holder[target.attribute.as_str()];
    let slot = match &target.filter {
        None => slot,
        Some((name, wanted)) => {
            let elements = slot.as_array_mut().ok_or("noTarget")?;
            elements.iter_mut().find(|element| element[name.as_str()] == *wanted).ok_or("noTarget")?
        }
    };
    match (op, &target.sub) {
        ("remove", Some(sub)) => drop(slot.as_object_mut().and_then(|slot| slot.remove(sub))),
        ("remove", None) => drop(holder.as_object_mut().and_then(|holder| holder.remove(&target.attribute))),
        ("add" | "replace", Some(sub)) => slot[sub.as_str()] = value.clone(),
        ("add", None) if value.is_array() => {
            let mut elements = slot.as_array().cloned().unwrap_or_default();
            elements.extend(value.as_array().cloned().unwrap_or_default());
            *slot = elements.into();
        }
        ("add" | "replace", None) => *slot = value.clone(),
        // `Replace` and its like: some servers take them, this one holds us to lower case.
        _ => return Err("invalidSyntax"),
    }
    Ok(())
}

fn parse(path: &str) -> Option<Target> {
    let (schema, rest) = if path.to_lowercase().starts_with("urn:") {
        path.rsplit_once(':').map(|(schema, rest)| (Some(schema.to_owned()), rest))?
    } else {
        (None, path)
    };
    let (attribute, filter, rest) = match rest.split_once('[') {
        Some((attribute, rest)) => {
            let (filter, rest) = rest.rsplit_once(']')?;
            let (name, value) = filter.split_once(" eq ")?;
            (attribute, Some((name.to_owned(), serde_json::from_str(value).ok()?)), rest.strip_prefix('.'))
        }
        None => match rest.split_once('.') {
            Some((attribute, sub)) => (attribute, None, Some(sub)),
            None => (rest, None, None),
        },
    };
    Some(Target { schema, attribute: attribute.to_owned(), filter, sub: rest.map(str::to_owned) })
}
