//! Entries: what they override, what is wrong with them, and the digest over them.

use serde_json::json;

use super::*;

#[test]
fn entries_override_the_preset_in_its_order_and_others_follow() {
    let mapping = Mapping::compile(&MappingSource {
        to_app: vec![
            entry("urn:acme:User:teams", "assignment.teams"),
            ToAppEntry { apply: Apply::CreateOnly, ..entry("EMAILS[type eq \"WORK\"].value", "lower(user.email)") },
            entry("name", "{\"formatted\": user.givenName}"),
            entry("urn:ietf:params:scim:schemas:core:2.0:User:title", "\"T\""),
        ],
        to_directory: vec![read("title", "upper(app.title)")],
        ..MappingSource::default()
    })
    .unwrap();
    let found = mapping.to_app(&zoe(), &map(json!({"teams": []})), None).unwrap();
    let paths: Vec<String> = found.iter().map(|attribute| attribute.path.to_string()).collect();
    assert_eq!(paths[2], "title", "in the preset's place");
    assert!(!paths.iter().any(|path| path.starts_with("name.")), "the whole overrides its parts");
    assert_eq!(paths[paths.len() - 2..], ["urn:acme:User:teams", "name"], "others in the order in which they are written");
    let flag = found.iter().position(|attribute| attribute.path.sub_attribute.as_deref() == Some("primary")).unwrap();
    assert_eq!((found[flag].apply, found[flag - 1].apply), (Apply::CreateOnly, Apply::CreateOnly), "the flag goes with its address");
    assert_eq!(found[flag - 1].value, Some(json!("zoe@acme.example")));
    assert_eq!(found[paths.len() - 2].value, None, "an empty list is null");
    assert_eq!(mapping.to_directory(&json!({"title": "t"})).unwrap().profile.text("title"), Some("T"));
}

#[test]
fn every_problem_is_reported_at_its_field() {
    let source = MappingSource {
        to_app: vec![
            entry("userName", "user.userName"),
            entry("META.location", "'x'"),
            entry("urn:ietf:params:scim:schemas:core:2.0:User:active", "true"),
            entry("title", "user.titel"),
            entry("Title", "user.title"),
            entry("nickName", "user.nickName"),
            entry("NICKNAME", "user.nickName"),
            entry("name.givenName", "user.givenName"),
            entry("name", "app.name"),
            entry("a b", "1 +"),
            entry("password", "'x'"),
            entry("urn:acme:User:active", "true"),
        ],
        to_directory: vec![
            read("userName", "app.userName"),
            read("status", "app.active"),
            read("title", "app.title"),
            read("title", "app.title"),
            read("Title", "app.title"),
            read("badgeColor", "app.x"),
            read("locale", "app.x == 1"),
        ],
        ..MappingSource::default()
    };
    let problems = Mapping::compile(&source).unwrap_err();
    let found: Vec<(&str, ProblemKind)> = problems.iter().map(|problem| (problem.field.as_str(), problem.kind)).collect();
    assert_eq!(
        found,
        [
            ("spec.toApp[0].target", ProblemKind::DuplicateTarget),
            ("spec.toApp[1].target", ProblemKind::DuplicateTarget),
            ("spec.toApp[2].target", ProblemKind::DuplicateTarget),
            ("spec.toApp[3].expression", ProblemKind::UnknownAttribute),
            ("spec.toApp[4].target", ProblemKind::DuplicateTarget),
            ("spec.toApp[6].target", ProblemKind::DuplicateTarget),
            ("spec.toApp[8].target", ProblemKind::DuplicateTarget),
            ("spec.toApp[9].target", ProblemKind::SyntaxError),
            ("spec.toApp[9].expression", ProblemKind::SyntaxError),
            ("spec.toApp[10].target", ProblemKind::DuplicateTarget),
            ("spec.toDirectory[0].target", ProblemKind::DuplicateTarget),
            ("spec.toDirectory[1].target", ProblemKind::DuplicateTarget),
            ("spec.toDirectory[3].target", ProblemKind::DuplicateTarget),
            ("spec.toDirectory[4].target", ProblemKind::UnknownAttribute),
            ("spec.toDirectory[5].target", ProblemKind::UnknownAttribute),
            ("spec.toDirectory[6].expression", ProblemKind::TypeMismatch),
        ]
    );
    assert!(problems[0].message.contains("usernameFormat"), "{}", problems[0].message);
}

#[test]
fn the_digest_tells_what_a_mapping_does() {
    let digest = |to_app: Vec<ToAppEntry>| Mapping::compile(&MappingSource { to_app, ..MappingSource::default() }).unwrap().digest();
    let same = digest(vec![entry("title", "user.title")]);
    assert_eq!(same, digest(vec![entry("TITLE", " user.title\n")]), "spelling");
    assert_ne!(same, digest(vec![]), "the preset prefers an assignment's value");
    assert_ne!(same, digest(vec![entry("title", "user.nickName")]));
    assert_ne!(same, digest(vec![ToAppEntry { on_null: OnNull::Clear, ..entry("title", "user.title") }]));
    assert_ne!(same, digest(vec![ToAppEntry { apply: Apply::CreateOnly, ..entry("title", "user.title") }]));
    let tests = vec![test(MappingDirection::ToApp, json!({}), json!({}))];
    let with_tests = MappingSource { to_app: vec![entry("title", "user.title")], tests, ..MappingSource::default() };
    assert_eq!(same, Mapping::compile(&with_tests).unwrap().digest(), "tests do nothing");
}
