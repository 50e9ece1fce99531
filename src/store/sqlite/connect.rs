//! Opening the store's file: mode, connections, migrations.

use std::{os::unix::fs::PermissionsExt as _, path::Path, time::Duration};

use sqlx::{
    SqlitePool,
    migrate::{MigrateError, Migrator},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use crate::store::{Result, StoreError};

static MIGRATIONS: Migrator = sqlx::migrate!("src/store/migrations/sqlite");

/// Readers never wait for the writer (WAL); more of them than this only share the same two cores.
const READERS: u32 = 4;
/// Another process that holds the file for longer than this is stuck. Shorter than a reconcile may take, so that the object
/// is told why (C8).
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a call waits for a connection that others use.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(30);
/// Rows that wait to be taken from a connection: a whole page, so that its thread need not be woken for the rest of it.
const ROW_BUFFER: usize = 2_000;

/// The connections of a store.
pub(super) struct Connections {
    /// Several connections that cannot write.
    pub readers: SqlitePool,
    /// The connection of everything but the journal.
    pub writer: SqlitePool,
    /// The connection of the journal: what it has committed is on the disk (B9).
    pub journal: SqlitePool,
}

/// Opens the file, creating it if there is none, and brings its tables up to this version.
pub(super) async fn open(path: &Path) -> Result<Connections> {
    restrict(path).await.map_err(sqlx::Error::Io)?;
    let options = SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .busy_timeout(BUSY_TIMEOUT)
        // References hold by construction, and an import is a fifth slower when each is checked again.
        .foreign_keys(false)
        .row_buffer_size(ROW_BUFFER)
        // A container may have no writable directory for temporary files; what is sorted are keys only.
        .pragma("temp_store", "MEMORY")
        .pragma("wal_autocheckpoint", "20000");
    let writing = options.clone().pragma("cache_size", "-65536");
    // Under WAL, NORMAL loses the last commits when the machine dies, but never order or integrity: enough for what the
    // next run does again.
    let writer = pool(1).connect_with(writing.clone().synchronous(SqliteSynchronous::Normal)).await?;
    migrate(&writer).await?;
    let journal = pool(1).connect_with(writing.synchronous(SqliteSynchronous::Full)).await?;
    let reading = options.synchronous(SqliteSynchronous::Normal).pragma("query_only", "1").pragma("cache_size", "-16384");
    let readers = pool(READERS).connect_with(reading).await?;
    Ok(Connections { readers, writer, journal })
}

/// Connections that stay: a file needs no ping before use, and reopening it would only empty the caches.
fn pool(size: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(size)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .acquire_timeout(ACQUIRE_TIMEOUT)
}

/// Only the owner may read the file (H13). SQLite gives its `-wal` and `-shm` files the same mode.
async fn restrict(path: &Path) -> std::io::Result<()> {
    const OWNER_ONLY: u32 = 0o600;
    let file = tokio::fs::OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(OWNER_ONLY).open(path).await?;
    file.set_permissions(std::fs::Permissions::from_mode(OWNER_ONLY)).await
}

async fn migrate(writer: &SqlitePool) -> Result<()> {
    MIGRATIONS.run(writer).await.map_err(|error| match error {
        MigrateError::VersionMissing(version) => StoreError::Newer { version },
        other => StoreError::Migrate(other),
    })
}
