//! A provisioning pass: settle, decide, look up, guard, apply. Level-triggered: desired × links, every time (RU-3).

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use jiff::{SignedDuration, Timestamp};

use super::{Mode, RunError, app_failure_reason, stop::StopToken};
use crate::{
    clock::SharedClock,
    connector::{AppError, Connector},
    domain::{
        approval::HoldState,
        counts::ProvisionCounts,
        hash::{Digest, DigestBuilder, ShortHash},
        id::PersonId,
        provision_decision::ProvisionRules,
        report::{ActionClass, ProvisionEnd, ProvisionReport, StopCause},
        safeguard::{self, RuleResult, Verdict},
    },
    store::{Claim, Direction, Store, StoreError},
};

mod apply;
mod decide;
mod effect;
mod hold;
mod lookup;
mod proof;
mod settle;

/// After an app has failed a whole pass, the next one is due (C2). The app itself is tested in between, and a pass waits
/// until that succeeds.
const APP_RETRY: SignedDuration = SignedDuration::from_mins(1);

/// Everything a pass needs.
#[derive(Clone)]
pub struct ProvisionJob {
    /// Where people, links and the journal are kept.
    pub store: Arc<dyn Store>,
    /// The app.
    pub connector: Arc<dyn Connector>,
    /// The time.
    pub clock: SharedClock,
    /// The policy and the mapping.
    pub rules: ProvisionRules,
    /// The app's host: links that were made at another one are proved first (AI-9).
    pub host: String,
    /// May the app be changed?
    pub mode: Mode,
    /// Tried again now, whatever the next attempt of a failed person is: "apply updates now".
    pub retry_failed: bool,
    /// The UID of the policy.
    pub object: String,
    /// The hash of everything that made this pass necessary; remembered with its result.
    pub inputs: ShortHash,
    /// When to stop.
    pub stop: StopToken,
}

/// What ended a pass early.
enum Early {
    App(AppError),
    Stopped(StopCause),
    Store(StoreError),
}

impl From<StoreError> for Early {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// What a pass has found out so far.
#[derive(Default)]
struct Progress {
    /// Accounts that need nothing.
    unchanged: u64,
    undecided: u64,
    /// People who keep what they would lose (SO-5).
    protected: u64,
    /// People who failed in this pass or wait for their next attempt.
    failed: u64,
    /// Those among them whose link the app's present host has not shown (AI-9).
    unproven: u64,
    next_attempt: Option<Timestamp>,
    /// Whom an interrupted pass has left in the dark; they wait until that can be settled.
    unsettled: HashSet<PersonId>,
    /// How often each person has failed in a row; only those who have.
    attempts: HashMap<PersonId, (ShortHash, u32)>,
}

impl Progress {
    fn failed_until(&mut self, next_attempt: Timestamp) {
        self.failed += 1;
        self.next_attempt = Some(self.next_attempt.map_or(next_attempt, |earlier| earlier.min(next_attempt)));
    }

    /// Which attempt this is, counted from 1, for these inputs.
    fn attempt(&self, person: PersonId, inputs: ShortHash) -> u32 {
        match self.attempts.get(&person) {
            Some((failed_with, attempts)) if *failed_with == inputs => attempts.saturating_add(1),
            _ => 1,
        }
    }
}

impl ProvisionJob {
    /// Runs the pass to its end. `Err` only if the store fails, another run has taken over, or the process goes down.
    pub async fn run(&self) -> Result<ProvisionReport, RunError> {
        let claim = self.store.claim(&self.rules.integration, Direction::ToApp, &self.object, self.clock.now()).await?;
        super::meet_host(self.store.as_ref(), &claim, &self.host).await?;
        let mut report = self.blank();
        report.end = match self.carry_out(&claim, &mut report).await {
            Ok(end) => end,
            Err(Early::App(error)) => {
                report.next_attempt = Some(match error {
                    AppError::RateLimited { retry_at } => retry_at,
                    _ => self.clock.now() + APP_RETRY,
                });
                ProvisionEnd::AppFailed { reason: app_failure_reason(&error).to_owned(), message: error.to_string() }
            }
            Err(Early::Stopped(by @ StopCause::Shutdown)) => return Err(RunError::Stopped(by)),
            Err(Early::Stopped(by)) => ProvisionEnd::Stopped { by },
            Err(Early::Store(error)) => return Err(error.into()),
        };
        report.finished = self.clock.now();
        self.keep_last_figures(&mut report).await?;
        self.store.finish_pass(&claim, &report, self.inputs).await?;
        if report.end != ProvisionEnd::Done || report.applied.changes() > 0 || !report.held.is_empty() {
            tracing::info!(
                target: "audit",
                integration = %self.rules.integration,
                run = claim.run.0,
                digest = report.digest.map(tracing::field::display),
                end = ?report.end,
                plan = ?report.plan,
                applied = ?report.applied,
                held = ?report.held,
                failed = report.failed,
                "pass ended"
            );
        }
        Ok(report)
    }

