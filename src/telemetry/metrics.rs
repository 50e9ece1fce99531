//! The metric families. Labels are enums or names of our objects, never a person, a URL or a message.

use std::sync::Arc;

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::Registry,
};

use crate::domain::id::IntegrationKey;

/// Labels of a reconcile.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ReconcileLabels {
    /// The kind.
    pub kind: &'static str,
    /// What it came to.
    pub outcome: &'static str,
}

/// Labels of a kind.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct KindLabels {
    /// The kind.
    pub kind: &'static str,
}

/// Labels of an app request.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RequestLabels {
    /// What was asked, such as `list` or `create`.
    pub operation: &'static str,
    /// `ok` or the class of the failure.
    pub class: &'static str,
}

/// Labels of an integration's import.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RunLabels {
    /// The organisation.
    pub namespace: String,
    /// The integration.
    pub integration: String,
    /// How it ended.
    pub outcome: &'static str,
}

/// Labels of actions.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ActionLabels {
    /// The organisation.
    pub namespace: String,
    /// The integration.
    pub integration: String,
    /// What was done.
    pub action: &'static str,
}

/// Labels of an integration's gauge.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct AccountLabels {
    /// The organisation.
    pub namespace: String,
    /// The integration.
    pub integration: String,
    /// `linked`, `pending` or `failed`.
    pub state: &'static str,
}

/// The states of [`AccountLabels`].
pub const ACCOUNT_STATES: [&str; 3] = ["linked", "pending", "failed"];

impl AccountLabels {
    /// The labels of an integration's accounts in this state.
    pub fn of(integration: &IntegrationKey, state: &'static str) -> Self {
        Self { namespace: integration.organisation.as_str().to_owned(), integration: integration.name.as_str().to_owned(), state }
    }
}

/// Every family, and the registry that they are shown from.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    /// Reconciles by kind and outcome.
    pub reconciles: Family<ReconcileLabels, Counter>,
    /// How long they took, in seconds.
    pub reconcile_seconds: Family<KindLabels, Histogram, fn() -> Histogram>,
    /// Requests to apps.
    pub app_requests: Family<RequestLabels, Counter>,
    /// How long they took, in seconds.
    pub app_request_seconds: Family<RequestLabels, Histogram, fn() -> Histogram>,
    /// Imports that ended.
    pub import_runs: Family<RunLabels, Counter>,
    /// Imports and provisioning classes that a limit held back.
    pub safeguard_trips: Family<ActionLabels, Counter>,
    /// Changes applied in apps.
    pub actions: Family<ActionLabels, Counter>,
    /// Accounts by state.
    pub accounts: Family<AccountLabels, Gauge>,
    /// 1 while the store can be read and written.
    pub store_up: Gauge,
}

fn request_buckets() -> Histogram {
    Histogram::new([0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0])
}

fn reconcile_buckets() -> Histogram {
    Histogram::new([0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0])
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All families, at zero.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("joinery");
        let metrics = Self {
            reconciles: Family::default(),
            reconcile_seconds: Family::new_with_constructor(reconcile_buckets),
            app_requests: Family::default(),
            app_request_seconds: Family::new_with_constructor(request_buckets),
            import_runs: Family::default(),
            safeguard_trips: Family::default(),
            actions: Family::default(),
            accounts: Family::default(),
            store_up: Gauge::default(),
            registry: Arc::default(),
        };
        registry.register("build", "The running version", Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]));
        registry.register("reconcile", "Reconciles", metrics.reconciles.clone());
        registry.register("reconcile_duration_seconds", "Duration of reconciles", metrics.reconcile_seconds.clone());
        registry.register("app_requests", "Requests to apps", metrics.app_requests.clone());
        registry.register("app_request_duration_seconds", "Duration of requests to apps", metrics.app_request_seconds.clone());
        registry.register("import_runs", "Imports that ended", metrics.import_runs.clone());
        registry.register("safeguard_trips", "Plans that a limit held back", metrics.safeguard_trips.clone());
        registry.register("actions", "Changes applied in apps", metrics.actions.clone());
        registry.register("accounts", "Accounts by state", metrics.accounts.clone());
        registry.register("store_up", "1 while the store can be read and written", metrics.store_up.clone());
        Self { registry: Arc::new(registry), ..metrics }
    }

    /// Removes the gauges of an integration that is gone: they would show its last state for ever.
    pub fn forget(&self, integration: &IntegrationKey) {
        for state in ACCOUNT_STATES {
            self.accounts.remove(&AccountLabels::of(integration, state));
        }
    }

    /// The text that `/metrics` shows.
    pub fn encode(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_carry_the_prefix() {
        let metrics = Metrics::new();
        metrics.reconciles.get_or_create(&ReconcileLabels { kind: "AppIntegration", outcome: "settled" }).inc();
        let text = metrics.encode().unwrap();
        assert!(text.contains("joinery_reconcile_total{kind=\"AppIntegration\",outcome=\"settled\"} 1"), "{text}");
        assert!(text.contains("joinery_store_up 0"), "{text}");
    }
}
