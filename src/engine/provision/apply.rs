//! Apply: class by class in the order of RU-1, so many writes at once as the app allows, one per account.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        OnceLock,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
};

use futures::{StreamExt as _, stream};
use jiff::SignedDuration;

use super::{Early, Progress, ProvisionJob, decide, effect::Effect};
use crate::{
    connector::{AppError, ErrorClass},
    domain::{
        counts::ProvisionCounts,
        id::{AppId, PersonId},
        link::Link,
        provision_plan::{Failure, ProvisionAction},
        report::{ActionClass, ProvisionReport},
    },
    engine::journal::Journal,
    store::{Claim, Intent, IntentResult, StoreError},
};

/// So many failures in a row are the app's, not the people's: the rest waits for the next pass.
const FAILURES_IN_A_ROW: u32 = 10;

/// What stops all further writes of the pass.
#[derive(Default)]
struct Halt {
    error: OnceLock<AppError>,
    in_a_row: AtomicU32,
    /// The journal cannot be written: whoever has not begun does not wait for the same refusal (C8).
    no_journal: AtomicBool,
}

impl Halt {
    /// Is nothing more to be begun?
    fn holds(&self) -> bool {
        self.error.get().is_some() || self.no_journal.load(Ordering::Relaxed)
    }

    fn succeeded(&self) {
        self.in_a_row.store(0, Ordering::Relaxed);
    }

    fn failed(&self, error: &AppError) {
        let in_a_row = self.in_a_row.fetch_add(1, Ordering::Relaxed) + 1;
        if in_a_row >= FAILURES_IN_A_ROW {
            self.now(error);
        }
    }

    fn now(&self, error: &AppError) {
        let _another_came_first = self.error.set(error.clone());
    }
}

/// What became of one person.
enum Outcome {
    Applied(ProvisionCounts),
    Failed(Failure),
    /// Looked at again by the next pass, which is due at once.
    Again,
    /// Not begun, or undecided because the pass was halted.
    Left,
}

impl ProvisionJob {
    pub(super) async fn apply(&self, claim: &Claim, report: &mut ProvisionReport, progress: &mut Progress) -> Result<(), Early> {
        if report.plan.changes() > report.held.iter().map(|held| held.count).sum() {
            self.store.note_changes(claim).await?;
        }
        let journal = Journal::start(self.store.clone(), claim.clone(), self.clock.clone());
        let halt = Halt::default();
        let held: HashSet<ActionClass> = report.held.iter().map(|held| held.class).collect();
        let mut result = Ok(());
        for class in [ActionClass::Creates, ActionClass::Updates, ActionClass::Removals] {
            if held.contains(&class) {
                continue;
            }
            result = self.apply_class(claim, class, &journal, &halt, report, progress).await;
            if result.is_err() {
                break;
            }
        }
        // Whatever happened, what was sent is recorded first.
        let recorded = journal.finish().await;
        // First why nothing more could be recorded: whatever else failed then, failed because of it.
        recorded?;
        result?;
        match (halt.error.into_inner(), self.stop.cause()) {
            (Some(error), _) => Err(Early::App(error)),
            (None, Some(by)) => Err(Early::Stopped(by)),
            (None, None) => Ok(()),
        }
    }

    async fn apply_class(
        &self,
        claim: &Claim,
        class: ActionClass,
        journal: &Journal,
        halt: &Halt,
        report: &mut ProvisionReport,
        progress: &mut Progress,
    ) -> Result<(), Early> {
        let mut after: Option<PersonId> = None;
        loop {
            let page = self.store.provision_actions(claim, Some(class), after, decide::BATCH).await?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            after = Some(*last);
            let links = self.links_before(claim, &page).await?;
            let writes: Vec<_> = page
                .iter()
                .map(|(person, action)| {
                    let before = action.kind.app_id().and_then(|app_id| links.get(app_id));
                    let attempt = progress.attempt(*person, action.inputs);
                    self.apply_one(claim, journal, halt, *person, action, before, attempt)
                })
                .collect();
            let outcomes: Vec<Result<Outcome, StoreError>> =
                stream::iter(writes).buffer_unordered(self.connector.concurrency().max(1)).collect().await;
            for outcome in outcomes {
                match outcome? {
                    Outcome::Applied(counts) => report.applied += counts,
                    Outcome::Failed(failure) => progress.failed_until(failure.next_attempt),
                    Outcome::Again => {
                        let now = self.clock.now();
                        progress.next_attempt = Some(progress.next_attempt.map_or(now, |earlier| earlier.min(now)));
                    }
                    Outcome::Left => {}
                }
            }
            if halt.error.get().is_some() || self.stop.cause().is_some() {
                return Ok(());
            }
        }
    }

