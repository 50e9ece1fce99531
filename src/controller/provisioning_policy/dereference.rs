//! What a policy depends on: its app, its mapping, a rival, and what the store remembers of the last pass.

use kube::ResourceExt as _;

use crate::{
    api::ProvisioningPolicy,
    controller::{
        app::{self, App},
        attribute_mapping::{self, Effective},
        context::Context,
        directory,
        driver::Error,
        replaced, rivals,
    },
    domain::{
        approval::StoredHold, directory::DirectorySettings, hash::ShortHash, id::IntegrationKey, report::ProvisionReport,
        store_mark::Replacement,
    },
    store::Direction,
};

pub(super) struct Found {
    pub(super) key: IntegrationKey,
    /// The name of an older policy for the same integration, which counts instead.
    pub(super) older: Option<String>,
    pub(super) app: App,
    pub(super) mapping: Effective,
    /// The store is not the one that the integration's status speaks of: nothing is written (SG-12).
    pub(super) replaced: Option<Replacement>,
    /// What holds for the whole organisation.
    pub(super) directory: DirectorySettings,
    /// Grows with every change to a person.
    pub(super) directory_revision: i64,
    /// What the policy holds, or held last.
    pub(super) hold: Option<StoredHold>,
    /// The last pass and what it was made for.
    pub(super) last_pass: Option<(ProvisionReport, ShortHash)>,
}

pub(super) async fn run(policy: &ProvisioningPolicy, cx: &Context) -> Result<Found, Error> {
    let namespace = policy.namespace().unwrap_or_default();
    let integration = &policy.spec.integration_ref.name;
    let key = IntegrationKey::new(namespace.clone(), integration.clone());
    let store = cx.store()?;
    Ok(Found {
        older: rivals::older(&cx.caches.policies, policy),
        app: app::find(&namespace, integration, cx),
        mapping: attribute_mapping::effective(&namespace, integration, cx),
        directory: directory::in_force(&key.organisation, store.as_ref(), cx).await?,
        directory_revision: store.directory_revision(&key.organisation).await?,
        hold: store.held(&key, Direction::ToApp, &policy.uid().unwrap_or_default()).await?,
        last_pass: store.last_pass(&key, &policy.uid().unwrap_or_default()).await?,
        replaced: replaced::find(&namespace, integration, store.as_ref(), cx).await?,
        key,
    })
}
