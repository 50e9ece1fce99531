//! An import: observe, decide, guard, apply (architecture.md, "A run").

use std::{sync::Arc, time::Duration};

use jiff::SignedDuration;

use super::{Mode, RunError, app_failure_reason, stop::StopToken};
use crate::{
    clock::SharedClock,
    connector::{AppError, Connector},
    domain::{
        approval::{Hold, HoldFigures, HoldState},
        counts::ImportCounts,
        hash::{Digest, ShortHash},
        import_decision::ImportRules,
        mapping::{Expression, Mapping},
        report::{ImportEnd, ImportReport, Snapshot, StopCause},
        safeguard::{self, RuleResult, Verdict},
    },
    store::{Claim, Direction, Store, StoreError},
};

mod absence;
mod apply;
mod candidates;
mod decide;
mod observe;
mod proof;
mod recheck;
mod released;

pub use candidates::decide_candidates;

/// Everything an import needs.
#[derive(Clone)]
pub struct ImportJob {
    /// Where people and plans are kept.
    pub store: Arc<dyn Store>,
    /// The app.
    pub connector: Arc<dyn Connector>,
    /// The time.
    pub clock: SharedClock,
    /// The policy.
    pub rules: ImportRules,
    /// The mapping.
    pub mapping: Mapping,
    /// `toDirectory.usernameFormat`.
    pub user_name: Expression,
    /// The app's host: links that were made at another one are proved first (AI-9).
    pub host: String,
    /// May the directory be changed?
    pub mode: Mode,
    /// The UID of the ImportRun.
    pub object: String,
    /// When to stop.
    pub stop: StopToken,
    /// Wait before a listing that was not complete is read again; grows with each attempt.
    pub retry_pause: Duration,
}

/// A plan as it stands when it is guarded.
struct Planned {
    counts: ImportCounts,
    digest: Digest,
    /// Does the plan hold rows at all? Bookkeeping (missing-counts, pending records) is applied though nobody changes.
    rows: u64,
}

/// What ended the run before there was a plan.
enum Early {
    End(ImportEnd),
    Error(RunError),
}

impl<E: Into<RunError>> From<E> for Early {
    fn from(error: E) -> Self {
        Self::Error(error.into())
    }
}

impl ImportJob {
    /// Runs the import to its end. `Err` only if the store fails or another run has taken over; whatever the app does is
    /// told by the report.
    pub async fn run(&self) -> Result<ImportReport, RunError> {
        let claim = self.store.claim(&self.rules.integration, Direction::ToDirectory, &self.object, self.clock.now()).await?;
        super::meet_host(self.store.as_ref(), &claim, &self.host).await?;
        self.store.set_source(&claim, self.rules.sourcing.is_some(), self.mode == Mode::Enforce).await?;
        let mut report = self.blank();
        report.end = match self.carry_out(&claim, &mut report).await {
            Ok(end) | Err(Early::End(end)) => end,
            Err(Early::Error(error)) => return Err(error),
        };
        if report.safeguards.is_empty() {
            report.safeguards = safeguard::import_without_plan(&self.rules.limits);
        }
        report.finished = self.clock.now();
        if report.end == ImportEnd::Held {
            self.hold(&claim, &mut report).await?;
        }
        if let ImportEnd::Stopped { by: by @ (StopCause::Shutdown | StopCause::Changed) } = report.end {
            // Not over: the same run is taken up again by the next process, or under the new spec.
            return Err(RunError::Stopped(by));
        }
        self.store.finish_import(&claim, &report).await?;
        tracing::info!(
            target: "audit",
            integration = %self.rules.integration,
            run = claim.run.0,
            digest = report.digest.map(tracing::field::display),
            end = ?report.end,
            plan = ?report.plan,
            applied = ?report.applied,
            "import ended"
        );
        Ok(report)
    }

