//! One process for one data directory, and for one database, whichever directory names it.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sea_orm::sqlx::{Connection, PgConnection};
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, Statement};

use super::connect::sqlite_path;
use super::error::DbError;
use super::options::DatabaseOptions;

/// The file that is locked, inside the data directory.
const LOCK_FILE: &str = "storekeeper.lock";
/// What the name of the file that is locked beside an embedded database ends with.
const LOCK_SUFFIX: &str = ".process-lock";
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
        create_private_dir(data_dir).map_err(|error| LockError::Directory {
            path: data_dir.display().to_string(),
            error,
        })?;
        let file = lock_file(&data_dir.join(LOCK_FILE), data_dir)?;
        Ok(Self { _file: file })
    }
}

/// Locks this file against other processes, which are told that `what` is taken.
fn lock_file(path: &Path, what: &Path) -> Result<File, LockError> {
    let failed = |error| LockError::Io {
        path: path.display().to_string(),
        error,
    };
    let mut open = OpenOptions::new();
    open.create(true).truncate(false).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut open, 0o600);
    let file = open.open(path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(LockError::Taken(what.display().to_string())),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// The file beside an embedded database that is locked for it. Links lead to the same one.
fn beside(database: &Path) -> PathBuf {
    let found = database.canonicalize();
    let found = found.unwrap_or_else(|_not_there_yet| database.to_owned());
    let mut path = found.into_os_string();
    path.push(LOCK_SUFFIX);
    path.into()
}

/// Creates what is missing of the directory, for this user only: it holds the sealing key and customers' orders.
fn create_private_dir(path: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// A lock on a database.
#[derive(Debug)]
pub struct DatabaseLock {
    held: Held,
}

#[derive(Debug)]
enum Held {
    /// A file beside an embedded database: another process may name the same database from another data directory.
    File(File),
    /// An advisory lock of PostgreSQL, on a connection of its own.
    Advisory(DatabaseConnection),
}

impl DatabaseLock {
    /// Locks the database against a second process; `None` for one in memory, which nobody else can reach.
    pub async fn acquire(options: &DatabaseOptions) -> Result<Option<Self>, LockError> {
        if options.url.starts_with("sqlite:") {
            let Some(path) = sqlite_path(&options.url).map(Path::new) else {
                return Ok(None);
            };
            let held = Held::File(lock_file(&beside(path), path)?);
            return Ok(Some(Self { held }));
        }
        let connection = Self::advisory(options).await?;
        Ok(Some(Self {
            held: Held::Advisory(connection),
        }))
    }

    async fn advisory(options: &DatabaseOptions) -> Result<DatabaseConnection, LockError> {
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
        Ok(connection)
    }

    /// Whether it can be lost while it is held.
    #[must_use]
    pub const fn can_be_lost(&self) -> bool {
        match self.held {
            Held::File(_) => false,
            Held::Advisory(_) => true,
        }
    }

    /// Lets the next process in; without it the database lets go only some time after the connection broke.
    pub async fn release(&self) -> Result<(), DbError> {
        match &self.held {
            Held::File(file) => file
                .unlock()
                .map_err(|error| DbError::Unavailable(error.to_string())),
            Held::Advisory(connection) => {
                hold(connection, "SELECT pg_advisory_unlock($1)").await?;
                Ok(connection.clone().close().await?)
            }
        }
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
        match &self.held {
            Held::File(_) => Ok(true),
            Held::Advisory(connection) => hold(connection, RENEW).await,
        }
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
