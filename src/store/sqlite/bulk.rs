//! Many rows in one statement: row by row, sqlx is seven to thirteen times slower.

use sqlx::{QueryBuilder, Sqlite, SqliteConnection, query_builder::Separated};

use crate::store::Result;

/// Rows of one statement. More gain nothing, and SQLite takes at most 32,766 values.
const ROWS: usize = 200;

/// Inserts `rows`; `bind` pushes the values of one. `into` reads `INSERT INTO … (…)`, `tail` what follows the rows.
pub(super) async fn insert<T>(
    connection: &mut SqliteConnection,
    into: &'static str,
    tail: &'static str,
    rows: &[T],
    mut bind: impl FnMut(Separated<'_, Sqlite, &'static str>, &T),
) -> Result<()> {
    for chunk in rows.chunks(ROWS) {
        let mut statement = QueryBuilder::new(into);
        statement.push_values(chunk, &mut bind).push(tail);
        // Only the full statement comes again; others would push it out of the connection's cache.
        statement.build().persistent(chunk.len() == ROWS).execute(&mut *connection).await?;
    }
    Ok(())
}
