//! What every controller shares.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use kube::{
    Client,
    core::DeserializeGuard,
    runtime::{events::Recorder, reflector::Store as Cache},
};
use tokio_util::sync::CancellationToken;

use super::{
    backoff::Backoff,
    secrets::SecretToken,
    streams::{Bus, Source, Touched},
};
use crate::{
    api::{AppIntegration, AttributeMapping, ImportRun, ImportSchedule, ProvisioningPolicy},
    clock::SharedClock,
    connector::{Connector, Connectors},
    domain::{
        hash::ShortHash,
        id::IntegrationKey,
        report::{ImportReport, ProvisionReport},
    },
    engine::{RunError, check::CheckReport, jobs::Jobs},
    store::Store,
    telemetry::metrics::Metrics,
};

/// What a job belongs to: the object that asked, and the integration that it works on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct JobKey {
    pub(crate) uid: String,
    pub(crate) integration: IntegrationKey,
}

/// A check, when it ended, and how many in a row have failed.
pub(crate) struct Checked {
    pub(crate) report: CheckReport,
    pub(crate) at: jiff::Timestamp,
    pub(crate) failures: u32,
}

/// The caches of all kinds.
pub(crate) struct Caches {
    pub(crate) integrations: Cache<DeserializeGuard<AppIntegration>>,
    pub(crate) mappings: Cache<DeserializeGuard<AttributeMapping>>,
    pub(crate) policies: Cache<DeserializeGuard<ProvisioningPolicy>>,
    pub(crate) schedules: Cache<DeserializeGuard<ImportSchedule>>,
    pub(crate) runs: Cache<DeserializeGuard<ImportRun>>,
}

/// What every controller shares.
pub(crate) struct Context {
    pub(crate) client: Client,
    pub(crate) caches: Caches,
    pub(crate) bus: Bus,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) connectors: Connectors,
    pub(crate) clock: SharedClock,
    pub(crate) metrics: Metrics,
    pub(crate) recorder: Recorder,
    pub(crate) backoff: Backoff,
    pub(crate) require_secret_consent: bool,
    pub(crate) checks: Jobs<JobKey, Checked>,
    pub(crate) imports: Jobs<JobKey, Result<ImportReport, RunError>>,
    pub(crate) passes: Jobs<JobKey, Result<ProvisionReport, RunError>>,
    pub(crate) connections: Connections,
    pub(crate) shutdown: CancellationToken,
}

impl Context {
    /// Tells everybody who depends on the integration that one of its jobs has changed something.
    pub(crate) fn tell(&self, source: Source, integration: &IntegrationKey) {
        let name = match source {
            // People concern every app of the organisation.
            Source::Directory => None,
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
pub(crate) struct Connections(Mutex<HashMap<IntegrationKey, (ShortHash, Connection)>>);

impl Connections {
    /// The integration's connection, made anew if the settings have changed.
    pub(crate) fn get<E>(
        &self,
        integration: &IntegrationKey,
        settings: ShortHash,
        connect: impl FnOnce() -> Result<Connection, E>,
    ) -> Result<Connection, E> {
        let mut connections = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, connection)) = connections.get(integration)
            && *known == settings
        {
            return Ok(connection.clone());
        }
        let connection = connect()?;
        connections.insert(integration.clone(), (settings, connection.clone()));
        Ok(connection)
    }

    /// The integration's connection, if it has one.
    pub(crate) fn current(&self, integration: &IntegrationKey) -> Option<Connection> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(integration).map(|(_, connection)| connection.clone())
    }
}
