//! The contract on this engine, and what is particular to it.

use std::os::unix::fs::PermissionsExt as _;

use tempfile::TempDir;

use super::{QueueFilter, SqliteStore, candidates, connect, host, import_apply, people, provision, read_queue, released, settle};
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

/// The queue of a store that was written before candidates had ids.
#[tokio::test]
async fn a_queue_of_before_is_listed_and_decided_about_after_the_next_import() {
    let file = File::new();
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file.path()).create_if_missing(true);
    let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
    connect::MIGRATIONS.run_to(2, &pool).await.unwrap();
    for row in [
        "INSERT INTO organisation (id, name) VALUES (1, 'acme')",
        "INSERT INTO integration (id, organisation, name) VALUES (1, 1, 'hr')",
        "INSERT INTO candidate VALUES (1, 'a', NULL, 'NewPersonManual'), (1, 'b', 'p-00000000-0000-0000-0000-000000000007', 'UserNameTaken')",
    ] {
        sqlx::query(row).execute(&pool).await.unwrap();
    }
    pool.close().await;
    let older = read_queue(&file.path(), &QueueFilter::default()).await.err().unwrap();
    assert!(matches!(older, StoreError::Older { version: 2 }), "reading brings nothing up to date: {older}");
    let store = file.open().await;
    let queue = read_queue(&file.path(), &QueueFilter::default()).await.unwrap();
    let kinds: Vec<_> = queue.iter().map(|record| (record.candidate.kind.as_str(), record.candidate.reason.as_str())).collect();
    assert_eq!(kinds, [("New", "NewPersonManual"), ("Update", "UserNameTaken")]);
    crate::store::contract::candidates::a_queue_without_ids_is_decided_after_the_next_import(&store).await;
}

/// Numbers of people inside the store are given out again: a key that stayed would find somebody else.
#[tokio::test]
async fn keys_of_people_go_with_them() {
    use crate::{
        domain::id::IntegrationKey,
        store::{Direction, PersonKey, contract},
    };
    let file = File::new();
    let store = file.open().await;
    let key = IntegrationKey::new("acme", "hr");
    contract::import(&store, &key, 0, &[contract::create(&key, "1", "ada")]).await;
    let claim = store.claim(&key, Direction::ToDirectory, "uid", contract::at(1)).await.unwrap();
    let title = PersonKey::Attribute("title");
    let keys = ["ing\u{e9}nieur".to_owned()];
    assert_eq!(store.people_by_key(&claim, title, &keys).await.unwrap()[0].len(), 1);
    contract::import(&store, &key, 2, &[contract::create(&key, "2", "bob")]).await;
    let rows = async || {
        let count = "SELECT (SELECT count(*) FROM person_key), (SELECT count(*) FROM person_unkeyed), (SELECT count(*) FROM key_use)";
        sqlx::query_as::<_, (i64, i64, i64)>(count).fetch_one(&store.connections.readers).await.unwrap()
    };
    assert_eq!(rows().await, (1, 1, 1));
    for gone in ["DELETE FROM person", "DELETE FROM organisation"] {
        sqlx::query(gone).execute(&store.connections.writer).await.unwrap();
    }
    assert_eq!(rows().await, (0, 0, 0));
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
    let statements = import_apply::STATEMENTS.into_iter().chain(settle::DONE).chain([
        provision::CONFIRM,
        host::PROVE,
        host::REFRESH,
        host::UNPROVEN,
        people::BY_KEY,
        people::BY_ID,
        candidates::FIND,
        candidates::IS_PLANNED,
    ]);
    let statements = statements.chain(released::STATEMENTS);
    for statement in statements {
        let explained = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"));
        let steps: Vec<(i64, i64, i64, String)> = sqlx::query_as(explained).fetch_all(&store.connections.writer).await.unwrap();
        for (_, _, _, step) in &steps {
            let walks = ["person", "account", "account_values", "import_action", "failure", "candidate", "person_key", "a", "c", "p", "x"];
            let walked = step.strip_prefix("SCAN ").is_some_and(|table| walks.contains(&table.split(' ').next().unwrap()));
            // A handful of attributes, and only whether there is any.
            let is_asked_for_one = step.starts_with("SEARCH key_use EXISTS");
            let through = (step.ends_with("(integration=?)") || step.ends_with("(organisation=?)")) && !is_asked_for_one;
            assert!(!walked && !through, "{step}\n{statement}");
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

/// H13: a provisioning plan that was held and replaced leaves with its run.
#[tokio::test]
async fn h13_of_a_replaced_hold_nothing_is_left() {
    use crate::store::{Direction, contract};
    let file = File::new();
    let store = file.open().await;
    let chat = crate::domain::id::IntegrationKey::new("acme", "chat");
    let ada = contract::person(&chat, "1");
    for second in 0..5 {
        let claim = store.claim(&chat, Direction::ToApp, "policy", contract::at(second)).await.unwrap();
        store.plan_provision(&claim, &[(ada, contract::creation())]).await.unwrap();
        store.hold(&claim, &contract::held::hold_of(&format!("plan {second}"))).await.unwrap();
        store.finish_pass(&claim, &contract::pass_report(second), contract::rules()).await.unwrap();
    }
    store.claim(&chat, Direction::ToApp, "policy", contract::at(9)).await.unwrap();
    let count = async |query: &'static str| -> i64 { sqlx::query_scalar(query).fetch_one(&store.connections.readers).await.unwrap() };
    assert_eq!(count("SELECT count(*) FROM provision_action").await, 1, "what is held now");
    assert!(count("SELECT count(*) FROM held_plan").await <= 3 && count("SELECT count(*) FROM run").await <= 4);
    assert_eq!(count("SELECT count(*) FROM held_plan WHERE state = 'Held'").await, 1);
}
