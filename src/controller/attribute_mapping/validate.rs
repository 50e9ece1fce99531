//! From an AttributeMapping to a compiled mapping.

use serde_json::{Map, Value};

use super::dereference::Found;
use crate::{
    api::{
        AttributeMapping, AttributeMappingSpec, Reason,
        attribute_mapping::{Apply, Direction, MappingTestGiven, OnNull, Preset},
    },
    controller::{context::Context, rivals},
    domain::{
        hash::ShortHash,
        mapping::{self, Mapping, MappingDirection, MappingSource, MappingTest, Problem, ProblemKind, ToAppEntry, ToDirectoryEntry},
    },
};

/// Why a mapping is not used.
pub(super) enum Invalid {
    /// An older one counts.
    Conflict { older: String },
    /// It does not compile, or a test fails.
    Problems(Vec<Problem>),
}

/// The mapping that counts for an integration.
pub(crate) enum Effective {
    /// Compiled. Without any AttributeMapping it is the preset alone.
    Ready(Mapping),
    /// It does not compile; it says itself why.
    NotReady {
        /// The AttributeMapping.
        name: String,
    },
}

impl Effective {
    /// Tells mappings apart by what they do; `None` for one that does not compile.
    pub(crate) fn digest(&self) -> Option<ShortHash> {
        match self {
            Self::Ready(mapping) => Some(mapping.digest()),
            Self::NotReady { .. } => None,
        }
    }
}

pub(super) fn run(mapping: &AttributeMapping, found: &Found) -> Result<Mapping, Invalid> {
    if let Some(older) = &found.older {
        return Err(Invalid::Conflict { older: older.clone() });
    }
    Mapping::compile(&source(&mapping.spec)).map_err(Invalid::Problems)
}

/// The mapping that counts for an integration of a namespace.
pub(crate) fn effective(namespace: &str, integration: &str, cx: &Context) -> Effective {
    let oldest = rivals::oldest(&cx.caches.mappings, namespace, integration);
    let compiled = match &oldest {
        Some(mapping) => Mapping::compile(&source(&mapping.spec)),
        None => Mapping::compile(&MappingSource::default()),
    };
    match compiled {
        Ok(mapping) => Effective::Ready(mapping),
        Err(_) => Effective::NotReady { name: oldest.and_then(|mapping| mapping.metadata.name).unwrap_or_default() },
    }
}

/// The reason of `Compiled=False`.
pub(super) fn reason(kind: ProblemKind) -> Reason {
    match kind {
        ProblemKind::SyntaxError => Reason::SyntaxError,
        ProblemKind::UnknownAttribute => Reason::UnknownAttribute,
        ProblemKind::TypeMismatch => Reason::TypeMismatch,
        ProblemKind::DuplicateTarget => Reason::DuplicateTarget,
        ProblemKind::TestFailed => Reason::TestFailed,
    }
}

fn source(spec: &AttributeMappingSpec) -> MappingSource {
    MappingSource {
        preset: match spec.preset {
            Preset::ScimCore => mapping::Preset::ScimCore,
            Preset::None => mapping::Preset::None,
        },
        to_app: spec
            .to_app
            .iter()
            .map(|entry| ToAppEntry {
                target: entry.target.clone(),
                expression: entry.expression.clone(),
                apply: match entry.apply.unwrap_or_default() {
                    Apply::CreateAndUpdate => mapping::Apply::CreateAndUpdate,
                    Apply::CreateOnly => mapping::Apply::CreateOnly,
                },
                on_null: match entry.on_null.unwrap_or_default() {
                    OnNull::Omit => mapping::OnNull::Omit,
                    OnNull::Clear => mapping::OnNull::Clear,
                },
            })
            .collect(),
        to_directory: spec
            .to_directory
            .iter()
            .map(|entry| ToDirectoryEntry { target: entry.target.clone(), expression: entry.expression.clone() })
            .collect(),
        tests: spec
            .tests
            .iter()
            .map(|test| MappingTest {
                name: test.name.clone(),
                direction: match test.direction {
                    Direction::ToApp => MappingDirection::ToApp,
                    Direction::ToDirectory => MappingDirection::ToDirectory,
                },
                given: given(&test.given),
                expect: test.expect.clone().into_iter().collect(),
            })
            .collect(),
    }
}

fn given(given: &MappingTestGiven) -> Map<String, Value> {
    let MappingTestGiven { user, assignment, app } = given;
    let members = [("user", user), ("assignment", assignment), ("app", app)];
    members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), Value::Object(value.clone()?)))).collect()
}
