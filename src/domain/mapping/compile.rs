//! From what was written to a [`Compiled`] mapping: the preset, overridden by entries, with every problem reported.

use serde_json::json;

use super::{
    Apply, MappingSource, OnNull, Preset, Problem, ProblemKind, Scope, ToAppEntry, ToDirectoryEntry, analyse,
    compiled::{Compiled, Incoming, IncomingSource, Outgoing, OutgoingSource},
    expression::Expression,
    preset::{self, SCIM_CORE},
    values::Needs,
};
use crate::domain::{hash::ShortHash, profile::DIRECTORY_ATTRIBUTES, scim_path::ScimPath};

/// Changes whenever the same text comes to mean something else: it is part of every digest.
const VERSION: u32 = 1;

/// What Joinery writes itself, and where its value is decided (MA-3).
const RESERVED: [(&str, &str); 8] = [
    ("userName", "`toApp.usernameFormat` of the ProvisioningPolicy gives it"),
    ("externalId", "it is the person's id"),
    ("active", "it follows the person's state and assignments"),
    ("id", "the app gives it"),
    ("meta", "the app gives it"),
    ("groups", "groups are pushed as a whole"),
    ("password", "`syncPassword` of the ProvisioningPolicy decides about it"),
    ("schemas", "it follows from the other targets"),
];

/// Compiles everything but the tests.
pub(super) fn compile(source: &MappingSource) -> Result<Compiled, Vec<Problem>> {
    let mut problems = Vec::new();
    let written = outgoing(&source.to_app, &mut problems);
    let read = incoming(&source.to_directory, &mut problems);
    if !problems.is_empty() {
        return Err(problems);
    }
    let to_app = override_outgoing(source.preset, written);
    let to_directory = override_incoming(source.preset, read);
    let mut needs = Needs::default();
    for attribute in &to_app {
        if let OutgoingSource::Expression(expression) = &attribute.source
            && let Some(program) = expression.program()
        {
            needs.extend(&program.needs);
        }
    }
    let digest = digest(&to_app, &to_directory);
    Ok(Compiled { to_app, needs, to_directory, digest })
}

fn outgoing(entries: &[ToAppEntry], problems: &mut Vec<Problem>) -> Vec<Outgoing> {
    let mut compiled: Vec<Outgoing> = Vec::new();
    for (index, ToAppEntry { target, expression, apply, on_null }) in entries.iter().enumerate() {
        let field = format!("spec.toApp[{index}]");
        let path = target_path(&format!("{field}.target"), target).and_then(|path| {
            match compiled.iter().find(|other| overlap(&other.path, &path)) {
                Some(other) => Err(duplicate(
                    &format!("{field}.target"),
                    format!("`{target}` is written twice: another entry writes `{}`", other.path),
                )),
                None => Ok(path),
            }
        });
        let expression = Expression::compile(&format!("{field}.expression"), expression, Scope::ToApp);
        match (path, expression) {
            (Ok(path), Ok(expression)) => {
                compiled.push(Outgoing { path, source: OutgoingSource::Expression(expression), apply: *apply, on_null: *on_null });
            }
            (path, expression) => problems.extend(path.err().into_iter().chain(expression.err())),
        }
    }
    compiled
}

fn target_path(field: &str, target: &str) -> Result<ScimPath, Problem> {
    let path: ScimPath = target.parse().map_err(|error: crate::domain::scim_path::PathError| Problem {
        field: field.to_owned(),
        kind: ProblemKind::SyntaxError,
        message: error.to_string(),
    })?;
    let reserved = RESERVED.iter().find(|(attribute, _)| path.schema.is_none() && path.attribute.eq_ignore_ascii_case(attribute));
    match reserved {
        Some((attribute, why)) => Err(duplicate(field, format!("`{attribute}` is written by Joinery: {why}; take this entry away"))),
        None => Ok(path),
    }
}

fn incoming(entries: &[ToDirectoryEntry], problems: &mut Vec<Problem>) -> Vec<Incoming> {
    let mut compiled: Vec<Incoming> = Vec::new();
    for (index, ToDirectoryEntry { target, expression }) in entries.iter().enumerate() {
        let field = format!("spec.toDirectory[{index}]");
        let attribute = directory_attribute(&format!("{field}.target"), target).and_then(|attribute| {
            if compiled.iter().any(|other| other.attribute == attribute) {
                Err(duplicate(&format!("{field}.target"), format!("`{target}` is written twice; take one of the entries away")))
            } else {
                Ok(attribute)
            }
        });
        let field = format!("{field}.expression");
        let expression = Expression::compile_text(&field, expression, Scope::ToDirectory);
        match (attribute, expression) {
            (Ok(attribute), Ok(expression)) => compiled.push(Incoming { attribute, source: IncomingSource::Expression(expression), field }),
            (attribute, expression) => problems.extend(attribute.err().into_iter().chain(expression.err())),
        }
    }
    compiled
}

