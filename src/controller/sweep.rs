//! What belongs to objects that are gone: their jobs are stopped before the next write (AI-12), and nothing of them is kept.

use std::{collections::HashSet, sync::Arc, time::Duration};

use kube::{Resource as _, core::DeserializeGuard, runtime::reflector::Store};
use tokio::{sync::broadcast::error::RecvError, time::Instant};

use super::{
    context::{Caches, Context},
    driver, gauges,
    kind::Kind,
    provisioning_policy, rivals,
    streams::Source,
};
use crate::{domain::id::IntegrationKey, store::StoreError, telemetry};

/// After something has happened; more that happens meanwhile is swept with it.
const PAUSE: Duration = Duration::from_secs(1);

/// At most so often the store is cleared of the imports whose objects are gone.
const PRUNE: Duration = Duration::from_mins(1);

/// Sweeps whenever something has happened.
pub(super) async fn run(cx: Arc<Context>) {
    let mut bus = cx.bus.listen();
    let mut next_prune = Instant::now();
    while !matches!(bus.recv().await, Err(RecvError::Closed)) {
        tokio::time::sleep(PAUSE).await;
        bus = bus.resubscribe();
        sweep(&cx);
        if let Err(error) = clear_sources(&cx).await {
            // The next sweep tries again, and the store is told of elsewhere (C8).
            tracing::debug!(error = telemetry::chain(&error), "sources that are none any more were not cleared");
        }
        if Instant::now() >= next_prune {
            next_prune = Instant::now() + PRUNE;
            if let Err(error) = prune_imports(&cx).await {
                tracing::debug!(error = telemetry::chain(&error), "imports of runs that are gone were not forgotten");
            }
        }
    }
}

fn sweep(cx: &Context) {
    let Caches { integrations, mappings: _, policies, schedules: _, runs, approvals: _, directories: _ } = &cx.caches;
    let (integrations, policies, runs) = (living(integrations), living(policies), living(runs));
    cx.checks.forget_unless(|key| integrations.uids.contains(&key.uid));
    cx.passes.forget_unless(|key| policies.uids.contains(&key.uid));
    cx.imports.forget_unless(|key| runs.uids.contains(&key.uid));
    cx.met.forget_unless(|uid| integrations.uids.contains(uid));
    cx.connections.forget_unless(|key| integrations.names.contains(key));
    cx.metrics.forget_unless(|key| integrations.names.contains(key));
    cx.metrics.show(gauges::of(&cx.caches));
}

/// SO-1: whose policy or integration is gone, or says so no more, is nobody's source. Imports say that they are one; that they
/// are none nobody says who imports no more.
async fn clear_sources(cx: &Context) -> Result<(), StoreError> {
    if !*cx.all_listed.borrow() {
        return Ok(());
    }
    let store = cx.store()?;
    // Before the caches: what an import says meanwhile is said by a policy that they hold.
    let sources = store.sources().await?;
    let integrations = living(&cx.caches.integrations).names;
    for source in sources.iter().filter(|source| !(integrations.contains(source) && is_source(source, cx))) {
        store.clear_source(source).await?;
        tracing::info!(target: "audit", integration = %source, "not a profile source any more");
        cx.tell(Source::Directory, source);
    }
    Ok(())
}

/// An import is remembered as long as the run that asked for it: statuses are made from it.
async fn prune_imports(cx: &Context) -> Result<(), StoreError> {
    if !*cx.all_listed.borrow() {
        return Ok(());
    }
    let store = cx.store()?;
    // Before the caches, which hold every run that an import has been made for so far.
    let mut gone = store.import_objects().await?;
    let (runs, under_way) = (living(&cx.caches.runs).uids, cx.imports.running());
    gone.retain(|uid| !runs.contains(uid) && !under_way.iter().any(|job| job.uid == *uid));
    if !gone.is_empty() {
        store.forget_imports(&gone).await?;
    }
    Ok(())
}

/// What cannot be read may say so, too.
fn is_source(integration: &IntegrationKey, cx: &Context) -> bool {
    let (namespace, name) = (integration.organisation.as_str(), integration.name.as_str());
    let policy = rivals::oldest(&cx.caches.policies, namespace, name);
    let unreadable = || driver::in_namespace(&cx.caches.policies, namespace).iter().any(|policy| policy.0.is_err());
    policy.map_or_else(unreadable, |policy| provisioning_policy::is_source(&policy.spec))
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
