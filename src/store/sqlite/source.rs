//! Which integrations are profile sources (SO-1).

use sqlx::FromRow;

use super::{
    SqliteStore, runs,
    scope::{self, Write},
};
use crate::{
    domain::id::IntegrationKey,
    store::{Claim, Result},
};

#[derive(FromRow)]
struct Said {
    source: bool,
    policy_source: bool,
}

impl SqliteStore {
    pub(super) async fn store_source(&self, claim: &Claim, enabled: bool, applies: bool) -> Result<()> {
        const STORE: &str = "UPDATE integration SET policy_source = ?1, source = iif(?2, ?1, source) WHERE id = ?3";
        let (mut write, scope) = self.write_as(claim).await?;
        let before = said(&mut write, scope.integration).await?;
        let changes = applies && before.source != enabled;
        if !changes && before.policy_source == enabled {
            return Ok(());
        }
        sqlx::query(STORE).bind(enabled).bind(applies).bind(scope.integration).execute(&mut *write).await?;
        if changes {
            // What a person has from an app that is their source is not pushed back (TA-18): a change is one to its people.
            runs::raise_revision(&mut write, scope).await?;
        }
        write.commit().await
    }

    pub(super) async fn read_sources(&self) -> Result<Vec<IntegrationKey>> {
        const READ: &str = "SELECT o.name, i.name FROM integration i JOIN organisation o ON o.id = i.organisation WHERE i.source";
        let sources: Vec<(String, String)> = sqlx::query_as(READ).fetch_all(&self.connections.readers).await?;
        Ok(sources.into_iter().map(|(organisation, name)| IntegrationKey::new(organisation, name)).collect())
    }

    pub(super) async fn drop_source(&self, integration: &IntegrationKey) -> Result<()> {
        let mut write = self.write().await?;
        let scope = scope::find(&mut write, integration).await?;
        if !scope.source {
            return Ok(());
        }
        sqlx::query("UPDATE integration SET source = 0, policy_source = 0 WHERE id = ?1")
            .bind(scope.integration)
            .execute(&mut *write)
            .await?;
        runs::raise_revision(&mut write, scope).await?;
        write.commit().await
    }
}

async fn said(write: &mut Write, integration: i64) -> Result<Said> {
    Ok(sqlx::query_as("SELECT source, policy_source FROM integration WHERE id = ?1").bind(integration).fetch_one(&mut **write).await?)
}
