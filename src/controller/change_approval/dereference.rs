//! What an approval decides on, and whether that may be applied at all.

use kube::ResourceExt as _;

use crate::{
    api::{AppIntegration, ChangeApproval, ImportRun, ProvisioningPolicy, app_integration::Mode, change_approval::TargetKind},
    controller::{
        context::Context,
        driver::{self, Error},
        replaced,
    },
    domain::{approval::Answer, id::IntegrationKey, store_mark::Replacement},
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
    /// The store is not the one that the integration's status speaks of (SG-12).
    pub(super) replaced: Option<Replacement>,
}

/// What the store has answered to the approval before.
pub(super) async fn answer(approval: &ChangeApproval, cx: &Context) -> Result<Option<Answer>, Error> {
    Ok(cx.store()?.answer_to(&approval.uid().unwrap_or_default()).await?)
}

pub(super) async fn run(approval: &ChangeApproval, cx: &Context) -> Result<Found, Error> {
    let namespace = approval.namespace().unwrap_or_default();
    let Some(target) = target(approval, &namespace, cx) else {
        return Ok(Found { target: None, app: App::Missing, replaced: None });
    };
    let integration = target.key.name.as_str();
    Ok(Found {
        app: app(driver::cached(&cx.caches.integrations, &namespace, integration).as_ref()),
        replaced: replaced::find(&namespace, integration, cx.store()?.as_ref(), cx).await?,
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

fn app(integration: Option<&AppIntegration>) -> App {
    match integration.map(|integration| (integration.spec.suspend, integration.spec.mode)) {
        None => App::Missing,
        Some((_, Mode::Plan)) => App::PlanOnly,
        Some((true, Mode::Enforce)) => App::Suspended,
        Some((false, Mode::Enforce)) => App::Enforcing,
    }
}
