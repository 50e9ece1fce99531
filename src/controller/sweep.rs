//! What belongs to objects that are gone: their jobs are stopped before the next write (AI-12), and nothing of them is kept.

use std::{collections::HashSet, sync::Arc, time::Duration};

use kube::{Resource as _, core::DeserializeGuard, runtime::reflector::Store};
use tokio::sync::broadcast::error::RecvError;

use super::{
    context::{Caches, Context},
    gauges,
    kind::Kind,
};
use crate::domain::id::IntegrationKey;

/// After something has happened; more that happens meanwhile is swept with it.
const PAUSE: Duration = Duration::from_secs(1);

/// Sweeps whenever something has happened.
pub(super) async fn run(cx: Arc<Context>) {
    let mut bus = cx.bus.listen();
    while !matches!(bus.recv().await, Err(RecvError::Closed)) {
        tokio::time::sleep(PAUSE).await;
        bus = bus.resubscribe();
        sweep(&cx);
    }
}

fn sweep(cx: &Context) {
    let Caches { integrations, mappings: _, policies, schedules: _, runs, approvals: _ } = &cx.caches;
    let (integrations, policies, runs) = (living(integrations), living(policies), living(runs));
    cx.checks.forget_unless(|key| integrations.uids.contains(&key.uid));
    cx.passes.forget_unless(|key| policies.uids.contains(&key.uid));
    cx.imports.forget_unless(|key| runs.uids.contains(&key.uid));
    cx.connections.forget_unless(|key| integrations.names.contains(key));
    cx.metrics.forget_unless(|key| integrations.names.contains(key));
    cx.metrics.show(gauges::of(&cx.caches));
}

#[derive(Default)]
struct Living {
    uids: HashSet<String>,
    names: HashSet<IntegrationKey>,
}

/// The objects of a kind that are there and not being deleted.
fn living<K: Kind>(cache: &Store<DeserializeGuard<K>>) -> Living {
    let mut living = Living::default();
    for object in cache.state() {
        let meta = object.meta();
        if meta.deletion_timestamp.is_none() {
            living.uids.extend(meta.uid.clone());
            living.names.insert(IntegrationKey::new(meta.namespace.clone().unwrap_or_default(), meta.name.clone().unwrap_or_default()));
        }
    }
    living
}
