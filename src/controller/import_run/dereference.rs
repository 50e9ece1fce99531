//! What a run depends on: its app, policy and mapping, the schedule that started it, and what the store says of
//! itself.

use kube::ResourceExt as _;

use crate::{
    api::{ImportRun, ImportSchedule, ProvisioningPolicy, names::SCHEDULE_LABEL},
    controller::{
        app::{self, App},
        attribute_mapping::{self, Effective},
        context::Context,
        driver::{self, Error},
        rivals,
    },
    domain::{id::IntegrationKey, report::ImportReport},
    store::StoredRun,
};

pub(super) struct Found {
    pub(super) key: IntegrationKey,
    pub(super) stored: Option<StoredRun<ImportReport>>,
    pub(super) app: App,
    pub(super) mapping: Effective,
    pub(super) policy: Option<ProvisioningPolicy>,
    pub(super) schedule: Option<ImportSchedule>,
}

impl Found {
    /// The run's result, if it is over.
    pub(super) fn over(&self) -> Option<(&StoredRun<ImportReport>, &ImportReport)> {
        let stored = self.stored.as_ref()?;
        stored.report.as_ref().map(|report| (stored, report))
    }
}

pub(super) async fn run(run: &ImportRun, cx: &Context) -> Result<Found, Error> {
    let namespace = run.namespace().unwrap_or_default();
    let integration = &run.spec.integration_ref.name;
    let key = IntegrationKey::new(namespace.clone(), integration.clone());
    Ok(Found {
        stored: cx.store.import_run(&run.uid().unwrap_or_default()).await?,
        app: app::find(&namespace, integration, cx),
        mapping: attribute_mapping::effective(&namespace, integration, cx),
        policy: rivals::oldest(&cx.caches.policies, &namespace, integration),
        schedule: run.labels().get(SCHEDULE_LABEL).and_then(|name| driver::cached(&cx.caches.schedules, &namespace, name)),
        key,
    })
}
