//! Dropping what a run no longer needs, in short transactions.

use super::{SqliteStore, rows};
use crate::store::{Claim, Direction, Result};

/// How many rows are deleted at a time: some 10 ms.
const ROWS: i64 = 2_000;

/// What a held or an approved plan needs stays (SG-10); `r` is the run.
macro_rules! is_not_frozen {
    () => {
        "NOT EXISTS (SELECT 1 FROM held_plan h WHERE h.run = r.id AND h.state IN ('Held', 'Approved'))"
    };
}

// Everything else of every run of ?1 (integration) and ?2 (direction). A newer claim makes all of it worthless.
pub(super) const OLD_LISTINGS: [&str; 3] = [
    concat!(
        "DELETE FROM staging WHERE id IN (SELECT s.id FROM run r CROSS JOIN staging s ON s.id >= r.id << 32 AND s.id < (r.id + 1) << 32
        WHERE r.integration = ?1 AND r.direction = ?2 AND ",
        is_not_frozen!(),
        " LIMIT ?3)"
    ),
    concat!(
        "DELETE FROM observed WHERE id IN (SELECT s.id FROM run r CROSS JOIN observed s ON s.id >= r.id << 32 AND s.id < (r.id + 1) << 32
        WHERE r.integration = ?1 AND r.direction = ?2 AND ",
        is_not_frozen!(),
        " LIMIT ?3)"
    ),
    concat!(
        "WITH old AS (SELECT r.id FROM run r WHERE r.integration = ?1 AND r.direction = ?2 AND ",
        is_not_frozen!(),
        "
        AND EXISTS (SELECT 1 FROM sorted_key s WHERE s.run = r.id) LIMIT 1)
    DELETE FROM sorted_key WHERE run = (SELECT id FROM old) AND key <= (
        SELECT max(key) FROM (SELECT s.key FROM sorted_key s WHERE s.run = (SELECT id FROM old) ORDER BY s.key LIMIT ?3))"
    ),
];
pub(super) const OLD_PLANS: [&str; 2] = [
    concat!(
        "DELETE FROM import_action WHERE id IN (SELECT a.id FROM run r CROSS JOIN import_action a ON a.run = r.id
        WHERE r.integration = ?1 AND r.direction = ?2 AND ",
        is_not_frozen!(),
        " LIMIT ?3)"
    ),
    concat!(
        "DELETE FROM provision_action WHERE id IN (SELECT a.id FROM run r CROSS JOIN provision_action a ON a.run = r.id
        WHERE r.integration = ?1 AND r.direction = ?2 AND ",
        is_not_frozen!(),
        " LIMIT ?3)"
    ),
];

/// Everything of the run ?1, so many rows at a time (?2).
const OF_RUN: [&str; 3] = [
    "DELETE FROM import_action WHERE id IN (SELECT id FROM import_action WHERE run = ?1 LIMIT ?2)",
    "DELETE FROM staging WHERE id IN (SELECT id FROM staging WHERE id >= ?1 << 32 AND id < (?1 + 1) << 32 LIMIT ?2)",
    "DELETE FROM sorted_key WHERE run = ?1 AND key <= (
        SELECT max(key) FROM (SELECT key FROM sorted_key WHERE run = ?1 ORDER BY key LIMIT ?2))",
];

impl SqliteStore {
    pub(super) async fn read_import_objects(&self) -> Result<Vec<String>> {
        const READ: &str = "SELECT DISTINCT object FROM run WHERE direction = 'ToDirectory'";
        Ok(sqlx::query_scalar(READ).fetch_all(&self.connections.readers).await?)
    }

    pub(super) async fn drop_imports(&self, objects: &[String]) -> Result<()> {
        const RUNS: &str = "SELECT r.id FROM json_each(?1) k CROSS JOIN run r ON r.object = k.value AND r.direction = 'ToDirectory'";
        let objects = rows::to_json(&objects, "run.object")?;
        let runs: Vec<i64> = sqlx::query_scalar(RUNS).bind(objects).fetch_all(&self.connections.readers).await?;
        for run in runs {
            self.delete("DELETE FROM held_plan WHERE run = ?1", run).await?;
            for statement in OF_RUN {
                self.in_batches(statement, run, None).await?;
            }
            // Last: by it the rest is found.
            self.delete("DELETE FROM run WHERE id = ?1", run).await?;
        }
        Ok(())
    }

    /// Repeats a statement about one thing (`?1`), so many rows at a time (the last parameter), until nothing is left; with a
    /// direction, that is `?2`.
    pub(super) async fn in_batches(&self, statement: &'static str, of: i64, direction: Option<Direction>) -> Result<()> {
        loop {
            let mut write = self.write().await?;
            let query = sqlx::query(statement).bind(of);
            let query = match direction {
                Some(direction) => query.bind(direction.as_str()).bind(ROWS),
                None => query.bind(ROWS),
            };
            let deleted = query.execute(&mut *write).await?.rows_affected();
            write.commit().await?;
            if deleted == 0 {
                return Ok(());
            }
        }
    }

    pub(super) async fn delete(&self, statement: &'static str, id: i64) -> Result<()> {
        let mut write = self.write().await?;
        sqlx::query(statement).bind(id).execute(&mut *write).await?;
        write.commit().await
    }

    /// Drops what the runs of the claim's integration and direction, this one included, have read.
    pub(super) async fn purge_listings(&self, claim: &Claim) -> Result<()> {
        self.purge(claim, &OLD_LISTINGS).await?;
        let (mut write, _) = self.write_as(claim).await?;
        sqlx::query("UPDATE run SET sorted = 0 WHERE id = ?1").bind(claim.run.0).execute(&mut *write).await?;
        write.commit().await
    }

    /// Drops what they have planned.
    pub(super) async fn purge_plans(&self, claim: &Claim) -> Result<()> {
        self.purge(claim, &OLD_PLANS).await
    }

    async fn purge(&self, claim: &Claim, statements: &[&'static str]) -> Result<()> {
        for statement in statements {
            loop {
                let (mut write, scope) = self.write_as(claim).await?;
                let deleted = sqlx::query(*statement)
                    .bind(scope.integration)
                    .bind(claim.direction.as_str())
                    .bind(ROWS)
                    .execute(&mut *write)
                    .await?
                    .rows_affected();
                write.commit().await?;
                if deleted == 0 {
                    break;
                }
            }
        }
        Ok(())
    }
}
