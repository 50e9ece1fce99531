//! The contract on this engine, and what is particular to it.

use std::os::unix::fs::PermissionsExt as _;

use tempfile::TempDir;

use super::{SqliteStore, host, import_apply, provision, settle};
use crate::store::{
    Store as _, StoreError,
    contract::{Fixture, contract_tests},
};

struct File(TempDir);

impl File {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn path(&self) -> std::path::PathBuf {
        self.0.path().join("store.db")
    }
}

impl Fixture for File {
    type Store = SqliteStore;

    async fn open(&self) -> SqliteStore {
        SqliteStore::open(&self.path()).await.unwrap()
    }
}

contract_tests!(File::new());

/// H13.
#[tokio::test]
async fn nobody_else_may_read_the_files() {
    let file = File::new();
    std::fs::write(file.path(), b"").unwrap();
    std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(0o644)).unwrap();
    let store = file.open().await;
    store.ping().await.unwrap();
    let modes: Vec<_> = std::fs::read_dir(file.0.path())
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), entry.metadata().unwrap().permissions().mode() & 0o777))
        .collect();
    assert_eq!(modes.len(), 3, "{modes:?}");
    assert!(modes.iter().all(|(_, mode)| *mode == 0o600), "{modes:?}");
}

/// J3.
#[tokio::test]
async fn a_store_of_a_newer_version_is_refused() {
    let file = File::new();
    let store = file.open().await;
    let newer =
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (9999, 'later', 1, x'00', 0)";
    sqlx::query(newer).execute(&store.connections.writer).await.unwrap();
    store.close().await.unwrap();
    let error = SqliteStore::open(&file.path()).await.err().unwrap();
    assert!(matches!(error, StoreError::Newer { version: 9999 }), "{error}");
    assert!(error.to_string().contains("newer"), "{error}");
}

/// B9.
#[tokio::test]
async fn the_journal_is_synchronous_and_nobody_else() {
    let file = File::new();
    let store = file.open().await;
    let connections = &store.connections;
    for (pool, level) in [(&connections.journal, 2), (&connections.writer, 1), (&connections.readers, 1)] {
        let synchronous: i64 = sqlx::query_scalar("PRAGMA synchronous").fetch_one(pool).await.unwrap();
        let mode: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(pool).await.unwrap();
        assert_eq!((synchronous, mode.as_str()), (level, "wal"));
    }
}

#[tokio::test]
async fn a_closed_store_leaves_one_file_and_refuses_work() {
    let file = File::new();
    let store = file.open().await;
    store.close().await.unwrap();
    assert_eq!(std::fs::read_dir(file.0.path()).unwrap().count(), 1);
    assert!(store.ping().await.is_err());
}

#[tokio::test]
async fn what_cannot_be_read_says_where_and_not_what() {
    let file = File::new();
    let store = file.open().await;
    let key = crate::domain::id::IntegrationKey::new("acme", "hr");
    let action = crate::store::contract::create(&key, "1", "zoltan");
    crate::store::contract::import(&store, &key, 0, &[action]).await;
    sqlx::query("UPDATE person SET profile = '{\"userName\": zoltan'").execute(&store.connections.writer).await.unwrap();
    let error = store.provision_page(&key, None, 1).await.unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { what: "person.profile" }));
    assert!(!format!("{error} {error:?}").contains("zoltan"));
}

/// A statement over a batch goes from the batch to the rows it names. One that goes through a table instead is as right, and
/// a thousand times slower.
#[tokio::test]
async fn no_batch_goes_through_a_whole_table() {
    let file = File::new();
    let store = file.open().await;
    let statements =
        import_apply::STATEMENTS.into_iter().chain(settle::DONE).chain([provision::CONFIRM, host::PROVE, host::REFRESH, host::UNPROVEN]);
    for statement in statements {
        let explained = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"));
        let steps: Vec<(i64, i64, i64, String)> = sqlx::query_as(explained).fetch_all(&store.connections.writer).await.unwrap();
        for (_, _, _, step) in &steps {
            let walks = ["person", "account", "account_values", "import_action", "failure", "a", "p", "x"];
            let walked = step.strip_prefix("SCAN ").is_some_and(|table| walks.contains(&table.split(' ').next().unwrap()));
            assert!(!walked && !step.ends_with("(integration=?)") && !step.ends_with("(organisation=?)"), "{step}\n{statement}");
        }
    }
}

#[tokio::test]
async fn of_a_dropped_organisation_nothing_is_left() {
    use crate::store::{Direction, contract};
    let file = File::new();
    let store = file.open().await;
    let hr = crate::domain::id::IntegrationKey::new("acme", "hr");
    let now = jiff::Timestamp::UNIX_EPOCH;
    contract::import(&store, &hr, 0, &[contract::create(&hr, "1", "ada"), contract::create(&hr, "2", "bob")]).await;
    let claim = store.claim(&hr, Direction::ToDirectory, "under-way", now).await.unwrap();
    store.plan_import(&claim, &[contract::create(&hr, "3", "eve")]).await.unwrap();
    store.orphan(&hr.organisation, None, now).await.unwrap();
    store.purge_orphans(jiff::Timestamp::MAX).await.unwrap();
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name NOT IN ('meta', '_sqlx_migrations')",
    )
    .fetch_all(&store.connections.readers)
    .await
    .unwrap();
    for table in tables {
        let count = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
        let rows: i64 = sqlx::query_scalar(count).fetch_one(&store.connections.readers).await.unwrap();
        assert_eq!(rows, 0, "{table}");
    }
}

#[tokio::test]
async fn of_a_forgotten_import_nothing_is_left() {
    use crate::store::{Direction, contract};
    let file = File::new();
    let store = file.open().await;
    let hr = crate::domain::id::IntegrationKey::new("acme", "hr");
    let claim = store.claim(&hr, Direction::ToDirectory, "gone", jiff::Timestamp::UNIX_EPOCH).await.unwrap();
    store.plan_import(&claim, &[contract::create(&hr, "1", "ada"), contract::create(&hr, "2", "bob")]).await.unwrap();
    store.forget_imports(&["gone".to_owned()]).await.unwrap();
    let left: i64 = sqlx::query_scalar("SELECT (SELECT count(*) FROM run) + (SELECT count(*) FROM import_action)")
        .fetch_one(&store.connections.readers)
        .await
        .unwrap();
    assert_eq!(left, 0);
}
