use serde_json::{Value, json};

use super::*;

fn change(path: &str, value: Value) -> AttributeChange {
    AttributeChange { path: path.parse().unwrap(), value: (!value.is_null()).then_some(value) }
}

fn operations(message: Option<Value>) -> Value {
    message.map_or(json!([]), |message| message["Operations"].clone())
}

#[test]
fn sc7_elements_that_are_missing_are_added_once_with_all_that_is_to_be_in_them() {
    let changes = [
        change("emails[type eq \"work\"].value", json!("w")),
        change("emails[type eq \"work\"].display", json!("W")),
        change("emails[type eq \"other\"].value", json!("o")),
        change("phoneNumbers[primary eq true].value", json!("1")),
        change("addresses[type eq \"work\"]", json!({"locality": "L"})),
    ];
    let expected = json!([
        {"op": "add", "path": "addresses", "value": [{"type": "work", "locality": "L"}]},
        {"op": "add", "path": "emails", "value": [{"type": "work", "value": "w", "display": "W"}, {"type": "other", "value": "o"}]},
        {"op": "add", "path": "phoneNumbers", "value": [{"primary": true, "value": "1"}]},
    ]);
    for current in [json!({}), json!({"emails": []}), json!({"emails": null}), json!({"emails": [{"type": "home", "value": "h"}]})] {
        assert_eq!(operations(with_paths(&changes, Some(&current))), expected, "{current}");
    }
}

#[test]
fn sc7_an_element_that_is_there_is_addressed_also_where_it_lacks_the_value() {
    let current = json!({"emails": [{"type": "Work"}]});
    let path = "emails[type eq \"work\"].value";
    assert_eq!(operations(with_paths(&[change(path, json!("w"))], Some(&current))), json!([{"op": "replace", "path": path, "value": "w"}]));
    assert_eq!(operations(with_paths(&[change(path, Value::Null)], Some(&current))), json!([]));
}

#[test]
fn sc11_what_is_there_or_unknown_is_removed_and_what_is_not_is_left() {
    let removal = json!([{"op": "remove", "path": "title"}]);
    let changes = [change("title", Value::Null)];
    for (current, expected) in [
        (None, removal.clone()),
        (Some(json!({"title": "x"})), removal),
        (Some(json!({"title": null})), json!([])),
        (Some(json!({})), json!([])),
    ] {
        assert_eq!(operations(with_paths(&changes, current.as_ref())), expected, "{current:?}");
        if current.as_ref().is_none_or(|current| current.get("title").is_none_or(Value::is_string)) {
            assert_eq!(operations(without_paths(&changes, current.as_ref())), expected, "{current:?}");
        }
    }
}

#[test]
fn sc7_pathless_values_bring_the_elements_that_stay() {
    let current = json!({"emails": [{"type": "home", "value": "h"}], "title": "x"});
    let changes = [change("emails[type eq \"work\"].value", json!("w")), change("urn:a:b:C:d.e", json!(1)), change("title", Value::Null)];
    assert_eq!(
        operations(without_paths(&changes, Some(&current))),
        json!([
            {"op": "replace", "value": {"emails": [{"type": "home", "value": "h"}, {"type": "work", "value": "w"}], "urn:a:b:C": {"d": {"e": 1}}}},
            {"op": "remove", "path": "title"},
        ])
    );
}

#[test]
fn sc8_the_whole_resource_names_its_schemas_and_leaves_out_meta() {
    let current =
        json!({"id": "1", "Meta": {}, "schemas": ["URN:ietf:params:scim:schemas:core:2.0:user"], "x": {"y": [null]}, "active": "False"});
    let changes = [change("urn:a:b:C:d", json!(1)), change("urn:a:b:E:f", Value::Null)];
    assert_eq!(
        whole(current, &changes),
        json!({"id": "1", "schemas": ["URN:ietf:params:scim:schemas:core:2.0:user", "urn:a:b:C"], "x": {"y": [null]}, "active": "False",
               "urn:a:b:C": {"d": 1}})
    );
    assert_eq!(whole(json!({}), &[]), json!({"schemas": [CORE_USER]}));
}
