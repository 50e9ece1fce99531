//! C8: what the store answers while its disk is full or its file must not be written, and after that.

use tempfile::TempDir;

use super::SqliteStore;
use crate::store::{
    Claim, Direction, Intent, IntentResult, Store as _, StoreError,
    contract::{at, creation, key, person},
};

async fn on_both(store: &SqliteStore, pragma: &'static str) {
    for pool in [&store.connections.writer, &store.connections.journal] {
        sqlx::query(pragma).execute(pool).await.unwrap();
    }
}

/// SQLite's own number for why it refused.
fn code(error: &StoreError) -> Option<String> {
    match error {
        StoreError::Database(sqlx::Error::Database(error)) => error.code().map(std::borrow::Cow::into_owned),
        _ => None,
    }
}

fn intents() -> Vec<Intent> {
    let intent = |number: usize| Intent { person: person(&key("hr"), &number.to_string()), action: creation(), approved: false };
    (0..500).map(intent).collect()
}

async fn recorded(store: &SqliteStore) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM intent").fetch_one(&store.connections.readers).await.unwrap()
}

async fn refuses_and_goes_on(store: &SqliteStore, claim: &Claim, refuse: &'static str, allow: &'static str, expected: &str) {
    let open = store.open_intents(claim, &intents()[..1], at(1)).await.unwrap();
    on_both(store, refuse).await;
    let refused = store.open_intents(claim, &intents(), at(2)).await.unwrap_err();
    assert_eq!(code(&refused).as_deref(), Some(expected), "{refused}");
    assert_eq!(recorded(store).await, 1, "what was recorded before can be read, and nothing of what was refused");
    on_both(store, allow).await;
    store.ping().await.unwrap();
    let ids = store.open_intents(claim, &intents(), at(3)).await.unwrap();
    let closed: Vec<_> = open.into_iter().chain(ids).map(|id| (id, IntentResult::Void)).collect();
    assert_eq!(recorded(store).await, 501);
    store.close_intents(claim, &closed, at(4)).await.unwrap();
    assert_eq!(recorded(store).await, 0);
}

#[tokio::test]
async fn c8_a_full_disk_refuses_the_journal_and_passes() {
    let folder = TempDir::new().unwrap();
    let store = SqliteStore::open(&folder.path().join("store.db")).await.unwrap();
    let claim = store.claim(&key("hr"), Direction::ToApp, "policy", at(0)).await.unwrap();
    // Fewer pages than there are: SQLite makes it what there is, and no page can be added.
    refuses_and_goes_on(&store, &claim, "PRAGMA max_page_count = 1", "PRAGMA max_page_count = 1000000", "13").await;
}

#[tokio::test]
async fn c8_a_file_that_must_not_be_written_refuses_the_journal_and_passes() {
    let folder = TempDir::new().unwrap();
    let store = SqliteStore::open(&folder.path().join("store.db")).await.unwrap();
    let claim = store.claim(&key("hr"), Direction::ToApp, "policy", at(0)).await.unwrap();
    on_both(&store, "PRAGMA query_only = 1").await;
    assert_eq!(store.ping().await.err().as_ref().and_then(code).as_deref(), Some("8"));
    on_both(&store, "PRAGMA query_only = 0").await;
    refuses_and_goes_on(&store, &claim, "PRAGMA query_only = 1", "PRAGMA query_only = 0", "8").await;
}
