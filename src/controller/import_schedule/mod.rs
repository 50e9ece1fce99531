//! ImportSchedule: one ImportRun per slot; imports nothing itself.

use std::sync::Arc;

use super::{
    context::Context,
    driver::{Error, Visit},
    kind::{Kind, status_access},
    replaced,
    streams::Source,
};
use crate::{
    api::{ImportSchedule, ImportScheduleStatus, Reason},
    domain::schedule,
};

mod apply;
mod dereference;
mod status;
mod validate;

pub(crate) async fn reconcile(object: Arc<ImportSchedule>, cx: Arc<Context>) -> Result<Visit<ImportScheduleStatus>, Error> {
    let now = cx.clock.now();
    let found = dereference::run(&object, &cx).await?;
    let valid = match validate::run(&object, now) {
        Ok(valid) => valid,
        Err(problem) => return Ok(status::invalid(&object, &problem)),
    };
    let decision = schedule::decide(&valid.view(&found), now);
    let done = apply::run(&object, &found, decision, &cx).await?;
    let visit = status::run(&object, &found, &done, now);
    Ok(replaced::hold_as(Reason::RunHeld, visit, found.replaced.as_ref(), &object.spec.integration_ref.name))
}

impl Kind for ImportSchedule {
    type Status = ImportScheduleStatus;

    const KIND: &'static str = "ImportSchedule";
    const SOURCE: Source = Source::ImportSchedule;

    fn depends_on(source: Source) -> bool {
        matches!(source, Source::ImportRun | Source::AppIntegration | Source::Store)
    }

    fn integration(&self) -> String {
        self.spec.integration_ref.name.clone()
    }

    status_access!();
}
