//! Apply: class by class in the order of RU-1, so many writes at once as the app allows, one per account.

use std::{
    collections::HashSet,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
};

use jiff::{SignedDuration, Timestamp};
use tokio::{
    sync::mpsc,
    task::{JoinError, JoinSet},
};
use tracing::Instrument as _;

use super::{
    Early, Progress, ProvisionJob, decide,
    effect::Effect,
    hold::{self, Approved},
};
use crate::{
    connector::{AppError, ErrorClass},
    domain::{
        counts::ProvisionCounts,
        hash::Digest,
        id::{IntentId, PersonId},
        link::Link,
        provision_decision,
        provision_plan::{Failure, ProvisionAction},
        report::{ActionClass, ProvisionReport},
    },
    engine::journal::IntentLog,
    store::{Claim, Intent, IntentResult, StoreError},
};

/// So many failures in a row are the app's, not the people's: the rest waits for the next pass.
const FAILURES_IN_A_ROW: u32 = 10;

/// Intents that are opened in one commit, in multiples of the requests under way at once. A crash leaves up to twice as many
/// to be settled by looking.
const AHEAD: usize = 4;

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

/// What the actions of a pass have in common.
struct Pass {
    job: ProvisionJob,
    claim: Claim,
    log: IntentLog,
    halt: Halt,
}

/// An action whose intent is on the disk.
struct Opened {
    id: IntentId,
    intent: Intent,
    /// Which attempt it is, counted from 1.
    attempt: u32,
    /// Of the plan that it is part of.
    digest: Digest,
}

/// What of a plan is applied next.
#[derive(Clone, Copy)]
struct Share {
    class: ActionClass,
    /// Of the plan that it is part of.
    digest: Digest,
    /// What an approval has released of the class, and nothing else?
    approved: bool,
    /// Nothing of it is begun from then on.
    expires: Option<Timestamp>,
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
    /// `digest`: of the whole plan. Of an approved plan what has been released is applied (SG-11).
    pub(super) async fn apply(
        &self,
        claim: &Claim,
        digest: Digest,
        approved: Option<&Approved>,
        report: &mut ProvisionReport,
        progress: &mut Progress,
    ) -> Result<(), Early> {
        let held: HashSet<ActionClass> = report.held.iter().map(|held| held.class).collect();
        if report.plan.changes() > held.iter().map(|class| hold::size(*class, report.plan)).sum() {
            self.store.note_changes(claim).await?;
        }
        let (log, recording) = IntentLog::start(self.store.clone(), claim.clone(), self.clock.clone());
        let pass = Arc::new(Pass { job: self.clone(), claim: claim.clone(), log, halt: Halt::default() });
        let mut result = Ok(());
        for class in ActionClass::ALL {
            if held.contains(&class) {
                continue;
            }
            let share = match approved.filter(|approved| approved.classes.contains(&class)) {
                Some(approved) => Share { class, digest: approved.digest, approved: true, expires: Some(approved.expires) },
                None => Share { class, digest, approved: false, expires: None },
            };
            result = pass.apply_share(share, report, progress).await;
            if result.is_err() {
                break;
            }
        }
        // Whatever happened, what was sent is recorded first.
        let halted = pass.halt.error.get().cloned();
        drop(pass);
        let recorded = recording.finish().await;
        // First why nothing more could be recorded: whatever else failed then, failed because of it.
        recorded?;
        result?;
        match (halted, self.stop.cause()) {
            (Some(error), _) => Err(Early::App(error)),
            (None, Some(by)) => Err(Early::Stopped(by)),
            (None, None) => Ok(()),
        }
    }
}

