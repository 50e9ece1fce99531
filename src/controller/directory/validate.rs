//! Whether what a Directory says can hold.

use super::{compile, dereference::Found};
use crate::{api::Directory, domain::mapping::Problem};

/// Why it cannot. What can hold of it holds all the same.
pub(super) enum Obstacle {
    /// The condition does not compile: all removals wait.
    Condition(Problem),
    /// No integration has this name.
    NoIntegration { name: String },
    /// The integration's policy does not make it a source.
    NoSource { name: String },
}

pub(super) fn run(directory: &Directory, found: &Found) -> Result<(), Obstacle> {
    let spec = &directory.spec;
    if let Some(protected) = &spec.protected_users {
        compile(&protected.condition).map_err(Obstacle::Condition)?;
    }
    for name in &spec.profile_sources {
        if !found.integrations.contains(name) {
            return Err(Obstacle::NoIntegration { name: name.clone() });
        }
        if !found.sources.contains(name) {
            return Err(Obstacle::NoSource { name: name.clone() });
        }
    }
    Ok(())
}
