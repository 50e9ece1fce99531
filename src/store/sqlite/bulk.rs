//! Many rows in one statement: row by row, sqlx is seven to thirteen times slower.

use sqlx::{QueryBuilder, Sqlite, SqliteConnection, query_builder::Separated};

use crate::store::Result;

/// Rows of one statement. More gain nothing, and SQLite takes at most 32,766 values.
const ROWS: usize = 256;

/// Inserts `rows`; `bind` pushes the values of one. `into` reads `INSERT INTO … (…)`, `tail` what follows the rows.
pub(super) async fn insert<T>(
    connection: &mut SqliteConnection,
    into: &'static str,
    tail: &'static str,
    rows: &[T],
    mut bind: impl FnMut(Separated<'_, Sqlite, &'static str>, &T),
) -> Result<()> {
    let mut rest = rows;
    while !rest.is_empty() {
        let (chunk, after) = rest.split_at(largest_power_of_two(rest.len()).min(ROWS));
        let mut statement = QueryBuilder::new(into);
        statement.push_values(chunk, &mut bind).push(tail);
        statement.build().execute(&mut *connection).await?;
        rest = after;
    }
    Ok(())
}

/// Powers of two only: a statement of another length would have to be prepared anew and would push others out of the
/// connection's cache.
fn largest_power_of_two(rows: usize) -> usize {
    1 << rows.ilog2()
}
