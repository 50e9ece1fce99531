//! The order of what a run has read. Listings are appended as they come and sorted once, when somebody first asks for
//! their order: keeping an index up to date with rows that come in any order is twenty times slower.

use futures::TryStreamExt as _;
use sqlx::{FromRow, SqliteConnection};

use super::{SqliteStore, bulk, scope::Write};
use crate::{
    domain::id::RunId,
    store::{Claim, Result},
};

/// What is sorted.
#[derive(Clone, Copy)]
pub(super) enum Listing {
    /// `staging`, by app id.
    Staging,
    /// `observed`, by `e:` and `externalId`, and by `u:` and the folded username.
    Observed,
}

/// Keys that are written in one transaction: some 20 ms.
const ROWS: usize = 5_000;

#[derive(FromRow)]
struct Key {
    key: String,
    id: i64,
}

impl SqliteStore {
    /// Brings `sorted_key` up to what the run has read. Cheap when it is.
    pub(super) async fn sort_listing(&self, claim: &Claim, listing: Listing) -> Result<()> {
        const STAGING: &str = "SELECT app_id AS key, id FROM staging WHERE id > ?1 AND id <= ?2 ORDER BY 1";
        const OBSERVED: &str = "SELECT 'e:' || external_id AS key, id FROM observed WHERE id > ?1 AND id <= ?2 AND external_id IS NOT NULL
            UNION ALL SELECT 'u:' || user_name_key, id FROM observed WHERE id > ?1 AND id <= ?2 AND user_name_key IS NOT NULL ORDER BY 1";
        let mut reader = self.connections.readers.acquire().await?;
        let last = last_row(&mut reader, listing, claim.run).await?;
        let sorted = sorted_up_to(&mut reader, claim.run).await?;
        if last <= sorted {
            return Ok(());
        }
        let statement = match listing {
            Listing::Staging => STAGING,
            Listing::Observed => OBSERVED,
        };
        let mut keys = sqlx::query_as::<_, Key>(statement).bind(sorted).bind(last).fetch(&mut *reader).try_chunks(ROWS);
        while let Some(chunk) = keys.try_next().await.map_err(|error| error.1)? {
            let (mut write, _) = self.write_as(claim).await?;
            add_keys(&mut write, claim.run, &chunk).await?;
            write.commit().await?;
        }
        let (mut write, _) = self.write_as(claim).await?;
        sqlx::query("UPDATE run SET sorted = ?1 WHERE id = ?2").bind(last).bind(claim.run.0).execute(&mut *write).await?;
        write.commit().await
    }
}

async fn add_keys(write: &mut Write, run: RunId, keys: &[Key]) -> Result<()> {
    // A sort that was interrupted begins again from the same row.
    let repeated = " ON CONFLICT DO NOTHING";
    bulk::insert(write, "INSERT INTO sorted_key (run, key, id) ", repeated, keys, |mut values, row| {
        values.push_bind(run.0).push_bind(row.key.as_str()).push_bind(row.id);
    })
    .await
}

/// The id of the last row that the run has in a listing, or the one before its first.
pub(super) async fn last_row(connection: &mut SqliteConnection, listing: Listing, run: RunId) -> Result<i64> {
    let statement = match listing {
        Listing::Staging => "SELECT max(id) FROM staging WHERE id >= ?1 << 32 AND id < (?1 + 1) << 32",
        Listing::Observed => "SELECT max(id) FROM observed WHERE id >= ?1 << 32 AND id < (?1 + 1) << 32",
    };
    let last: Option<i64> = sqlx::query_scalar(statement).bind(run.0).fetch_one(connection).await?;
    Ok(last.unwrap_or(run.0 << 32))
}

async fn sorted_up_to(connection: &mut SqliteConnection, run: RunId) -> Result<i64> {
    let sorted: Option<i64> = sqlx::query_scalar("SELECT sorted FROM run WHERE id = ?1").bind(run.0).fetch_optional(connection).await?;
    Ok(sorted.unwrap_or_default().max(run.0 << 32))
}
