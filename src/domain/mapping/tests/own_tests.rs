//! The tests that a mapping brings along, and the example of a whole mapping.

use serde_json::{Map, json};

use super::*;

#[test]
fn tests_of_a_mapping_are_run() {
    use MappingDirection::{ToApp, ToDirectory};
    for (given, expect, expected, why) in [
        ((ToApp, json!({"user": {"title": "T"}})), json!({"TITLE": "T", "nickName": null}), None, "as expected, null means none"),
        (
            (ToApp, json!({"user": {"title": "T"}})),
            json!({"title": "x"}),
            Some(("expect[\"title\"]", ProblemKind::TestFailed)),
            "another value",
        ),
        ((ToApp, json!({})), json!({"title": "x"}), Some(("expect[\"title\"]", ProblemKind::TestFailed)), "no value"),
        ((ToApp, json!({})), json!({"nothing": "x"}), Some(("expect[\"nothing\"]", ProblemKind::UnknownAttribute)), "no target"),
        ((ToApp, json!({})), json!({"a b": "x"}), Some(("expect[\"a b\"]", ProblemKind::SyntaxError)), "no path"),
        (
            (ToApp, json!({"user": {"titel": "T"}})),
            json!({}),
            Some(("given[\"user\"][\"titel\"]", ProblemKind::UnknownAttribute)),
            "a typo",
        ),
        ((ToApp, json!({"user": {"title": 1}})), json!({}), Some(("given[\"user\"][\"title\"]", ProblemKind::TypeMismatch)), "no text"),
        (
            (ToApp, json!({"user": {"status": "x"}})),
            json!({}),
            Some(("given[\"user\"][\"status\"]", ProblemKind::TypeMismatch)),
            "no state",
        ),
        ((ToApp, json!({"usr": {}})), json!({}), Some(("given[\"usr\"]", ProblemKind::UnknownAttribute)), "no variable"),
        ((ToApp, json!({"assignment": {"title": "A"}})), json!({"title": "A"}), None, "MA-2"),
        ((ToDirectory, json!({"app": {"title": "T"}})), json!({"title": "T", "locale": null}), None, "the other way"),
        (
            (ToDirectory, json!({"app": {"title": 1}})),
            json!({"title": "T"}),
            Some(("", ProblemKind::TestFailed)),
            "an evaluation that fails",
        ),
    ] {
        let source = MappingSource { tests: vec![test(given.0, given.1, expect)], ..MappingSource::default() };
        let found = Mapping::compile(&source).err().map(|problems| (problems[0].field.clone(), problems[0].kind));
        let expected = expected.map(|(field, kind)| (format!("spec.tests[0].{field}").trim_end_matches('.').to_owned(), kind));
        assert_eq!(found, expected, "{why}");
    }
}

#[test]
fn the_mapping_of_the_crm_example_compiles_and_its_test_passes() {
    const USER: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
    let cleared = |target: &str, expression: &str| ToAppEntry { on_null: OnNull::Clear, ..entry(target, expression) };
    let source = MappingSource {
        preset: Preset::None,
        to_app: vec![
            entry("name.givenName", "user.givenName"),
            entry("name.familyName", "user.familyName"),
            entry("emails[type eq \"work\"].value", "lower(user.email)"),
            entry("displayName", "user.givenName + \" \" + upper(user.familyName)"),
            ToAppEntry {
                apply: Apply::CreateOnly,
                ..entry("nickName", "removeDiacritics(lower(user.givenName)) + \".\" + removeDiacritics(lower(user.familyName))")
            },
            cleared("title", "default(user.title, \"Employee\")"),
            entry("locale", "replace(user.locale, \"-\", \"_\")"),
            entry("preferredLanguage", "substringBefore(user.locale, \"-\")"),
            cleared(&format!("{USER}:department"), "user.department"),
            entry(&format!("{USER}:division"), "split(user.division, \"/\")[0]"),
            entry(&format!("{USER}:costCenter"), "default(assignment.costCenter, user.costCenter)"),
            entry("urn:acme:params:scim:schemas:extension:crm:2.0:User:teams", "join(assignment.teams, \",\")"),
        ],
        to_directory: vec![read("nickName", "app.nickName")],
        tests: vec![test(
            MappingDirection::ToApp,
            json!({
                "user": {"userName": "zoe@acme.example", "email": "Zoe@acme.example", "givenName": "Zoë", "familyName": "Lee",
                         "locale": "de-DE", "division": "EMEA/DE/Sales", "department": "Sales", "costCenter": "4711"},
                "assignment": {"costCenter": "42", "teams": ["north", "south"]},
                "app": {"nickName": "zo"}
            }),
            json!({
                "name.givenName": "Zoë",
                "emails[type eq \"work\"].value": "zoe@acme.example",
                "displayName": "Zoë LEE",
                "nickName": "zoe.lee",
                "title": "Employee",
                "locale": "de_DE",
                "preferredLanguage": "de",
                format!("{USER}:division"): "EMEA",
                format!("{USER}:costCenter"): "42",
                "urn:acme:params:scim:schemas:extension:crm:2.0:User:teams": "north,south",
            }),
        )],
    };
    let mapping = Mapping::compile(&source).unwrap();
    assert_eq!(mapping.sizes(), (12, 1));
    let error = mapping.to_app(&person(json!({"userName": "x"})), &Map::new(), None).unwrap_err();
    assert_eq!(error.field, "spec.toApp[3].expression", "a name is needed for the display name");
}
