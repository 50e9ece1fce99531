//! The metric families. Labels are enums or names of our objects, never a person, a URL or a message.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric as _, text::encode},
    metrics::{
        MetricType,
        counter::Counter,
        family::Family,
        gauge::{ConstGauge, Gauge},
        histogram::Histogram,
        info::Info,
    },
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

/// Labels that belong to an integration.
pub trait OfApp: Clone + Eq + std::hash::Hash {
    /// The integration.
    fn app(&self) -> IntegrationKey;
}

macro_rules! of_app {
    ($(#[$doc:meta])* $name:ident { $(#[doc = $meaning:literal] $label:ident,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
        pub struct $name {
            /// The organisation.
            pub namespace: String,
            /// The integration.
            pub integration: String,
            $(#[doc = $meaning] pub $label: &'static str,)+
        }

        impl $name {
            /// The labels of an integration.
            pub fn of(app: &IntegrationKey, $($label: &'static str),+) -> Self {
                Self { namespace: app.organisation.as_str().to_owned(), integration: app.name.as_str().to_owned(), $($label),+ }
            }
        }

        impl OfApp for $name {
            fn app(&self) -> IntegrationKey {
                IntegrationKey::new(self.namespace.clone(), self.integration.clone())
            }
        }
    };
}

of_app! {
    /// Labels of an app request.
    RequestLabels {
        /// What was asked, such as `list` or `create`.
        operation,
        /// `ok` or the class of the failure.
        class,
    }
}

of_app! {
    /// Labels of an integration's import.
    RunLabels {
        /// `full`.
        r#type,
        /// How it ended.
        outcome,
    }
}

of_app! {
    /// Labels of actions.
    ActionLabels {
        /// What was done.
        action,
    }
}

of_app! {
    /// Labels of an integration's accounts.
    AccountLabels {
        /// `linked`, `pending` or `failed`.
        state,
    }
}

/// The states of [`AccountLabels`].
pub const ACCOUNT_STATES: [&str; 3] = ["linked", "pending", "failed"];

/// A family whose series go with their integration: a name that comes back starts afresh, and names that are gone take no room.
#[derive(Clone)]
pub struct PerApp<L: OfApp, M> {
    family: Family<L, M, fn() -> M>,
    known: Arc<Mutex<HashMap<IntegrationKey, HashSet<L>>>>,
}

impl<L: OfApp, M: Clone> PerApp<L, M> {
    fn new(make: fn() -> M) -> Self {
        Self { family: Family::new_with_constructor(make), known: Arc::default() }
    }

    /// The series with these labels.
    pub fn get(&self, labels: &L) -> M {
        // Under the lock: a series that nobody knew of could not be taken away any more.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.entry(labels.app()).or_default().insert(labels.clone());
        self.family.get_or_create_owned(labels)
    }

    fn forget_unless(&self, exists: &impl Fn(&IntegrationKey) -> bool) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|app, series| {
            let exists = exists(app);
            if !exists {
                for labels in series.iter() {
                    self.family.remove(labels);
                }
            }
            exists
        });
    }
}

/// A family of gauges that is made anew from what there is, so that nothing that is gone stays in it.
#[derive(Clone, Debug)]
pub struct GaugeFamily {
    /// Without the prefix.
    pub name: &'static str,
    /// For people.
    pub help: &'static str,
    /// Labels and value of each series.
    pub series: BTreeMap<Vec<(&'static str, String)>, i64>,
}

/// The families that were made last.
#[derive(Clone, Debug, Default)]
struct Shown(Arc<Mutex<Vec<GaugeFamily>>>);

impl Collector for Shown {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        for GaugeFamily { name, help, series } in self.0.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for (labels, value) in series {
                ConstGauge::new(*value).encode(family.encode_family(labels)?)?;
            }
        }
        Ok(())
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
    pub app_requests: PerApp<RequestLabels, Counter>,
    /// How long they took, in seconds.
    pub app_request_seconds: PerApp<RequestLabels, Histogram>,
    /// Imports that ended.
    pub import_runs: PerApp<RunLabels, Counter>,
    /// Imports and provisioning classes that a limit held back.
    pub safeguard_trips: PerApp<ActionLabels, Counter>,
    /// Changes applied in apps.
    pub actions: PerApp<ActionLabels, Counter>,
    /// Accounts by state.
    pub accounts: PerApp<AccountLabels, Gauge>,
    /// 1 while the store can be read and written.
    pub store_up: Gauge,
    /// Effects that were begun and whose result is not recorded yet.
    pub intents_open: Gauge,
    shown: Shown,
}

fn request_buckets() -> Histogram {
    // Few: there is one per integration, operation and class.
    Histogram::new([0.05, 0.25, 1.0, 5.0, 30.0])
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
            app_requests: PerApp::new(Counter::default),
            app_request_seconds: PerApp::new(request_buckets),
            import_runs: PerApp::new(Counter::default),
            safeguard_trips: PerApp::new(Counter::default),
            actions: PerApp::new(Counter::default),
            accounts: PerApp::new(Gauge::default),
            store_up: Gauge::default(),
            intents_open: Gauge::default(),
            shown: Shown::default(),
            registry: Arc::default(),
        };
        registry.register("build", "The running version", Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]));
        registry.register("reconcile", "Reconciles", metrics.reconciles.clone());
        registry.register("reconcile_duration_seconds", "Duration of reconciles", metrics.reconcile_seconds.clone());
        registry.register("app_requests", "Requests to apps", metrics.app_requests.family.clone());
        registry.register("app_request_duration_seconds", "Duration of requests to apps", metrics.app_request_seconds.family.clone());
        registry.register("import_runs", "Imports that ended", metrics.import_runs.family.clone());
        registry.register("safeguard_trips", "Plans that a limit held back", metrics.safeguard_trips.family.clone());
        registry.register("actions", "Changes applied in apps", metrics.actions.family.clone());
        registry.register("accounts", "Accounts by state", metrics.accounts.family.clone());
        registry.register("store_up", "1 while the store can be read and written", metrics.store_up.clone());
        registry.register("intents_open", "Effects begun whose result is not recorded yet", metrics.intents_open.clone());
        registry.register_collector(Box::new(metrics.shown.clone()));
        Self { registry: Arc::new(registry), ..metrics }
    }

    /// Removes the series of integrations that are gone: they would show their last state for ever.
    pub fn forget_unless(&self, exists: impl Fn(&IntegrationKey) -> bool) {
        self.app_requests.forget_unless(&exists);
        self.app_request_seconds.forget_unless(&exists);
        self.import_runs.forget_unless(&exists);
        self.safeguard_trips.forget_unless(&exists);
        self.actions.forget_unless(&exists);
        self.accounts.forget_unless(&exists);
    }

    /// Shows these families from now on, and none that was shown before.
    pub fn show(&self, families: Vec<GaugeFamily>) {
        *self.shown.0.lock().unwrap_or_else(PoisonError::into_inner) = families;
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

    #[test]
    fn series_go_with_their_integration() {
        let metrics = Metrics::new();
        for number in 0..1000 {
            let app = IntegrationKey::new("acme", format!("app{number}"));
            for (operation, class) in [("list", "ok"), ("create", "ok"), ("create", "transient")] {
                metrics.app_requests.get(&RequestLabels::of(&app, operation, class)).inc();
                metrics.app_request_seconds.get(&RequestLabels::of(&app, operation, class)).observe(0.1);
            }
            metrics.import_runs.get(&RunLabels::of(&app, "full", "applied")).inc();
            metrics.safeguard_trips.get(&ActionLabels::of(&app, "Removals")).inc();
            metrics.actions.get(&ActionLabels::of(&app, "create")).inc();
            metrics.accounts.get(&AccountLabels::of(&app, "linked")).set(1);
        }
        let series = |metrics: &Metrics| metrics.encode().unwrap().lines().filter(|line| line.contains("namespace=")).count();
        let each = series(&metrics) / 1000;
        metrics.forget_unless(|app| app.name.as_str() == "app7");
        let text = metrics.encode().unwrap();
        assert_eq!(series(&metrics), each, "{text}");
        let labels = "{namespace=\"acme\",integration=\"app7\",operation=\"create\",class=\"transient\"}";
        assert!(text.contains(&format!("joinery_app_requests_total{labels} 1")), "{text}");
        assert!(
            text.contains("joinery_import_runs_total{namespace=\"acme\",integration=\"app7\",type=\"full\",outcome=\"applied\"} 1"),
            "{text}"
        );
        metrics.forget_unless(|_| false);
        assert_eq!(series(&metrics), 0);
    }

    #[test]
    fn what_is_shown_takes_the_place_of_what_was() {
        let metrics = Metrics::new();
        let family = |series: &[(&'static str, i64)]| GaugeFamily {
            name: "objects",
            help: "Objects",
            series: series.iter().map(|(kind, number)| (vec![("kind", (*kind).to_owned())], *number)).collect(),
        };
        metrics.show(vec![family(&[("AppIntegration", 2), ("ImportRun", 1)])]);
        assert!(metrics.encode().unwrap().contains("joinery_objects{kind=\"ImportRun\"} 1"));
        metrics.show(vec![family(&[("AppIntegration", 1)])]);
        let text = metrics.encode().unwrap();
        assert!(text.contains("joinery_objects{kind=\"AppIntegration\"} 1") && !text.contains("ImportRun"), "{text}");
    }
}
