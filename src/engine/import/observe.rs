//! Observe: list the app page by page into staging, and prove that the listing is complete (LS-1 to LS-3).

use std::time::Duration;

use serde_json::Value;

use super::{Early, ImportJob, app_failed, proof::Unproven};
use crate::{
    connector::{AppError, ErrorClass, ListError, ListedRecord, Listing},
    domain::{
        account::{KnownRecords, Record},
        import_plan::{MappedRecord, MatchKeys, RecordFailure, StagedRecord},
        mapping::Variables,
        report::{ImportEnd, Snapshot},
    },
    engine::RunError,
    store::Claim,
};

/// LS-3: a listing that is not complete is read again, three times in all.
const ATTEMPTS: u32 = 3;
/// How long in all a run waits for a throttled app. While it waits it holds one of the few places for runs, which others need
/// (C1); a longer pause ends it, and it is taken up again.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a complete listing came to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Observed {
    /// Records that are linked and decided, and whose text is what it was.
    pub unchanged: u64,
}

/// Why one attempt failed.
enum Attempt {
    Again(String),
    Wait(jiff::Timestamp),
    Stop(Early),
}

impl ImportJob {
    /// Stages what has changed. Returns the listing, which knows all ids, once it is proved complete.
    pub(super) async fn observe(&self, claim: &Claim, snapshot: &mut Snapshot) -> Result<(Observed, Box<dyn Listing>), Early> {
        let known = self.store.known_records(&self.rules.integration, self.decided_under()).await?;
        let unproven = self.unproven().await?;
        let (mut attempt, mut patience) = (1, PATIENCE);
        loop {
            let problem = match self.read_once(claim, &known, &unproven, snapshot).await {
                Ok(complete) => return Ok(complete),
                Err(Attempt::Again(problem)) => problem,
                Err(Attempt::Wait(until)) => {
                    self.wait_until(until, &mut patience).await?;
                    continue;
                }
                Err(Attempt::Stop(early)) => return Err(early),
            };
            if attempt == ATTEMPTS {
                return Err(Early::End(ImportEnd::SnapshotIncomplete { problem }));
            }
            tracing::info!(integration = %self.rules.integration, attempt, problem, "the listing is not complete; reading it again");
            self.pause(self.retry_pause * attempt).await?;
            attempt += 1;
        }
    }

    async fn read_once(
        &self,
        claim: &Claim,
        known: &KnownRecords,
        unproven: &Unproven,
        snapshot: &mut Snapshot,
    ) -> Result<(Observed, Box<dyn Listing>), Attempt> {
        *snapshot = Snapshot::default();
        self.store.clear_staging(claim).await.map_err(|error| Attempt::Stop(error.into()))?;
        let mut listing = self.connector.list().await.map_err(|error| classify(&error))?;
        let mut observed = Observed::default();
        loop {
            if let Some(by) = self.stop.cause() {
                return Err(Attempt::Stop(Early::End(ImportEnd::Stopped { by })));
            }
            let page = match listing.next_page().await {
                Ok(Some(page)) => page,
                Ok(None) => break,
                Err(ListError::Incomplete(problem)) => return Err(Attempt::Again(problem)),
                Err(ListError::App(error)) => return Err(classify(&error)),
            };
            self.prove_links(claim, unproven, &page).await.map_err(|error| Attempt::Stop(error.into()))?;
            let staged: Vec<StagedRecord> = page
                .iter()
                .filter_map(|record| {
                    let hash = record.hash();
                    if known.is_unchanged(&record.id, hash) {
                        observed.unchanged += 1;
                        return None;
                    }
                    Some(self.to_staged(record))
                })
                .collect();
            if !staged.is_empty() {
                self.store.stage(claim, &staged).await.map_err(|error| Attempt::Stop(error.into()))?;
            }
            snapshot.records = listing.seen().len() as u64;
            snapshot.pages = listing.pages();
        }
        snapshot.records = listing.seen().len() as u64;
        snapshot.pages = listing.pages();
        snapshot.complete = true;
        Ok((observed, listing))
    }

    fn to_staged(&self, record: &ListedRecord) -> StagedRecord {
        match record.parse() {
            Ok(parsed) => self.stage_record(&parsed, record.hash()),
            Err(_unreadable) => StagedRecord {
                app_id: record.id.clone(),
                hash: record.hash(),
                active: true,
                mapped: Err(RecordFailure::Unreadable),
                keys: MatchKeys::default(),
            },
        }
    }

    /// A record in directory terms.
    pub(super) fn stage_record(&self, record: &Record, hash: crate::domain::hash::ShortHash) -> StagedRecord {
        let mapped = self.map(&record.resource);
        let keys = mapped.as_ref().map(|mapped| self.rules.matching.keys(&mapped.profile)).unwrap_or_default();
        StagedRecord { app_id: record.id.clone(), hash, active: record.active(), mapped, keys }
    }

    pub(super) fn map(&self, resource: &Value) -> Result<MappedRecord, RecordFailure> {
        let mapped = self.mapping.to_directory(resource).map_err(|error| {
            tracing::debug!(integration = %self.rules.integration, %error, "a record cannot be mapped");
            RecordFailure::Mapping
        })?;
        let variables = Variables { app: Some(resource), ..Variables::default() };
        let user_name = self.user_name.evaluate(variables).map_err(|_| RecordFailure::Mapping)?;
        let mut profile = mapped.profile;
        match user_name {
            Value::String(text) if !text.is_empty() => profile.set("userName", Value::String(text)),
            Value::Null | Value::String(_) => return Err(RecordFailure::NoUserName), // TD-6
            _ => return Err(RecordFailure::Mapping),
        }
        // AI-10: a null of the app clears the directory's value only if the integration says so.
        let cleared = if self.rules.push_null_values { mapped.nulls } else { Vec::new() };
        Ok(MappedRecord { profile, cleared })
    }

    async fn wait_until(&self, until: jiff::Timestamp, patience: &mut Duration) -> Result<(), Early> {
        let wait = Duration::try_from(until.duration_since(self.clock.now())).unwrap_or_default();
        match (self.stop.cause(), patience.checked_sub(wait)) {
            (Some(by), _) => return Err(Early::End(ImportEnd::Stopped { by })),
            (None, None) => return Err(Early::Error(RunError::RateLimited { until })),
            (None, Some(left)) => *patience = left,
        }
        self.pause(wait).await
    }

    async fn pause(&self, wait: Duration) -> Result<(), Early> {
        tokio::select! {
            () = tokio::time::sleep(wait) => Ok(()),
            by = self.stop.stopped() => Err(Early::End(ImportEnd::Stopped { by })),
        }
    }
}

/// What a failed call means for an attempt to list.
fn classify(error: &AppError) -> Attempt {
    match (error, error.class()) {
        (AppError::RateLimited { retry_at }, _) => Attempt::Wait(*retry_at),
        (AppError::Unreachable(_), _) => Attempt::Stop(app_failed(error)),
        (_, ErrorClass::Transient) => Attempt::Again(error.to_string()),
        // A status in the middle of a walk makes the listing incomplete like any other gap (LS-2: "all pages 200").
        (AppError::Invalid { .. } | AppError::NotFound, _) => Attempt::Again(error.to_string()),
        _ => Attempt::Stop(app_failed(error)),
    }
}
