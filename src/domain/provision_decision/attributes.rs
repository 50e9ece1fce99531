//! Attribute values: what is created, and what differs from what the account has (SC-6, TA-7, TA-14, MA-4, MA-5).

use serde_json::{Map, Value, json};

use crate::domain::{
    fold::same_folded,
    id::PersonId,
    mapping::{Apply, DesiredAttribute, OnNull},
    scim_path::{CORE_USER, ScimPath},
};

/// The path of the username, which is compared and written like any attribute (TA-14).
pub(super) const USER_NAME: &str = "userName";
/// The path of the person's id.
pub(super) const EXTERNAL_ID: &str = "externalId";

/// What an account is to look like.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub user_name: String,
    pub attributes: Vec<DesiredAttribute>,
}

/// What an account is known to have: what Joinery wrote last and, for what it never wrote, what the app showed.
#[derive(Clone, Copy)]
pub(super) struct Baseline<'a> {
    pub written: &'a Map<String, Value>,
    pub resource: Option<&'a Value>,
}

/// What has to be written, and what will have been written then.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Changes {
    pub changes: Map<String, Value>,
    pub written: Map<String, Value>,
}

impl Wanted {
    /// The complete resource of a POST, and what will have been written by it (SC-6).
    pub(super) fn resource(&self, person: PersonId) -> (Value, Map<String, Value>) {
        let mut schemas = vec![CORE_USER.to_owned()];
        let mut resource = json!({"userName": self.user_name, "externalId": person.to_string(), "active": true});
        let mut written = Map::from_iter([(USER_NAME.to_owned(), Value::from(self.user_name.as_str()))]);
        for attribute in &self.attributes {
            // MA-5: a POST leaves nulls out.
            let Some(value) = &attribute.value else { continue };
            attribute.path.set(&mut resource, value.clone());
            written.insert(attribute.path.to_string(), value.clone());
            if let Some(schema) = &attribute.path.schema
                && !schemas.iter().any(|listed| listed.eq_ignore_ascii_case(schema))
            {
                schemas.push(schema.clone());
            }
        }
        if let Value::Object(fields) = &mut resource {
            fields.insert("schemas".to_owned(), Value::from(schemas));
        }
        (resource, written)
    }

    /// What differs from what the account has.
    pub(super) fn changes(&self, baseline: Baseline<'_>) -> Changes {
        let mut result = Changes { changes: Map::new(), written: baseline.written.clone() };
        if !baseline.has_user_name(&self.user_name) {
            result.changes.insert(USER_NAME.to_owned(), Value::from(self.user_name.as_str()));
        }
        result.written.insert(USER_NAME.to_owned(), Value::from(self.user_name.as_str()));
        // MA-4
        for attribute in self.attributes.iter().filter(|attribute| attribute.apply == Apply::CreateAndUpdate) {
            let path = attribute.path.to_string();
            match (&attribute.value, attribute.on_null) {
                (Some(value), _) => {
                    if !baseline.has(&path, &attribute.path, value) {
                        result.changes.insert(path.clone(), value.clone());
                    }
                    result.written.insert(path, value.clone());
                }
                (None, OnNull::Clear) => {
                    if baseline.value(&path, &attribute.path).is_some() {
                        result.changes.insert(path.clone(), Value::Null);
                    }
                    result.written.remove(&path);
                }
                // MA-5: the app's value stays, and it is still the one that was written.
                (None, OnNull::Omit) => {}
            }
        }
        result
    }
}

impl<'a> Baseline<'a> {
    /// The value that stands in the app, as far as is known; null and `[]` are none (AI-10).
    fn value(self, text: &str, path: &ScimPath) -> Option<&'a Value> {
        let value = self.written.get(text).or_else(|| path.get(self.resource?));
        value.filter(|value| !value.is_null() && value.as_array().is_none_or(|list| !list.is_empty()))
    }

    fn has(self, text: &str, path: &ScimPath, wanted: &Value) -> bool {
        match self.value(text, path) {
            Some(value) => value == wanted || says_so(value, wanted),
            // Nothing has to be written in order to have nothing.
            None => wanted.as_array().is_some_and(Vec::is_empty),
        }
    }

    /// What the app shows may be spelled in its own case (SC-4); what was written may have been given another since (TA-14).
    fn has_user_name(self, wanted: &str) -> bool {
        match self.written.get(USER_NAME).and_then(Value::as_str) {
            Some(written) => written == wanted,
            None => self.resource.and_then(|resource| resource.get(USER_NAME)?.as_str()).is_some_and(|shown| same_folded(shown, wanted)),
        }
    }
}

