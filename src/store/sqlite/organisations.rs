//! Which namespace an organisation belongs to: names come back, UIDs do not.

use jiff::Timestamp;
use sqlx::FromRow;

use super::{SqliteStore, scope::Write};
use crate::{domain::id::Organisation, store::Result};

#[derive(FromRow)]
struct Row {
    id: i64,
    uid: Option<String>,
}

const FIND: &str = "SELECT id, uid FROM organisation WHERE name = ?1";

/// A slash occurs in no namespace's name.
const SET_ASIDE: &str = "UPDATE organisation SET name = name || '/' || coalesce(uid, 'unknown-' || id), orphaned = ?2 WHERE id = ?1";

const BRING_BACK: &str = "UPDATE organisation SET name = ?1, orphaned = NULL WHERE name = ?1 || '/' || ?2";

impl SqliteStore {
    pub(super) async fn bind_organisation(&self, organisation: &Organisation, uid: &str, now: Timestamp) -> Result<()> {
        let known: Option<Row> = sqlx::query_as(FIND).bind(organisation.as_str()).fetch_optional(&self.connections.readers).await?;
        if known.is_some_and(|row| row.uid.as_deref() == Some(uid)) {
            return Ok(());
        }
        let mut write = self.write().await?;
        let found: Option<Row> = sqlx::query_as(FIND).bind(organisation.as_str()).fetch_optional(&mut *write).await?;
        match found {
            Some(row) if row.uid.is_none() => name_it(&mut write, row.id, uid).await?,
            Some(row) => {
                if row.uid.as_deref() != Some(uid) {
                    sqlx::query(SET_ASIDE).bind(row.id).bind(now.as_millisecond()).execute(&mut *write).await?;
                    begin(&mut write, organisation, uid).await?;
                }
            }
            None => begin(&mut write, organisation, uid).await?,
        }
        write.commit().await
    }

    pub(super) async fn read_organisations(&self) -> Result<Vec<(Organisation, Option<String>)>> {
        const READ: &str = "SELECT name, uid FROM organisation WHERE orphaned IS NULL ORDER BY name";
        let found: Vec<(String, Option<String>)> = sqlx::query_as(READ).fetch_all(&self.connections.readers).await?;
        Ok(found.into_iter().map(|(name, uid)| (Organisation::new(name), uid)).collect())
    }

    pub(super) async fn set_aside(&self, organisation: &Organisation, uid: Option<&str>, now: Timestamp) -> Result<()> {
        let mut write = self.write().await?;
        let found: Option<Row> = sqlx::query_as(FIND).bind(organisation.as_str()).fetch_optional(&mut *write).await?;
        let Some(row) = found.filter(|row| row.uid.as_deref() == uid) else { return Ok(()) };
        sqlx::query(SET_ASIDE).bind(row.id).bind(now.as_millisecond()).execute(&mut *write).await?;
        write.commit().await
    }
}

async fn name_it(write: &mut Write, id: i64, uid: &str) -> Result<()> {
    sqlx::query("UPDATE organisation SET uid = ?2 WHERE id = ?1").bind(id).bind(uid).execute(&mut **write).await?;
    Ok(())
}

/// The organisation of a namespace that has come back as the same one, as after a restore of the cluster, or a new one.
async fn begin(write: &mut Write, organisation: &Organisation, uid: &str) -> Result<()> {
    let back = sqlx::query(BRING_BACK).bind(organisation.as_str()).bind(uid).execute(&mut **write).await?;
    if back.rows_affected() == 0 {
        sqlx::query("INSERT INTO organisation (name, uid) VALUES (?1, ?2)")
            .bind(organisation.as_str())
            .bind(uid)
            .execute(&mut **write)
            .await?;
    }
    Ok(())
}