    async fn links_before(&self, claim: &Claim, page: &[(PersonId, ProvisionAction)]) -> Result<HashMap<AppId, Link>, StoreError> {
        let app_ids: Vec<AppId> = page.iter().filter_map(|(_, action)| action.kind.app_id().cloned()).collect();
        if app_ids.is_empty() {
            return Ok(HashMap::new());
        }
        let links = self.store.links_of(&claim.integration, &app_ids).await?;
        Ok(links.into_iter().map(|link| (link.app_id.clone(), link)).collect())
    }

    #[allow(clippy::too_many_arguments, reason = "one action and the pass around it; a struct would only rename them")]
    async fn apply_one(
        &self,
        claim: &Claim,
        journal: &Journal,
        halt: &Halt,
        person: PersonId,
        action: &ProvisionAction,
        before: Option<&Link>,
        attempt: u32,
    ) -> Result<Outcome, StoreError> {
        if halt.holds() || self.stop.cause().is_some() {
            return Ok(Outcome::Left);
        }
        let intent = journal.open(Intent { person, action: action.clone() }).await;
        let intent = intent.inspect_err(|_| halt.no_journal.store(true, Ordering::Relaxed))?;
        // The wait for the commit may have been long: look again before anything leaves (A12).
        if halt.holds() || self.stop.cause().is_some() {
            journal.close(intent, IntentResult::Void).await?;
            return Ok(Outcome::Left);
        }
        let effect = self.perform(claim, person, action, before).await?;
        let (result, outcome, kind) = self.judge(effect, action, attempt, halt);
        tracing::info!(
            target: "audit",
            integration = %claim.integration,
            run = claim.run.0,
            person = %person,
            action = kind,
            result = label(&outcome),
            "effect"
        );
        journal.close(intent, result).await.inspect_err(|_| halt.no_journal.store(true, Ordering::Relaxed))?;
        Ok(outcome)
    }

    fn judge(&self, effect: Effect, action: &ProvisionAction, attempt: u32, halt: &Halt) -> (IntentResult, Outcome, &'static str) {
        match effect {
            Effect::Done { link, action } => {
                halt.succeeded();
                (IntentResult::Done { link }, Outcome::Applied(action.kind.counts()), action.kind.label())
            }
            Effect::Gone { link } => (IntentResult::Done { link }, Outcome::Again, action.kind.label()),
            Effect::Blocked(reason) => {
                let failure =
                    Failure { inputs: action.inputs, attempts: attempt, next_attempt: self.clock.now() + decide::look_again_after(reason) };
                (IntentResult::Failed(failure.clone()), Outcome::Failed(failure), action.kind.label())
            }
            Effect::Failed(error) => {
                tracing::debug!(integration = %self.rules.integration, %error, "an action failed");
                match error.class() {
                    // AI-4, RL-2: not this person's failure; nothing more is sent in this pass.
                    ErrorClass::Auth | ErrorClass::RateLimited => {
                        halt.now(&error);
                        (IntentResult::Void, Outcome::Left, action.kind.label())
                    }
                    class => {
                        if matches!(class, ErrorClass::Transient | ErrorClass::Unsupported) {
                            halt.failed(&error);
                        }
                        let next_attempt = self.clock.now() + retry_after(class, attempt);
                        let failure = Failure { inputs: action.inputs, attempts: attempt, next_attempt };
                        (IntentResult::Failed(failure.clone()), Outcome::Failed(failure), action.kind.label())
                    }
                }
            }
        }
    }
}

/// RL-3: what may pass by itself is tried after 60 s, doubling up to 24 h; what was refused when its inputs change, or daily.
fn retry_after(class: ErrorClass, attempt: u32) -> SignedDuration {
    const DAY: i64 = 24 * 3600;
    match class {
        ErrorClass::Transient | ErrorClass::Unsupported => {
            let doublings = attempt.saturating_sub(1).min(11);
            SignedDuration::from_secs((60_i64 << doublings).min(DAY))
        }
        _ => SignedDuration::from_secs(DAY),
    }
}

fn label(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Applied(_) => "applied",
        Outcome::Failed(_) => "failed",
        Outcome::Again => "gone",
        Outcome::Left => "left",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transient_failures_wait_a_minute_and_at_most_a_day() {
        let waits: Vec<i64> = [1, 2, 3, 11, 12, 40].map(|attempt| retry_after(ErrorClass::Transient, attempt).as_secs()).to_vec();
        assert_eq!(waits, [60, 120, 240, 61_440, 86_400, 86_400]);
        assert_eq!(retry_after(ErrorClass::Invalid, 1).as_secs(), 86_400);
    }
}
