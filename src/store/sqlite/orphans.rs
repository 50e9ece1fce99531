//! Dropping organisations whose namespace is gone, in short transactions.

use jiff::Timestamp;

use super::{
    SqliteStore,
    purge::{OLD_LISTINGS, OLD_PLANS},
};
use crate::store::{Direction, Result};

/// Everything of the integration ?1 but its runs, so many rows at a time (?2).
const OF_INTEGRATION: [&str; 8] = [
    "DELETE FROM account WHERE integration = ?1 AND app_id IN (SELECT app_id FROM account WHERE integration = ?1 LIMIT ?2)",
    "DELETE FROM account_values WHERE integration = ?1 AND app_id IN (SELECT app_id FROM account_values WHERE integration = ?1 LIMIT ?2)",
    "DELETE FROM candidate WHERE integration = ?1 AND app_id IN (SELECT app_id FROM candidate WHERE integration = ?1 LIMIT ?2)",
    "DELETE FROM removal WHERE integration = ?1 AND app_id IN (SELECT app_id FROM removal WHERE integration = ?1 LIMIT ?2)",
    "DELETE FROM failure WHERE integration = ?1 AND person IN (SELECT person FROM failure WHERE integration = ?1 LIMIT ?2)",
    // First what keeps the plans of runs from being purged.
    "DELETE FROM held_plan WHERE run IN (SELECT run FROM held_plan WHERE integration = ?1 LIMIT ?2)",
    "DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE integration = ?1 LIMIT ?2)",
    "DELETE FROM intent WHERE id IN (SELECT id FROM intent WHERE integration = ?1 LIMIT ?2)",
];

const RUNS: &str = "DELETE FROM run WHERE id IN (SELECT id FROM run WHERE integration = ?1 LIMIT ?2)";

const LEASES: &str = "DELETE FROM lease WHERE integration = ?1";

/// The people of the organisation ?1 and what they are found by, so many rows at a time (?2).
const OF_ORGANISATION: [&str; 3] = [
    "DELETE FROM person_key WHERE person IN (SELECT person FROM person_key WHERE organisation = ?1 LIMIT ?2)",
    "DELETE FROM person_unkeyed WHERE organisation = ?1 AND person IN (
        SELECT person FROM person_unkeyed WHERE organisation = ?1 LIMIT ?2)",
    "DELETE FROM person WHERE pk IN (SELECT pk FROM person WHERE organisation = ?1 LIMIT ?2)",
];

const SOURCE_ORDER: &str = "DELETE FROM source_order WHERE organisation = ?1";

const KEY_USES: &str = "DELETE FROM key_use WHERE organisation = ?1";

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
            for statement in OF_ORGANISATION {
                self.in_batches(statement, *organisation, None).await?;
            }
            self.delete(KEY_USES, *organisation).await?;
            self.delete(SOURCE_ORDER, *organisation).await?;
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
}
