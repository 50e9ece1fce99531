//! Tests of expressions and mappings, by subject, and the people and entries that they share. Tables carry why each row is
//! there.

use serde_json::{Map, Value, json};

use super::*;
use crate::domain::{
    id::{AppId, IntegrationKey, PersonId},
    person::PersonState,
    scim_path::ENTERPRISE_USER,
};

mod cost;
mod entries;
mod evaluation;
mod limits;
mod own_tests;
mod preset;
mod random;
mod refusals;

fn map(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        _ => panic!("not a map"),
    }
}

fn person(attributes: Value) -> Person {
    let id = PersonId::derive(&IntegrationKey::new("acme", "hr"), &AppId::new("1"));
    Person { id, state: PersonState::Active, profile: map(attributes).into_iter().collect() }
}

fn zoe() -> Person {
    person(json!({"userName": "zoe@acme.example", "email": "Zoe@acme.example", "givenName": "Zoë", "familyName": "Lee",
                  "locale": "de-DE", "division": "EMEA/DE/Sales", "department": "Sales", "costCenter": "4711"}))
}

fn record() -> Value {
    json!({"userName": "zoe", "NickName": "zo", "x": null, "n": 3, "f": 1.5, "yes": true, "empty": [],
           "name": {"givenName": "Zoë"},
           "emails": [{"type": "home", "value": "h@x.example"}, {"type": "work", "value": "w@x.example", "primary": true}],
           ENTERPRISE_USER: {"department": "Sales"}})
}

fn evaluate(text: &str) -> Result<Value, EvaluationError> {
    let (user, app, assignment) = (zoe(), record(), map(json!({"teams": ["north", "south"], "costCenter": "42"})));
    let variables = Variables { user: Some(&user), assignment: Some(&assignment), app: Some(&app) };
    Expression::compile("spec.toApp[0].expression", text, Scope::ToApp)
        .unwrap_or_else(|problem| panic!("{text}: {}", problem.message))
        .evaluate(variables)
}

fn refused(text: &str) -> Problem {
    match Expression::compile("f", text, Scope::ToApp) {
        Ok(_) => panic!("{text} compiles"),
        Err(problem) => problem,
    }
}

fn entry(target: &str, expression: &str) -> ToAppEntry {
    ToAppEntry { target: target.to_owned(), expression: expression.to_owned(), apply: Apply::CreateAndUpdate, on_null: OnNull::Omit }
}

fn read(target: &str, expression: &str) -> ToDirectoryEntry {
    ToDirectoryEntry { target: target.to_owned(), expression: expression.to_owned() }
}

fn test(direction: MappingDirection, given: Value, expect: Value) -> MappingTest {
    MappingTest { name: "t".to_owned(), direction, given: map(given), expect: map(expect) }
}
