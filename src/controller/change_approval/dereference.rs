//! What an approval decides on, and whether that may be applied at all.

use kube::ResourceExt as _;

use crate::{
    api::{AppIntegration, ChangeApproval, ImportRun, ProvisioningPolicy, app_integration::Mode, change_approval::TargetKind},
    controller::{
        context::Context,
        directory,
        driver::{self, Error},
        provisioning_policy::import_policy,
        replaced, rivals,
    },
    domain::{
        approval::Answer, directory::DirectorySettings, hash::Digest, id::IntegrationKey, import_decision::ImportRules,
        store_mark::Replacement,
    },
    store::Direction,
};

/// An object that may hold a plan.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) key: IntegrationKey,
    pub(super) direction: Direction,
    /// Its UID: a name may come back for something else.
    pub(super) uid: String,
}

/// What the target's integration says of changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum App {
    /// There is none.
    Missing,
    /// `mode: Plan`
    PlanOnly,
    /// `suspend: true`
    Suspended,
    /// Changes may be made.
    Enforcing,
}

pub(super) struct Found {
    /// `None`: there is no such object.
    pub(super) target: Option<Target>,
    pub(super) app: App,
    /// Of an ImportRun: the digest of its plan, once there is one.
    pub(super) planned: Option<Digest>,
    /// What the integration's policy says of imports: by that candidates are decided on. `None`: there is no such policy.
    pub(super) rules: Option<ImportRules>,
    /// The store is not the one that the integration's status speaks of (SG-12).
    pub(super) replaced: Option<Replacement>,
}

impl Found {
    /// There is no such object.
    pub(super) fn nothing() -> Self {
        Self { target: None, app: App::Missing, planned: None, rules: None, replaced: None }
    }
}

/// What the store has answered to the approval before.
pub(super) async fn answer(approval: &ChangeApproval, cx: &Context) -> Result<Option<Answer>, Error> {
    Ok(cx.store()?.answer_to(&approval.uid().unwrap_or_default()).await?)
}

pub(super) async fn run(approval: &ChangeApproval, cx: &Context) -> Result<Found, Error> {
    let namespace = approval.namespace().unwrap_or_default();
    let Some(target) = target(approval, &namespace, cx) else {
        return Ok(Found::nothing());
    };
    let name = target.key.name.as_str();
    let integration: Option<AppIntegration> = driver::cached(&cx.caches.integrations, &namespace, name);
    let store = cx.store()?;
    let planned = match target.direction {
        Direction::ToDirectory => store.import_run(&target.uid).await?.and_then(|run| run.report).and_then(|report| report.digest),
        Direction::ToApp => None,
    };
    let directory = directory::in_force(&target.key.organisation, store.as_ref(), cx).await?;
    Ok(Found {
        app: app(integration.as_ref()),
        planned,
        rules: rules(&target.key, integration.as_ref(), &directory, cx),
        replaced: replaced::find(&namespace, name, store.as_ref(), cx).await?,
        target: Some(target),
    })
}

fn target(approval: &ChangeApproval, namespace: &str, cx: &Context) -> Option<Target> {
    let name = &approval.spec.target.name;
    let (uid, integration, direction) = match approval.spec.target.kind {
        TargetKind::ImportRun => {
            let run: ImportRun = driver::cached(&cx.caches.runs, namespace, name)?;
            (run.uid(), run.spec.integration_ref.name, Direction::ToDirectory)
        }
        TargetKind::ProvisioningPolicy => {
            let policy: ProvisioningPolicy = driver::cached(&cx.caches.policies, namespace, name)?;
            (policy.uid(), policy.spec.integration_ref.name, Direction::ToApp)
        }
    };
    Some(Target { key: IntegrationKey::new(namespace, integration), direction, uid: uid? })
}

fn rules(key: &IntegrationKey, integration: Option<&AppIntegration>, directory: &DirectorySettings, cx: &Context) -> Option<ImportRules> {
    let policy: ProvisioningPolicy = rivals::oldest(&cx.caches.policies, key.organisation.as_str(), key.name.as_str())?;
    let policy = import_policy(&policy.spec, key, integration?.spec.push_null_values, directory).ok()??;
    Some(policy.rules)
}

fn app(integration: Option<&AppIntegration>) -> App {
    match integration.map(|integration| (integration.spec.suspend, integration.spec.mode)) {
        None => App::Missing,
        Some((_, Mode::Plan)) => App::PlanOnly,
        Some((true, Mode::Enforce)) => App::Suspended,
        Some((false, Mode::Enforce)) => App::Enforcing,
    }
}