/// Some apps show booleans as texts (SC-1).
fn says_so(shown: &Value, wanted: &Value) -> bool {
    match (shown, wanted) {
        (Value::String(text), Value::Bool(wanted)) => text.eq_ignore_ascii_case(if *wanted { "true" } else { "false" }),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(path: &str, value: Value, apply: Apply, on_null: OnNull) -> DesiredAttribute {
        DesiredAttribute { path: path.parse().unwrap(), value: Some(value).filter(|value| !value.is_null()), apply, on_null }
    }

    fn object(value: &Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn an_attribute_is_written_when_its_value_changes_and_as_its_entry_says() {
        use Apply::{CreateAndUpdate, CreateOnly};
        use OnNull::{Clear, Omit};
        for (why, written, resource, value, apply, on_null, change) in [
            ("equal", json!({"title": "a"}), None, json!("a"), CreateAndUpdate, Omit, None),
            ("changed", json!({"title": "a"}), None, json!("b"), CreateAndUpdate, Omit, Some(json!("b"))),
            ("first time", json!({}), None, json!("a"), CreateAndUpdate, Omit, Some(json!("a"))),
            ("the app has it", json!({}), Some(json!({"title": "a"})), json!("a"), CreateAndUpdate, Omit, None),
            ("the app has another", json!({}), Some(json!({"title": "x"})), json!("a"), CreateAndUpdate, Omit, Some(json!("a"))),
            ("drift is not corrected", json!({"title": "a"}), Some(json!({"title": "x"})), json!("a"), CreateAndUpdate, Omit, None),
            ("null is left out", json!({"title": "a"}), None, Value::Null, CreateAndUpdate, Omit, None),
            ("null clears", json!({"title": "a"}), None, Value::Null, CreateAndUpdate, Clear, Some(Value::Null)),
            ("nothing to clear", json!({}), None, Value::Null, CreateAndUpdate, Clear, None),
            ("an empty list is nothing", json!({"title": []}), None, Value::Null, CreateAndUpdate, Clear, None),
            ("nothing in order to have nothing", json!({}), None, json!([]), CreateAndUpdate, Omit, None),
            ("in the POST only", json!({"title": "a"}), None, json!("b"), CreateOnly, Omit, None),
            ("in the POST only", json!({"title": "a"}), None, Value::Null, CreateOnly, Clear, None),
            ("booleans as texts", json!({}), Some(json!({"title": "True"})), json!(true), CreateAndUpdate, Omit, None),
            ("booleans as texts", json!({}), Some(json!({"title": "False"})), json!(true), CreateAndUpdate, Omit, Some(json!(true))),
        ] {
            let mut written = object(&written);
            written.insert(USER_NAME.to_owned(), json!("ada"));
            let wanted = Wanted { user_name: "ada".to_owned(), attributes: vec![attribute("title", value, apply, on_null)] };
            let result = wanted.changes(Baseline { written: &written, resource: resource.as_ref() });
            assert_eq!(result.changes.get("title"), change.as_ref(), "{why}");
            assert_eq!(result.changes.len(), usize::from(change.is_some()), "{why}");
        }
    }

    #[test]
    fn what_was_cleared_is_written_when_it_is_back() {
        let wanted = |value| Wanted {
            user_name: "ada".to_owned(),
            attributes: vec![attribute("title", value, Apply::CreateAndUpdate, OnNull::Clear)],
        };
        let first = object(&json!({"userName": "ada", "title": "a"}));
        let cleared = wanted(Value::Null).changes(Baseline { written: &first, resource: None });
        assert_eq!(cleared.written, object(&json!({"userName": "ada"})));
        let back = wanted(json!("a")).changes(Baseline { written: &cleared.written, resource: None });
        assert_eq!((back.changes, back.written), (object(&json!({"title": "a"})), first));
    }

    #[test]
    fn a_username_compares_exactly_with_what_was_written_and_folded_with_what_is_shown() {
        let wanted = Wanted { user_name: "Ada".to_owned(), attributes: Vec::new() };
        let changes = |written: Value, resource: Option<Value>| {
            wanted.changes(Baseline { written: &object(&written), resource: resource.as_ref() }).changes.contains_key(USER_NAME)
        };
        assert!(!changes(json!({"userName": "Ada"}), Some(json!({"userName": "ada"}))));
        assert!(changes(json!({"userName": "ada"}), None));
        assert!(!changes(json!({}), Some(json!({"userName": "ADA"}))));
        assert!(changes(json!({}), Some(json!({"userName": "bob"}))));
        assert!(changes(json!({}), None));
    }
}
