//! The limits: the least programs that move the same bytes through the same libraries and the same tables, and decide
//! nothing.

use std::collections::HashMap;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use joinery::{
    domain::{
        hash::ShortHash,
        id::{AppId, IntegrationKey, PersonId},
    },
    store::{fold_key, sqlite::SqliteStore},
};
use reqwest::{Client, header};
use serde::Deserialize;
use serde_json::{Map, Value, value::RawValue};
use sqlx::{
    QueryBuilder, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::task::JoinHandle;

use super::{
    Error, Result,
    child::Place,
    ours::{CONCURRENCY, SOURCE},
    users::PAGE,
};

#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow, rename = "Resources")]
    records: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Id<'a> {
    id: &'a str,
}

/// The pages of a listing, one fetched ahead.
struct Pages {
    client: Client,
    url: String,
    next: usize,
    people: usize,
    ahead: Option<JoinHandle<reqwest::Result<Vec<u8>>>>,
}

impl Pages {
    fn of(place: &Place) -> Result<Self> {
        let mut pages = Self { client: client()?, url: format!("{}/Users", place.url), next: 1, people: place.people, ahead: None };
        pages.fetch();
        Ok(pages)
    }

    fn fetch(&mut self) {
        if self.next > self.people {
            return;
        }
        let request = self.client.get(format!("{}?startIndex={}&count={PAGE}", self.url, self.next));
        self.next += PAGE;
        self.ahead = Some(tokio::spawn(async { Ok(request.send().await?.error_for_status()?.bytes().await?.into()) }));
    }

    async fn next(&mut self) -> Result<Option<Vec<u8>>> {
        let Some(ahead) = self.ahead.take() else { return Ok(None) };
        let page = ahead.await??;
        self.fetch();
        Ok(Some(page))
    }
}

fn client() -> Result<Client> {
    Ok(Client::builder().no_proxy().build()?)
}

async fn open(place: &Place) -> Result<SqlitePool> {
    let options = SqliteConnectOptions::new()
        .filename(&place.store)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal)
        .foreign_keys(false)
        .pragma("temp_store", "MEMORY")
        .pragma("wal_autocheckpoint", "20000")
        .pragma("cache_size", "-65536");
    Ok(SqlitePoolOptions::new().max_connections(1).test_before_acquire(false).connect_with(options).await?)
}

async fn close(pool: SqlitePool) -> Result<()> {
    sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&pool).await?;
    pool.close().await;
    Ok(())
}

struct Row {
    app_id: String,
    person: PersonId,
    hash: ShortHash,
    user_name_key: String,
    profile: String,
}

/// The attributes of the directory and where they stand in a record.
const ATTRIBUTES: [(&str, &str); 14] = [
    ("userName", "/emails/0/value"),
    ("displayName", "/displayName"),
    ("givenName", "/name/givenName"),
    ("familyName", "/name/familyName"),
    ("title", "/title"),
    ("locale", "/locale"),
    ("email", "/emails/0/value"),
    ("phoneNumber", "/phoneNumbers/0/value"),
    ("streetAddress", "/addresses/0/streetAddress"),
    ("locality", "/addresses/0/locality"),
    ("postalCode", "/addresses/0/postalCode"),
    ("country", "/addresses/0/country"),
    ("employeeNumber", "/urn:ietf:params:scim:schemas:extension:enterprise:2.0:User/employeeNumber"),
    ("department", "/urn:ietf:params:scim:schemas:extension:enterprise:2.0:User/department"),
];

fn row(raw: &RawValue, integration: &IntegrationKey) -> Result<Row> {
    let record: Value = serde_json::from_str(raw.get())?;
    let id = record["id"].as_str().ok_or("a record has no id")?.to_owned();
    let profile: Map<String, Value> =
        ATTRIBUTES.iter().filter_map(|(name, place)| Some(((*name).to_owned(), record.pointer(place)?.clone()))).collect();
    Ok(Row {
        person: PersonId::derive(integration, &AppId::new(&*id)),
        app_id: id,
        hash: ShortHash::of(raw.get().as_bytes()),
        user_name_key: fold_key(profile["userName"].as_str().unwrap_or_default()),
        profile: Value::Object(profile).to_string(),
    })
}

