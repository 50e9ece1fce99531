//! From an AttributeMapping to a compiled mapping.

use std::sync::OnceLock;

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt as _;
use serde_json::{Map, Value};

use super::dereference::Found;
use crate::{
    api::{
        AttributeMapping, AttributeMappingSpec, Reason,
        attribute_mapping::{Apply, Direction, MappingTestGiven, OnNull, Preset},
    },
    controller::{aged::Aged, context::Context, rivals},
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

/// What compiled of a generation of a mapping, or what is wrong with it.
type Result<T = Mapping, E = Vec<Problem>> = std::result::Result<T, E>;

/// Mappings compile once per generation, not at each visit of everything that depends on them.
pub(crate) struct Compiled {
    mappings: Aged<(Option<i64>, Result)>,
    preset: OnceLock<Result>,
}

impl Default for Compiled {
    fn default() -> Self {
        Self { mappings: Aged::new(SignedDuration::from_hours(3)), preset: OnceLock::new() }
    }
}

impl Compiled {
    fn of(&self, mapping: &AttributeMapping, now: Timestamp) -> Result {
        let (uid, generation) = (mapping.uid().unwrap_or_default(), mapping.metadata.generation);
        if let Some((_, known)) = self.mappings.get(&uid, now).filter(|(known, _)| *known == generation) {
            return known;
        }
        let compiled = Mapping::compile(&source(&mapping.spec));
        self.mappings.put(uid, (generation, compiled.clone()), now);
        compiled
    }

    /// Without an AttributeMapping.
    fn preset(&self) -> Result {
        self.preset.get_or_init(|| Mapping::compile(&MappingSource::default())).clone()
    }
}

pub(super) fn run(mapping: &AttributeMapping, found: &Found, cx: &Context) -> Result<Mapping, Invalid> {
    if let Some(older) = &found.older {
        return Err(Invalid::Conflict { older: older.clone() });
    }
    cx.compiled.of(mapping, cx.clock.now()).map_err(Invalid::Problems)
}

/// What becomes of a mapping that is alone.
#[cfg(test)]
pub(super) fn judge(mapping: &AttributeMapping) -> Result<Mapping, Invalid> {
    Compiled::default().of(mapping, crate::controller::testing::now()).map_err(Invalid::Problems)
}

/// The mapping that counts for an integration of a namespace.
pub(crate) fn effective(namespace: &str, integration: &str, cx: &Context) -> Effective {
    let oldest = rivals::oldest(&cx.caches.mappings, namespace, integration);
    let compiled = match &oldest {
        Some(mapping) => cx.compiled.of(mapping, cx.clock.now()),
        None => cx.compiled.preset(),
    };
    match compiled {
        Ok(mapping) => Effective::Ready(mapping),
        Err(_) => Effective::NotReady { name: oldest.and_then(|mapping| mapping.metadata.name).unwrap_or_default() },
    }
}

/// The reason of `Compiled=False`.
pub(crate) fn reason(kind: ProblemKind) -> Reason {
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn mapping(generation: i64, expression: &str) -> AttributeMapping {
        let object = json!({
            "apiVersion": "joinery.dev/v1alpha1", "kind": "AttributeMapping",
            "metadata": {"name": "hr", "uid": "u", "generation": generation},
            "spec": {"integrationRef": {"name": "hr"}, "toApp": [{"target": "nickName", "expression": expression}]},
        });
        serde_json::from_value(object).unwrap()
    }

    #[test]
    fn a_mapping_compiles_once_per_generation() {
        let (compiled, now) = (Compiled::default(), Timestamp::UNIX_EPOCH);
        let digest = |generation, expression| compiled.of(&mapping(generation, expression), now).ok().map(|mapping| mapping.digest());
        let first = digest(1, "user.displayName");
        assert!(first.is_some());
        // The spec of one generation never changes: what is given here could only come out if it were compiled again.
        assert_eq!(digest(1, "user.title"), first);
        let second = digest(2, "user.title");
        assert!(second.is_some() && second != first);
        assert_eq!(digest(3, "user."), None, "what is wrong is remembered, too");
        assert_eq!(digest(3, "user.title"), None);
    }
}
