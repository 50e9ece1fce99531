//! What every controller shares.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use kube::{
    Client, Resource as _,
    core::DeserializeGuard,
    runtime::{events::Recorder, reflector::Store as Cache},
};
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

use super::{
    attribute_mapping::Compiled,
    backoff::Backoff,
    kind::Kind,
    namespaces::Met,
    reasons,
    secrets::SecretToken,
    streams::{Bus, Source, Touched},
};
use crate::{
    api::{AppIntegration, AttributeMapping, ChangeApproval, Directory, ImportRun, ImportSchedule, ProvisioningPolicy, Reason},
    clock::SharedClock,
    connector::{Connector, Connectors},
    domain::{
        hash::ShortHash,
        id::IntegrationKey,
        report::{ImportReport, ProvisionReport, StopCause},
    },
    engine::{RunError, check::CheckReport, jobs::Jobs},
    store::{Store, StoreError},
    telemetry::metrics::Metrics,
};

/// What a job belongs to: the object that asked, and the integration that it works on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct JobKey {
    pub(crate) uid: String,
    pub(crate) integration: IntegrationKey,
}

impl JobKey {
    /// TD-3: of one sort of job an app has one at a time, whatever objects ask for it.
    pub(crate) fn same_app(&self, other: &Self) -> bool {
        self.integration == other.integration
    }
}

/// A check, when it ended, and how many in a row have failed.
pub(crate) struct Checked {
    pub(crate) report: CheckReport,
    /// The settings of the connection that was tested.
    pub(crate) settings: ShortHash,
    pub(crate) at: jiff::Timestamp,
    pub(crate) failures: u32,
    /// The last `requested-at` text that it, or one before it, was made for.
    pub(crate) request: Option<String>,
}

/// An import or a pass, and when it ended.
pub(crate) struct Ended<R> {
    pub(crate) result: Result<R, RunError>,
    pub(crate) at: jiff::Timestamp,
}

impl<R> Ended<R> {
    /// May a run without a report be tried again? A store that fails at once must not be asked without a pause.
    pub(crate) fn may_be_tried_again(&self, now: jiff::Timestamp) -> bool {
        match &self.result {
            Ok(_) => false,
            Err(RunError::Stopped(StopCause::Changed)) => true,
            Err(RunError::RateLimited { until }) => now >= *until,
            Err(_) => now.duration_since(self.at) >= PAUSE_AFTER_FAILURE,
        }
    }

    /// Why it ended without a report, if that is worth telling.
    pub(crate) fn interruption(&self) -> Option<(Reason, String)> {
        self.result.as_ref().err().and_then(reasons::interruption)
    }
}

/// Between two attempts of a run that ended without a report.
const PAUSE_AFTER_FAILURE: jiff::SignedDuration = jiff::SignedDuration::from_secs(10);

/// The caches of all kinds.
pub(crate) struct Caches {
    pub(crate) integrations: Cache<DeserializeGuard<AppIntegration>>,
    pub(crate) mappings: Cache<DeserializeGuard<AttributeMapping>>,
    pub(crate) policies: Cache<DeserializeGuard<ProvisioningPolicy>>,
    pub(crate) schedules: Cache<DeserializeGuard<ImportSchedule>>,
    pub(crate) runs: Cache<DeserializeGuard<ImportRun>>,
    pub(crate) approvals: Cache<DeserializeGuard<ChangeApproval>>,
    pub(crate) directories: Cache<DeserializeGuard<Directory>>,
}

impl Caches {
    /// The namespaces that hold objects which depend on the store.
    pub(crate) fn namespaces(&self) -> BTreeSet<String> {
        let Self { integrations, mappings: _, policies, schedules, runs, approvals, directories } = self;
        let mut namespaces = BTreeSet::new();
        add_namespaces(integrations, &mut namespaces);
        add_namespaces(policies, &mut namespaces);
        add_namespaces(schedules, &mut namespaces);
        add_namespaces(runs, &mut namespaces);
        add_namespaces(approvals, &mut namespaces);
        add_namespaces(directories, &mut namespaces);
        namespaces
    }
}

fn add_namespaces<K: Kind>(cache: &Cache<DeserializeGuard<K>>, namespaces: &mut BTreeSet<String>) {
    namespaces.extend(cache.state().iter().filter_map(|object| object.meta().namespace.clone()));
}

