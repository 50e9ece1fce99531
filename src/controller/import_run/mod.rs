//! ImportRun: one import, its plan, its verdict, its result.

use std::sync::Arc;

use super::{
    context::Context,
    driver::{Error, Visit},
    kind::{Kind, status_access},
    streams::Source,
};
use crate::api::{ImportRun, ImportRunStatus};

mod apply;
mod dereference;
mod status;
mod validate;

pub(crate) use status::{Ending, ending};

pub(crate) async fn reconcile(run: Arc<ImportRun>, cx: Arc<Context>) -> Result<Visit<ImportRunStatus>, Error> {
    let found = dereference::run(&run, &cx).await?;
    if let Some(stored) = found.over() {
        return Ok(status::over(&run, stored));
    }
    apply::halt(&run, &found, &cx);
    let valid = match validate::run(&found) {
        Ok(valid) => valid,
        Err(obstacle) => return Ok(status::obstacle(&run, &found, obstacle)),
    };
    let import = apply::run(&run, &valid, &found, &cx);
    Ok(status::run(&run, &found, &import, cx.clock.now()))
}

impl Kind for ImportRun {
    type Status = ImportRunStatus;

    const KIND: &'static str = "ImportRun";
    const SOURCE: Source = Source::ImportRun;

    fn depends_on(source: Source) -> bool {
        match source {
            Source::AppIntegration | Source::AttributeMapping | Source::ProvisioningPolicy | Source::ImportSchedule | Source::Job => true,
            Source::ImportRun | Source::Directory => false,
        }
    }

    fn integration(&self) -> String {
        self.spec.integration_ref.name.clone()
    }

    status_access!();
}

/// What is said of a run whose app is being tested.
#[cfg(test)]
pub(super) fn judge(run: &ImportRun) -> Visit<ImportRunStatus> {
    let key = crate::domain::id::IntegrationKey::new("acme", run.spec.integration_ref.name.clone());
    let mapping = super::attribute_mapping::Effective::NotReady { name: String::new() };
    let app = super::app::App::Unknown;
    let found = dereference::Found { key, stored: None, app, mapping, policy: None, schedule: None, ahead: None };
    match validate::run(&found) {
        Ok(_) => status::run(run, &found, &apply::Import { error: None }, super::testing::now()),
        Err(obstacle) => status::obstacle(run, &found, obstacle),
    }
}