    async fn carry_out(&self, claim: &Claim, report: &mut ImportReport) -> Result<ImportEnd, Early> {
        let (observed, listing) = self.observe(claim, &mut report.snapshot).await?;
        let mut planning = self.decide(claim).await?;
        let linked = self.store.account_counts(&self.rules.integration).await?.linked;
        // As many linked records came unchanged as there are links: nobody is absent, and reading every link would say no more.
        if !listing.seen().is_empty() && observed.unchanged < linked {
            self.decide_absences(claim, listing.seen(), &mut planning).await?;
        }
        if !listing.seen().is_empty() {
            self.forget_candidates(claim, listing.seen(), &mut planning).await?;
        }
        planning.add_unchanged(observed.unchanged);
        let planned = planning.finish();
        report.plan = planned.counts;
        report.digest = Some(planned.digest);
        report.safeguards = self.guard(claim, report.snapshot).await?;
        if safeguard::is_tripped(&report.safeguards, safeguard::Rule::EmptySource) {
            return Ok(ImportEnd::EmptySource);
        }
        match self.mode {
            // First: what such a store lets trip is nothing to be approved.
            Mode::Hold => return Ok(ImportEnd::StoreReplaced),
            Mode::Plan | Mode::Enforce if safeguard::tripped(&report.safeguards) => return Ok(ImportEnd::Held),
            Mode::Plan => return Ok(ImportEnd::PlanOnly),
            Mode::Enforce => {}
        }
        if let Some(by) = self.apply(claim, &planned, &mut report.applied).await? {
            return Ok(ImportEnd::Stopped { by });
        }
        Ok(apply::end(&report.applied))
    }

    async fn guard(&self, claim: &Claim, snapshot: Snapshot) -> Result<Vec<RuleResult>, Early> {
        let window = SignedDuration::from_secs(i64::from(self.rules.window_seconds));
        let since = self.clock.now().saturating_sub(window).unwrap_or(jiff::Timestamp::MIN);
        let figures = self.store.import_removals(claim, since).await?;
        Ok(safeguard::import(figures, snapshot.records, &self.rules.limits))
    }

    /// SG-9: the plan is kept as it is until somebody decides on it, or a newer one takes its place.
    async fn hold(&self, claim: &Claim, report: &mut ImportReport) -> Result<(), StoreError> {
        let Some(digest) = report.digest else { return Ok(()) };
        let seconds = SignedDuration::from_secs(i64::from(self.rules.approval_seconds));
        let expires = report.finished.saturating_add(seconds).unwrap_or(jiff::Timestamp::MAX);
        let rules = report.safeguards.iter().filter(|result| result.verdict == Verdict::Tripped).copied().collect();
        let figures = HoldFigures { classes: Vec::new(), rules };
        let state = self.store.hold(claim, &Hold { digest, expires, terms: self.decided_under(), figures }).await?;
        report.expires = Some(expires);
        if state == HoldState::Rejected {
            report.end = ImportEnd::Rejected;
        }
        Ok(())
    }

    /// What the hash of a record is remembered together with: an unchanged record counts only under the same mapping and
    /// policy.
    fn decided_under(&self) -> ShortHash {
        let rules = &self.rules;
        // The `Debug` text of plain settings is stable within a version; a new version reads every record once more.
        let policy = format!(
            "{:?} {:?} {:?} {:?} {} {}",
            rules.matching,
            rules.confirmation,
            rules.sourcing,
            rules.profile_sources,
            rules.push_null_values,
            self.user_name.text()
        );
        let mut bytes = self.mapping.digest().0.to_vec();
        bytes.extend_from_slice(policy.as_bytes());
        ShortHash::of(&bytes)
    }

    fn blank(&self) -> ImportReport {
        ImportReport {
            end: ImportEnd::NothingToDo,
            snapshot: Snapshot::default(),
            digest: None,
            plan: ImportCounts::default(),
            applied: ImportCounts::default(),
            safeguards: Vec::new(),
            expires: None,
            finished: self.clock.now(),
        }
    }
}

fn app_failed(error: &AppError) -> Early {
    Early::End(ImportEnd::AppFailed { reason: app_failure_reason(error).to_owned(), message: error.to_string() })
}