/// Fetch, parse, stage, and one sorted merge into each of the tables. Returns the people created.
pub async fn import(place: &Place) -> Result<u64> {
    const STAGE: &str = "INSERT INTO bare (app_id, person, hash, user_name_key, profile) ";
    // The plan's text is the profile, the largest part of what it really is.
    const MERGE: [&str; 3] = [
        "INSERT INTO import_action (id, run, app_id, counts, removes, seen, hash, active, link, link_person, person, person_id, state,
            profile, user_name_key, email_key, action)
        SELECT id, 1, app_id, 1, 0, 1, hash, 1, 'Create', person, 'Create', person, 'Active', 1, user_name_key, user_name_key, profile
        FROM bare ORDER BY app_id",
        "INSERT INTO person (pk, organisation, id, state, user_name_key, email_key, profile)
        SELECT id, 1, person, 'Active', user_name_key, user_name_key, profile FROM bare ORDER BY app_id",
        "INSERT INTO account (integration, app_id, person, state, origin, assigned, active, missing, hash, decided_under)
        SELECT 1, app_id, id, 'Live', 'Import', 0, 1, 0, hash, hash FROM bare ORDER BY app_id",
    ];
    SqliteStore::open(&place.store).await?.close().await?;
    let pool = open(place).await?;
    let bare = "CREATE TABLE bare (id INTEGER PRIMARY KEY, app_id TEXT, person BLOB, hash BLOB, user_name_key TEXT, profile TEXT)";
    sqlx::query(bare).execute(&pool).await?;
    let integration = IntegrationKey::new("acme", SOURCE);
    let mut pages = Pages::of(place)?;
    while let Some(body) = pages.next().await? {
        let page: Page<'_> = serde_json::from_slice(&body)?;
        let rows: Vec<Row> = page.records.into_iter().map(|raw| row(raw, &integration)).collect::<Result<_>>()?;
        let mut statement = QueryBuilder::new(STAGE);
        statement.push_values(&rows, |mut values, row| {
            values.push_bind(row.app_id.as_str()).push_bind(row.person.as_bytes().as_slice()).push_bind(row.hash.0.as_slice());
            values.push_bind(row.user_name_key.as_str()).push_bind(row.profile.as_str());
        });
        statement.build().execute(&pool).await?;
    }
    let mut transaction = pool.begin().await?;
    let mut written = 0;
    for statement in MERGE {
        written = sqlx::query(statement).execute(&mut *transaction).await?.rows_affected();
    }
    transaction.commit().await?;
    close(pool).await?;
    Ok(written)
}

/// Fetch, split, hash, and compare with what is stored. Returns the records that have changed.
pub async fn unchanged(place: &Place) -> Result<u64> {
    let pool = open(place).await?;
    let mut known: HashMap<String, Vec<u8>> = HashMap::new();
    let mut accounts = sqlx::query_as::<_, (String, Vec<u8>)>("SELECT app_id, hash FROM account").fetch(&pool);
    while let Some((app_id, hash)) = accounts.try_next().await? {
        known.insert(app_id, hash);
    }
    drop(accounts);
    let mut pages = Pages::of(place)?;
    let mut changed = 0;
    while let Some(body) = pages.next().await? {
        let page: Page<'_> = serde_json::from_slice(&body)?;
        for raw in page.records {
            let record: Id<'_> = serde_json::from_str(raw.get())?;
            let hash = ShortHash::of(raw.get().as_bytes());
            changed += u64::from(known.get(record.id).map(Vec::as_slice) != Some(hash.0.as_slice()));
        }
    }
    close(pool).await?;
    Ok(changed)
}

/// POSTs what Joinery posts, as many at once, and reads the ids. Returns the accounts created.
pub async fn provision(place: &Place) -> Result<u64> {
    let bodies = std::fs::read_to_string(&place.bodies)?;
    let (client, url) = (client()?, format!("{}/Users", place.url));
    let posts = bodies.lines().map(|body| {
        let request = client.post(&url).header(header::CONTENT_TYPE, "application/scim+json").body(body.to_owned());
        async {
            let answer = request.send().await?.error_for_status()?.bytes().await?;
            let created: Id<'_> = serde_json::from_slice(&answer)?;
            Ok::<_, Error>(u64::from(!created.id.is_empty()))
        }
    });
    let created: Vec<u64> = stream::iter(posts).buffer_unordered(CONCURRENCY as usize).try_collect().await?;
    Ok(created.iter().sum())
}
