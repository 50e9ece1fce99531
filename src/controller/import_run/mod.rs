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

pub(crate) use status::{Ending, ending, remembered_ending};

pub(crate) async fn reconcile(run: Arc<ImportRun>, cx: Arc<Context>) -> Result<Visit<ImportRunStatus>, Error> {
    let found = dereference::run(&run, &cx).await?;
    if let Some(stored) = found.over() {
        return Ok(status::over(&run, stored));
    }
    if !found.is_known()
        && let Some(visit) = status::remembered(&run)
    {
        return Ok(visit);
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
            Source::AppIntegration
            | Source::AttributeMapping
            | Source::ProvisioningPolicy
            | Source::ImportSchedule
            | Source::Job
            | Source::Store => true,
            Source::ImportRun | Source::Directory => false,
        }
    }

    fn integration(&self) -> String {
        self.spec.integration_ref.name.clone()
    }

    /// A run that is over stays what it is.
    fn needs_store(&self) -> bool {
        self.status.as_ref().is_none_or(|status| status.completion_time.is_none())
    }

    status_access!();
}
