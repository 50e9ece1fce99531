//! Which rows a call may touch, and whether it may write at all (H5, RU-4).

use std::ops::{Deref, DerefMut};

use sqlx::{FromRow, Sqlite, SqliteConnection, SqlitePool, Transaction};
use tokio::sync::OwnedMutexGuard;

use super::SqliteStore;
use crate::{
    domain::id::IntegrationKey,
    store::{Claim, Direction, Result, StoreError},
};

/// The keys of an organisation and of one of its integrations inside the store. Zero stands for what the store has never
/// heard of; no row has it.
#[derive(Clone, Copy, Debug, Default, FromRow)]
pub(super) struct Scope {
    pub organisation: i64,
    pub integration: i64,
    /// Is the integration a profile source (SO-1)?
    pub source: bool,
    /// Is it one to its import that is under way, which may only be planning?
    pub policy_source: bool,
}

/// A write transaction. SQLite has one writer: whoever has the gate is it, and others wait in turn instead of polling.
pub(super) struct Write {
    // Dropped before the gate, so that the next writer never meets an open transaction.
    transaction: Transaction<'static, Sqlite>,
    _gate: OwnedMutexGuard<()>,
}

impl Write {
    /// Begins a write on this connection.
    pub async fn begin(gate: OwnedMutexGuard<()>, pool: &SqlitePool) -> Result<Self> {
        Ok(Self { transaction: pool.begin_with("BEGIN IMMEDIATE").await?, _gate: gate })
    }

    pub async fn commit(self) -> Result<()> {
        Ok(self.transaction.commit().await?)
    }
}

impl Deref for Write {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.transaction
    }
}

impl DerefMut for Write {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.transaction
    }
}

impl SqliteStore {
    /// Begins a write that needs no claim.
    pub(super) async fn write(&self) -> Result<Write> {
        Write::begin(self.gate.clone().lock_owned().await, &self.connections.writer).await
    }

    /// Begins a write of a claimed run; [`StoreError::LostEpoch`] if a newer run has the claim.
    pub(super) async fn write_as(&self, claim: &Claim) -> Result<(Write, Scope)> {
        let mut write = self.write().await?;
        let scope = fence(&mut write, claim).await?;
        Ok((write, scope))
    }

    /// The scope of a read.
    pub(super) async fn scope(&self, integration: &IntegrationKey) -> Result<Scope> {
        find(&mut *self.connections.readers.acquire().await?, integration).await
    }
}

/// The scope of an integration.
pub(super) async fn find(connection: &mut SqliteConnection, integration: &IntegrationKey) -> Result<Scope> {
    const FIND: &str = "SELECT o.id AS organisation, coalesce(i.id, 0) AS integration, coalesce(i.source, 0) AS source,
            coalesce(i.policy_source, 0) AS policy_source
        FROM organisation o LEFT JOIN integration i ON i.organisation = o.id AND i.name = ?2 WHERE o.name = ?1";
    let found =
        sqlx::query_as(FIND).bind(integration.organisation.as_str()).bind(integration.name.as_str()).fetch_optional(connection).await?;
    Ok(found.unwrap_or_default())
}

/// The scope of an integration, which the store is told of if it has never heard of it.
pub(super) async fn find_or_add(write: &mut Write, integration: &IntegrationKey) -> Result<Scope> {
    const ADD_ORGANISATION: &str = "INSERT INTO organisation (name) VALUES (?1) ON CONFLICT DO NOTHING";
    const ADD_INTEGRATION: &str =
        "INSERT INTO integration (organisation, name) SELECT id, ?2 FROM organisation WHERE name = ?1 ON CONFLICT DO NOTHING";
    sqlx::query(ADD_ORGANISATION).bind(integration.organisation.as_str()).execute(&mut **write).await?;
    sqlx::query(ADD_INTEGRATION).bind(integration.organisation.as_str()).bind(integration.name.as_str()).execute(&mut **write).await?;
    find(write, integration).await
}

/// Does the claim still hold (RU-4)? Asked inside the transaction that writes.
pub(super) async fn fence(connection: &mut SqliteConnection, claim: &Claim) -> Result<Scope> {
    let scope = find(connection, &claim.integration).await?;
    let epoch: Option<i64> = sqlx::query_scalar("SELECT epoch FROM lease WHERE integration = ?1 AND direction = ?2")
        .bind(scope.integration)
        .bind(claim.direction.as_str())
        .fetch_optional(connection)
        .await?;
    if epoch == Some(claim.epoch.0) { Ok(scope) } else { Err(StoreError::LostEpoch) }
}

/// Takes the next epoch of an integration and direction. The first one is above all that were ever given: a run of an
/// organisation that was set aside must not hold the claim of the one that has its name now.
pub(super) async fn next_epoch(connection: &mut SqliteConnection, scope: Scope, direction: Direction) -> Result<i64> {
    const NEXT: &str = "INSERT INTO lease (integration, direction, epoch) VALUES (?1, ?2, (SELECT coalesce(max(epoch), 0) + 1 FROM lease))
        ON CONFLICT DO UPDATE SET epoch = epoch + 1 RETURNING epoch";
    Ok(sqlx::query_scalar(NEXT).bind(scope.integration).bind(direction.as_str()).fetch_one(connection).await?)
}
