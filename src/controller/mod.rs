//! The edge to Kubernetes: objects in, conditions out. One folder per kind, each with the same steps: `dereference` fetches
//! what the object names, `validate` makes domain types of it, only `apply` has effects, `status` is pure.
//!
//! - `driver`: the one reconcile wrapper; `outcome`: the one table of what is said; `status`: the one writer
//! - `streams`: one watch per kind, one bus for all that happens
//! - `app`, `rivals`, `secrets`, `replaced`, `namespaces`: what several kinds look up

use std::sync::Arc;

use kube::{
    Client,
    runtime::events::{Recorder, Reporter},
};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_util::sync::CancellationToken;

use self::{
    backoff::Backoff,
    context::{Caches, Connections, Context, JobKey},
    streams::{Bus, Source, Touched},
};
use crate::{clock::SharedClock, connector::Connectors, engine::jobs::Jobs, server::Health, store::Store, telemetry::metrics::Metrics};

mod aged;
mod app;
mod app_integration;
mod attribute_mapping;
mod backoff;
mod change_approval;
mod context;
mod directory;
mod driver;
mod gauges;
mod import_run;
mod import_schedule;
mod kind;
#[cfg(test)]
mod mutations;
mod namespaces;
mod numbers;
mod outcome;
mod provisioning_policy;
mod reasons;
mod replaced;
mod rivals;
mod secrets;
mod status;
mod streams;
mod sweep;
#[cfg(test)]
mod testing;
mod texts;

/// Checks wait for answers most of the time: many at once, so that apps that hang hold up no others.
const CHECKS_AT_ONCE: usize = 64;

/// What the controllers are started with.
pub struct Parts {
    /// The API server.
    pub client: Client,
    /// The store while it works; `None` while it does not.
    pub store: watch::Receiver<Option<Arc<dyn Store>>>,
    /// The connectors.
    pub connectors: Connectors,
    /// The time.
    pub clock: SharedClock,
    /// The metrics.
    pub metrics: Metrics,
    /// Who is told when all kinds are listed.
    pub health: Health,
    /// `--require-secret-consent`
    pub require_secret_consent: bool,
    /// `--max-concurrent-runs`
    pub max_concurrent_runs: usize,
    /// Ends everything.
    pub shutdown: CancellationToken,
}

/// Runs all controllers until `shutdown`; returns when what was under way is recorded.
pub async fn run(parts: Parts) {
    let Parts { client, store, connectors, clock, metrics, health, require_secret_consent, max_concurrent_runs, shutdown } = parts;
    let bus = Bus::new();
    let (finished, ended) = mpsc::unbounded_channel();
    let (integrations, mappings, policies, schedules, runs, approvals, directories) = (
        streams::feed(&client, &bus),
        streams::feed(&client, &bus),
        streams::feed(&client, &bus),
        streams::feed(&client, &bus),
        streams::feed(&client, &bus),
        streams::feed(&client, &bus),
        streams::feed(&client, &bus),
    );
    let listed = [
        integrations.listed.clone(),
        mappings.listed.clone(),
        policies.listed.clone(),
        schedules.listed.clone(),
        runs.listed.clone(),
        approvals.listed.clone(),
        directories.listed.clone(),
    ];
    let caches = Caches {
        integrations: integrations.cache.clone(),
        mappings: mappings.cache.clone(),
        policies: policies.cache.clone(),
        schedules: schedules.cache.clone(),
        runs: runs.cache.clone(),
        approvals: approvals.cache.clone(),
        directories: directories.cache.clone(),
    };
    let (tell_all_listed, all_listed) = watch::channel(false);
    let reporter = Reporter { controller: "joinery.dev/controller".to_owned(), instance: std::env::var("HOSTNAME").ok() };
    let cx = Arc::new(Context {
        recorder: Recorder::new(client.clone(), reporter),
        client,
        caches,
        all_listed,
        bus,
        usable_store: store,
        connectors,
        clock,
        metrics,
        backoff: Backoff::default(),
        turns: Semaphore::new(usize::from(driver::CONCURRENCY)),
        require_secret_consent,
        checks: Jobs::new(CHECKS_AT_ONCE, JobKey::same_app, finished.clone()),
        imports: Jobs::new(max_concurrent_runs, JobKey::same_app, finished.clone()),
        passes: Jobs::new(max_concurrent_runs, JobKey::same_app, finished),
        connections: Connections::default(),
        met: namespaces::Met::default(),
        compiled: attribute_mapping::Compiled::default(),
        shutdown,
    });
    let watched = tokio::spawn(tell_when_listed(listed, tell_all_listed, health));
    let told = tokio::spawn(tell_of_jobs(Arc::clone(&cx), ended));
    let stored = tokio::spawn(tell_of_store(Arc::clone(&cx)));
    let swept = tokio::spawn(sweep::run(Arc::clone(&cx)));
    let kept = tokio::spawn(namespaces::keep(Arc::clone(&cx)));
    tokio::join!(
        driver::run(integrations, Arc::clone(&cx), app_integration::reconcile),
        driver::run(mappings, Arc::clone(&cx), attribute_mapping::reconcile),
        driver::run(policies, Arc::clone(&cx), provisioning_policy::reconcile),
        driver::run(schedules, Arc::clone(&cx), import_schedule::reconcile),
        driver::run(runs, Arc::clone(&cx), import_run::reconcile),
        driver::run(approvals, Arc::clone(&cx), change_approval::reconcile),
        driver::run(directories, Arc::clone(&cx), directory::reconcile),
    );
    tokio::join!(cx.checks.shut_down(), cx.imports.shut_down(), cx.passes.shut_down());
    watched.abort();
    told.abort();
    stored.abort();
    swept.abort();
    kept.abort();
}

async fn tell_when_listed(kinds: [watch::Receiver<bool>; 7], all: watch::Sender<bool>, health: Health) {
    for mut listed in kinds {
        // An error: the watch is gone, since the process is shutting down.
        if listed.wait_for(|listed| *listed).await.is_err() {
            return;
        }
    }
    health.set_watches(true);
    let _nobody_waits = all.send(true);
}

/// Every object says that the store has stopped working, and goes on as soon as it works again (C8).
async fn tell_of_store(cx: Arc<Context>) {
    let mut store = cx.usable_store.clone();
    while store.changed().await.is_ok() {
        for namespace in cx.caches.namespaces() {
            cx.bus.tell(Touched { source: Source::Store, namespace, integration: None });
        }
    }
}

/// Objects are visited again when one of their jobs is over.
async fn tell_of_jobs(cx: Arc<Context>, mut ended: mpsc::UnboundedReceiver<JobKey>) {
    while let Some(key) = ended.recv().await {
        cx.tell(Source::Job, &key.integration);
    }
}
