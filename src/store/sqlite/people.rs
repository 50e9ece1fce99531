//! People and accounts that are there already.

use futures::TryStreamExt as _;
use sqlx::FromRow;

use super::{
    SqliteStore,
    rows::{self, KnownRow, LinkRow, PersonRow, known_columns, link_columns, person_columns},
};
use crate::{
    domain::{
        account::KnownRecords,
        hash::ShortHash,
        id::{AppId, IntegrationKey},
        import_plan::KnownAccount,
        link::Link,
        matching::PersonHit,
    },
    store::{PersonKey, Result, StoreError},
};

#[derive(FromRow)]
struct HitRow {
    position: i64,
    linked_here: bool,
    #[sqlx(flatten)]
    person: PersonRow,
}

impl SqliteStore {
    pub(super) async fn read_known_records(&self, integration: &IntegrationKey, decided_under: ShortHash) -> Result<KnownRecords> {
        const SCAN: &str = "SELECT app_id, hash FROM account WHERE integration = ?1 AND state = 'Live' AND missing = 0
            AND decided_under = ?2 AND hash IS NOT NULL";
        let scope = self.scope(integration).await?;
        let mut known = KnownRecords::default();
        let mut accounts = sqlx::query_as::<_, (String, Vec<u8>)>(SCAN)
            .bind(scope.integration)
            .bind(decided_under.0.as_slice())
            .fetch(&self.connections.readers);
        while let Some((app_id, hash)) = accounts.try_next().await? {
            known.insert(&AppId::new(app_id), rows::hash(&hash, "account.hash")?);
        }
        Ok(known)
    }

    pub(super) async fn find_people(&self, integration: &IntegrationKey, key: PersonKey, keys: &[String]) -> Result<Vec<Vec<PersonHit>>> {
        macro_rules! by_key {
            ($column:literal) => {
                concat!(
                    "SELECT k.key AS position, EXISTS (SELECT 1 FROM account a
                        WHERE a.person = p.pk AND a.integration = ?1 AND a.state = 'Live') AS linked_here, ",
                    person_columns!(),
                    " FROM json_each(?3) k CROSS JOIN person p ON p.organisation = ?2 AND p.",
                    $column,
                    " = k.value ORDER BY k.key, p.id"
                )
            };
        }
        let statement = match key {
            PersonKey::UserName => by_key!("user_name_key"),
            PersonKey::Email => by_key!("email_key"),
        };
        let scope = self.scope(integration).await?;
        let found: Vec<HitRow> = sqlx::query_as(statement)
            .bind(scope.integration)
            .bind(scope.organisation)
            .bind(rows::to_json(&keys, "keys")?)
            .fetch_all(&self.connections.readers)
            .await?;
        let mut hits: Vec<Vec<PersonHit>> = keys.iter().map(|_| Vec::new()).collect();
        for row in found {
            let hit = PersonHit { person: row.person.read()?, linked_here: row.linked_here };
            rows::slot(&mut hits, row.position)?.push(hit);
        }
        Ok(hits)
    }

    pub(super) async fn read_linked_accounts(
        &self,
        integration: &IntegrationKey,
        after: Option<&AppId>,
        limit: u32,
    ) -> Result<Vec<KnownAccount>> {
        const PAGE: &str = concat!(
            "SELECT ",
            known_columns!(),
            " FROM account a CROSS JOIN person p ON p.pk = a.person
            LEFT JOIN account_values v ON v.integration = a.integration AND v.app_id = a.app_id
            WHERE a.integration = ?1 AND a.app_id > ?3 AND a.state = 'Live' ORDER BY a.app_id LIMIT ?4"
        );
        let scope = self.scope(integration).await?;
        let page: Vec<KnownRow> = sqlx::query_as(PAGE)
            .bind(scope.integration)
            .bind(scope.source)
            .bind(rows::start(after))
            .bind(limit)
            .fetch_all(&self.connections.readers)
            .await?;
        page.into_iter().map(|row| row.read()?.ok_or(StoreError::Corrupt { what: "account" })).collect()
    }

    pub(super) async fn find_links(&self, integration: &IntegrationKey, app_ids: &[AppId]) -> Result<Vec<Link>> {
        const FIND: &str = concat!(
            "SELECT ",
            link_columns!(),
            " FROM json_each(?2) k CROSS JOIN account a ON a.integration = ?1 AND a.app_id = k.value CROSS JOIN person p ON p.pk = a.person
            LEFT JOIN account_values v ON v.integration = a.integration AND v.app_id = a.app_id ORDER BY k.key"
        );
        let scope = self.scope(integration).await?;
        let found: Vec<LinkRow> = sqlx::query_as(FIND)
            .bind(scope.integration)
            .bind(rows::to_json(&app_ids, "app_ids")?)
            .fetch_all(&self.connections.readers)
            .await?;
        let links = found.into_iter().map(|row| Ok(row.read()?.map(|(link, _)| link)));
        links.filter_map(Result::transpose).collect()
    }
}
