//! `/livez`, `/readyz` and `/metrics`, from the first second.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use tokio::net::TcpListener;

use crate::telemetry::metrics::Metrics;

/// What has to be true before the operator calls itself ready. Set by those who know.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<Flags>);

#[derive(Debug, Default)]
struct Flags {
    store: AtomicBool,
    watches: AtomicBool,
}

impl Health {
    /// Nothing is ready.
    pub fn new() -> Self {
        Self::default()
    }

    /// Can the store be read and written?
    pub fn set_store(&self, up: bool) {
        self.0.store.store(up, Ordering::Relaxed);
    }

    /// Have all kinds been listed once?
    pub fn set_watches(&self, synced: bool) {
        self.0.watches.store(synced, Ordering::Relaxed);
    }

    /// What is still missing; `None` when ready.
    pub fn missing(&self) -> Option<&'static str> {
        match (self.0.store.load(Ordering::Relaxed), self.0.watches.load(Ordering::Relaxed)) {
            (false, _) => Some("the store cannot be read and written"),
            (true, false) => Some("the API server has not listed all kinds yet; are the CRDs installed?"),
            (true, true) => None,
        }
    }
}

/// Serves until `stopped`.
pub async fn serve(
    listener: TcpListener,
    health: Health,
    metrics: Metrics,
    stopped: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let router = Router::new()
        .route("/livez", get(async || "ok"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(show_metrics))
        .with_state((health, metrics));
    axum::serve(listener, router).with_graceful_shutdown(stopped).await
}

async fn readyz(State((health, _)): State<(Health, Metrics)>) -> Response {
    match health.missing() {
        None => "ok".into_response(),
        Some(missing) => (StatusCode::SERVICE_UNAVAILABLE, missing).into_response(),
    }
}

async fn show_metrics(State((_, metrics)): State<(Health, Metrics)>) -> Response {
    match metrics.encode() {
        Ok(text) => ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
