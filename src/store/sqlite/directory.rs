//! What holds for a whole organisation.

use super::{
    SqliteStore, rows, runs,
    scope::{Scope, Write},
};
use crate::{
    domain::{
        directory::{DirectorySettings, PeopleCounts},
        id::Organisation,
        person::PersonState,
    },
    store::{Result, StoreError},
};

impl SqliteStore {
    pub(super) async fn read_directory(&self, organisation: &Organisation) -> Result<Option<DirectorySettings>> {
        const READ: &str = "SELECT directory FROM organisation WHERE name = ?1 AND directory IS NOT NULL";
        let text: Option<String> = sqlx::query_scalar(READ).bind(organisation.as_str()).fetch_optional(&self.connections.readers).await?;
        text.map(|text| rows::from_json(&text, "organisation.directory")).transpose()
    }

    pub(super) async fn store_directory(&self, organisation: &Organisation, settings: &DirectorySettings) -> Result<()> {
        if self.read_directory(organisation).await?.as_ref() == Some(settings) {
            return Ok(());
        }
        let text = rows::to_json(settings, "organisation.directory")?;
        let mut write = self.write().await?;
        sqlx::query("INSERT INTO organisation (name) VALUES (?1) ON CONFLICT DO NOTHING")
            .bind(organisation.as_str())
            .execute(&mut *write)
            .await?;
        let id: i64 = sqlx::query_scalar("UPDATE organisation SET directory = ?2 WHERE name = ?1 RETURNING id")
            .bind(organisation.as_str())
            .bind(text)
            .fetch_one(&mut *write)
            .await?;
        put_order(&mut write, id, &settings.profile_sources).await?;
        // Who is whose source, and who may lose what, is another matter from now on: every app is looked at.
        runs::raise_revision(&mut write, Scope { organisation: id, ..Scope::default() }).await?;
        write.commit().await
    }

    pub(super) async fn count_people(&self, organisation: &Organisation) -> Result<PeopleCounts> {
        const COUNT: &str = "SELECT p.state, count(*) FROM organisation o CROSS JOIN person p ON p.organisation = o.id
            WHERE o.name = ?1 GROUP BY p.state";
        let states: Vec<(String, i64)> = sqlx::query_as(COUNT).bind(organisation.as_str()).fetch_all(&self.connections.readers).await?;
        let mut counts = PeopleCounts::default();
        for (state, number) in states {
            let number = rows::count(number);
            match PersonState::parse(&state).ok_or(StoreError::Corrupt { what: "person.state" })? {
                PersonState::Active => counts.active = number,
                PersonState::Staged => counts.staged = number,
                PersonState::Suspended => counts.suspended = number,
                PersonState::Deactivated => counts.deactivated = number,
            }
        }
        Ok(counts)
    }
}

async fn put_order(write: &mut Write, organisation: i64, order: &[String]) -> Result<()> {
    const PUT: &str = "INSERT INTO source_order (organisation, name, rank) SELECT ?1, k.value, k.key FROM json_each(?2) k WHERE true
        ON CONFLICT DO NOTHING";
    sqlx::query("DELETE FROM source_order WHERE organisation = ?1").bind(organisation).execute(&mut **write).await?;
    sqlx::query(PUT).bind(organisation).bind(rows::to_json(&order, "source_order")?).execute(&mut **write).await?;
    Ok(())
}
