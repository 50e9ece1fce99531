//! From a run and what it depends on to an import that can start.

use std::sync::Arc;

use super::dereference::Found;
use crate::{
    api::Reason,
    controller::{
        app::{App, Usable},
        attribute_mapping::Effective,
        provisioning_policy::{ImportPolicy, import_policy, unmapped_attribute},
    },
    domain::mapping::Mapping,
};

/// A run that can start, or goes on.
pub(super) struct Valid {
    pub(super) app: Arc<Usable>,
    pub(super) policy: ImportPolicy,
    pub(super) mapping: Mapping,
}

/// Why a run cannot start yet.
pub(super) enum Obstacle {
    /// Something it depends on is missing or does not work.
    NotReady { reason: Reason, message: String },
    /// Whether the app works is being found out.
    AppUnknown,
    /// Another run of the integration is under way.
    Ahead { name: String },
}

pub(super) fn run(found: &Found) -> Result<Valid, Obstacle> {
    let not_ready = |message: String| Obstacle::NotReady { reason: Reason::DependencyNotReady, message };
    let app = match &found.app {
        App::Ready(app) => Arc::clone(app),
        App::Unknown => return Err(Obstacle::AppUnknown),
        App::NotReady { message, reason } => return Err(Obstacle::NotReady { reason: *reason, message: message.clone() }),
    };
    let name = &found.key.name;
    // TD-1: without a policy that says how, nothing is even listed.
    let Some(policy) = &found.policy else {
        return Err(not_ready(format!("no ProvisioningPolicy refers to `{name}`; create one with spec.toDirectory")));
    };
    let invalid = || not_ready(format!("the ProvisioningPolicy for `{name}` is not valid; it says itself what is wrong"));
    let spec = &policy.spec;
    let policy = match import_policy(spec, &found.key, app.integration.spec.push_null_values, &found.directory) {
        Ok(Some(policy)) => policy,
        Ok(None) => return Err(not_ready(format!("the ProvisioningPolicy for `{name}` has no spec.toDirectory: the app is not imported"))),
        Err(_) => return Err(invalid()),
    };
    let mapping = match &found.mapping {
        Effective::Ready(mapping) => mapping.clone(),
        Effective::NotReady { name } => {
            let message = format!("the AttributeMapping `{name}` does not compile; it says itself what is wrong");
            return Err(Obstacle::NotReady { reason: Reason::MappingNotReady, message });
        }
    };
    if unmapped_attribute(spec, &mapping).is_some() {
        return Err(invalid());
    }
    Ok(Valid { app, policy, mapping })
}
