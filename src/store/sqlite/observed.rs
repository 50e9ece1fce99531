//! A listing that is read instead of looking every account up.

use sqlx::FromRow;

use super::{
    SqliteStore, bulk, rows,
    sorted::{self, Listing},
};
use crate::{
    domain::{
        account::Record,
        id::{AppId, PersonId},
    },
    store::{Claim, Result, fold_key},
};

#[derive(FromRow)]
struct ObservedRow {
    position: i64,
    app_id: String,
    resource: String,
}

impl SqliteStore {
    pub(super) async fn append_observed(&self, claim: &Claim, records: &[Record]) -> Result<()> {
        const INTO: &str = "INSERT INTO observed (id, app_id, external_id, user_name_key, resource) ";
        let texts: Vec<(&Record, Option<String>, String)> = records
            .iter()
            .map(|record| Ok((record, record.user_name().map(fold_key), rows::to_json(&record.resource, "observed.resource")?)))
            .collect::<Result<_>>()?;
        let (mut write, _) = self.write_as(claim).await?;
        let mut id = sorted::last_row(&mut write, Listing::Observed, claim.run).await?;
        bulk::insert(&mut write, INTO, "", &texts, |mut values, (record, user_name_key, text)| {
            id += 1;
            values.push_bind(id).push_bind(record.id.as_str()).push_bind(record.external_id());
            values.push_bind(user_name_key.as_deref()).push_bind(text.as_str());
        })
        .await?;
        write.commit().await
    }

    pub(super) async fn find_observed(&self, claim: &Claim, keys: &[(PersonId, String)]) -> Result<Vec<Vec<Record>>> {
        // One account may be found by both keys of a pair.
        const FIND: &str = "SELECT DISTINCT k.value ->> 0 AS position, o.app_id, o.resource
            FROM json_each(?2) k CROSS JOIN sorted_key s ON s.run = ?1 AND s.key = k.value ->> 1 CROSS JOIN observed o ON o.id = s.id
            ORDER BY 1, 2";
        self.sort_listing(claim, Listing::Observed).await?;
        let pairs = keys.iter().enumerate();
        let wanted: Vec<(usize, String)> = pairs
            .flat_map(|(position, (person, user_name))| {
                [(position, format!("e:{person}")), (position, format!("u:{}", fold_key(user_name)))]
            })
            .collect();
        let found: Vec<ObservedRow> =
            sqlx::query_as(FIND).bind(claim.run.0).bind(rows::to_json(&wanted, "keys")?).fetch_all(&self.connections.readers).await?;
        let mut records: Vec<Vec<Record>> = keys.iter().map(|_| Vec::new()).collect();
        for row in found {
            let record = Record { id: AppId::new(row.app_id), resource: rows::from_json(&row.resource, "observed.resource")? };
            rows::slot(&mut records, row.position)?.push(record);
        }
        Ok(records)
    }
}
