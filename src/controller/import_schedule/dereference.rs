//! The schedule's runs, newest first, each with how it ended; whether its integration exists; what is asked for now.

use jiff::Timestamp;
use kube::{Resource as _, ResourceExt as _};

use crate::{
    api::{ImportRun, ImportSchedule, names},
    controller::{
        context::Context,
        driver::{self, Error},
        import_run::{self, Ending},
        replaced,
    },
    domain::store_mark::Replacement,
};

/// A run of the schedule.
pub(super) struct Child {
    pub(super) run: ImportRun,
    pub(super) created: Timestamp,
    /// `None` while it waits or is under way.
    pub(super) ending: Option<(Ending, Timestamp)>,
}

impl Child {
    /// Runs that are over follow each other by when they ended: creation times are whole seconds, and two runs may share one.
    fn age(&self) -> (Timestamp, Timestamp) {
        (self.ending.as_ref().map_or(Timestamp::MAX, |(_, finished)| *finished), self.created)
    }
}

pub(super) struct Found {
    /// Newest first.
    pub(super) runs: Vec<Child>,
    /// The store is not the one that the integration's status speaks of (SG-12).
    pub(super) replaced: Option<Replacement>,
    /// Does the AppIntegration exist?
    pub(super) integration: bool,
    /// The integration of the schedule is suspended: nothing is started (AI-7).
    pub(super) integration_suspended: bool,
    /// A text of `requested-at` that no run was made for yet.
    pub(super) request: Option<String>,
    /// The text of `requested-at`, once a run carries it, whether or not that has reached the status (B8).
    pub(super) answered: Option<String>,
    /// The latest slot that a run was made for, likewise.
    pub(super) slot: Option<Timestamp>,
}

impl Found {
    /// Runs that wait or are under way.
    pub(super) fn active(&self) -> impl Iterator<Item = &Child> {
        self.runs.iter().filter(|child| child.ending.is_none())
    }

    /// The last run that is over or held.
    pub(super) fn last(&self) -> Option<&Child> {
        self.runs.iter().find(|child| child.ending.is_some())
    }
}

pub(super) async fn run(schedule: &ImportSchedule, cx: &Context) -> Result<Found, Error> {
    let namespace = schedule.namespace().unwrap_or_default();
    let uid = schedule.uid().unwrap_or_default();
    let store = cx.store()?;
    let mut runs = Vec::new();
    for object in driver::in_namespace(&cx.caches.runs, &namespace) {
        let Ok(run) = &object.0 else { continue };
        // By UID: a schedule that was deleted and made anew under its name does not inherit runs.
        if !run.owner_references().iter().any(|owner| owner.uid == uid) || run.meta().deletion_timestamp.is_some() {
            continue;
        }
        // From the store, not from the run's status: what somebody wrote there causes nothing (H11).
        let stored = store.import_run(&run.uid().unwrap_or_default()).await?;
        let ending = stored
            .and_then(|stored| stored.report)
            .filter(|report| !report.is_released())
            .map(|report| (import_run::ending(&report), report.finished));
        // But for a run of which the store that knew it is gone.
        let ending = ending.or_else(|| import_run::remembered_ending(run));
        let created = run.creation_timestamp().map_or(Timestamp::MIN, |time| time.0);
        runs.push(Child { run: run.clone(), created, ending });
    }
    runs.sort_by_key(|child| std::cmp::Reverse(child.age()));
    let integration = driver::cached(&cx.caches.integrations, &namespace, &schedule.spec.integration_ref.name);
    Ok(Found {
        request: request(schedule, &runs),
        answered: names::request(&schedule.metadata).filter(|text| is_answered(text, &runs)),
        slot: runs.iter().filter_map(|child| slot_of(&schedule.name_any(), &child.run.name_any())).max(),
        integration_suspended: integration.as_ref().is_some_and(|integration| integration.spec.suspend),
        integration: integration.is_some(),
        replaced: replaced::find(&namespace, &schedule.spec.integration_ref.name, store.as_ref(), cx).await?,
        runs,
    })
}

/// A request is done once a run carries its text, whether or not that has reached the status yet (B8).
fn request(schedule: &ImportSchedule, runs: &[Child]) -> Option<String> {
    let text = names::request(&schedule.metadata)?;
    let handled = schedule.status.as_ref().and_then(|status| status.last_handled_request.as_ref()) == Some(&text);
    (!handled && !is_answered(&text, runs)).then_some(text)
}

fn is_answered(text: &str, runs: &[Child]) -> bool {
    runs.iter().any(|child| names::request(&child.run.metadata).as_deref() == Some(text))
}

/// The slot that a run was named by; see `apply::child`.
fn slot_of(schedule: &str, run: &str) -> Option<Timestamp> {
    let minutes: i64 = run.strip_prefix(schedule)?.strip_prefix("-full-")?.parse().ok()?;
    Timestamp::from_second(minutes.checked_mul(60)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_tells_its_slot_by_its_name() {
        assert_eq!(slot_of("hr", "hr-full-29412480"), Some("2025-12-03T08:00:00Z".parse().unwrap()));
        assert_eq!(slot_of("hr", "hr-full-now-12ab34cd"), None);
        assert_eq!(slot_of("hr", "other-full-29412480"), None);
    }
}
