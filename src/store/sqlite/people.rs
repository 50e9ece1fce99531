//! People and accounts that are there already.

use futures::TryStreamExt as _;
use sqlx::{FromRow, SqliteConnection};

use super::{
    SqliteStore,
    keys::NAMES,
    rows::{self, KnownRow, LinkRow, PersonRow, known_columns, link_columns, person_columns},
    scope::{self, Scope},
};
use crate::{
    domain::{
        account::KnownRecords,
        hash::ShortHash,
        id::{AppId, IntegrationKey, Organisation, PersonId},
        import_plan::KnownAccount,
        link::Link,
        matching::{PersonHit, TOO_MANY},
        person::Person,
    },
    store::{Claim, PersonKey, Result, StoreError},
};

#[derive(FromRow)]
struct HitRow {
    position: i64,
    linked_here: bool,
    sourced_elsewhere: bool,
    renamed_away: bool,
    #[sqlx(flatten)]
    person: PersonRow,
}

/// People whom `$found` finds for the key `k.value`, in the order of the keys `?3`: seen from the integration `?1` of the
/// organisation `?2`, which is a source if `?5`, in the run `?4`.
macro_rules! hits {
    ($found:expr) => {
        concat!(
            "SELECT k.key AS position,
                EXISTS (SELECT 1 FROM account a WHERE a.person = p.pk AND a.integration = ?1 AND a.state = 'Live') AS linked_here,
                EXISTS (SELECT 1 FROM account other CROSS JOIN integration rival ON rival.id = other.integration
                    WHERE other.person = p.pk AND other.state = 'Live' AND rival.source AND rival.id <> ?1
                      AND (NOT ?5 OR rival.name < (SELECT name FROM integration WHERE id = ?1))) AS sourced_elsewhere,
                ?5 AND EXISTS (SELECT 1 FROM account a CROSS JOIN sorted_key sk ON sk.run = ?4 AND sk.key = a.app_id
                    CROSS JOIN staging s ON s.id = sk.id
                    WHERE a.person = p.pk AND a.integration = ?1 AND a.state = 'Live'
                      AND s.user_name_key <> p.user_name_key) AS renamed_away, ",
            person_columns!(),
            " FROM json_each(?3) k CROSS JOIN person p ON ",
            $found,
            " ORDER BY k.key, p.id"
        )
    };
}

/// By the attribute `?6`; at most `?7` of a key. The plus keeps SQLite from going through the organisation.
pub(super) const BY_KEY: &str = hits!(
    "+p.organisation = ?2 AND p.pk IN (SELECT person FROM person_key WHERE organisation = ?2 AND attribute = ?6 AND key = k.value ORDER BY person LIMIT ?7)"
);

/// By person id.
pub(super) const BY_ID: &str = hits!("p.organisation = ?2 AND p.id = unhex(k.value)");

/// [`TOO_MANY`].
const MANY: u32 = 16;
const _: () = assert!(MANY as usize == TOO_MANY, "who is shown this many knows that there may be more");

/// These people, seen from the integration of the scope; outside of any run. `None`: the organisation has no such person.
pub(super) async fn find_by_id(connection: &mut SqliteConnection, scope: Scope, ids: &[PersonId]) -> Result<Vec<Option<PersonHit>>> {
    const NO_RUN: i64 = 0;
    let keys: Vec<String> = ids.iter().map(|id| hex::encode(id.as_bytes())).collect();
    let found = sqlx::query_as(BY_ID)
        .bind(scope.integration)
        .bind(scope.organisation)
        .bind(rows::to_json(&keys, "ids")?)
        .bind(NO_RUN)
        .bind(scope.source)
        .fetch_all(connection)
        .await?;
    Ok(read_hits(found, ids.len())?.into_iter().map(|mut hits| hits.pop()).collect())
}

fn read_hits(found: Vec<HitRow>, keys: usize) -> Result<Vec<Vec<PersonHit>>> {
    let mut hits: Vec<Vec<PersonHit>> = (0..keys).map(|_| Vec::new()).collect();
    for row in found {
        let HitRow { position, linked_here, sourced_elsewhere, renamed_away, person } = row;
        // Only the effective source renames (SO-2).
        let renamed_away = renamed_away && !sourced_elsewhere;
        let hit = PersonHit { person: person.read()?, linked_here, sourced_elsewhere, renamed_away };
        rows::slot(&mut hits, position)?.push(hit);
    }
    Ok(hits)
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

    pub(super) async fn find_people(&self, claim: &Claim, key: PersonKey<'_>, keys: &[String]) -> Result<Vec<Vec<PersonHit>>> {
        let (statement, attribute) = match key {
            PersonKey::UserName => (hits!("p.organisation = ?2 AND p.user_name_key = k.value"), None),
            PersonKey::Email => (hits!("p.organisation = ?2 AND p.email_key = k.value"), None),
            PersonKey::Attribute(attribute) => (BY_KEY, Some(attribute)),
            PersonKey::Names => (BY_KEY, Some(NAMES)),
        };
        if let Some(attribute) = attribute {
            self.refresh_keys(claim, attribute).await?;
        }
        let mut reader = self.connections.readers.acquire().await?;
        let scope = scope::find(&mut reader, &claim.integration).await?;
        let found = sqlx::query_as(statement)
            .bind(scope.integration)
            .bind(scope.organisation)
            .bind(rows::to_json(&keys, "keys")?)
            .bind(claim.run.0)
            .bind(scope.source)
            .bind(attribute)
            .bind(MANY)
            .fetch_all(&mut *reader)
            .await?;
        read_hits(found, keys.len())
    }

    pub(super) async fn read_people(&self, organisation: &Organisation, ids: &[PersonId]) -> Result<Vec<Person>> {
        const FIND: &str = concat!(
            "SELECT ",
            person_columns!(),
            " FROM json_each(?2) k CROSS JOIN person p ON p.id = unhex(k.value)
              AND p.organisation = (SELECT id FROM organisation WHERE name = ?1)"
        );
        let ids: Vec<String> = ids.iter().map(|id| hex::encode(id.as_bytes())).collect();
        let found: Vec<PersonRow> =
            sqlx::query_as(FIND).bind(organisation.as_str()).bind(rows::to_json(&ids, "ids")?).fetch_all(&self.connections.readers).await?;
        found.into_iter().map(PersonRow::read).collect()
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
