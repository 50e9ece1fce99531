//! Starts, stops and prunes runs.

use std::collections::BTreeMap;

use jiff::Timestamp;
use kube::{
    Api, Resource as _, ResourceExt as _,
    api::{DeleteParams, PostParams, Preconditions},
};

use super::dereference::{Child, Found};
use crate::{
    api::{
        ImportRun, ImportRunSpec, ImportSchedule, ImportScheduleSpec,
        conditions::Status,
        import_run::ImportType,
        names::{FIELD_MANAGER, INTEGRATION_LABEL, REQUESTED_AT, SCHEDULE_LABEL},
    },
    controller::{
        context::{Context, JobKey},
        driver::{self, Error},
    },
    domain::{hash::ShortHash, id::IntegrationKey, report::StopCause, schedule::ScheduleDecision},
};

/// What was done.
#[derive(Default)]
pub(super) struct Done {
    /// The slot that was handled: started, or missed.
    pub(super) handled: Option<Timestamp>,
    /// A slot that was left out.
    pub(super) missed: Option<Timestamp>,
    /// The next slot.
    pub(super) next: Option<Timestamp>,
    /// A run that was started just now, and that the cache does not show yet.
    pub(super) started: Option<String>,
    /// The request that a run was started for.
    pub(super) request: Option<String>,
}

pub(super) async fn run(schedule: &ImportSchedule, found: &Found, decision: ScheduleDecision, cx: &Context) -> Result<Done, Error> {
    let ScheduleDecision { start, stop_active, missed, next } = decision; // no `..`: a new part cannot be forgotten here
    let mut done = Done { missed, next, handled: missed, ..Done::default() };
    if stop_active {
        let integration = IntegrationKey::new(schedule.namespace().unwrap_or_default(), schedule.spec.integration_ref.name.clone());
        for child in found.active() {
            let key = JobKey { uid: child.run.uid().unwrap_or_default(), integration: integration.clone() };
            cx.imports.stop(&key, StopCause::Superseded);
        }
    }
    if let Some(slot) = start {
        let run = child(schedule, slot, found.request.clone());
        let api: Api<ImportRun> = Api::namespaced(cx.client.clone(), &schedule.namespace().unwrap_or_default());
        // Without a name of ours the API server would note the client library's as the owner of the fields (D8).
        let params = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        // 409: a second try, never a second import.
        match api.create(&params, &run).await {
            Ok(_) => done.started = Some(run.name_any()),
            Err(kube::Error::Api(answer)) if answer.code == 409 => {}
            Err(error) => return Err(Error::kube("create an ImportRun")(error)),
        }
        done.handled = Some(slot);
        done.request.clone_from(&found.request);
    }
    prune(schedule, found, cx).await?;
    Ok(done)
}

/// A run of this slot. Labels and annotations of the schedule are not copied: a tool's tracking id would get the run pruned.
fn child(schedule: &ImportSchedule, slot: Timestamp, request: Option<String>) -> ImportRun {
    // Either name is the same at a second try: of a slot by its time, of a request by its text (B8).
    let name = match &request {
        Some(text) => format!("{}-full-now-{}", schedule.name_any(), &hex::encode(ShortHash::of(text.as_bytes()).0)[..8]),
        None => format!("{}-full-{}", schedule.name_any(), slot.as_second().div_euclid(60)),
    };
    let spec = ImportRunSpec { integration_ref: schedule.spec.integration_ref.clone(), kind: ImportType::Full };
    let mut run = ImportRun::new(&name, spec);
    run.metadata.owner_references = Some(schedule.controller_owner_ref(&()).into_iter().collect());
    run.metadata.labels = Some(BTreeMap::from([
        (SCHEDULE_LABEL.to_owned(), schedule.name_any()),
        (INTEGRATION_LABEL.to_owned(), schedule.spec.integration_ref.name.clone()),
    ]));
    run.metadata.annotations = request.map(|text| BTreeMap::from([(REQUESTED_AT.to_owned(), text)]));
    run
}

/// Removes runs over the history limits.
async fn prune(schedule: &ImportSchedule, found: &Found, cx: &Context) -> Result<(), Error> {
    for child in superfluous(&schedule.spec, &found.runs) {
        let only_this = Preconditions { uid: child.run.uid(), resource_version: None };
        let params = DeleteParams { preconditions: Some(only_this), ..DeleteParams::default() };
        match driver::api(&child.run, cx).delete(&child.run.name_any(), &params).await {
            Ok(_) => {}
            Err(kube::Error::Api(answer)) if answer.code == 404 || answer.code == 409 => {}
            Err(error) => return Err(Error::kube("delete an ImportRun over its history limit")(error)),
        }
    }
    Ok(())
}

/// Runs over the history limits, of runs newest first; succeeded, failed and held ones apart. The newest that is over stays
/// whatever the limits say: what the schedule says of its last run is read from it.
fn superfluous<'a>(spec: &ImportScheduleSpec, runs: &'a [Child]) -> Vec<&'a Child> {
    let newest = runs.iter().find(|child| child.ending.is_some()).map(|child| child.run.uid());
    let mut superfluous = Vec::new();
    for (succeeded, limit) in [
        (Status::True, spec.successful_runs_history_limit),
        (Status::False, spec.failed_runs_history_limit),
        (Status::Unknown, spec.held_runs_history_limit),
    ] {
        let ended = runs.iter().filter(|child| child.ending.as_ref().is_some_and(|(ending, _)| ending.succeeded == succeeded));
        let over = ended.skip(usize::try_from(limit).unwrap_or_default());
        superfluous.extend(over.filter(|child| Some(child.run.uid()) != newest));
    }
    superfluous
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{api::Reason, controller::import_run::Ending};

    fn child(name: &str, succeeded: Option<Status>) -> Child {
        let spec = ImportRunSpec { integration_ref: serde_json::from_value(json!({"name": "hr"})).unwrap(), kind: ImportType::Full };
        let mut run = ImportRun::new(name, spec);
        run.metadata.uid = Some(name.to_owned());
        let ending = succeeded
            .map(|succeeded| (Ending { succeeded, reason: Reason::Applied, message: String::new(), tripped: None }, Timestamp::MIN));
        Child { run, created: Timestamp::MIN, ending }
    }

    fn removed(limits: [i32; 3], runs: &[Child]) -> Vec<String> {
        let spec = json!({
            "integrationRef": {"name": "hr"}, "full": {"schedule": "0 2 * * *"},
            "successfulRunsHistoryLimit": limits[0], "failedRunsHistoryLimit": limits[1], "heldRunsHistoryLimit": limits[2],
        });
        let spec = serde_json::from_value(spec).unwrap();
        superfluous(&spec, runs).into_iter().map(|child| child.run.name_any()).collect()
    }

    #[test]
    fn the_newest_run_that_is_over_stays_whatever_the_limits_say() {
        for newest in [Status::True, Status::False, Status::Unknown] {
            let runs = [child("active", None), child("newest", Some(newest)), child("old", Some(newest)), child("older", Some(newest))];
            assert_eq!(removed([0, 0, 0], &runs), ["old", "older"], "{newest:?}");
            assert_eq!(removed([2, 2, 2], &runs), ["older"], "{newest:?}");
        }
        let runs = [child("good", Some(Status::True)), child("failed", Some(Status::False)), child("good-too", Some(Status::True))];
        assert_eq!(removed([1, 0, 5], &runs), ["good-too", "failed"]);
    }
}
