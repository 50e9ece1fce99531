//! What an import has read, until its listing is proved complete.

use std::collections::HashSet;

use sqlx::FromRow;

use super::{
    SqliteStore, bulk,
    rows::{self, KnownRow, known_columns},
    sorted::{self, Listing},
};
use crate::{
    domain::{
        candidate::Queued,
        id::AppId,
        import_plan::{MatchKeys, StagedRecord, StagedRow},
    },
    store::{Claim, PersonKey, Result, StoreError, fold_key},
};

/// A staged record as it is stored.
struct Prepared<'a> {
    record: &'a StagedRecord,
    user_name_key: Option<String>,
    email_key: Option<String>,
    failure: Option<String>,
    mapped: Option<String>,
}

#[derive(FromRow)]
struct StagedRowColumns {
    app_id: String,
    hash: Vec<u8>,
    active: bool,
    failure: Option<String>,
    mapped: Option<String>,
    attribute_key: Option<String>,
    names_key: Option<String>,
    ignored: Option<bool>,
    #[sqlx(flatten)]
    known: KnownRow,
}

impl SqliteStore {
    pub(super) async fn empty_staging(&self, claim: &Claim) -> Result<()> {
        self.purge_listings(claim).await
    }

    pub(super) async fn append_staging(&self, claim: &Claim, records: &[StagedRecord]) -> Result<()> {
        // The text of the records is made before the gate is taken.
        let prepared: Vec<Prepared<'_>> = records.iter().map(prepare).collect::<Result<_>>()?;
        let (mut write, _) = self.write_as(claim).await?;
        let mut id = sorted::last_row(&mut write, Listing::Staging, claim.run).await?;
        bulk::insert(
            &mut write,
            "INSERT INTO staging (id, app_id, hash, active, user_name_key, email_key, attribute_key, names_key, failure, mapped) ",
            "",
            &prepared,
            |mut values, row| {
                id += 1;
                values
                    .push_bind(id)
                    .push_bind(row.record.app_id.as_str())
                    .push_bind(row.record.hash.0.as_slice())
                    .push_bind(row.record.active)
                    .push_bind(row.user_name_key.as_deref())
                    .push_bind(row.email_key.as_deref())
                    .push_bind(row.record.keys.attribute.as_deref())
                    .push_bind(row.record.keys.names.as_deref())
                    .push_bind(row.failure.as_deref())
                    .push_bind(row.mapped.as_deref());
            },
        )
        .await?;
        write.commit().await
    }

    pub(super) async fn find_staged_duplicates(&self, claim: &Claim, key: PersonKey<'_>) -> Result<HashSet<String>> {
        // Few keys come twice, so that the links are asked for these only.
        macro_rules! duplicates {
            ($column:literal) => {
                concat!(
                    "WITH twice AS MATERIALIZED (SELECT ",
                    $column,
                    " AS key FROM staging WHERE id >= ?1 << 32 AND id < (?1 + 1) << 32 AND ",
                    $column,
                    " IS NOT NULL GROUP BY 1 HAVING count(*) > 1)
                    SELECT s.",
                    $column,
                    " FROM staging s WHERE s.id >= ?1 << 32 AND s.id < (?1 + 1) << 32 AND s.",
                    $column,
                    " IN (SELECT key FROM twice) AND NOT EXISTS (SELECT 1 FROM account a
                        WHERE a.integration = ?2 AND a.app_id = s.app_id AND a.state IN ('Live', 'EndedByAbsence'))
                    GROUP BY 1 HAVING count(*) > 1"
                )
            };
        }
        let scope = self.scope(&claim.integration).await?;
        let statement = match key {
            PersonKey::UserName => duplicates!("user_name_key"),
            PersonKey::Email => duplicates!("email_key"),
            PersonKey::Attribute(_) => duplicates!("attribute_key"),
            PersonKey::Names => duplicates!("names_key"),
        };
        let keys: Vec<String> =
            sqlx::query_scalar(statement).bind(claim.run.0).bind(scope.integration).fetch_all(&self.connections.readers).await?;
        Ok(keys.into_iter().collect())
    }

    pub(super) async fn read_staged_page(&self, claim: &Claim, after: Option<&AppId>, limit: u32) -> Result<Vec<StagedRow>> {
        const PAGE: &str = concat!(
            "SELECT s.app_id, s.hash, s.active, s.failure, s.mapped, s.attribute_key, s.names_key, c.ignored, ",
            known_columns!(),
            " FROM sorted_key k CROSS JOIN staging s ON s.id = k.id
            LEFT JOIN account a ON a.integration = ?1 AND a.app_id = k.key
            LEFT JOIN account_values v ON v.integration = a.integration AND v.app_id = a.app_id
            LEFT JOIN person p ON p.pk = a.person
            LEFT JOIN candidate c ON c.integration = ?1 AND c.app_id = k.key
            WHERE k.run = ?3 AND k.key > ?4 ORDER BY k.key LIMIT ?5"
        );
        self.sort_listing(claim, Listing::Staging).await?;
        let scope = self.scope(&claim.integration).await?;
        let page: Vec<StagedRowColumns> = sqlx::query_as(PAGE)
            .bind(scope.integration)
            .bind(scope.policy_source)
            .bind(claim.run.0)
            .bind(rows::start(after))
            .bind(limit)
            .fetch_all(&self.connections.readers)
            .await?;
        page.into_iter().map(StagedRowColumns::read).collect()
    }
}

impl StagedRowColumns {
    fn read(self) -> Result<StagedRow> {
        let mapped = match (self.mapped, self.failure) {
            (Some(mapped), None) => Ok(rows::from_json(&mapped, "staging.mapped")?),
            (None, Some(failure)) => Err(rows::from_json(&failure, "staging.failure")?),
            _ => return Err(StoreError::Corrupt { what: "staging.mapped" }),
        };
        let hash = rows::hash(&self.hash, "staging.hash")?;
        let keys = MatchKeys { attribute: self.attribute_key, names: self.names_key };
        let staged = StagedRecord { app_id: AppId::new(self.app_id), hash, active: self.active, mapped, keys };
        let queued = match self.ignored {
            None => Queued::Not,
            Some(false) => Queued::Pending,
            Some(true) => Queued::Ignored,
        };
        Ok(StagedRow { staged, known: self.known.read()?, queued })
    }
}

fn prepare(record: &StagedRecord) -> Result<Prepared<'_>> {
    let profile = record.mapped.as_ref().ok().map(|mapped| &mapped.profile);
    Ok(Prepared {
        record,
        user_name_key: profile.and_then(|profile| profile.user_name()).map(fold_key),
        email_key: profile.and_then(|profile| profile.email()).map(fold_key),
        failure: record.mapped.as_ref().err().map(|failure| rows::to_json(failure, "staging.failure")).transpose()?,
        mapped: record.mapped.as_ref().ok().map(|mapped| rows::to_json(mapped, "staging.mapped")).transpose()?,
    })
}
