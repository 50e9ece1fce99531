//! Whether a side did its work. A run with a wrong end state has no time.

use std::path::Path;

use sqlx::{Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};

use super::{
    Bench, Result, Side,
    child::Took,
    ours::{APP, SOURCE},
    target::Asked,
    users::PAGE,
};

/// `/ServiceProviderConfig`, `/ResourceTypes`, `/Schemas`.
const DISCOVERY: u64 = 3;
/// A listing ends with a look beyond its end (LS-2).
const BEYOND: u64 = 1;

/// Compares the store and what the target was asked with what must be.
pub fn end_state(bench: Bench, side: Side, store: &Path, people: usize, took: Took, asked: Asked) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (people, pages) = (people as u64, people.div_ceil(PAGE) as u64);
    let ours = side == Side::Ours;
    let overhead = if ours { DISCOVERY + BEYOND } else { 0 };
    let (requests, posts, writes) = match bench {
        Bench::Import => (pages + overhead, 0, people),
        Bench::ImportUnchanged => (pages + overhead, 0, 0),
        // The empty listing is one page.
        Bench::Provision if ours => (people + 1 + overhead, people, people),
        Bench::Provision => (people, people, people),
    };
    same("requests", asked.requests, requests)?;
    same("POSTs", asked.posts, posts)?;
    same("writes", took.writes, writes)?;
    let rows = runtime.block_on(Rows::of(store))?;
    same("people", rows.people, people)?;
    same("links of the source", rows.source, people)?;
    same("links of the app", rows.app, if bench == Bench::Provision && ours { people } else { 0 })?;
    same("open intents", rows.intents, 0)
}

fn same(what: &str, is: u64, should_be: u64) -> Result<()> {
    if is == should_be { Ok(()) } else { Err(format!("wrong end state: {is} {what}, not {should_be}").into()) }
}

struct Rows {
    people: u64,
    source: u64,
    app: u64,
    intents: u64,
}

impl Rows {
    async fn of(store: &Path) -> Result<Self> {
        // The limit of the import writes rows of an integration that has no name.
        const LINKS: &str = "SELECT count(*) FROM account a LEFT JOIN integration i ON i.id = a.integration
            WHERE a.state = 'Live' AND coalesce(i.name, 'hr') = ?1";
        let mut store = SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(store)).await?;
        let rows = Self {
            people: sqlx::query_scalar("SELECT count(*) FROM person").fetch_one(&mut store).await?,
            source: sqlx::query_scalar(LINKS).bind(SOURCE).fetch_one(&mut store).await?,
            app: sqlx::query_scalar(LINKS).bind(APP).fetch_one(&mut store).await?,
            intents: sqlx::query_scalar("SELECT count(*) FROM intent").fetch_one(&mut store).await?,
        };
        store.close().await?;
        Ok(rows)
    }
}
