//! Applying what was approved: the frozen plan of an import, and those actions of a pass that an approved plan holds too.

use jiff::Timestamp;
use sqlx::FromRow;

use super::{SqliteStore, held, import_apply::Step, rows, scope};
use crate::{
    domain::{
        counts::ImportCounts,
        hash::ShortHash,
        id::{AppId, Epoch, IntegrationKey, PersonId, RunId},
        provision_plan::ProvisionAction,
        report::ActionClass,
    },
    store::{Claim, Direction, Released, Result, StoreError},
};

#[derive(FromRow)]
struct ReleasedRow {
    run: i64,
    applied_to: Option<String>,
    terms: Vec<u8>,
    report: String,
}

impl SqliteStore {
    pub(super) async fn find_released_import(&self, integration: &IntegrationKey) -> Result<Option<String>> {
        const FIND: &str =
            "SELECT object FROM held_plan WHERE integration = ?1 AND direction = 'ToDirectory' AND state = 'Approved' LIMIT 1";
        let scope = self.scope(integration).await?;
        Ok(sqlx::query_scalar(FIND).bind(scope.integration).fetch_optional(&self.connections.readers).await?)
    }

    pub(super) async fn claim_released_import(&self, integration: &IntegrationKey, object: &str) -> Result<Option<Released>> {
        const FIND: &str = "SELECT h.run, h.applied_to, h.terms, r.report FROM held_plan h JOIN run r ON r.id = h.run
            WHERE h.integration = ?1 AND h.direction = 'ToDirectory' AND h.object = ?2 AND h.state = 'Approved' AND r.report IS NOT NULL
            ORDER BY h.run DESC LIMIT 1";
        let mut write = self.write().await?;
        let scope = scope::find(&mut write, integration).await?;
        let found: Option<ReleasedRow> = sqlx::query_as(FIND).bind(scope.integration).bind(object).fetch_optional(&mut *write).await?;
        let Some(row) = found else { return Ok(None) };
        let direction = Direction::ToDirectory;
        let epoch = Epoch(scope::next_epoch(&mut write, scope, direction).await?);
        write.commit().await?;
        Ok(Some(Released {
            claim: Claim { run: RunId(row.run), integration: integration.clone(), direction, epoch },
            report: rows::from_json(&row.report, "run.report")?,
            applied_to: row.applied_to.map(AppId::new),
            terms: rows::hash(&row.terms, "held_plan.terms")?,
        }))
    }

    pub(super) async fn refuse_import_actions(&self, claim: &Claim, app_ids: &[AppId]) -> Result<()> {
        let (mut write, _) = self.write_as(claim).await?;
        let app_ids = rows::to_json(&app_ids, "app_ids")?;
        sqlx::query(DROP_BOOKKEEPING).bind(claim.run.0).bind(&app_ids).execute(&mut *write).await?;
        sqlx::query(REFUSE).bind(claim.run.0).bind(&app_ids).execute(&mut *write).await?;
        write.commit().await
    }

    pub(super) async fn apply_released_import_plan(
        &self,
        claim: &Claim,
        after: Option<&AppId>,
        limit: u32,
        decided_under: ShortHash,
        now: Timestamp,
    ) -> Result<Option<(ImportCounts, AppId)>> {
        let (mut write, scope) = self.write_as(claim).await?;
        let step = Step { claim, after, limit, decided_under, now, approved: true };
        let Some((counts, last)) = step.apply(&mut write, scope).await? else { return Ok(None) };
        let moved = sqlx::query("UPDATE held_plan SET applied_to = ?2 WHERE run = ?1 AND state = 'Approved'")
            .bind(claim.run.0)
            .bind(last.as_str())
            .execute(&mut *write)
            .await?;
        // It was superseded or stopped meanwhile: nothing of it may be applied any more.
        if moved.rows_affected() == 0 {
            return Err(StoreError::LostEpoch);
        }
        held::change_report(&mut write, claim.run, |report| report.applied += counts).await?;
        write.commit().await?;
        Ok(Some((counts, last)))
    }

    pub(super) async fn release_actions(&self, claim: &Claim, approved: RunId, classes: &[ActionClass]) -> Result<()> {
        let classes: Vec<&str> = classes.iter().map(|class| class.as_str()).collect();
        let classes = rows::to_json(&classes, "classes")?;
        let mut after = Vec::new();
        loop {
            let (mut write, _) = self.write_as(claim).await?;
            let last: Option<Vec<u8>> =
                sqlx::query_scalar(END_OF_RANGE).bind(approved.0).bind(&after).bind(ROWS).fetch_one(&mut *write).await?;
            let Some(last) = last else { return Ok(()) };
            sqlx::query(RELEASE).bind(claim.run.0).bind(approved.0).bind(&after).bind(&last).bind(&classes).execute(&mut *write).await?;
            write.commit().await?;
            after = last;
        }
    }

    pub(super) async fn read_released_actions(
        &self,
        claim: &Claim,
        class: ActionClass,
        after: Option<PersonId>,
        limit: u32,
    ) -> Result<Vec<(PersonId, ProvisionAction)>> {
        self.read_actions_under(claim, released(class), after, limit).await
    }
}

/// Under this class a released action stands.
fn released(class: ActionClass) -> &'static str {
    match class {
        ActionClass::Creates => "ReleasedCreates",
        ActionClass::Updates => "ReleasedUpdates",
        ActionClass::Removals => "ReleasedRemovals",
    }
}

/// What changes neither a person nor a link is no part of what was approved, and nobody misses it.
const DROP_BOOKKEEPING: &str = "DELETE FROM import_action WHERE run = ?1 AND app_id IN (SELECT value FROM json_each(?2))
    AND link IS NULL AND person IS NULL AND NOT removes";

const REFUSE: &str = "UPDATE import_action SET refused = 1 WHERE run = ?1 AND app_id IN (SELECT value FROM json_each(?2))";

/// How many actions are compared in one transaction: some 10 ms.
const ROWS: i64 = 2_000;

const END_OF_RANGE: &str =
    "SELECT max(person) FROM (SELECT person FROM provision_action WHERE run = ?1 AND person > ?2 ORDER BY person LIMIT ?3)";

/// Equal actions have equal texts: what differs in anything is another action, which nobody has approved.
const RELEASE: &str = "UPDATE provision_action SET class = 'Released' || class WHERE id IN (
    SELECT planned.id FROM provision_action approved
    CROSS JOIN provision_action planned ON planned.run = ?1 AND planned.person = approved.person
    WHERE approved.run = ?2 AND approved.person > ?3 AND approved.person <= ?4
      AND approved.class IN (SELECT value FROM json_each(?5)) AND planned.class = approved.class AND planned.action = approved.action)";

/// For the test of how SQLite goes about them.
#[cfg(test)]
pub(super) const STATEMENTS: [&str; 3] = [DROP_BOOKKEEPING, REFUSE, RELEASE];
