//! Whether a commit survives a power cut, as the database itself tells.

use sea_orm::{ConnectionTrait, DatabaseConnection, QueryResult, Statement};

use super::connect::Db;
use super::error::DbError;

/// Commits may be lost, or it could not be found out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotDurable {
    #[error("database setting {name} is {found}, durability needs {wanted}")]
    Setting {
        name: &'static str,
        found: String,
        wanted: &'static str,
    },
    #[error("failed to read the database's durability settings: {0}")]
    Unknown(#[from] DbError),
}

impl Db {
    /// Reads the durability settings back on the connections that write.
    pub async fn check_durability(&self) -> Result<(), NotDurable> {
        if self.is_postgres() {
            check_postgres(self.accepts()).await?;
            check_postgres(self.writers()).await
        } else {
            check_sqlite(self.writers()).await
        }
    }
}

async fn check_sqlite(connection: &DatabaseConnection) -> Result<(), NotDurable> {
    // Both at one turn of the connection, which the writer seldom lets go.
    const BOTH: &str =
        "SELECT journal_mode, synchronous FROM pragma_journal_mode, pragma_synchronous";
    let both = row(connection, BOTH).await?;
    let (journal, synchronous): (String, i64) = (at(&both, 0)?, at(&both, 1)?);
    require("journal_mode", journal, "wal", &["wal"])?;
    // 2 is FULL, 3 is EXTRA, which syncs more.
    require(
        "synchronous",
        synchronous.to_string(),
        "2 (full)",
        &["2", "3"],
    )
}

async fn check_postgres(connection: &DatabaseConnection) -> Result<(), NotDurable> {
    require(
        "fsync",
        setting(connection, "SHOW fsync").await?,
        "on",
        &["on"],
    )?;
    let commit = setting(connection, "SHOW synchronous_commit").await?;
    require(
        "synchronous_commit",
        commit,
        "on",
        &["on", "local", "remote_write", "remote_apply"],
    )?;
    require(
        "full_page_writes",
        setting(connection, "SHOW full_page_writes").await?,
        "on",
        &["on"],
    )
}

async fn setting<T: sea_orm::TryGetable>(
    connection: &DatabaseConnection,
    sql: &str,
) -> Result<T, DbError> {
    at(&row(connection, sql).await?, 0)
}

async fn row(connection: &DatabaseConnection, sql: &str) -> Result<QueryResult, DbError> {
    let statement = Statement::from_string(connection.get_database_backend(), sql);
    let row = connection.query_one_raw(statement).await?;
    row.ok_or(DbError::NotFound("setting"))
}

fn at<T: sea_orm::TryGetable>(row: &QueryResult, column: usize) -> Result<T, DbError> {
    Ok(row.try_get_by_index(column)?)
}

fn require(
    name: &'static str,
    found: String,
    wanted: &'static str,
    accepted: &[&str],
) -> Result<(), NotDurable> {
    if accepted.contains(&found.as_str()) {
        Ok(())
    } else {
        Err(NotDurable::Setting {
            name,
            found,
            wanted,
        })
    }
}
