//! Many rows in one statement: the rows are a table `g` that the statement reads.
//!
//! The number of rows in a statement is a power of two, so that few texts occur and the driver's cache of prepared
//! statements holds them all.

use std::fmt::Write as _;

use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ConnectionTrait, DbBackend, DbErr, EntityTrait, IntoActiveModel, Iterable, PrimaryKeyToColumn,
    QueryResult, Statement, Value,
};

/// The most rows of one statement; with at most 16 columns far below what a statement can bind.
const STATEMENT_ROWS_MAX: usize = 128;

/// Rows of values with named columns.
#[derive(Debug)]
pub(super) struct Grid {
    columns: &'static [&'static str],
    rows: Vec<Vec<Value>>,
}

impl Grid {
    pub(super) const fn new(columns: &'static [&'static str]) -> Self {
        Self {
            columns,
            rows: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, row: Vec<Value>) {
        debug_assert_eq!(row.len(), self.columns.len());
        self.rows.push(row);
    }

    /// Runs `statement` over all rows; returns how many rows it changed.
    pub(super) async fn execute(
        self,
        connection: &impl ConnectionTrait,
        statement: &str,
    ) -> Result<u64, DbErr> {
        let mut changed = 0;
        for statement in self.statements(connection.get_database_backend(), statement) {
            changed += connection.execute_raw(statement).await?.rows_affected();
        }
        Ok(changed)
    }

    /// Runs `statement` over all rows; returns what it returns.
    pub(super) async fn query(
        self,
        connection: &impl ConnectionTrait,
        statement: &str,
    ) -> Result<Vec<QueryResult>, DbErr> {
        let mut found = Vec::new();
        for statement in self.statements(connection.get_database_backend(), statement) {
            found.extend(connection.query_all_raw(statement).await?);
        }
        Ok(found)
    }

    fn statements(self, backend: DbBackend, statement: &str) -> Vec<Statement> {
        let columns = self.columns;
        in_chunks(self.rows)
            .into_iter()
            .map(|rows| {
                let sql = with_rows(backend, columns, rows.len(), statement);
                Statement::from_sql_and_values(backend, sql, rows.into_iter().flatten())
            })
            .collect()
    }
}

fn with_rows(backend: DbBackend, columns: &[&str], rows: usize, statement: &str) -> String {
    let mut sql = format!("WITH g({}) AS (VALUES ", columns.join(", "));
    for row in 0..rows {
        sql.push_str(if row == 0 { "(" } else { ", (" });
        for column in 0..columns.len() {
            let comma = if column == 0 { "" } else { ", " };
            let number = row * columns.len() + column + 1;
            // Writing to a string cannot fail.
            let _written = if backend == DbBackend::Postgres {
                write!(sql, "{comma}${number}").is_ok()
            } else {
                write!(sql, "{comma}?").is_ok()
            };
        }
        sql.push(')');
    }
    sql.push_str(") ");
    sql.push_str(statement);
    sql
}

/// Inserts the rows, or replaces those with the same primary key. No key may occur twice.
pub(super) async fn upsert<E>(
    connection: &impl ConnectionTrait,
    rows: Vec<E::Model>,
) -> Result<(), DbErr>
where
    E: EntityTrait,
    E::Model: IntoActiveModel<E::ActiveModel>,
{
    let keys: Vec<E::Column> = E::PrimaryKey::iter()
        .map(PrimaryKeyToColumn::into_column)
        .collect();
    let is_key = |column: &E::Column| E::PrimaryKey::from_column(*column).is_some();
    let conflict = OnConflict::columns(keys)
        .update_columns(E::Column::iter().filter(|column| !is_key(column)))
        .to_owned();
    for rows in in_chunks(rows) {
        let rows = rows.into_iter().map(IntoActiveModel::into_active_model);
        E::insert_many(rows)
            .on_conflict(conflict.clone())
            .exec_without_returning(connection)
            .await?;
    }
    Ok(())
}

/// Cuts into pieces whose sizes are powers of two, in order.
fn in_chunks<T>(mut rows: Vec<T>) -> Vec<Vec<T>> {
    let mut chunks = Vec::new();
    while !rows.is_empty() {
        let size = (1 << rows.len().ilog2()).min(STATEMENT_ROWS_MAX);
        let rest = rows.split_off(size);
        chunks.push(std::mem::replace(&mut rows, rest));
    }
    chunks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_keep_order_and_are_powers_of_two() {
        let chunks = in_chunks((0..300).collect::<Vec<_>>());
        assert_eq!(
            chunks.iter().map(Vec::len).collect::<Vec<_>>(),
            [128, 128, 32, 8, 4]
        );
        assert_eq!(chunks.concat(), (0..300).collect::<Vec<_>>());
    }

    #[test]
    fn names_parameters_in_the_manner_of_the_database() {
        assert_eq!(
            with_rows(DbBackend::Sqlite, &["a", "b"], 1, "X"),
            "WITH g(a, b) AS (VALUES (?, ?)) X"
        );
        assert_eq!(
            with_rows(DbBackend::Postgres, &["a"], 2, "X"),
            "WITH g(a) AS (VALUES ($1), ($2)) X"
        );
    }
}