/// What every controller shares.
pub(crate) struct Context {
    pub(crate) client: Client,
    pub(crate) caches: Caches,
    pub(crate) bus: Bus,
    /// Do the caches hold all that the API server has?
    pub(crate) all_listed: watch::Receiver<bool>,
    pub(crate) usable_store: watch::Receiver<Option<Arc<dyn Store>>>,
    pub(crate) connectors: Connectors,
    pub(crate) clock: SharedClock,
    pub(crate) metrics: Metrics,
    pub(crate) recorder: Recorder,
    pub(crate) backoff: Backoff,
    /// One permit for each reconcile that may run.
    pub(crate) turns: Semaphore,
    pub(crate) require_secret_consent: bool,
    pub(crate) checks: Jobs<JobKey, Checked>,
    pub(crate) imports: Jobs<JobKey, Ended<ImportReport>>,
    pub(crate) passes: Jobs<JobKey, Ended<ProvisionReport>>,
    pub(crate) connections: Connections,
    pub(crate) met: Met,
    pub(crate) compiled: Compiled,
    pub(crate) shutdown: CancellationToken,
}

impl Context {
    /// Waits until the caches are complete: until then, what an object refers to is not missing but unknown. `false`: the
    /// process goes down before.
    pub(crate) async fn caches_are_complete(&self) -> bool {
        let mut all_listed = self.all_listed.clone();
        tokio::select! {
            listed = all_listed.wait_for(|listed| *listed) => listed.is_ok(),
            () = self.shutdown.cancelled() => false,
        }
    }

    /// The store, if it works.
    pub(crate) fn store(&self) -> Result<Arc<dyn Store>, StoreError> {
        self.usable_store.borrow().clone().ok_or(StoreError::Unavailable)
    }

    /// Tells everybody who depends on the integration that one of its jobs has changed something.
    pub(crate) fn tell(&self, source: Source, integration: &IntegrationKey) {
        let name = match source {
            // People concern every app of the organisation.
            Source::Directory | Source::Store => None,
            _ => Some(integration.name.as_str().to_owned()),
        };
        self.bus.tell(Touched { source, namespace: integration.organisation.as_str().to_owned(), integration: name });
    }
}

/// An app as an integration's settings say that it is reached.
#[derive(Clone)]
pub(crate) struct Connection {
    pub(crate) connector: Arc<dyn Connector>,
    pub(crate) credentials: Arc<SecretToken>,
}

/// Connections by integration, kept while the settings stay as they are: what a connector has learned of its app, and its
/// open connections, outlast a run.
#[derive(Default)]
pub(crate) struct Connections(Mutex<HashMap<IntegrationKey, Known>>);

struct Known {
    settings: ShortHash,
    /// The generation of the integration whose settings these are.
    generation: Option<i64>,
    /// Or why there can be none.
    connection: Result<Connection, Refusal>,
}

/// Why an integration cannot even be tried.
#[derive(Clone)]
pub(crate) struct Refusal {
    pub(crate) reason: Reason,
    pub(crate) message: String,
}

impl Connections {
    /// The integration's connection, made anew if the settings have changed.
    pub(crate) fn get<E>(
        &self,
        integration: &IntegrationKey,
        settings: ShortHash,
        generation: Option<i64>,
        connect: impl FnOnce() -> Result<Connection, E>,
    ) -> Result<Connection, E> {
        let mut connections = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = connections.get_mut(integration)
            && known.settings == settings
            && let Ok(connection) = &known.connection
        {
            known.generation = generation;
            return Ok(connection.clone());
        }
        let connection = connect()?;
        connections.insert(integration.clone(), Known { settings, generation, connection: Ok(connection.clone()) });
        Ok(connection)
    }

    /// Notes that this generation of the integration cannot be tried; what was connected before is not used any more.
    pub(crate) fn refuse(&self, integration: &IntegrationKey, generation: Option<i64>, refusal: Refusal) {
        let known = Known { settings: ShortHash::of(&[]), generation, connection: Err(refusal) };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(integration.clone(), known);
    }

    /// The integration's connection and the hash of its settings. `None` if it was made for another generation: nothing is
    /// sent to where an edited integration pointed before.
    pub(crate) fn current(
        &self,
        integration: &IntegrationKey,
        generation: Option<i64>,
    ) -> Option<Result<(ShortHash, Connection), Refusal>> {
        let connections = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = connections.get(integration).filter(|known| known.generation == generation)?;
        Some(known.connection.clone().map(|connection| (known.settings, connection)))
    }

    /// The hash of the settings that the integration was last seen with, whether or not they can be used.
    pub(crate) fn settings(&self, integration: &IntegrationKey) -> Option<ShortHash> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(integration).map(|known| known.settings)
    }

    /// Forgets the connections of integrations that are gone.
    pub(crate) fn forget_unless(&self, exists: impl Fn(&IntegrationKey) -> bool) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|integration, _| exists(integration));
    }
}
