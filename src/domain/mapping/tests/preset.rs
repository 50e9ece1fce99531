//! The preset, both ways.

use serde_json::{Map, Value, json};

use super::*;

fn desired(mapping: &Mapping, user: &Person, assignment: Value) -> Vec<(String, Value)> {
    let found = mapping.to_app(user, &map(assignment), None).unwrap();
    found.into_iter().filter_map(|attribute| Some((attribute.path.to_string(), attribute.value?))).collect()
}

fn pairs(expected: &[(&str, Value)]) -> Vec<(String, Value)> {
    expected.iter().map(|(path, value)| ((*path).to_owned(), value.clone())).collect()
}

#[test]
fn the_preset_sends_the_core_attributes() {
    let mapping = Mapping::compile(&MappingSource::default()).unwrap();
    assert_eq!(mapping.sizes(), (24, 23));
    assert_eq!(
        desired(&mapping, &zoe(), json!({"costCenter": "42", "teams": ["a"], "department": null})),
        pairs(&[
            ("name.givenName", json!("Zoë")),
            ("name.familyName", json!("Lee")),
            ("locale", json!("de-DE")),
            ("emails[type eq \"work\"].value", json!("Zoe@acme.example")),
            ("emails[type eq \"work\"].primary", json!(true)),
            ("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department", json!("Sales")),
            ("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:division", json!("EMEA/DE/Sales")),
            // MA-2
            ("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:costCenter", json!("42")),
        ])
    );
    let nobody = person(json!({"userName": "x"}));
    assert_eq!(desired(&mapping, &nobody, json!({})), vec![], "no primary flag without an address");
    assert_eq!(mapping.to_app(&nobody, &Map::new(), None).unwrap().len(), 24, "each target once, null or not");
}

#[test]
fn the_preset_reads_what_it_sends() {
    let mapping = Mapping::compile(&MappingSource::default()).unwrap();
    let user = person(json!({"userName": "u", "email": "e@x.example", "givenName": "A", "middleName": "B", "familyName": "C",
        "displayName": "D", "nickName": "N", "title": "T", "userType": "U", "employeeNumber": "1", "department": "d", "division": "v",
        "organization": "o", "costCenter": "c", "phoneNumber": "+1", "mobilePhone": "+2", "streetAddress": "s", "locality": "l",
        "region": "r", "postalCode": "p", "country": "DE", "preferredLanguage": "de", "locale": "de-DE", "timezone": "Europe/Berlin"}));
    let mut resource = json!({});
    for DesiredAttribute { path, value, .. } in mapping.to_app(&user, &Map::new(), None).unwrap() {
        path.set(&mut resource, value.unwrap_or_default());
    }
    let mut mapped = mapping.to_directory(&resource).unwrap();
    assert_eq!(mapped.nulls, Vec::<String>::new());
    mapped.profile.set("userName", json!("u"));
    assert_eq!(mapped.profile, user.profile);
}

#[test]
fn the_email_of_a_record_is_the_primary_else_work_else_the_only_one() {
    let name = Expression::default_to_directory_user_name();
    let mapping = Mapping::compile(&MappingSource::default()).unwrap();
    for (emails, expected, why) in [
        (json!([{"value": "a", "type": "work"}, {"value": "b", "primary": true}]), json!("b"), "primary"),
        (json!([{"value": "a", "type": "Work"}, {"value": "b", "primary": false}]), json!("a"), "work"),
        (json!([{"value": "a", "type": "home"}]), json!("a"), "the only one"),
        (json!([{"value": "a"}, {"type": "work"}]), json!("a"), "the only one that has a value"),
        (json!([{"value": "a"}, {"value": "b"}]), Value::Null, "cannot be told"),
        (json!([{"value": "a", "primary": "True"}, {"value": "b", "type": "work"}]), json!("a"), "SC-1"),
        (json!([]), Value::Null, "none"),
        (Value::Null, Value::Null, "null"),
        (json!("x"), Value::Null, "no list"),
    ] {
        let app = json!({"emails": emails});
        assert_eq!(name.evaluate(Variables { app: Some(&app), ..Variables::default() }), Ok(expected.clone()), "{why}");
        let mapped = mapping.to_directory(&app).unwrap();
        assert_eq!(mapped.profile.get("email").cloned().unwrap_or_default(), expected, "{why}");
        assert_eq!(mapped.nulls.iter().any(|null| null == "email"), expected.is_null(), "{why}");
    }
}

#[test]
fn nulls_of_the_app_are_told_from_values() {
    let entries = vec![read("title", "app.title"), read("locale", "app.locale"), read("userType", "app.kinds"), read("region", "\"\"")];
    let mapping = Mapping::compile(&MappingSource { preset: Preset::None, to_directory: entries, ..MappingSource::default() }).unwrap();
    let mapped = mapping.to_directory(&json!({"title": null, "kinds": []})).unwrap();
    assert_eq!(mapped.nulls, ["title", "locale", "userType"], "null, absent, empty list (AI-10)");
    assert_eq!(mapped.profile.text("region"), Some(""), "an empty text is a value");
    let error = mapping.to_directory(&json!({"title": 4711})).unwrap_err();
    assert_eq!(error.to_string(), "spec.toDirectory[0].expression: it gives an integer, and `title` is a text; `string(x)` makes one");
}
