//! The app that an object refers to, as far as runs may use it.

use std::sync::Arc;

use kube::ResourceExt as _;

use super::{
    app_integration,
    context::{Connection, Context, JobKey, Refusal},
    driver, reasons,
};
use crate::{
    api::{AppIntegration, Reason, app_integration::Mode},
    domain::hash::ShortHash,
    engine,
};

/// An app and whether it can be used.
pub(crate) enum App {
    /// The credentials were tested and hold.
    Ready(Arc<Usable>),
    /// It is being tested just now, as after a start.
    Unknown,
    /// It is not there, or does not work.
    NotReady {
        /// What it says itself, or that it is not there.
        message: String,
        /// Why those wait who refer to it. Its own reason may ask somebody to act, on it and not on them (operations.md §3).
        reason: Reason,
    },
}

/// An app that can be used.
pub(crate) struct Usable {
    pub(crate) integration: AppIntegration,
    pub(crate) connection: Connection,
    /// The hash of the settings that the connection was made with.
    pub(crate) settings: ShortHash,
}

/// A run has met credentials that no longer hold: the app is tested afresh, and until that succeeds nothing is sent (AI-4).
pub(crate) fn distrust(integration: &AppIntegration, reason: &str, cx: &Context) {
    if matches!(reason, "Unauthorized" | "Forbidden") {
        cx.checks.expire(&JobKey { uid: integration.uid().unwrap_or_default(), integration: app_integration::key(integration) });
    }
}

impl Usable {
    /// The host that the app is reached at, with its port.
    pub(crate) fn host(&self) -> String {
        self.integration.spec.endpoint_host().unwrap_or_default().to_ascii_lowercase()
    }

    /// `mode`, and `suspend`, which lets planning go on (AI-7).
    pub(crate) fn mode(&self) -> engine::Mode {
        mode(&self.integration)
    }
}

/// May nothing be changed in the app or by it, whatever else can be said of it? `suspend` (AI-7), `mode: Plan` (AI-6).
pub(crate) fn is_read_only(integration: &AppIntegration) -> bool {
    mode(integration) == engine::Mode::Plan
}

fn mode(integration: &AppIntegration) -> engine::Mode {
    match (integration.spec.suspend, integration.spec.mode) {
        (false, Mode::Enforce) => engine::Mode::Enforce,
        (true, _) | (false, Mode::Plan) => engine::Mode::Plan,
    }
}

/// Looks the app up, in the namespace of whoever refers to it (H5).
pub(crate) fn find(namespace: &str, name: &str, cx: &Context) -> App {
    let Some(integration) = driver::cached(&cx.caches.integrations, namespace, name) else {
        let message = format!("there is no AppIntegration `{name}` in this namespace; create it, and this goes on by itself");
        return App::NotReady { message, reason: Reason::DependencyNotReady };
    };
    let key = app_integration::key(&integration);
    let job = JobKey { uid: integration.uid().unwrap_or_default(), integration: key.clone() };
    let current = cx.connections.current(&key, integration.metadata.generation);
    let (settings, connection) = match current {
        Some(Ok(connected)) => connected,
        Some(Err(Refusal { reason, message })) => {
            let message = format!("the AppIntegration `{name}` is not ready ({reason}): {message}");
            return App::NotReady { message, reason: Reason::IntegrationNotReady };
        }
        None => return App::Unknown,
    };
    let Some(checked) = cx.checks.last(&job) else { return App::Unknown };
    if checked.settings != settings {
        return App::Unknown;
    }
    match &checked.report.result {
        Ok(_) => App::Ready(Arc::new(Usable { integration, connection, settings })),
        Err(error) => {
            let reason = reasons::of_app(error);
            let what = reasons::with_advice(&error.to_string(), reason);
            App::NotReady {
                message: format!("the AppIntegration `{name}` is not ready ({reason}): {what}"),
                reason: Reason::IntegrationNotReady,
            }
        }
    }
}