    async fn carry_out(&self, claim: &Claim, report: &mut ProvisionReport) -> Result<ProvisionEnd, Early> {
        let unsettled = if self.mode == Mode::Enforce { self.settle(claim).await? } else { HashSet::new() };
        let mut progress = Progress { unsettled, ..Progress::default() };
        self.decide(claim, &mut progress).await?;
        report.plan = self.store.provision_counts(claim).await?;
        report.plan.unchanged = progress.unchanged;
        report.plan.protected = progress.protected;
        let digest = self.digest(claim, &ActionClass::ALL.into()).await?;
        report.digest = Some(digest);
        report.safeguards = self.guard(claim, report.plan).await?;
        let approved = self.hold_back(claim, report).await?;
        let end = match self.mode {
            Mode::Plan => Ok(ProvisionEnd::PlanOnly),
            Mode::Hold => Ok(ProvisionEnd::StoreReplaced),
            Mode::Enforce => self.apply(claim, digest, approved.as_ref(), report, &mut progress).await.map(|()| ProvisionEnd::Done),
        };
        // Once: who has failed is planned anew, and so is what has changed. A pass that did not get through goes on with the same.
        if let (Some(approved), Ok(_)) = (&approved, &end) {
            self.store.end_hold(claim, approved.run, HoldState::Done).await?;
        }
        report.applied.unchanged = progress.unchanged;
        report.failed = progress.failed;
        report.undecided = progress.undecided;
        report.unproven = progress.unproven;
        report.next_attempt = progress.next_attempt;
        end
    }

    /// The digest over the planned actions of these classes as they are stored, by class, then by person id (RU-1).
    async fn digest(&self, claim: &Claim, classes: &BTreeSet<ActionClass>) -> Result<Digest, Early> {
        let mut digest = DigestBuilder::new();
        for class in classes.iter().copied() {
            digest.part(class.as_str().as_bytes());
            let mut after = None;
            loop {
                let page = self.store.provision_texts(claim, class, after, decide::BATCH).await?;
                let Some((last, _)) = page.last() else { break };
                after = Some(*last);
                for (person, action) in &page {
                    digest.part(person.as_bytes());
                    digest.part(action.as_bytes());
                }
            }
        }
        Ok(digest.finish())
    }

    async fn guard(&self, claim: &Claim, plan: ProvisionCounts) -> Result<Vec<RuleResult>, Early> {
        let window = SignedDuration::from_secs(i64::from(self.rules.window_seconds));
        let since = self.clock.now().saturating_sub(window).unwrap_or(Timestamp::MIN);
        let figures = self.store.provision_removals(claim, since).await?;
        Ok(safeguard::provisioning(figures, plan.update + plan.reactivate, plan.create + plan.adopt, &self.rules.limits))
    }

    /// A pass that had nothing to do leaves the figures of the one before standing: they tell of the last change, and a
    /// status at rest does not move (D1).
    async fn keep_last_figures(&self, report: &mut ProvisionReport) -> Result<(), StoreError> {
        let idle = report.end == ProvisionEnd::Done && report.plan.changes() == 0;
        if !idle {
            return Ok(());
        }
        let Some((last, _)) = self.store.last_pass(&self.rules.integration, &self.object).await? else { return Ok(()) };
        if last.end == ProvisionEnd::Done {
            report.digest = last.digest;
            let ProvisionCounts { unchanged, protected, .. } = report.plan;
            report.plan = ProvisionCounts { unchanged, protected, ..last.plan };
            report.applied = ProvisionCounts { unchanged: report.applied.unchanged, ..last.applied };
            if last.safeguards.iter().any(|result| result.verdict == Verdict::Approved) {
                report.safeguards = last.safeguards;
            }
        }
        Ok(())
    }

    fn blank(&self) -> ProvisionReport {
        ProvisionReport {
            end: ProvisionEnd::Done,
            digest: None,
            plan: ProvisionCounts::default(),
            applied: ProvisionCounts::default(),
            held: Vec::new(),
            failed: 0,
            undecided: 0,
            unproven: 0,
            safeguards: Vec::new(),
            expires: None,
            next_attempt: None,
            finished: self.clock.now(),
        }
    }
}
