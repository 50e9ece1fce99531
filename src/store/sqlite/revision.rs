//! How far the store has come with each integration: an older copy is known by it (SG-12).

use super::{
    SqliteStore,
    scope::{self, Write},
};
use crate::{
    domain::id::IntegrationKey,
    store::{Claim, Result},
};

impl SqliteStore {
    pub(super) async fn find_integration_revision(&self, integration: &IntegrationKey) -> Result<i64> {
        const FIND: &str =
            "SELECT i.revision FROM integration i JOIN organisation o ON o.id = i.organisation WHERE o.name = ?1 AND i.name = ?2";
        let found = sqlx::query_scalar(FIND)
            .bind(integration.organisation.as_str())
            .bind(integration.name.as_str())
            .fetch_optional(&self.connections.readers)
            .await?;
        Ok(found.unwrap_or_default())
    }

    pub(super) async fn store_integration_revision(&self, integration: &IntegrationKey, to: i64) -> Result<()> {
        let mut write = self.durable_write().await?;
        let scope = scope::find_or_add(&mut write, integration).await?;
        sqlx::query("UPDATE integration SET revision = max(revision, ?1) WHERE id = ?2")
            .bind(to)
            .bind(scope.integration)
            .execute(&mut *write)
            .await?;
        write.commit().await
    }

    /// On the connection whose commits are on the disk: a status must not remember what a machine that dies forgets.
    pub(super) async fn durable_write(&self) -> Result<Write> {
        Write::begin(self.gate.clone().lock_owned().await, &self.connections.journal).await
    }

    pub(super) async fn count_change(&self, claim: &Claim) -> Result<()> {
        let mut write = self.durable_write().await?;
        let scope = scope::fence(&mut write, claim).await?;
        sqlx::query("UPDATE integration SET revision = revision + 1 WHERE id = ?1").bind(scope.integration).execute(&mut *write).await?;
        write.commit().await
    }
}
