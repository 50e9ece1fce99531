//! Which namespace an organisation is: names come back, UIDs do not. A namespace that is deleted and made anew under its name
//! finds nobody of the former one.

use std::{
    collections::{BTreeSet, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::SignedDuration;
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, ResourceExt as _};

use super::{context::Context, driver::Error, kind::Kind};
use crate::{domain::id::Organisation, store::Store, telemetry};

/// How often it is looked whether namespaces are gone.
const LOOK: Duration = Duration::from_hours(1);
/// So long everything of an organisation is kept after its namespace was found to be gone: a cluster that is restored may
/// bring it back.
const KEPT: SignedDuration = SignedDuration::from_hours(30 * 24);

/// The objects whose namespace the store has met, by UID. A namespace that is made anew has new ones.
#[derive(Default)]
pub(crate) struct Met(Mutex<HashSet<String>>);

impl Met {
    fn holds(&self, uid: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(uid)
    }

    fn add(&self, uid: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(uid);
    }

    /// Forgets integrations that are gone.
    pub(crate) fn forget_unless(&self, exists: impl Fn(&str) -> bool) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|uid| exists(uid));
    }
}

/// Tells the store which namespace the object, an integration or a Directory, is in. Runs wait for their integration to be tested, and it is tested after
/// this: none reads or writes for another namespace's people.
pub(crate) async fn meet<K: Kind>(object: &K, cx: &Context) -> Result<(), Error> {
    let uid = object.uid().unwrap_or_default();
    if cx.met.holds(&uid) {
        return Ok(());
    }
    let name = object.namespace().unwrap_or_default();
    let namespace = Api::<Namespace>::all(cx.client.clone()).get(&name).await.map_err(Error::kube("read the namespace"))?;
    cx.store()?.meet_namespace(&Organisation::new(name), &namespace.uid().unwrap_or_default(), cx.clock.now()).await?;
    cx.met.add(uid);
    Ok(())
}

/// Sets aside the organisations whose namespaces are gone, and drops them when their time is over; at the start and hourly.
pub(super) async fn keep(cx: Arc<Context>) {
    if !cx.caches_are_complete().await {
        return;
    }
    loop {
        if let Err(error) = look(&cx).await {
            tracing::debug!(error = telemetry::chain(&error), "whether namespaces are gone is looked at again later");
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn look(cx: &Context) -> Result<(), Error> {
    let store = cx.store()?;
    let inhabited: BTreeSet<String> = cx.caches.namespaces();
    let namespaces: Api<Namespace> = Api::all(cx.client.clone());
    for (organisation, uid) in store.organisations().await?.into_iter().filter(|(name, _)| !inhabited.contains(name.as_str())) {
        if let Err(error) = keep_one(&organisation, uid.as_deref(), &namespaces, store.as_ref(), cx).await {
            tracing::warn!(namespace = %organisation, error = telemetry::chain(&error), "whether the namespace is gone is not known");
        }
    }
    let dropped = store.purge_orphans(cx.clock.now().saturating_sub(KEPT).unwrap_or(jiff::Timestamp::MIN)).await?;
    if dropped > 0 {
        tracing::info!(target: "audit", organisations = dropped, "dropped what belonged to namespaces that are gone");
    }
    Ok(())
}

async fn keep_one(
    organisation: &Organisation,
    uid: Option<&str>,
    namespaces: &Api<Namespace>,
    store: &dyn Store,
    cx: &Context,
) -> Result<(), Error> {
    let namespace = namespaces.get_opt(organisation.as_str()).await.map_err(Error::kube("read a namespace"))?;
    let now = cx.clock.now();
    if let Some(namespace) = namespace {
        store.meet_namespace(organisation, &namespace.uid().unwrap_or_default(), now).await?;
    } else {
        store.orphan(organisation, uid, now).await?;
        tracing::info!(target: "audit", namespace = %organisation, "the namespace is gone: its people are kept for 30 days");
    }
    Ok(())
}
