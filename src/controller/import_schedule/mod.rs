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

/// What is said of a schedule that has no runs, and what would be done.
#[cfg(test)]
pub(super) fn judge(object: &ImportSchedule) -> Visit<ImportScheduleStatus> {
    let now = super::testing::now();
    let found = dereference::Found {
        runs: Vec::new(),
        replaced: None,
        integration: true,
        integration_suspended: false,
        request: None,
        answered: None,
        slot: None,
    };
    match validate::run(object, now) {
        Ok(valid) => {
            let decision = schedule::decide(&valid.view(&found), now);
            let done = apply::Done { missed: decision.missed, next: decision.next, ..apply::Done::default() };
            status::run(object, &found, &done, now)
        }
        Err(problem) => status::invalid(object, &problem),
    }
}
