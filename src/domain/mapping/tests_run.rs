//! Runs the tests that a mapping brings along.

use serde_json::{Map, Value};

use super::{Mapping, MappingDirection, MappingTest, Problem, ProblemKind, analyse, compile::key, compiled::is_none};
use crate::domain::{
    id::{AppId, IntegrationKey, PersonId},
    person::{Person, PersonState},
    profile::{DIRECTORY_ATTRIBUTES, Profile},
    scim_path::ScimPath,
};

/// The most of a value that a message shows, in characters.
const SHOWN: usize = 80;

/// Runs the tests; what each of them finds wrong.
pub(super) fn run(mapping: &Mapping, tests: &[MappingTest]) -> Vec<Problem> {
    tests.iter().enumerate().flat_map(|(index, test)| run_one(mapping, &format!("spec.tests[{index}]"), test)).collect()
}

fn run_one(mapping: &Mapping, field: &str, test: &MappingTest) -> Vec<Problem> {
    let found = given(field, &test.given).and_then(|given| match test.direction {
        MappingDirection::ToApp => outgoing(mapping, field, &given),
        MappingDirection::ToDirectory => incoming(mapping, field, &given),
    });
    let found = match found {
        Ok(found) => found,
        Err(problem) => return vec![problem],
    };
    test.expect.iter().filter_map(|(target, expected)| compare(field, test, &found, target, expected)).collect()
}

/// What the mapping gave: a key for comparison, and the value.
type Found = Vec<(String, Value)>;

struct Given {
    person: Person,
    assignment: Map<String, Value>,
    app: Option<Value>,
}

fn given(field: &str, given: &Map<String, Value>) -> Result<Given, Problem> {
    let mut user = Map::new();
    let mut assignment = Map::new();
    let mut app = None;
    for (name, value) in given {
        match (name.as_str(), value) {
            ("user", Value::Object(attributes)) => user = attributes.clone(),
            ("assignment", Value::Object(values)) => assignment = values.clone(),
            ("app", Value::Object(_)) => app = Some(value.clone()),
            ("user" | "assignment" | "app", Value::Null) => {}
            ("user" | "assignment" | "app", _) => {
                return Err(mistyped(format!("{field}.given[{name:?}]"), "must be a map of attributes".to_owned()));
            }
            _ => return Err(unknown(format!("{field}.given[{name:?}]"), "there are `user`, `assignment` and `app`".to_owned())),
        }
    }
    Ok(Given { person: person(field, user)?, assignment, app })
}

fn person(field: &str, mut attributes: Map<String, Value>) -> Result<Person, Problem> {
    let state = match attributes.remove("status") {
        None | Some(Value::Null) => PersonState::Active,
        Some(status) => status.as_str().and_then(PersonState::parse).ok_or_else(|| {
            mistyped(format!("{field}.given[\"user\"][\"status\"]"), "must be Staged, Active, Suspended or Deactivated".to_owned())
        })?,
    };
    for (name, value) in &attributes {
        let field = format!("{field}.given[\"user\"][{name:?}]");
        if !DIRECTORY_ATTRIBUTES.contains(&name.as_str()) {
            return Err(unknown(field, analyse::unknown_attribute(name)));
        }
        if !value.is_string() && !value.is_null() {
            return Err(mistyped(field, "must be a text; numbers need quotes".to_owned()));
        }
    }
    let id = PersonId::derive(&IntegrationKey::new("test", "test"), &AppId::new("test"));
    Ok(Person { id, state, profile: attributes.into_iter().collect::<Profile>() })
}

fn outgoing(mapping: &Mapping, field: &str, given: &Given) -> Result<Found, Problem> {
    let desired = mapping
        .to_app(&given.person, &given.assignment, given.app.as_ref())
        .map_err(|error| failed(field.to_owned(), error.to_string()))?;
    Ok(desired.into_iter().map(|attribute| (key(&attribute.path), attribute.value.unwrap_or_default())).collect())
}

fn incoming(mapping: &Mapping, field: &str, given: &Given) -> Result<Found, Problem> {
    let empty = Value::Object(Map::new());
    let mapped = mapping.to_directory(given.app.as_ref().unwrap_or(&empty)).map_err(|error| failed(field.to_owned(), error.to_string()))?;
    let values = mapped.profile.iter().map(|(name, value)| (name.to_owned(), value.clone()));
    Ok(values.chain(mapped.nulls.iter().map(|name| (name.clone(), Value::Null))).collect())
}

fn compare(field: &str, test: &MappingTest, found: &Found, target: &str, expected: &Value) -> Option<Problem> {
    let field = format!("{field}.expect[{target:?}]");
    let wanted = match test.direction {
        MappingDirection::ToDirectory => target.to_owned(),
        MappingDirection::ToApp => match target.parse::<ScimPath>() {
            Ok(path) => key(&path),
            Err(error) => return Some(Problem { field, kind: ProblemKind::SyntaxError, message: error.to_string() }),
        },
    };
    let Some((_, value)) = found.iter().find(|(key, _)| *key == wanted) else {
        return Some(unknown(field, "the mapping has no such target".to_owned()));
    };
    if value == expected || (is_none(value) && is_none(expected)) {
        return None;
    }
    Some(failed(
        field,
        format!("{}: expected {}, got {}", shortened(&test.name), shortened(&expected.to_string()), shortened(&value.to_string())),
    ))
}

/// Values of tests are part of the mapping's text, so they may be shown; as a line, not as a page.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn failed(field: String, message: String) -> Problem {
    Problem { field, kind: ProblemKind::TestFailed, message }
}

fn unknown(field: String, message: String) -> Problem {
    Problem { field, kind: ProblemKind::UnknownAttribute, message }
}

fn mistyped(field: String, message: String) -> Problem {
    Problem { field, kind: ProblemKind::TypeMismatch, message }
}
