//! What a Directory refers to and counts.

use std::collections::BTreeSet;

use crate::{
    api::{AppIntegration, Directory},
    controller::{
        context::Context,
        driver::{self, Error},
        provisioning_policy::is_source,
        rivals,
    },
    domain::{
        directory::{self, PeopleCounts},
        id::Organisation,
    },
    store::Store,
};

#[derive(Default)]
pub(super) struct Found {
    pub(super) people: PeopleCounts,
    /// The integrations of the namespace.
    pub(super) integrations: BTreeSet<String>,
    /// Those that are profile sources, in the order that holds.
    pub(super) sources: Vec<String>,
    pub(super) store_id: String,
}

pub(super) async fn run(directory: &Directory, namespace: &Organisation, store: &dyn Store, cx: &Context) -> Result<Found, Error> {
    let integrations = integrations(namespace, cx);
    let is_source = |integration: &String| {
        rivals::oldest(&cx.caches.policies, namespace.as_str(), integration).is_some_and(|policy| is_source(&policy.spec))
    };
    let sources = integrations.iter().filter(|name| is_source(name)).cloned();
    Ok(Found {
        sources: directory::source_order(&directory.spec.profile_sources, sources),
        people: store.people_counts(namespace).await?,
        store_id: store.store_id().await?,
        integrations,
    })
}

fn integrations(namespace: &Organisation, cx: &Context) -> BTreeSet<String> {
    let all = driver::in_namespace::<AppIntegration>(&cx.caches.integrations, namespace.as_str());
    all.iter().filter_map(|object| object.0.as_ref().ok()?.metadata.name.clone()).collect()
}
