//! ImportRun: one import, its plan, its verdict, its result.

use std::sync::Arc;

use super::{
    context::Context,
    driver::{Error, Visit},
    kind::{Kind, status_access},
    streams::Source,
};
use crate::{
    api::{ImportRun, ImportRunStatus},
    domain::report::ImportEnd,
};

mod apply;
mod dereference;
mod status;
mod validate;

pub(crate) use status::{Ending, ending, remembered_ending};

pub(crate) async fn reconcile(run: Arc<ImportRun>, cx: Arc<Context>) -> Result<Visit<ImportRunStatus>, Error> {
    let stored = dereference::stored(&run, &cx).await?;
    let report = stored.as_ref().and_then(|stored| stored.report.as_ref());
    // One that was held because of the store is taken up again when the store is.
    let is_held_for_store = report.is_some_and(|report| report.end == ImportEnd::StoreReplaced);
    let now = cx.clock.now();
    let stored = match report {
        Some(report) if apply::is_expired(report, now) => apply::expire(&run, &cx).await?,
        _ => stored,
    };
    let report = stored.as_ref().and_then(|stored| stored.report.as_ref());
    if !is_held_for_store && let Some(over) = status::over(&run, stored.as_ref(), now) {
        return Ok(over);
    }
    if report.is_none()
        && let Some(visit) = status::remembered(&run)
    {
        return Ok(visit);
    }
    let found = dereference::run(&run, stored, &cx).await?;
    if is_held_for_store
        && found.replaced.is_some()
        && let Some(over) = status::over(&run, found.stored.as_ref(), now)
    {
        return Ok(over);
    }
    apply::halt(&run, &found, &cx);
    if found.superseded && !found.is_released() && apply::give_up(&run, &found, &cx).await? {
        let stored = dereference::stored(&run, &cx).await?;
        if let Some(over) = status::over(&run, stored.as_ref(), now) {
            return Ok(over);
        }
    }
    let valid = match validate::run(&found) {
        Ok(valid) => valid,
        Err(obstacle) => return Ok(status::obstacle(&run, &found, obstacle)),
    };
    Ok(match apply::run(&run, &valid, &found, cx.store()?, &cx) {
        Ok(import) => status::run(&run, &found, &import, cx.clock.now()),
        Err(obstacle) => status::obstacle(&run, &found, obstacle),
    })
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
            | Source::ChangeApproval
            | Source::DirectorySettings
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

/// What is said of a run whose app is being tested.
#[cfg(test)]
pub(super) fn judge(run: &ImportRun) -> Visit<ImportRunStatus> {
    let key = crate::domain::id::IntegrationKey::new("acme", run.spec.integration_ref.name.clone());
    let mapping = super::attribute_mapping::Effective::NotReady { name: String::new() };
    let app = super::app::App::Unknown;
    let found = dereference::Found {
        key,
        stored: None,
        app,
        mapping,
        policy: None,
        schedule: None,
        directory: crate::domain::directory::DirectorySettings::default(),
        ahead: None,
        superseded: false,
        replaced: None,
    };
    match validate::run(&found) {
        Ok(_) => status::run(run, &found, &apply::Import { error: None }, super::testing::now()),
        Err(obstacle) => status::obstacle(run, &found, obstacle),
    }
}
