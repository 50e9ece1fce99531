//! Reading a store that an operator may be using, or that lies about as a copy: without a write, without a migration.

use std::path::Path;

use sqlx::{
    FromRow, SqlitePool,
    sqlite::{SqliteConnectOptions, SqlitePoolOptions},
};

use super::{candidates, connect};
use crate::{
    domain::{
        candidate::Candidate,
        id::{AppId, CandidateId, IntegrationKey},
    },
    store::{Result, StoreError},
};

/// Which candidates are wanted.
#[derive(Clone, Debug, Default)]
pub struct QueueFilter {
    /// Of this organisation only.
    pub organisation: Option<String>,
    /// Of the integrations of this name only.
    pub integration: Option<String>,
    /// With the username that each record asks for, which is personal data.
    pub with_user_names: bool,
}

/// A record in the queue, for people who may see it.
#[derive(Clone, Debug, PartialEq)]
pub struct QueuedRecord {
    /// The candidate.
    pub candidate: Candidate,
    /// The UID of the `ImportRun` that proposed it last: decisions are made on that one (MT-8).
    pub import: Option<String>,
    /// The username that the record asks for, if it was wanted.
    pub user_name: Option<String>,
}

#[derive(FromRow)]
struct QueueRow {
    organisation: String,
    integration: String,
    app_id: String,
    kind: String,
    proposal: Option<String>,
    reason: String,
    ignored: bool,
    linked: bool,
    import: Option<String>,
    user_name: Option<String>,
}

/// The queues of a store in a file, by organisation, integration and app id.
pub async fn read_queue(path: &Path, filter: &QueueFilter) -> Result<Vec<QueuedRecord>> {
    const QUEUE: &str = "SELECT o.name AS organisation, i.name AS integration, c.app_id, c.kind, c.proposal, c.reason, c.ignored,
            EXISTS (SELECT 1 FROM account a WHERE a.integration = c.integration AND a.app_id = c.app_id AND a.state = 'Live') AS linked,
            r.object AS import, iif(?3, c.record ->> '$.profile.userName', NULL) AS user_name
        FROM organisation o CROSS JOIN integration i ON i.organisation = o.id CROSS JOIN candidate c ON c.integration = i.id
        LEFT JOIN run r ON r.id = c.last
        WHERE (?1 IS NULL OR o.name = ?1) AND (?2 IS NULL OR i.name = ?2) ORDER BY o.name, i.name, c.app_id";
    let options = SqliteConnectOptions::new().filename(path).read_only(true);
    let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await?;
    require_this_version(&pool).await?;
    let rows: Vec<QueueRow> = sqlx::query_as(QUEUE)
        .bind(filter.organisation.as_deref())
        .bind(filter.integration.as_deref())
        .bind(filter.with_user_names)
        .fetch_all(&pool)
        .await?;
    pool.close().await;
    rows.into_iter().map(QueueRow::read).collect()
}

async fn require_this_version(pool: &SqlitePool) -> Result<()> {
    let applied: i64 = sqlx::query_scalar("SELECT coalesce(max(version), 0) FROM _sqlx_migrations WHERE success").fetch_one(pool).await?;
    match applied.cmp(&connect::version()) {
        std::cmp::Ordering::Less => Err(StoreError::Older { version: applied }),
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Greater => Err(StoreError::Newer { version: applied }),
    }
}

impl QueueRow {
    fn read(self) -> Result<QueuedRecord> {
        let integration = IntegrationKey::new(self.organisation, self.integration);
        let app_id = AppId::new(self.app_id);
        let candidate = Candidate {
            id: CandidateId::derive(&integration, &app_id),
            kind: candidates::kind(&self.kind)?,
            person: candidates::person(self.proposal)?,
            reason: candidates::reason(&self.reason)?,
            ignored: self.ignored,
            linked: self.linked,
            integration,
            app_id,
        };
        Ok(QueuedRecord { candidate, import: self.import, user_name: self.user_name })
    }
}
