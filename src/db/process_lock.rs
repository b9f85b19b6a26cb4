//! One process for one data directory, and for one PostgreSQL database.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;
use std::time::Duration;

use sea_orm::sqlx::{Connection, PgConnection};
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, Statement};

use super::error::DbError;
use super::options::DatabaseOptions;

/// The file that is locked, inside the data directory.
const LOCK_FILE: &str = "storekeeper.lock";
/// The advisory lock's key: the ASCII codes of "storekpr".
const ADVISORY_KEY: i64 = 0x7374_6f72_656b_7072;

/// How long a successor waits for the database to notice that its predecessor is gone.
const PATIENCE: Duration = Duration::from_secs(5);
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(100);

/// Held for the life of the process; released by the operating system when it dies.
#[derive(Debug)]
pub struct DataDirLock {
    _file: File,
}

/// Why a lock was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    #[error("another process uses {0}")]
    Taken(String),
    #[error("failed to create the data directory {path}: {error}")]
    Directory { path: String, error: std::io::Error },
    #[error("failed to lock {path}: {error}")]
    Io { path: String, error: std::io::Error },
    #[error(transparent)]
    Db(#[from] DbError),
}

impl DataDirLock {
    /// Creates the directory when missing and locks it against a second process.
    pub fn acquire(data_dir: &Path) -> Result<Self, LockError> {
        let path = data_dir.join(LOCK_FILE);
        let shown = path.display().to_string();
        let failed = |error| LockError::Io {
            path: shown.clone(),
            error,
        };
        create_private_dir(data_dir).map_err(|error| LockError::Directory {
            path: data_dir.display().to_string(),
            error,
        })?;
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(LockError::Taken(data_dir.display().to_string())),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }
}

/// Creates what is missing of the directory, for this user only: it holds the sealing key and customers' orders.
fn create_private_dir(path: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// An advisory lock on a PostgreSQL database, on a connection of its own.
#[derive(Debug)]
pub struct DatabaseLock {
    connection: DatabaseConnection,
}

impl DatabaseLock {
    /// Locks the database against a second process; `None` on SQLite, where the data directory's lock does it.
    pub async fn acquire(options: &DatabaseOptions) -> Result<Option<Self>, LockError> {
        if options.url.starts_with("sqlite:") {
            return Ok(None);
        }
        let mut connect = ConnectOptions::new(options.url.clone());
        connect
            // Without a minimum, for the reason given in `connect`.
            .min_connections(0)
            .max_connections(1)
            .acquire_timeout(options.acquire_timeout)
            .idle_timeout(None)
            .max_lifetime(None)
            .sqlx_logging(false);
        let connection = match Database::connect(connect).await {
            Ok(connection) => connection,
            Err(error) => return Err(why_unreachable(options, error.into()).await.into()),
        };
        // The database notices the death of a predecessor that was killed only when it next looks at the connection.
        let patience = tokio::time::sleep(PATIENCE);
        tokio::pin!(patience);
        while !hold(&connection, "SELECT pg_try_advisory_lock($1)").await? {
            tokio::select! {
                () = &mut patience => return Err(LockError::Taken("this database".to_owned())),
                () = tokio::time::sleep(BETWEEN_ATTEMPTS) => {}
            }
        }
        Ok(Some(Self { connection }))
    }

    /// Lets the next process in; without it the database lets go only some time after the connection broke.
    pub async fn release(&self) -> Result<(), DbError> {
        hold(&self.connection, "SELECT pg_advisory_unlock($1)").await?;
        Ok(self.connection.clone().close().await?)
    }

    /// Makes sure of the lock: a broken connection loses it, and then it is taken again. `false`: another process has
    /// it, and this one must stop.
    ///
    /// # Errors
    /// When the database cannot be asked: nobody can be told either whose the lock is.
    pub async fn renew(&self) -> Result<bool, DbError> {
        // A lock taken twice would have to be released twice.
        const RENEW: &str = "SELECT CASE WHEN EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' \
            AND pid = pg_backend_pid() AND (classid::bigint << 32) | objid::bigint = $1) THEN true \
            ELSE pg_try_advisory_lock($1) END";
        hold(&self.connection, RENEW).await
    }
}

/// The pool tries to connect until its time is up, and then tells of the time only. One try more tells why.
async fn why_unreachable(options: &DatabaseOptions, timed_out: DbError) -> DbError {
    if !timed_out.is_transient() {
        return timed_out;
    }
    let connecting = PgConnection::connect(&options.url);
    match tokio::time::timeout(options.acquire_timeout, connecting).await {
        Ok(Err(reason)) => DbError::from_sqlx(&reason),
        Ok(Ok(_)) | Err(_) => timed_out,
    }
}

async fn hold(connection: &DatabaseConnection, sql: &str) -> Result<bool, DbError> {
    let statement = Statement::from_sql_and_values(
        connection.get_database_backend(),
        sql,
        [ADVISORY_KEY.into()],
    );
    let row = connection
        .query_one_raw(statement)
        .await?
        .ok_or(DbError::NotFound("row"))?;
    Ok(row.try_get_by_index(0)?)
}