fn directory_attribute(field: &str, target: &str) -> Result<&'static str, Problem> {
    let known = DIRECTORY_ATTRIBUTES.iter().find(|known| **known == target);
    match known {
        Some(&"userName") => Err(duplicate(
            field,
            "`userName` is given by `toDirectory.usernameFormat` of the ProvisioningPolicy; take this entry away".to_owned(),
        )),
        Some(&"status") => {
            Err(duplicate(field, "`status` follows the account's `active`, as `sourcing` says; take this entry away".to_owned()))
        }
        Some(known) => Ok(known),
        None => Err(Problem { field: field.to_owned(), kind: ProblemKind::UnknownAttribute, message: analyse::unknown_attribute(target) }),
    }
}

fn duplicate(field: &str, message: String) -> Problem {
    Problem { field: field.to_owned(), kind: ProblemKind::DuplicateTarget, message }
}

/// The preset with entries in the place of what they override, then the other entries.
fn override_outgoing(preset: Preset, mut entries: Vec<Outgoing>) -> Vec<Outgoing> {
    let mut merged: Vec<Outgoing> = Vec::new();
    if preset == Preset::ScimCore {
        let mut put = |path: ScimPath, source: OutgoingSource, apply: Apply| {
            let same = entries.iter().position(|entry| key(&entry.path) == key(&path));
            match same {
                Some(same) => merged.push(entries.remove(same)),
                // An entry that writes the whole of which this is a part, or the other way round, overrides it too.
                None if entries.iter().any(|entry| overlap(&entry.path, &path)) => return None,
                None => merged.push(Outgoing { path, source, apply, on_null: OnNull::Omit }),
            }
            merged.last().map(|last| (merged.len() - 1, last.apply))
        };
        for (attribute, place) in SCIM_CORE {
            let written = put(place.path(), OutgoingSource::Preset(attribute), Apply::CreateAndUpdate);
            if attribute == preset::EMAIL
                && let Some((address, apply)) = written
            {
                put(preset::primary_flag(), OutgoingSource::PrimaryIf(address), apply);
            }
        }
    }
    merged.append(&mut entries);
    merged
}

fn override_incoming(preset: Preset, mut entries: Vec<Incoming>) -> Vec<Incoming> {
    let mut merged = Vec::new();
    if preset == Preset::ScimCore {
        for (attribute, place) in SCIM_CORE {
            match entries.iter().position(|entry| entry.attribute == attribute) {
                Some(same) => merged.push(entries.remove(same)),
                None => {
                    let source = if attribute == preset::EMAIL { IncomingSource::Email } else { IncomingSource::Preset(place.path()) };
                    merged.push(Incoming { attribute, source, field: format!("spec.preset, attribute {attribute}") });
                }
            }
        }
    }
    merged.append(&mut entries);
    merged
}

/// Equal for paths that mean the same place: names and the texts of filters are case-insensitive.
pub(super) fn key(path: &ScimPath) -> String {
    path.to_string().to_lowercase()
}

/// Is one of the two the other, or a part of it?
fn overlap(one: &ScimPath, other: &ScimPath) -> bool {
    let holds = |whole: &ScimPath, part: &ScimPath| {
        let stripped = ScimPath { sub_attribute: None, ..part.clone() };
        let bare = ScimPath { filter: None, ..stripped.clone() };
        [key(part), key(&stripped), key(&bare)].contains(&key(whole))
    };
    holds(one, other) || holds(other, one)
}

/// The hash of what the mapping does: its attributes in order, each with where its value comes from.
fn digest(to_app: &[Outgoing], to_directory: &[Incoming]) -> ShortHash {
    let to_app: Vec<_> = to_app
        .iter()
        .map(|Outgoing { path, source, apply, on_null }| {
            let source = match source {
                OutgoingSource::Preset(attribute) => json!({"preset": attribute}),
                OutgoingSource::PrimaryIf(_) => json!("primary"),
                OutgoingSource::Expression(expression) => json!({"cel": expression.text().trim()}),
            };
            json!([key(path), source, *apply == Apply::CreateOnly, *on_null == OnNull::Clear])
        })
        .collect();
    let to_directory: Vec<_> = to_directory
        .iter()
        .map(|Incoming { attribute, source, field: _ }| match source {
            IncomingSource::Preset(path) => json!([attribute, {"preset": key(path)}]),
            IncomingSource::Email => json!([attribute, "email"]),
            IncomingSource::Expression(expression) => json!([attribute, {"cel": expression.text().trim()}]),
        })
        .collect();
    ShortHash::of_json(&json!({"version": VERSION, "toApp": to_app, "toDirectory": to_directory}))
}
