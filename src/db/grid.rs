//! Many rows in one statement: the rows are a table `g` that the statement reads.
//!
//! On PostgreSQL each column goes as one array, so that one text and one journey do for any number of rows. Where that
//! cannot be (SQLite has no arrays, and the driver's hold no NULL), the rows are spelt out; then rows of NULL make their
//! number a power of two, so that few texts occur and the driver's cache of prepared statements holds them all.

use std::fmt::Write as _;

use sea_orm::sea_query::{ArrayType, OnConflict};
use sea_orm::{
    ConnectionTrait, DbBackend, DbErr, EntityTrait, IntoActiveModel, Iterable, PrimaryKeyToColumn,
    QueryResult, Statement, Value,
};

/// The most rows of one statement that spells them out; with at most 16 columns far below what a statement can bind.
const STATEMENT_ROWS_MAX: usize = 128;

/// Rows of values with named columns, the first of which is never NULL.
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
        if backend == DbBackend::Postgres
            && let Some(kinds) = column_kinds(columns.len(), &self.rows)
        {
            let sql = with_arrays(columns, &kinds, statement);
            let arrays = arrays(&kinds, self.rows);
            return vec![Statement::from_sql_and_values(backend, sql, arrays)];
        }
        let mut statements = Vec::new();
        let mut rows = self.rows;
        while !rows.is_empty() {
            let rest = rows.split_off(rows.len().min(STATEMENT_ROWS_MAX));
            pad(&mut rows);
            let sql = with_rows(backend, columns, rows.len(), statement);
            let values = std::mem::replace(&mut rows, rest).into_iter().flatten();
            statements.push(Statement::from_sql_and_values(backend, sql, values));
        }
        statements
    }
}

/// A kind of column that can go as an array: its values, its type for the driver, and for the database.
struct Kind {
    holds: fn(&Value) -> bool,
    array: ArrayType,
    name: &'static str,
}

const KINDS: [Kind; 4] = [
    Kind {
        holds: |value| matches!(value, Value::BigInt(Some(_))),
        array: ArrayType::BigInt,
        name: "bigint",
    },
    Kind {
        holds: |value| matches!(value, Value::String(Some(_))),
        array: ArrayType::String,
        name: "text",
    },
    Kind {
        holds: |value| matches!(value, Value::Bytes(Some(_))),
        array: ArrayType::Bytes,
        name: "bytea",
    },
    Kind {
        holds: |value| matches!(value, Value::Bool(Some(_))),
        array: ArrayType::Bool,
        name: "boolean",
    },
];

/// The kind of each column, if each has one; none without rows.
fn column_kinds(columns: usize, rows: &[Vec<Value>]) -> Option<Vec<&'static Kind>> {
    let kind = |column: usize| {
        KINDS.iter().find(|kind| {
            let mut values = rows.iter().map(|row| row.get(column));
            values.all(|value| value.is_some_and(kind.holds))
        })
    };
    (!rows.is_empty()).then(|| (0..columns).map(kind).collect())?
}

fn with_arrays(columns: &[&str], kinds: &[&Kind], statement: &str) -> String {
    let parameters: Vec<_> = kinds
        .iter()
        .zip(1..)
        .map(|(kind, number)| format!("${number}::{}[]", kind.name))
        .collect();
    format!(
        "WITH g({}) AS (SELECT * FROM UNNEST({})) {statement}",
        columns.join(", "),
        parameters.join(", ")
    )
}

/// Rows turned into columns.
fn arrays(kinds: &[&Kind], rows: Vec<Vec<Value>>) -> Vec<Value> {
    let mut columns: Vec<Vec<Value>> = kinds
        .iter()
        .map(|_| Vec::with_capacity(rows.len()))
        .collect();
    for row in rows {
        for (column, value) in columns.iter_mut().zip(row) {
            column.push(value);
        }
    }
    let array = |(kind, values): (&&Kind, Vec<Value>)| {
        Value::Array(kind.array.clone(), Some(Box::new(values)))
    };
    kinds.iter().zip(columns).map(array).collect()
}

/// Adds rows of NULL until their number is a power of two.
fn pad(rows: &mut Vec<Vec<Value>>) {
    let Some(last) = rows.last() else { return };
    let nothing: Vec<Value> = last.iter().map(Value::as_null).collect();
    rows.resize(rows.len().next_power_of_two(), nothing);
}

fn with_rows(backend: DbBackend, columns: &[&str], rows: usize, statement: &str) -> String {
    let values = if backend == DbBackend::Postgres {
        numbered_values(columns.len(), rows)
    } else {
        let row = format!("({})", vec!["?"; columns.len()].join(", "));
        vec![row; rows].join(", ")
    };
    let columns = columns.join(", ");
    format!(
        "WITH g({columns}) AS (SELECT * FROM (VALUES {values}) AS rows WHERE column1 IS NOT NULL) {statement}"
    )
}

fn numbered_values(columns: usize, rows: usize) -> String {
    let mut values = String::new();
    for row in 0..rows {
        values.push_str(if row == 0 { "(" } else { ", (" });
        for column in 0..columns {
            let comma = if column == 0 { "" } else { ", " };
            // Writing to a string cannot fail.
            let _written = write!(values, "{comma}${}", row * columns + column + 1).is_ok();
        }
        values.push(')');
    }
    values
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
    fn columns_without_null_go_as_arrays_and_others_are_spelt_out() {
        let rows = |seen: Option<i64>| {
            let mut grid = Grid::new(&["a", "b"]);
            grid.push(vec![1_i64.into(), Value::BigInt(Some(5))]);
            grid.push(vec![2_i64.into(), Value::BigInt(seen)]);
            grid.push(vec![3_i64.into(), Value::BigInt(Some(6))]);
            grid.statements(DbBackend::Postgres, "X")
        };
        let [whole] = rows(Some(7)).try_into().expect("one statement");
        assert_eq!(
            whole.sql,
            "WITH g(a, b) AS (SELECT * FROM UNNEST($1::bigint[], $2::bigint[])) X"
        );
        let values = whole.values.expect("its values").0;
        assert_eq!(
            values,
            [vec![1_i64, 2, 3].into(), vec![5_i64, 7, 6].into()],
            "columns keep their order"
        );
        let spelt_out: Vec<_> = rows(None).into_iter().map(|each| each.sql).collect();
        assert_eq!(
            spelt_out,
            [
                "WITH g(a, b) AS (SELECT * FROM (VALUES ($1, $2), ($3, $4), ($5, $6), ($7, $8)) AS rows \
                 WHERE column1 IS NOT NULL) X"
            ],
            "three rows, and one of nothing"
        );
        assert_eq!(
            Grid::new(&["a"]).statements(DbBackend::Postgres, "X").len(),
            0
        );
    }

    #[test]
    fn names_parameters_in_the_manner_of_the_database() {
        assert_eq!(
            with_rows(DbBackend::Sqlite, &["a", "b"], 1, "X"),
            "WITH g(a, b) AS (SELECT * FROM (VALUES (?, ?)) AS rows WHERE column1 IS NOT NULL) X"
        );
        assert_eq!(
            with_rows(DbBackend::Postgres, &["a"], 2, "X"),
            "WITH g(a) AS (SELECT * FROM (VALUES ($1), ($2)) AS rows WHERE column1 IS NOT NULL) X"
        );
    }
}