impl Pass {
    async fn apply_share(self: &Arc<Self>, share: Share, report: &mut ProvisionReport, progress: &mut Progress) -> Result<(), Early> {
        let (store, claim) = (&self.job.store, &self.claim);
        let read = async |after| match share.approved {
            true => store.released_actions(claim, share.class, after, decide::BATCH).await,
            false => store.provision_actions(claim, Some(share.class), after, decide::BATCH).await,
        };
        let mut next = read(None).await?;
        loop {
            let Some((last, _)) = next.last() else { return Ok(()) };
            let after = Some(*last);
            let (outcomes, following) = futures::join!(self.apply_page(share, next, progress), read(after));
            for outcome in outcomes? {
                match outcome {
                    Outcome::Applied(counts) => report.applied += counts,
                    Outcome::Failed(failure) => progress.failed_until(failure.next_attempt),
                    Outcome::Again => {
                        let now = self.job.clock.now();
                        progress.next_attempt = Some(progress.next_attempt.map_or(now, |earlier| earlier.min(now)));
                    }
                    Outcome::Left => {}
                }
            }
            if self.is_over() || self.is_late(share) {
                return Ok(());
            }
            next = following?;
        }
    }

    /// Opens the intents of the page ahead of the requests, so that one commit serves many of them.
    async fn apply_page(
        self: &Arc<Self>,
        share: Share,
        page: Vec<(PersonId, ProvisionAction)>,
        progress: &Progress,
    ) -> Result<Vec<Outcome>, StoreError> {
        let at_once = self.job.connector.concurrency().max(1);
        let (opened, waiting) = mpsc::channel(at_once * AHEAD);
        let (opened, outcomes) = futures::join!(self.open_ahead(share, page, progress, opened), self.apply_opened(waiting, at_once));
        let outcomes = outcomes?;
        opened?;
        Ok(outcomes)
    }

    async fn open_ahead(
        &self,
        share: Share,
        page: Vec<(PersonId, ProvisionAction)>,
        progress: &Progress,
        opened: mpsc::Sender<Opened>,
    ) -> Result<(), StoreError> {
        let mut planned = page.into_iter().map(|(person, action)| Intent { person, action, approved: share.approved }).peekable();
        while planned.peek().is_some() && !self.is_over() && !self.is_late(share) {
            let group: Vec<Intent> = planned.by_ref().take(opened.max_capacity()).collect();
            for (id, intent) in self.log.open(&group).await?.into_iter().zip(group) {
                let attempt = progress.attempt(intent.person, intent.action.inputs);
                // Nobody takes it any more only if the pass is given up, and then the next one settles it.
                let _given_up = opened.send(Opened { id, intent, attempt, digest: share.digest }).await;
            }
        }
        Ok(())
    }

    /// Each action is a task of its own, so that all cores work on them; they end with the pass.
    async fn apply_opened(self: &Arc<Self>, mut waiting: mpsc::Receiver<Opened>, at_once: usize) -> Result<Vec<Outcome>, StoreError> {
        let mut running = JoinSet::new();
        let mut outcomes = Vec::new();
        while let Some(opened) = waiting.recv().await {
            running.spawn(Arc::clone(self).apply_one(opened).in_current_span());
            if running.len() >= at_once {
                outcomes.extend(running.join_next().await);
            }
        }
        while let Some(ended) = running.join_next().await {
            outcomes.push(ended);
        }
        outcomes.into_iter().map(|ended| ended.unwrap_or_else(not_ended)).collect()
    }

    /// May no further write begin?
    fn is_over(&self) -> bool {
        self.halt.holds() || self.job.stop.cause().is_some()
    }

    /// Is the time of an approval over (SG-11)?
    fn is_late(&self, share: Share) -> bool {
        share.expires.is_some_and(|expires| expires <= self.job.clock.now())
    }

    /// The link of the account that is about to be written to, as it is now: an import may have changed it since the plan.
    async fn link_before(&self, action: &ProvisionAction) -> Result<Option<Link>, StoreError> {
        let Some(app_id) = action.kind.app_id() else { return Ok(None) };
        Ok(self.job.store.links_of(&self.claim.integration, std::slice::from_ref(app_id)).await?.pop())
    }

