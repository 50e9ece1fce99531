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
        names::{INTEGRATION_LABEL, REQUESTED_AT, SCHEDULE_LABEL},
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
        // 409: a second try, never a second import.
        match api.create(&PostParams::default(), &run).await {
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
    for child in superfluous(&schedule.spec, found) {
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

/// The runs over the history limits, the oldest of those that succeeded, of those that failed and of those that are held.
fn superfluous<'a>(spec: &ImportScheduleSpec, found: &'a Found) -> Vec<&'a Child> {
    let limits = [
        (Status::True, spec.successful_runs_history_limit),
        (Status::False, spec.failed_runs_history_limit),
        (Status::Unknown, spec.held_runs_history_limit),
    ];
    let over = |(succeeded, limit): (Status, i32)| {
        let ended = move |child: &&Child| child.ending.as_ref().is_some_and(|(ending, _)| ending.succeeded == succeeded);
        found.runs.iter().filter(ended).skip(usize::try_from(limit).unwrap_or_default())
    };
    limits.into_iter().flat_map(over).collect()
}
