//! ProvisioningPolicy: what flows between the directory and an app. Runs passes towards the app; imports are ImportRuns.

use std::sync::Arc;

use super::{
    context::Context,
    driver::{Error, Visit},
    kind::{Kind, status_access},
    replaced,
    streams::Source,
};
use crate::api::{ProvisioningPolicy, ProvisioningPolicyStatus};

mod apply;
mod dereference;
mod rules;
mod status;
mod validate;

pub(crate) use rules::{ImportPolicy, import_policy};

pub(crate) async fn reconcile(policy: Arc<ProvisioningPolicy>, cx: Arc<Context>) -> Result<Visit<ProvisioningPolicyStatus>, Error> {
    let found = dereference::run(&policy, &cx).await?;
    apply::halt(&policy, &found, &cx);
    let visit = match validate::run(&policy, &found) {
        Ok(valid) => {
            let pass = apply::run(&policy, &valid, &found, &cx);
            status::run(&policy, &valid, &pass, cx.clock.now())
        }
        Err(obstacle) => status::obstacle(&policy, obstacle),
    };
    Ok(replaced::hold(visit, found.replaced.as_ref(), found.key.name.as_str()))
}

impl Kind for ProvisioningPolicy {
    type Status = ProvisioningPolicyStatus;

    const KIND: &'static str = "ProvisioningPolicy";
    const SOURCE: Source = Source::ProvisioningPolicy;

    fn depends_on(source: Source) -> bool {
        match source {
            Source::AppIntegration
            | Source::AttributeMapping
            | Source::ProvisioningPolicy
            | Source::Job
            | Source::Directory
            | Source::Store => true,
            Source::ImportSchedule | Source::ImportRun => false,
        }
    }

    fn integration(&self) -> String {
        self.spec.integration_ref.name.clone()
    }

    status_access!();
}
