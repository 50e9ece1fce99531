//! What a run depends on: its app, policy and mapping, the schedule that started it, other runs of the integration, and
//! what the store says of itself.

use std::sync::Arc;

use jiff::Timestamp;
use kube::ResourceExt as _;

use crate::{
    api::{ImportRun, ImportSchedule, ProvisioningPolicy, names::SCHEDULE_LABEL},
    controller::{
        app::{self, App},
        attribute_mapping::{self, Effective},
        context::{Context, JobKey},
        driver::{self, Error},
        replaced, rivals,
    },
    domain::{
        id::IntegrationKey,
        report::{ImportEnd, ImportReport},
        store_mark::Replacement,
    },
    store::{Store, StoredRun},
};

pub(super) struct Found {
    pub(super) key: IntegrationKey,
    pub(super) store: Arc<dyn Store>,
    /// The store is not the one that the integration's status speaks of: nothing is applied (SG-12).
    pub(super) replaced: Option<Replacement>,
    pub(super) stored: Option<StoredRun<ImportReport>>,
    pub(super) app: App,
    pub(super) mapping: Effective,
    pub(super) policy: Option<ProvisioningPolicy>,
    pub(super) schedule: Option<ImportSchedule>,
    /// The name of another run of the integration that is under way, or that comes first.
    pub(super) ahead: Option<String>,
}

impl Found {
    /// The run's result, if it is over. A run that was held because of the store is taken up again when the store is.
    pub(super) fn over(&self) -> Option<(&StoredRun<ImportReport>, &ImportReport)> {
        let stored = self.stored.as_ref()?;
        let report = stored.report.as_ref()?;
        (report.end != ImportEnd::StoreReplaced || self.replaced.is_some()).then_some((stored, report))
    }

    /// Does the store know how the run ended?
    pub(super) fn is_known(&self) -> bool {
        self.stored.as_ref().is_some_and(|stored| stored.report.is_some())
    }

    /// When the import that is under way began.
    pub(super) fn started(&self) -> Option<Timestamp> {
        self.stored.as_ref().filter(|stored| stored.report.is_none()).map(|stored| stored.started)
    }
}

pub(super) async fn run(run: &ImportRun, cx: &Context) -> Result<Found, Error> {
    let namespace = run.namespace().unwrap_or_default();
    let integration = &run.spec.integration_ref.name;
    let key = IntegrationKey::new(namespace.clone(), integration.clone());
    let store = cx.store()?;
    Ok(Found {
        stored: store.import_run(&run.uid().unwrap_or_default()).await?,
        app: app::find(&namespace, integration, cx),
        mapping: attribute_mapping::effective(&namespace, integration, cx),
        policy: rivals::oldest(&cx.caches.policies, &namespace, integration),
        schedule: run.labels().get(SCHEDULE_LABEL).and_then(|name| driver::cached(&cx.caches.schedules, &namespace, name)),
        ahead: ahead(run, &key, cx),
        replaced: replaced::find(&namespace, integration, store.as_ref(), cx).await?,
        store,
        key,
    })
}

/// TD-3: one run per integration at a time.
fn ahead(run: &ImportRun, key: &IntegrationKey, cx: &Context) -> Option<String> {
    let others = cx.caches.runs.state();
    let others = others.iter().filter_map(|other| other.0.as_ref().ok()).filter(|other| {
        other.namespace() == run.namespace()
            && other.spec.integration_ref == run.spec.integration_ref
            && other.uid() != run.uid()
            && cx.imports.is_running(&JobKey { uid: other.uid().unwrap_or_default(), integration: key.clone() })
    });
    others.map(kube::ResourceExt::name_any).next()
}
