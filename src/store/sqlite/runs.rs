//! Claims of runs, their results, and the numbers that statuses show.

use jiff::Timestamp;
use sqlx::{FromRow, SqlitePool};
use uuid::Uuid;

use super::{
    SqliteStore, rows,
    scope::{self, Scope, Write},
};
use crate::{
    domain::{
        hash::ShortHash,
        id::{Epoch, IntegrationKey, Organisation, RunId},
        report::{ImportEnd, ImportReport, ProvisionReport, StopCause},
    },
    store::{AccountCounts, Claim, Direction, Result, StoreError, StoredRun},
};

/// The store's id, drawn the first time. Statuses remember it, so it has to be on the disk: `journal` is that connection.
pub(super) async fn store_id(journal: &SqlitePool) -> Result<String> {
    const DRAW: &str = "INSERT INTO meta (key, value) VALUES ('store_id', ?1) ON CONFLICT DO NOTHING";
    sqlx::query(DRAW).bind(Uuid::new_v4().to_string()).execute(journal).await?;
    Ok(sqlx::query_scalar("SELECT value FROM meta WHERE key = 'store_id'").fetch_one(journal).await?)
}

#[derive(FromRow)]
struct ImportRow {
    id: i64,
    started: i64,
    report: Option<String>,
}

impl SqliteStore {
    /// A write that changes nothing: a full or read-only disk shows only when something is written (C8).
    pub(super) async fn write_something(&self) -> Result<()> {
        let mut write = self.write().await?;
        sqlx::query("UPDATE meta SET value = value WHERE key = 'store_id'").execute(&mut *write).await?;
        write.commit().await
    }

    pub(super) async fn claim_run(
        &self,
        integration: &IntegrationKey,
        direction: Direction,
        object: &str,
        now: Timestamp,
    ) -> Result<Claim> {
        let mut write = self.write().await?;
        let scope = scope::find_or_add(&mut write, integration).await?;
        let epoch = Epoch(scope::next_epoch(&mut write, scope, direction).await?);
        let run = match unfinished_import(&mut write, scope, direction, object).await? {
            Some(run) => run,
            None => new_run(&mut write, scope, direction, object, now).await?,
        };
        // What it was about to hold when it was interrupted is planned anew.
        sqlx::query("DELETE FROM held_plan WHERE run = ?1").bind(run.0).execute(&mut *write).await?;
        write.commit().await?;
        let claim = Claim { run, integration: integration.clone(), direction, epoch };
        self.purge_listings(&claim).await?;
        self.purge_plans(&claim).await?;
        Ok(claim)
    }

    pub(super) async fn find_import(&self, object: &str) -> Result<Option<StoredRun<ImportReport>>> {
        const FIND: &str = "SELECT id, started, report FROM run WHERE object = ?1 AND direction = ?2 ORDER BY id DESC LIMIT 1";
        let found: Option<ImportRow> =
            sqlx::query_as(FIND).bind(object).bind(Direction::ToDirectory.as_str()).fetch_optional(&self.connections.readers).await?;
        let Some(row) = found else { return Ok(None) };
        Ok(Some(StoredRun {
            run: RunId(row.id),
            started: rows::timestamp(row.started, "run.started")?,
            report: row.report.map(|text| rows::from_json(&text, "run.report")).transpose()?,
        }))
    }

    pub(super) async fn find_last_pass(&self, integration: &IntegrationKey, object: &str) -> Result<Option<(ProvisionReport, ShortHash)>> {
        const FIND: &str = "SELECT report, inputs FROM run WHERE object = ?1 AND integration = ?2 AND direction = ?3
            AND report IS NOT NULL ORDER BY id DESC LIMIT 1";
        let scope = self.scope(integration).await?;
        let found: Option<(String, Vec<u8>)> = sqlx::query_as(FIND)
            .bind(object)
            .bind(scope.integration)
            .bind(Direction::ToApp.as_str())
            .fetch_optional(&self.connections.readers)
            .await?;
        let Some((report, inputs)) = found else { return Ok(None) };
        Ok(Some((rows::from_json(&report, "run.report")?, rows::hash(&inputs, "run.inputs")?)))
    }

    pub(super) async fn store_import_report(&self, claim: &Claim, report: &ImportReport) -> Result<()> {
        // SG-9: a newer plan takes the place of those that are held. One that is being applied has been stopped by then.
        const SUPERSEDE: &str = "UPDATE run SET report = json_set(report, '$.end', json(?4))
            WHERE integration = ?1 AND direction = ?2 AND id < ?3 AND report ->> '$.end' IN ('Held', 'Approved', 'StoreReplaced')";
        const DROP_HELD: &str = "DELETE FROM held_plan WHERE integration = ?1 AND direction = ?2 AND run < ?3";
        const END: &str = "UPDATE held_plan SET state = 'Done' WHERE run = ?1 AND state = 'Approved'";
        let (mut write, scope) = self.write_as(claim).await?;
        sqlx::query("UPDATE run SET report = ?1 WHERE id = ?2")
            .bind(rows::to_json(report, "run.report")?)
            .bind(claim.run.0)
            .execute(&mut *write)
            .await?;
        sqlx::query(END).bind(claim.run.0).execute(&mut *write).await?;
        if report.digest.is_some() {
            let end = ImportEnd::Stopped { by: StopCause::Superseded };
            sqlx::query(SUPERSEDE)
                .bind(scope.integration)
                .bind(claim.direction.as_str())
                .bind(claim.run.0)
                .bind(rows::to_json(&end, "run.report")?)
                .execute(&mut *write)
                .await?;
            sqlx::query(DROP_HELD).bind(scope.integration).bind(claim.direction.as_str()).bind(claim.run.0).execute(&mut *write).await?;
        }
        write.commit().await?;
        self.drop_listing(claim).await
    }

