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

pub(crate) use rules::{ImportPolicy, import_policy, is_source, unmapped_attribute};

pub(crate) async fn reconcile(policy: Arc<ProvisioningPolicy>, cx: Arc<Context>) -> Result<Visit<ProvisioningPolicyStatus>, Error> {
    let found = dereference::run(&policy, &cx).await?;
    apply::halt(&policy, &found, &cx);
    let visit = match validate::run(&policy, &found) {
        Ok(valid) => {
            let pass = apply::run(&policy, &valid, &found, &cx.store()?, &cx);
            status::run(&policy, &valid, &pass, found.hold.as_ref(), cx.clock.now())
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
            | Source::ChangeApproval
            | Source::DirectorySettings
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

/// What is said of a policy whose app is being tested.
#[cfg(test)]
pub(super) fn judge(policy: &ProvisioningPolicy) -> Visit<ProvisioningPolicyStatus> {
    let key = crate::domain::id::IntegrationKey::new("acme", policy.spec.integration_ref.name.clone());
    let mapping = super::attribute_mapping::Effective::NotReady { name: String::new() };
    let app = super::app::App::Unknown;
    let found = dereference::Found {
        key,
        older: None,
        app,
        mapping,
        replaced: None,
        directory: crate::domain::directory::DirectorySettings::default(),
        directory_revision: 0,
        hold: None,
        last_pass: None,
    };
    match validate::run(policy, &found) {
        Ok(_) => unreachable!("its app is unknown"),
        Err(obstacle) => status::obstacle(policy, obstacle),
    }
}
