//! One watch per kind, one bus for all that happens. The cache is up to date before anybody is told, so that whoever is
//! told reads what has changed. Unstable features of kube are used here and nowhere else.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use futures::{Stream, StreamExt as _, stream::BoxStream};
use kube::{
    Api, Client, ResourceExt as _,
    core::DeserializeGuard,
    runtime::{
        PredicateConfig, WatchStreamExt as _,
        reflector::{self, ObjectRef, Store},
        watcher,
    },
};
use tokio::sync::{broadcast, watch};
use tokio_stream::wrappers::{BroadcastStream, errors::BroadcastStreamRecvError};

use super::kind::Kind;
use crate::api::names::{REQUESTED_AT, TAKE_UP_STORE};

/// How many objects a list page holds.
const PAGE_SIZE: u32 = 200;
/// How much may happen before a slow listener is told to look at everything.
const BUS_CAPACITY: usize = 4096;

/// What something happened to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    AppIntegration,
    AttributeMapping,
    ProvisioningPolicy,
    ImportSchedule,
    ImportRun,
    ChangeApproval,
    /// A check, an import or a pass is over.
    Job,
    /// People of the organisation have changed.
    Directory,
    /// What holds for the whole organisation.
    DirectorySettings,
    /// The store has stopped working, or works again.
    Store,
}

/// Something has happened that other objects of the integration may depend on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Touched {
    pub(crate) source: Source,
    pub(crate) namespace: String,
    /// `None`: all integrations of the namespace.
    pub(crate) integration: Option<String>,
}

/// Where everything that happens is told.
#[derive(Clone)]
pub(crate) struct Bus(broadcast::Sender<Touched>);

impl Bus {
    pub(crate) fn new() -> Self {
        Self(broadcast::channel(BUS_CAPACITY).0)
    }

    pub(crate) fn tell(&self, touched: Touched) {
        // Nobody listens only before the controllers have started.
        let _no_listener = self.0.send(touched);
    }

    /// Everything that happens from now on.
    pub(crate) fn listen(&self) -> broadcast::Receiver<Touched> {
        self.0.subscribe()
    }

    /// The objects of kind `K` that depend on what happens.
    pub(crate) fn dependents<K: Kind>(
        &self,
        cache: Store<DeserializeGuard<K>>,
    ) -> impl Stream<Item = ObjectRef<DeserializeGuard<K>>> + use<K> {
        BroadcastStream::new(self.0.subscribe()).flat_map(move |message| {
            let concerned: Vec<_> = match message {
                Ok(touched) if !K::depends_on(touched.source) => Vec::new(),
                Ok(touched) => cache.state().iter().filter(|object| concerns::<K>(object, &touched)).map(reference).collect(),
                // Something was missed: everybody looks.
                Err(BroadcastStreamRecvError::Lagged(_)) => cache.state().iter().map(reference).collect(),
            };
            futures::stream::iter(concerned)
        })
    }
}

fn reference<K: Kind>(object: &Arc<DeserializeGuard<K>>) -> ObjectRef<DeserializeGuard<K>> {
    ObjectRef::from_obj(object.as_ref())
}

fn concerns<K: Kind>(object: &DeserializeGuard<K>, touched: &Touched) -> bool {
    let Ok(object) = &object.0 else { return false };
    object.namespace().as_deref() == Some(&touched.namespace)
        && touched.integration.as_ref().is_none_or(|integration| {
            let own = object.integration();
            // Whose integration is not said in its spec is concerned by all of its namespace.
            own.is_empty() || *integration == own
        })
}

/// The cache of a kind and the objects of it that have to be looked at.
pub(crate) struct Feed<K: Kind> {
    pub(crate) cache: Store<DeserializeGuard<K>>,
    pub(crate) changes: BoxStream<'static, Result<DeserializeGuard<K>, watcher::Error>>,
    /// Has the API server listed all objects once? The cache knows too, but wakes only one of those who wait for it, and
    /// the controller has to be that one.
    pub(crate) listed: watch::Receiver<bool>,
}

/// Watches a kind. An object has to be looked at when its spec, its finalizers or our annotations have changed, not for
/// labels, foreign annotations or the status that we write ourselves (D2).
pub(crate) fn feed<K: Kind>(client: &Client, bus: &Bus) -> Feed<K> {
    let (cache, writer) = reflector::store();
    let config = watcher::Config::default().page_size(PAGE_SIZE);
    let bus = bus.clone();
    let (all_listed, listed) = watch::channel(false);
    let changes = watcher(Api::<DeserializeGuard<K>>::all(client.clone()), config)
        .default_backoff()
        .modify(|object| {
            if let Ok(object) = &mut object.0 {
                object.meta_mut().managed_fields = None;
            }
        })
        .reflect(writer)
        .inspect(move |event| {
            if matches!(event, Ok(watcher::Event::InitDone)) {
                all_listed.send_replace(true);
            }
        })
        .touched_objects()
        .inspect(move |event| {
            if let Ok(DeserializeGuard(Ok(object))) = event
                && let Some(namespace) = object.namespace()
            {
                let integration = Some(object.integration()).filter(|name| !name.is_empty());
                bus.tell(Touched { source: K::SOURCE, namespace, integration });
            }
        })
        .predicate_filter(|object: &DeserializeGuard<K>| Some(what_matters(object)), PredicateConfig::default())
        .boxed();
    Feed { cache, changes, listed }
}

fn what_matters<K: Kind>(object: &DeserializeGuard<K>) -> u64 {
    use kube::Resource as _;
    let mut hasher = DefaultHasher::new();
    let meta = object.meta();
    meta.generation.hash(&mut hasher);
    meta.finalizers.hash(&mut hasher);
    meta.deletion_timestamp.is_some().hash(&mut hasher);
    for ours in [REQUESTED_AT, TAKE_UP_STORE] {
        meta.annotations.as_ref().and_then(|annotations| annotations.get(ours)).hash(&mut hasher);
    }
    // A broken object that is repaired without a new generation is looked at again.
    object.0.is_ok().hash(&mut hasher);
    hasher.finish()
}
