//! The operator process: the health server first, then the store, then the controllers; down again in reverse. A store that
//! does not open stops nobody from saying so (C8).

use std::{sync::Arc, time::Duration};

use tokio::{net::TcpListener, sync::watch};
use tokio_util::sync::CancellationToken;

use crate::{
    cli::{AddressClass, Settings},
    clock::SystemClock,
    connector::{AddressPolicy, Connectors},
    controller::{self, Parts},
    server::{self, Health},
    store::{Store, StoreError, sqlite::SqliteStore},
    telemetry::{self, metrics::Metrics},
};

/// Between two attempts to open the store.
const RETRY: Duration = Duration::from_secs(5);
/// How often the store is asked whether it works.
const STORE_PING: Duration = Duration::from_secs(15);
/// The longest that a shutdown waits for what is under way (promise C6: 25 s in all).
const SHUTDOWN: Duration = Duration::from_secs(20);
/// How long the store may take to close: another process may hold its file.
const CLOSE: Duration = Duration::from_secs(3);

/// Why the process cannot run at all.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    /// The address of the health server is taken or not ours.
    #[error("--listen {address}: {source}")]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// The cause.
        source: std::io::Error,
    },
    /// There is neither a kubeconfig nor a ServiceAccount.
    #[error("no way to the API server: set KUBECONFIG, or run in a pod: {0}")]
    Kubeconfig(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The controllers ended though nobody had asked them to.
    #[error("the controllers ended by themselves; the process has to be started again")]
    ControllersEnded(#[source] Option<tokio::task::JoinError>),
}

/// Runs until SIGTERM or Ctrl-C.
pub async fn run(settings: Settings) -> Result<(), OperatorError> {
    let metrics = Metrics::new();
    let health = Health::new();
    let shutdown = CancellationToken::new();
    let listener = TcpListener::bind(settings.listen).await.map_err(|source| OperatorError::Listen { address: settings.listen, source })?;
    if let Ok(address) = listener.local_addr() {
        tracing::info!(%address, version = env!("CARGO_PKG_VERSION"), "serving /livez, /readyz and /metrics");
    }
    let served = tokio::spawn(server::serve(listener, health.clone(), metrics.clone(), shutdown.clone().cancelled_owned()));
    tokio::spawn(stop_on_signal(shutdown.clone()));
    let client = kube_client().await?;
    let (usable, store) = watch::channel(None);
    // The first attempt comes before the controllers: a start in order says nothing of a store that is not open yet.
    let opened = open_store(&settings, &shutdown).await;
    let keeper =
        Keeper { settings: settings.clone(), usable, health: health.clone(), metrics: metrics.clone(), shutdown: shutdown.clone() };
    let kept = tokio::spawn(keeper.run(opened));
    let parts = Parts {
        client,
        store,
        connectors: connectors(&settings),
        clock: Arc::new(SystemClock),
        metrics,
        health,
        require_secret_consent: settings.require_secret_consent,
        max_concurrent_runs: usize::from(settings.max_concurrent_runs),
        shutdown: shutdown.clone(),
    };
    let mut controllers = tokio::spawn(controller::run(parts));
    tokio::select! {
        biased; // after a shutdown both are true
        () = shutdown.cancelled() => {}
        // A process whose controllers have died must not look alive (C3).
        ended = &mut controllers => {
            shutdown.cancel();
            return Err(OperatorError::ControllersEnded(ended.err()));
        }
    }
    if tokio::time::timeout(SHUTDOWN, controllers).await.is_err() {
        // Nothing is lost: what is under way is in the journal, and the next process settles it.
        tracing::warn!("something was still under way when the time for a shutdown was over");
    }
    if let Ok(Some(store)) = kept.await {
        close(&store).await;
    }
    let _served = tokio::time::timeout(Duration::from_secs(2), served).await;
    tracing::info!("stopped");
    Ok(())
}

async fn kube_client() -> Result<kube::Client, OperatorError> {
    let config = kube::Config::infer().await.map_err(|error| OperatorError::Kubeconfig(Box::new(error)))?;
    kube::Client::try_from(config).map_err(|error| OperatorError::Kubeconfig(Box::new(error)))
}

/// One attempt to open the store. `None`: it failed, or the process goes down.
async fn open_store(settings: &Settings, shutdown: &CancellationToken) -> Option<Arc<SqliteStore>> {
    let opened = tokio::select! {
        opened = SqliteStore::open(&settings.store) => opened,
        () = shutdown.cancelled() => return None,
    };
    let told = |error: &StoreError| {
        tracing::error!(error = telemetry::chain(error), "the store cannot be opened; it is tried again");
    };
    opened.inspect_err(told).ok().map(Arc::new)
}

async fn close(store: &SqliteStore) {
    let lost_nothing = "the store was not closed in order; nothing that was committed is lost";
    match tokio::time::timeout(CLOSE, store.close()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(error = telemetry::chain(&error), lost_nothing),
        Err(_) => tracing::warn!(lost_nothing),
    }
}

/// Opens the store, and says whether it works.
struct Keeper {
    settings: Settings,
    usable: watch::Sender<Option<Arc<dyn Store>>>,
    health: Health,
    metrics: Metrics,
    shutdown: CancellationToken,
}

impl Keeper {
    /// Keeps at it until the shutdown; gives the store back to be closed. A volume that is not there yet, or a disk that is
    /// full, passes (C8).
    async fn run(self, mut store: Option<Arc<SqliteStore>>) -> Option<Arc<SqliteStore>> {
        if let Some(store) = &store {
            self.say(Some(store));
        }
        loop {
            let pause = if store.is_some() { STORE_PING } else { RETRY };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.shutdown.cancelled() => return store,
            }
            let works = match &store {
                None => {
                    store = open_store(&self.settings, &self.shutdown).await;
                    store.is_some()
                }
                Some(store) => tokio::select! {
                    answer = store.ping() => answer.is_ok(),
                    () = self.shutdown.cancelled() => continue,
                },
            };
            self.say(store.as_ref().filter(|_| works));
            if let Some(store) = store.as_ref().filter(|_| works)
                && let Ok(open) = store.intents_open().await
            {
                self.metrics.intents_open.set(i64::try_from(open).unwrap_or(i64::MAX));
            }
        }
    }

    fn say(&self, works: Option<&Arc<SqliteStore>>) {
        self.health.set_store(works.is_some());
        self.metrics.store_up.set(i64::from(works.is_some()));
        self.usable.send_if_modified(|usable| {
            let changed = usable.is_some() != works.is_some();
            if changed {
                *usable = works.cloned().map(|store| -> Arc<dyn Store> { store });
            }
            changed
        });
    }
}

async fn stop_on_signal(shutdown: CancellationToken) {
    let terminated = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        () = terminated => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    tracing::info!("stopping: what is under way is finished and recorded");
    shutdown.cancel();
}

fn connectors(settings: &Settings) -> Connectors {
    let allows = |class| settings.allowed_addresses.contains(&class);
    let policy = AddressPolicy {
        public: allows(AddressClass::Public),
        loopback: allows(AddressClass::Loopback),
        private: allows(AddressClass::Private),
        allow_insecure_http: settings.allow_insecure_http,
    };
    Connectors::new(policy, Arc::new(SystemClock))
}
