//! AppIntegration: tests the credentials, asks the app what it can do, and counts its accounts. Writes nothing to the app.

use std::sync::Arc;

use kube::ResourceExt as _;

use super::{
    context::Context,
    driver::{Error, Visit},
    kind::{Kind, status_access},
    replaced,
    streams::Source,
};
use crate::api::{AppIntegration, AppIntegrationStatus};

mod apply;
mod dereference;
mod status;
mod validate;

pub(crate) use validate::key;

pub(crate) async fn reconcile(integration: Arc<AppIntegration>, cx: Arc<Context>) -> Result<Visit<AppIntegrationStatus>, Error> {
    let found = dereference::run(&integration, &cx).await?;
    apply::show(&key(&integration), found.accounts, &cx);
    let valid = match validate::run(&integration, &found, &cx) {
        Ok(valid) => valid,
        Err(refusal) => {
            cx.connections.refuse(&key(&integration), integration.metadata.generation, refusal.clone());
            return Ok(replaced::hold(
                status::invalid(&integration, &found, refusal),
                found.store.replaced.as_ref(),
                &integration.name_any(),
            ));
        }
    };
    let check = apply::run(&integration, &valid, &cx).await;
    let visit = status::run(&integration, &found, &check, cx.clock.now());
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
