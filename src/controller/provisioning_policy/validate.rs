//! From a policy and what it depends on to something that can run.

use std::sync::Arc;

use super::{
    dereference::Found,
    rules::{import_policy, provision_rules, unmapped_attribute},
};
use crate::{
    api::{ProvisioningPolicy, Reason},
    controller::{
        app::{App, Usable},
        attribute_mapping::Effective,
        texts,
    },
    domain::provision_decision::ProvisionRules,
};

/// A policy that can run.
pub(super) struct Valid {
    pub(super) app: Arc<Usable>,
    /// `None`: nothing flows to the app.
    pub(super) rules: Option<ProvisionRules>,
    /// The name of a mapping that does not compile: creates and updates stop, removals go on (MA-7).
    pub(super) broken_mapping: Option<String>,
}

/// Why a policy cannot run.
pub(super) enum Obstacle {
    /// An older policy counts.
    Conflict { older: String },
    /// The spec is wrong.
    Invalid { message: String },
    /// The app does not work.
    AppNotReady { reason: Reason, message: String },
    /// Whether the app works is being found out.
    AppUnknown,
}

pub(super) fn run(policy: &ProvisioningPolicy, found: &Found) -> Result<Valid, Obstacle> {
    if let Some(older) = &found.older {
        return Err(Obstacle::Conflict { older: older.clone() });
    }
    let spec = &policy.spec;
    let (mapping, broken_mapping) = match &found.mapping {
        Effective::Ready(mapping) => (Some(mapping.clone()), None),
        Effective::NotReady { name } => (None, Some(name.clone())),
    };
    let mut problems = import_policy(spec, &found.key, false, &found.directory).err().unwrap_or_default();
    if problems.is_empty() {
        problems.extend(mapping.as_ref().and_then(|mapping| unmapped_attribute(spec, mapping)));
    }
    let rules = |to_app| provision_rules(to_app, &spec.safeguards, &spec.approval, &found.key, mapping, &found.directory);
    let rules = match spec.to_app.as_ref().map(rules) {
        Some(Ok(rules)) => Some(rules),
        Some(Err(wrong)) => {
            problems.extend(wrong);
            None
        }
        None => None,
    };
    if !problems.is_empty() {
        return Err(Obstacle::Invalid { message: texts::of_problems(&problems) });
    }
    match &found.app {
        App::Ready(app) => Ok(Valid { app: Arc::clone(app), rules, broken_mapping }),
        App::Unknown => Err(Obstacle::AppUnknown),
        App::NotReady { message, reason } => Err(Obstacle::AppNotReady { reason: *reason, message: message.clone() }),
    }
}
