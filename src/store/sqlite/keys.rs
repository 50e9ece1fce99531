//! Keys of attributes and names, for matching by them. Made when an import first asks, and then kept up to date: whoever
//! changes is noted, and their keys are made anew when somebody asks again.

use sqlx::FromRow;

use super::{SqliteStore, bulk, rows, scope::Write};
use crate::{
    domain::{
        matching::{attribute_key, names_key},
        profile::Profile,
    },
    store::{Claim, Result},
};

/// What stands in the place of an attribute for given and family name. No attribute has a dot.
pub(super) const NAMES: &str = ".names";

/// For how many people keys are made in one transaction: some 20 ms.
const PEOPLE: i64 = 2_000;

#[derive(FromRow)]
struct Unkeyed {
    pk: i64,
    id: Vec<u8>,
    profile: String,
}

#[derive(FromRow)]
struct Use {
    filled: Vec<u8>,
    complete: bool,
}

struct Key<'a> {
    attribute: &'a str,
    text: String,
    person: i64,
}

pub(super) const OF_FIRST: &str = "SELECT pk, id, profile FROM person WHERE organisation = ?1 AND id > ?2 ORDER BY id LIMIT ?3";
pub(super) const OF_CHANGED: &str = "SELECT p.pk, p.id, p.profile FROM person_unkeyed u CROSS JOIN person p ON p.pk = u.person
    WHERE u.organisation = ?1 ORDER BY u.person LIMIT ?2";
pub(super) const DROP_KEYS: &str =
    "DELETE FROM person_key WHERE person IN (SELECT person FROM person_unkeyed WHERE organisation = ?1 ORDER BY person LIMIT ?2)";

impl SqliteStore {
    /// Makes sure that everybody of the organisation can be found by the attribute. Cheap when they can.
    pub(super) async fn refresh_keys(&self, claim: &Claim, attribute: &str) -> Result<()> {
        const IS_FRESH: &str = "SELECT EXISTS (SELECT 1 FROM key_use WHERE organisation = ?1 AND attribute = ?2 AND complete)
            AND NOT EXISTS (SELECT 1 FROM person_unkeyed WHERE organisation = ?1)";
        let scope = self.scope(&claim.integration).await?;
        let is_fresh: bool =
            sqlx::query_scalar(IS_FRESH).bind(scope.organisation).bind(attribute).fetch_one(&self.connections.readers).await?;
        if is_fresh {
            return Ok(());
        }
        // From here on, whoever changes is noted.
        let (mut write, scope) = self.write_as(claim).await?;
        sqlx::query("INSERT INTO key_use (organisation, attribute) VALUES (?1, ?2) ON CONFLICT DO NOTHING")
            .bind(scope.organisation)
            .bind(attribute)
            .execute(&mut *write)
            .await?;
        write.commit().await?;
        while self.fill_keys(claim, attribute).await? {}
        while self.renew_keys(claim).await? {}
        Ok(())
    }

    /// Makes the attribute's keys of the next people who have none; `false` if there was nobody left.
    async fn fill_keys(&self, claim: &Claim, attribute: &str) -> Result<bool> {
        const USE: &str = "SELECT filled, complete FROM key_use WHERE organisation = ?1 AND attribute = ?2";
        const NOTE: &str = "UPDATE key_use SET filled = ?3, complete = ?4 WHERE organisation = ?1 AND attribute = ?2";
        let (mut write, scope) = self.write_as(claim).await?;
        let Use { filled, complete } = sqlx::query_as(USE).bind(scope.organisation).bind(attribute).fetch_one(&mut *write).await?;
        if complete {
            return Ok(false);
        }
        let people: Vec<Unkeyed> =
            sqlx::query_as(OF_FIRST).bind(scope.organisation).bind(&filled).bind(PEOPLE).fetch_all(&mut *write).await?;
        insert(&mut write, scope.organisation, &people, &[attribute.to_owned()]).await?;
        sqlx::query(NOTE)
            .bind(scope.organisation)
            .bind(attribute)
            .bind(people.last().map_or(&filled, |person| &person.id))
            .bind(people.is_empty())
            .execute(&mut *write)
            .await?;
        write.commit().await?;
        Ok(!people.is_empty())
    }

    /// Makes the keys of the next people who have changed anew; `false` if there was nobody.
    async fn renew_keys(&self, claim: &Claim) -> Result<bool> {
        const FORGET: &str = "DELETE FROM person_unkeyed WHERE organisation = ?1 AND person IN (
            SELECT person FROM person_unkeyed WHERE organisation = ?1 ORDER BY person LIMIT ?2)";
        let (mut write, scope) = self.write_as(claim).await?;
        let people: Vec<Unkeyed> = sqlx::query_as(OF_CHANGED).bind(scope.organisation).bind(PEOPLE).fetch_all(&mut *write).await?;
        if people.is_empty() {
            return Ok(false);
        }
        let attributes: Vec<String> = sqlx::query_scalar("SELECT attribute FROM key_use WHERE organisation = ?1")
            .bind(scope.organisation)
            .fetch_all(&mut *write)
            .await?;
        sqlx::query(DROP_KEYS).bind(scope.organisation).bind(PEOPLE).execute(&mut *write).await?;
        insert(&mut write, scope.organisation, &people, &attributes).await?;
        sqlx::query(FORGET).bind(scope.organisation).bind(PEOPLE).execute(&mut *write).await?;
        write.commit().await?;
        Ok(true)
    }
}

async fn insert(write: &mut Write, organisation: i64, people: &[Unkeyed], attributes: &[String]) -> Result<()> {
    let mut keys = Vec::new();
    for person in people {
        let profile: Profile = rows::from_json(&person.profile, "person.profile")?;
        for attribute in attributes {
            let key = if attribute == NAMES { names_key(&profile) } else { attribute_key(&profile, attribute) };
            keys.extend(key.map(|key| Key { attribute, text: key, person: person.pk }));
        }
    }
    let into = "INSERT INTO person_key (organisation, attribute, key, person) ";
    bulk::insert(write, into, " ON CONFLICT DO NOTHING", &keys, |mut values, row| {
        values.push_bind(organisation).push_bind(row.attribute).push_bind(row.text.as_str()).push_bind(row.person);
    })
    .await
}