    pub(super) async fn store_import_end(&self, integration: &IntegrationKey, object: &str, report: &ImportReport) -> Result<()> {
        let mut write = self.write().await?;
        let scope = scope::find_or_add(&mut write, integration).await?;
        let run = match unfinished_import(&mut write, scope, Direction::ToDirectory, object).await? {
            Some(run) => run,
            None => new_run(&mut write, scope, Direction::ToDirectory, object, report.finished).await?,
        };
        sqlx::query("UPDATE run SET report = ?1 WHERE id = ?2")
            .bind(rows::to_json(report, "run.report")?)
            .bind(run.0)
            .execute(&mut *write)
            .await?;
        write.commit().await
    }

    pub(super) async fn store_pass_report(&self, claim: &Claim, report: &ProvisionReport, inputs: ShortHash) -> Result<()> {
        // Passes come by the hour and only the last one is asked for.
        const DROP_OLDER: &str = "DELETE FROM run WHERE integration = ?1 AND direction = ?2 AND id < ?3
            AND object = (SELECT object FROM run WHERE id = ?3)
            AND id NOT IN (SELECT run FROM held_plan WHERE integration = ?1 AND direction = ?2)";
        let (mut write, scope) = self.write_as(claim).await?;
        sqlx::query("UPDATE run SET report = ?1, inputs = ?2 WHERE id = ?3")
            .bind(rows::to_json(report, "run.report")?)
            .bind(inputs.0.as_slice())
            .bind(claim.run.0)
            .execute(&mut *write)
            .await?;
        sqlx::query(DROP_OLDER).bind(scope.integration).bind(claim.direction.as_str()).bind(claim.run.0).execute(&mut *write).await?;
        write.commit().await?;
        self.drop_listing(claim).await
    }

    /// Drops the listing of a run whose report is stored. Who has taken over meanwhile has dropped it, too.
    async fn drop_listing(&self, claim: &Claim) -> Result<()> {
        match self.purge_listings(claim).await {
            Err(StoreError::LostEpoch) => Ok(()),
            other => other,
        }
    }

    pub(super) async fn count_intents(&self) -> Result<u64> {
        let open = sqlx::query_scalar("SELECT count(*) FROM intent").fetch_one(&self.connections.readers).await?;
        Ok(rows::count(open))
    }

    pub(super) async fn find_revision(&self, organisation: &Organisation) -> Result<i64> {
        let found = sqlx::query_scalar("SELECT revision FROM organisation WHERE name = ?1")
            .bind(organisation.as_str())
            .fetch_optional(&self.connections.readers)
            .await?;
        Ok(found.unwrap_or_default())
    }

    pub(super) async fn count_accounts(&self, integration: &IntegrationKey) -> Result<AccountCounts> {
        const COUNT: &str = "SELECT (SELECT count(*) FROM account WHERE integration = ?1 AND state IN ('Live', 'UnprovenLive')),
            (SELECT count(*) FROM candidate WHERE integration = ?1 AND ignored = 0), (SELECT count(*) FROM failure WHERE integration = ?1)";
        let scope = self.scope(integration).await?;
        let (linked, pending, failed) = sqlx::query_as(COUNT).bind(scope.integration).fetch_one(&self.connections.readers).await?;
        Ok(AccountCounts { linked: rows::count(linked), pending: rows::count(pending), failed: rows::count(failed) })
    }
}

/// Notes that people of the organisation have changed.
pub(super) async fn raise_revision(write: &mut Write, scope: Scope) -> Result<()> {
    sqlx::query("UPDATE organisation SET revision = revision + 1 WHERE id = ?1").bind(scope.organisation).execute(&mut **write).await?;
    Ok(())
}

async fn unfinished_import(write: &mut Write, scope: Scope, direction: Direction, object: &str) -> Result<Option<RunId>> {
    const FIND: &str = "SELECT id FROM run WHERE object = ?1 AND integration = ?2 AND direction = ?3 AND report IS NULL
        ORDER BY id DESC LIMIT 1";
    if direction == Direction::ToApp {
        return Ok(None);
    }
    let found: Option<i64> =
        sqlx::query_scalar(FIND).bind(object).bind(scope.integration).bind(direction.as_str()).fetch_optional(&mut **write).await?;
    Ok(found.map(RunId))
}

async fn new_run(write: &mut Write, scope: Scope, direction: Direction, object: &str, now: Timestamp) -> Result<RunId> {
    const NEW: &str = "INSERT INTO run (integration, direction, object, started) VALUES (?1, ?2, ?3, ?4) RETURNING id";
    let id = sqlx::query_scalar(NEW)
        .bind(scope.integration)
        .bind(direction.as_str())
        .bind(object)
        .bind(now.as_millisecond())
        .fetch_one(&mut **write)
        .await?;
    Ok(RunId(id))
}