    async fn apply_one(self: Arc<Self>, opened: Opened) -> Result<Outcome, StoreError> {
        let (Self { job, claim, log, halt }, Opened { id, intent, attempt, digest }) = (&*self, opened);
        let Intent { person, action, approved } = intent;
        // The wait since the commit may have been long: look again before anything leaves (A12).
        if self.is_over() {
            log.close(id, IntentResult::Void).await?;
            return Ok(Outcome::Left);
        }
        let before = self.link_before(&action).await?;
        if !provision_decision::still_stands(person, &action, before.as_ref()) {
            log.close(id, IntentResult::Void).await?;
            return Ok(Outcome::Again);
        }
        let effect = job.perform(claim, person, &action, before.as_ref()).await?;
        let (result, outcome, instead) = job.judge(effect, &action, attempt, halt);
        let done = instead.as_ref().unwrap_or(&action);
        tracing::info!(
            target: "audit",
            integration = %claim.integration,
            sequence = id.0,
            run = claim.run.0,
            %digest,
            approved,
            person = %person,
            action = done.kind.label(),
            attributes = done.attributes().join(","),
            result = label(&outcome),
            "effect"
        );
        log.close(id, result).await.inspect_err(|_| halt.no_journal.store(true, Ordering::Relaxed))?;
        Ok(outcome)
    }
}

impl ProvisionJob {
    /// What an effect means, and what was really done if that is something else than was planned.
    fn judge(
        &self,
        effect: Effect,
        action: &ProvisionAction,
        attempt: u32,
        halt: &Halt,
    ) -> (IntentResult, Outcome, Option<ProvisionAction>) {
        match effect {
            Effect::Done { link, instead } => {
                halt.succeeded();
                (IntentResult::Done { link }, Outcome::Applied(instead.as_ref().unwrap_or(action).kind.counts()), instead)
            }
            Effect::Gone { link } => (IntentResult::Done { link }, Outcome::Again, None),
            Effect::Activated { link, error } => {
                match error.class() {
                    ErrorClass::Auth | ErrorClass::RateLimited => halt.now(&error),
                    ErrorClass::Transient | ErrorClass::Unsupported => halt.failed(&error),
                    _ => {}
                }
                // What was refused is refused to the next pass once more, as an update, and waits for its time then.
                (IntentResult::Done { link }, Outcome::Again, None)
            }
            Effect::Blocked(reason) => self.fail(action, attempt, decide::look_again_after(reason)),
            Effect::Failed(error) => {
                tracing::debug!(integration = %self.rules.integration, %error, "an action failed");
                match error.class() {
                    // Apps refuse to touch single accounts with 403, such as those of their owners. Refused everywhere, it is the
                    // app that refuses.
                    ErrorClass::Auth if matches!(error, AppError::Forbidden) => {
                        halt.failed(&error);
                        self.fail(action, attempt, retry_after(ErrorClass::Transient, attempt))
                    }
                    // AI-4, RL-2: not this person's failure; nothing more is sent in this pass.
                    ErrorClass::Auth | ErrorClass::RateLimited => {
                        halt.now(&error);
                        (IntentResult::Void, Outcome::Left, None)
                    }
                    class => {
                        if matches!(class, ErrorClass::Transient | ErrorClass::Unsupported) {
                            halt.failed(&error);
                        }
                        self.fail(action, attempt, retry_after(class, attempt))
                    }
                }
            }
        }
    }

    fn fail(&self, action: &ProvisionAction, attempt: u32, wait: SignedDuration) -> (IntentResult, Outcome, Option<ProvisionAction>) {
        let failure = Failure { inputs: action.inputs, attempts: attempt, next_attempt: self.clock.now() + wait };
        (IntentResult::Failed(failure.clone()), Outcome::Failed(failure), None)
    }
}

/// A task that has panicked lets its pass panic, too; one that was aborted was so because the process goes down.
fn not_ended(error: JoinError) -> Result<Outcome, StoreError> {
    match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(_aborted) => Err(StoreError::Unavailable),
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
        Outcome::Again => "again",
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
