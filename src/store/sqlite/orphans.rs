//! Dropping organisations whose namespace is gone, in short transactions.

use jiff::Timestamp;

use super::{
    SqliteStore,
    purge::{OLD_LISTINGS, OLD_PLANS, ROWS},
};
use crate::store::{Direction, Result};

/// Everything of the integration ?1 but its runs, so many rows at a time (?2).
const OF_INTEGRATION: [&str; 6] = [
    "DELETE FROM account WHERE integration = ?1 AND app_id IN (SELECT app_id FROM account WHERE integration = ?1 LIMIT ?2)",
    "DELETE FROM account_values WHERE integration = ?1 AND app_id IN (SELECT app_id FROM account_values WHERE integration = ?1 LIMIT ?2)",
    "DELETE FROM candidate WHERE integration = ?1 AND app_id IN (SELECT app_id FROM candidate WHERE integration = ?1 LIMIT ?2)",
    "DELETE FROM removal WHERE integration = ?1 AND app_id IN (SELECT app_id FROM removal WHERE integration = ?1 LIMIT ?2)",
    "DELETE FROM failure WHERE integration = ?1 AND person IN (SELECT person FROM failure WHERE integration = ?1 LIMIT ?2)",
    "DELETE FROM intent WHERE id IN (SELECT id FROM intent WHERE integration = ?1 LIMIT ?2)",
];

const RUNS: &str = "DELETE FROM run WHERE id IN (SELECT id FROM run WHERE integration = ?1 LIMIT ?2)";

const LEASES: &str = "DELETE FROM lease WHERE integration = ?1";

const PEOPLE: &str = "DELETE FROM person WHERE pk IN (SELECT pk FROM person WHERE organisation = ?1 LIMIT ?2)";

impl SqliteStore {
    pub(super) async fn drop_orphans(&self, before: Timestamp) -> Result<u64> {
        const ORPHANS: &str = "SELECT id FROM organisation WHERE orphaned < ?1";
        const INTEGRATIONS: &str = "SELECT id FROM integration WHERE organisation = ?1";
        let orphans: Vec<i64> = sqlx::query_scalar(ORPHANS).bind(before.as_millisecond()).fetch_all(&self.connections.readers).await?;
        for organisation in &orphans {
            let integrations: Vec<i64> = sqlx::query_scalar(INTEGRATIONS).bind(organisation).fetch_all(&self.connections.readers).await?;
            for integration in integrations {
                self.drop_integration(integration).await?;
            }
            self.in_batches(PEOPLE, *organisation, None).await?;
            self.delete("DELETE FROM organisation WHERE id = ?1", *organisation).await?;
        }
        Ok(orphans.len() as u64)
    }

    async fn drop_integration(&self, integration: i64) -> Result<()> {
        for statement in OF_INTEGRATION {
            self.in_batches(statement, integration, None).await?;
        }
        // What runs have read and planned is found by their rows, which go last.
        for direction in [Direction::ToDirectory, Direction::ToApp] {
            for statement in OLD_LISTINGS.into_iter().chain(OLD_PLANS) {
                self.in_batches(statement, integration, Some(direction)).await?;
            }
        }
        self.in_batches(RUNS, integration, None).await?;
        self.delete(LEASES, integration).await?;
        self.delete("DELETE FROM integration WHERE id = ?1", integration).await
    }

    async fn in_batches(&self, statement: &'static str, of: i64, direction: Option<Direction>) -> Result<()> {
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

    async fn delete(&self, statement: &'static str, id: i64) -> Result<()> {
        let mut write = self.write().await?;
        sqlx::query(statement).bind(id).execute(&mut *write).await?;
        write.commit().await
    }
}
