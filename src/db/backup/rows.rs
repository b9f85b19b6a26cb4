//! Rows from one database to another, table by table, whatever the tables are.
//!
//! The SQLite side says which tables there are and what is in their columns; the other side has the same ones, since
//! the same steps made them.

use sea_orm::{ConnectionTrait, DbErr, QueryResult, Statement, Value};

use super::error::BackupError;
use crate::db::connect::statement;
use crate::db::error::DbError;

/// Rows held at once.
const PAGE_ROWS: usize = 500;
/// Rows held at once when they have bodies, each of which may have megabytes.
const PAGE_BODIES: usize = 50;

/// A table of the schema.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) name: String,
    columns: Vec<Column>,
    /// The primary key, as places in `columns`.
    key: Vec<usize>,
}

#[derive(Debug)]
struct Column {
    name: String,
    kind: Kind,
}

/// What a column holds; each may be null.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Number,
    Text,
    Bytes,
    Flag,
}

/// The tables of a SQLite database with our schema.
pub(super) async fn tables(file: &impl ConnectionTrait) -> Result<Vec<Table>, BackupError> {
    let sql = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' \
               AND name <> 'seaql_migrations' ORDER BY name";
    let mut tables = Vec::new();
    for row in file.query_all_raw(statement(file, sql, [])).await? {
        tables.push(table(file, row.try_get_by_index(0)?).await?);
    }
    Ok(tables)
}

async fn table(file: &impl ConnectionTrait, name: String) -> Result<Table, BackupError> {
    let sql = "SELECT name, type, pk FROM pragma_table_info($1) ORDER BY cid";
    let asked = statement(file, sql, [name.as_str().into()]);
    let mut columns = Vec::new();
    let mut key: Vec<(i64, usize)> = Vec::new();
    for row in file.query_all_raw(asked).await? {
        let place: i64 = row.try_get_by_index(2)?;
        if place > 0 {
            key.push((place, columns.len()));
        }
        columns.push(Column {
            name: row.try_get_by_index(0)?,
            kind: Kind::of(&row.try_get_by_index::<String>(1)?)?,
        });
    }
    key.sort_unstable();
    Ok(Table {
        name,
        columns,
        key: key.into_iter().map(|(_place, column)| column).collect(),
    })
}

/// How many rows a table has.
pub(super) async fn count(
    connection: &impl ConnectionTrait,
    table: &str,
) -> Result<u64, BackupError> {
    let sql = format!("SELECT count(*) FROM \"{table}\"");
    let row = connection
        .query_one_raw(statement(connection, &sql, []))
        .await?
        .ok_or(DbError::NotFound("row"))?;
    let count: i64 = row.try_get_by_index(0)?;
    Ok(u64::try_from(count).unwrap_or_default())
}

/// Copies all rows of a table; the other side has none yet.
pub(super) async fn copy(
    table: &Table,
    from: &impl ConnectionTrait,
    to: &impl ConnectionTrait,
) -> Result<(), BackupError> {
    let rows_max = table.page_rows();
    let mut after: Option<Vec<Value>> = None;
    loop {
        let page = from.query_all_raw(table.select(from, after)).await?;
        let rows = page
            .iter()
            .map(|row| table.values(row))
            .collect::<Result<Vec<Vec<Value>>, DbErr>>()?;
        let Some(last) = rows.last() else {
            return Ok(());
        };
        let is_last = rows.len() < rows_max;
        after = Some(table.key_of(last));
        to.execute_raw(table.insert(to, rows)).await?;
        if is_last {
            return Ok(());
        }
    }
}

impl Table {
    fn page_rows(&self) -> usize {
        if self.columns.iter().any(|column| column.kind == Kind::Bytes) {
            PAGE_BODIES
        } else {
            PAGE_ROWS
        }
    }

    /// Reads the page behind a key, in the order of keys.
    fn select(&self, connection: &impl ConnectionTrait, after: Option<Vec<Value>>) -> Statement {
        let columns = names(self.columns.iter());
        let key = names(self.key.iter().filter_map(|place| self.columns.get(*place)));
        let behind = after.as_ref().map_or_else(String::new, |values| {
            format!("WHERE ({key}) > ({}) ", placeholders(1, values.len()))
        });
        let sql = format!(
            "SELECT {columns} FROM \"{}\" {behind}ORDER BY {key} LIMIT {}",
            self.name,
            self.page_rows()
        );
        statement(connection, &sql, after.unwrap_or_default())
    }

    fn insert(&self, connection: &impl ConnectionTrait, rows: Vec<Vec<Value>>) -> Statement {
        let width = self.columns.len();
        let tuples: Vec<String> = (0..rows.len())
            .map(|row| format!("({})", placeholders(row * width + 1, width)))
            .collect();
        let sql = format!(
            "INSERT INTO \"{}\" ({}) VALUES {}",
            self.name,
            names(self.columns.iter()),
            tuples.join(", ")
        );
        statement(connection, &sql, rows.into_iter().flatten())
    }

    fn values(&self, row: &QueryResult) -> Result<Vec<Value>, DbErr> {
        self.columns
            .iter()
            .enumerate()
            .map(|(place, column)| column.kind.read(row, place))
            .collect()
    }

    fn key_of(&self, row: &[Value]) -> Vec<Value> {
        self.key
            .iter()
            .filter_map(|place| row.get(*place).cloned())
            .collect()
    }
}

impl Kind {
    /// By the type that our migrations give a column on SQLite.
    fn of(declared: &str) -> Result<Self, BackupError> {
        match declared.to_lowercase().as_str() {
            "integer" | "bigint" => Ok(Self::Number),
            "text" => Ok(Self::Text),
            "blob" => Ok(Self::Bytes),
            "boolean" => Ok(Self::Flag),
            other => Err(DbError::Broken(format!("a column of type {other}")).into()),
        }
    }

    fn read(self, row: &QueryResult, place: usize) -> Result<Value, DbErr> {
        Ok(match self {
            Self::Number => row.try_get_by_index::<Option<i64>>(place)?.into(),
            Self::Text => row.try_get_by_index::<Option<String>>(place)?.into(),
            Self::Bytes => row.try_get_by_index::<Option<Vec<u8>>>(place)?.into(),
            Self::Flag => row.try_get_by_index::<Option<bool>>(place)?.into(),
        })
    }
}

fn names<'a>(columns: impl Iterator<Item = &'a Column>) -> String {
    let quoted: Vec<String> = columns
        .map(|column| format!("\"{}\"", column.name))
        .collect();
    quoted.join(", ")
}

/// `$first, …`, so many.
fn placeholders(first: usize, count: usize) -> String {
    let numbered: Vec<String> = (first..first + count)
        .map(|number| format!("${number}"))
        .collect();
    numbered.join(", ")
}
