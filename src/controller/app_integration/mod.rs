//! AppIntegration: tests the credentials, asks the app what it can do, and counts its accounts. Writes nothing to the app.

use std::sync::Arc;

use kube::ResourceExt as _;

use super::{
    context::Context,
    driver::{Error, Visit},
    kind::{Kind, status_access},
    namespaces, replaced,
    streams::Source,
};
use crate::api::{AppIntegration, AppIntegrationStatus};

mod apply;
mod dereference;
mod status;
mod validate;

pub(crate) use validate::key;

pub(crate) async fn reconcile(integration: Arc<AppIntegration>, cx: Arc<Context>) -> Result<Visit<AppIntegrationStatus>, Error> {
    namespaces::meet(integration.as_ref(), &cx).await?;
    let found = dereference::run(&integration, &cx).await?;
    apply::show(&key(&integration), found.accounts, &cx);
    let before = cx.connections.settings(&key(&integration));
    let valid = validate::run(&integration, &found, &cx);
    if let Err(refusal) = &valid {
        cx.connections.refuse(&key(&integration), integration.metadata.generation, refusal.clone());
    }
    if before != cx.connections.settings(&key(&integration)) {
        // Whoever writes over the old connection stops now, not when the new one has been tested.
        cx.tell(Source::AppIntegration, &key(&integration));
    }
    let visit = match valid {
        Ok(valid) => {
            let check = apply::run(&integration, &valid, &cx).await?;
            status::run(&integration, &found, &check, cx.clock.now())
        }
        Err(refusal) => status::invalid(&integration, &found, refusal),
    };
    Ok(replaced::hold(visit, found.store.replaced.as_ref(), &integration.name_any()))
}

impl Kind for AppIntegration {
    type Status = AppIntegrationStatus;

    const KIND: &'static str = "AppIntegration";
    const SOURCE: Source = Source::AppIntegration;

    fn depends_on(source: Source) -> bool {
        matches!(source, Source::Job | Source::Store)
    }

    fn integration(&self) -> String {
        self.name_any()
    }

    status_access!();
}

/// What is said of an integration before anything is looked up.
#[cfg(test)]
pub(super) fn judge(integration: &AppIntegration) -> Visit<AppIntegrationStatus> {
    let found = dereference::Found { ca: None, accounts: crate::store::AccountCounts::default(), store: replaced::Seen::known() };
    match validate::alone(integration) {
        Err(refusal) => status::invalid(integration, &found, refusal),
        Ok(()) => status::run(integration, &found, &apply::Check { last: None, request: None }, super::testing::now()),
    }
}
