//! The operator process: the health server first, then the store, then the controllers; down again in reverse.

use std::{sync::Arc, time::Duration};

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    cli::{AddressClass, Settings},
    clock::SystemClock,
    connector::{AddressPolicy, Connectors},
    controller::{self, Parts},
    server::{self, Health},
    store::{Store, sqlite::SqliteStore},
    telemetry::{self, metrics::Metrics},
};

/// Between two attempts to open the store.
const RETRY: Duration = Duration::from_secs(5);
/// How often the store is asked whether it works.
const STORE_PING: Duration = Duration::from_secs(15);
/// The longest that a shutdown waits for what is under way (promise C6: 25 s in all).
const SHUTDOWN: Duration = Duration::from_secs(20);

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
    if let Some(store) = open_store(&settings, &shutdown).await {
        let store = Arc::new(store);
        tokio::spawn(watch_store(store.clone(), health.clone(), metrics.clone(), shutdown.clone()));
        let parts = Parts {
            client,
            store: store.clone(),
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
        if let Err(error) = store.close().await {
            tracing::warn!(error = telemetry::chain(&error), "the store was not closed in order; nothing that was committed is lost");
        }
    }
    let _served = tokio::time::timeout(Duration::from_secs(2), served).await;
    tracing::info!("stopped");
    Ok(())
}

async fn kube_client() -> Result<kube::Client, OperatorError> {
    let config = kube::Config::infer().await.map_err(|error| OperatorError::Kubeconfig(Box::new(error)))?;
    kube::Client::try_from(config).map_err(|error| OperatorError::Kubeconfig(Box::new(error)))
}

/// Tries until the store opens: a volume that is not there yet, or a disk that is full, passes (C8). `None`: shut down before.
async fn open_store(settings: &Settings, shutdown: &CancellationToken) -> Option<SqliteStore> {
    loop {
        match SqliteStore::open(&settings.store).await {
            Ok(store) => return Some(store),
            Err(error) => tracing::error!(error = telemetry::chain(&error), "the store cannot be opened; it is tried again"),
        }
        tokio::select! {
            () = tokio::time::sleep(RETRY) => {}
            () = shutdown.cancelled() => return None,
        }
    }
}

async fn watch_store(store: Arc<SqliteStore>, health: Health, metrics: Metrics, shutdown: CancellationToken) {
    loop {
        let up = store.ping().await.is_ok();
        health.set_store(up);
        metrics.store_up.set(i64::from(up));
        if let Ok(open) = store.intents_open().await {
            metrics.intents_open.set(i64::try_from(open).unwrap_or(i64::MAX));
        }
        tokio::select! {
            () = tokio::time::sleep(STORE_PING) => {}
            () = shutdown.cancelled() => return,
        }
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
    // Each integration's requests are told to its own series.
    Connectors::new(policy, Arc::new(SystemClock), None)
}
