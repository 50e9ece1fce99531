//! What a run depends on: its app, policy and mapping, the schedule that started it, and what the store says of
//! itself.

use jiff::Timestamp;
use kube::{Resource as _, ResourceExt as _};

use crate::{
    api::{ImportRun, ImportSchedule, ProvisioningPolicy, import_schedule::ConcurrencyPolicy},
    controller::{
        app::{self, App},
        attribute_mapping::{self, Effective},
        context::Context,
        directory,
        driver::{self, Error},
        kind::Kind as _,
        replaced, rivals,
    },
    domain::{directory::DirectorySettings, id::IntegrationKey, report::ImportReport, store_mark::Replacement},
    store::StoredRun,
};

pub(super) struct Found {
    pub(super) key: IntegrationKey,
    /// The store is not the one that the integration's status speaks of: nothing is applied (SG-12).
    pub(super) replaced: Option<Replacement>,
    pub(super) stored: Option<StoredRun<ImportReport>>,
    pub(super) app: App,
    pub(super) mapping: Effective,
    pub(super) policy: Option<ProvisioningPolicy>,
    pub(super) schedule: Option<ImportSchedule>,
    /// What holds for the whole organisation.
    pub(super) directory: DirectorySettings,
    /// The name of another run of the integration whose plan is approved and not applied yet.
    pub(super) ahead: Option<String>,
    /// Is there a newer run of the schedule, and its policy is `Replace` (TD-3)?
    pub(super) superseded: bool,
}

impl Found {
    /// When the import that is under way began.
    pub(super) fn started(&self) -> Option<Timestamp> {
        self.stored.as_ref().filter(|stored| stored.report.is_none()).map(|stored| stored.started)
    }

    /// Is the run's plan approved and not applied yet?
    pub(super) fn is_released(&self) -> bool {
        self.stored.as_ref().and_then(|stored| stored.report.as_ref()).is_some_and(ImportReport::is_released)
    }
}

pub(super) async fn run(run: &ImportRun, stored: Option<StoredRun<ImportReport>>, cx: &Context) -> Result<Found, Error> {
    let namespace = run.namespace().unwrap_or_default();
    let integration = &run.spec.integration_ref.name;
    let key = IntegrationKey::new(namespace.clone(), integration.clone());
    let schedule = schedule_of(run, cx);
    let store = cx.store()?;
    Ok(Found {
        stored,
        ahead: released_before(run, store.released_import(&key).await?, cx),
        superseded: schedule.as_ref().is_some_and(|schedule| is_superseded(run, schedule, cx)),
        app: app::find(&namespace, integration, cx),
        mapping: attribute_mapping::effective(&namespace, integration, cx),
        policy: rivals::oldest(&cx.caches.policies, &namespace, integration),
        schedule,
        directory: directory::in_force(&key.organisation, store.as_ref(), cx).await?,
        replaced: replaced::find(&namespace, integration, store.as_ref(), cx).await?,
        key,
    })
}

/// What the store says of the run. A run that is over needs nothing else.
pub(super) async fn stored(run: &ImportRun, cx: &Context) -> Result<Option<StoredRun<ImportReport>>, Error> {
    Ok(cx.store()?.import_run(&run.uid().unwrap_or_default()).await?)
}

/// An approved plan goes before every other import: a newer plan would take its place. One whose run was deleted does not.
fn released_before(run: &ImportRun, released: Option<String>, cx: &Context) -> Option<String> {
    let uid = released.filter(|uid| run.metadata.uid.as_ref() != Some(uid))?;
    let runs = driver::in_namespace(&cx.caches.runs, &run.namespace().unwrap_or_default());
    runs.iter().find(|other| other.meta().uid.as_ref() == Some(&uid) && other.meta().deletion_timestamp.is_none())?.meta().name.clone()
}

/// The schedule that has made the run. By its owner: a label is anybody's to write.
fn schedule_of(run: &ImportRun, cx: &Context) -> Option<ImportSchedule> {
    let owner = run.owner_references().iter().find(|owner| owner.kind == ImportSchedule::KIND)?;
    let schedule: ImportSchedule = driver::cached(&cx.caches.schedules, &run.namespace().unwrap_or_default(), &owner.name)?;
    (schedule.uid().as_deref() == Some(owner.uid.as_str())).then_some(schedule)
}

fn is_superseded(run: &ImportRun, schedule: &ImportSchedule, cx: &Context) -> bool {
    let age = |run: &ImportRun| (run.creation_timestamp().map(|time| time.0), run.name_any());
    let newer = |other: &ImportRun| {
        let ours = other.owner_references().iter().any(|owner| Some(&owner.uid) == schedule.metadata.uid.as_ref());
        ours && other.metadata.deletion_timestamp.is_none() && age(other) > age(run)
    };
    schedule.spec.concurrency_policy == ConcurrencyPolicy::Replace
        && driver::in_namespace(&cx.caches.runs, &run.namespace().unwrap_or_default())
            .iter()
            .any(|other| other.0.as_ref().is_ok_and(&newer))
}
