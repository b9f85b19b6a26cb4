//! The connections: readers apart from writers, keepers apart from everybody else, accepting apart from committing.
//!
//! Keepers with a backlog read all the time. Doors, pages and whoever looks for stores to wake have connections of their
//! own, so that they do not stand behind them.
//!
//! On SQLite there is one writing connection, and whoever writes waits for it in order of arrival. On PostgreSQL
//! deliveries are accepted on other connections than shares are committed on.

use std::sync::Arc;
use std::time::Duration;

use sea_orm::sqlx::Connection;
use sea_orm::sqlx::sqlite::SqlitePoolOptions;
use sea_orm::{
    AccessMode, ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DatabaseTransaction,
    DbBackend, DbErr, IsolationLevel, SqliteTransactionMode, Statement, TransactionOptions,
    TransactionTrait,
};

use super::error::DbError;
use super::fresh::FreshRows;
use super::options::DatabaseOptions;

/// Prepared statements kept for each connection: more than the texts that occur.
const STATEMENTS_CACHED: usize = 512;
/// Bytes of a page (SQLite).
const PAGE_BYTES: u64 = 4_096;
/// Pages that the writing connection keeps in memory (SQLite): delivery ids arrive in no order.
const WRITER_CACHE_KIB: u32 = 32 * 1024;
/// A connection idle for so long is asked whether it still lives before it is used.
const IDLE_BEFORE_TEST: Duration = Duration::from_secs(1);
/// Writing connections of each kind on PostgreSQL: one in use by the writer, one for admin or to replace a dead one.
const POSTGRES_WRITERS: u32 = 2;

/// The database. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Db {
    inner: Arc<Connections>,
    fresh: Arc<FreshRows>,
    /// Whether this handle reads with the keepers' connections.
    for_keepers: bool,
}

#[derive(Debug)]
struct Connections {
    readers: DatabaseConnection,
    keepers_readers: DatabaseConnection,
    accepts: DatabaseConnection,
    shares: DatabaseConnection,
    /// Moves the write-ahead log into the database (SQLite).
    checkpoints: Option<DatabaseConnection>,
    options: DatabaseOptions,
}

impl Db {
    /// Connects; creates a SQLite file that is missing. Changes no schema.
    pub async fn connect(options: &DatabaseOptions) -> Result<Self, DbError> {
        let inner = if options.url.starts_with("sqlite:") {
            connect_sqlite(options).await?
        } else if options.url.starts_with("postgres:") || options.url.starts_with("postgresql:") {
            connect_postgres(options).await?
        } else {
            return Err(DbError::Broken(
                "the address begins with neither sqlite: nor postgres:".to_owned(),
            ));
        };
        Ok(Self {
            inner: Arc::new(inner),
            fresh: Arc::default(),
            for_keepers: false,
        })
    }

    /// The same database for keepers, which read with connections of their own.
    #[must_use]
    pub fn for_keepers(&self) -> Self {
        Self {
            for_keepers: true,
            ..self.clone()
        }
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), DbError> {
        self.reading(async { self.readers().execute_unprepared("SELECT 1").await })
            .await
            .map(drop)
    }

    /// Bytes of the write-ahead log; `None` where the database keeps it itself (PostgreSQL).
    pub async fn wal_bytes(&self) -> Option<u64> {
        let path = sqlite_path(&self.inner.options.url)?;
        tokio::fs::metadata(format!("{path}-wal"))
            .await
            .ok()
            .map(|file| file.len())
    }

    /// Ends all connections after what is under way.
    pub async fn close(&self) -> Result<(), DbError> {
        self.inner.readers.clone().close().await?;
        self.inner.keepers_readers.clone().close().await?;
        self.inner.accepts.clone().close().await?;
        self.inner.shares.clone().close().await?;
        if let Some(checkpoints) = &self.inner.checkpoints {
            checkpoints.clone().close().await?;
        }
        Ok(())
    }

    /// How it is reached.
    #[must_use]
    pub fn options(&self) -> &DatabaseOptions {
        &self.inner.options
    }

    pub(super) fn backend(&self) -> DbBackend {
        self.inner.shares.get_database_backend()
    }

    pub(super) fn is_postgres(&self) -> bool {
        self.backend() == DbBackend::Postgres
    }

    /// Webhooks that were accepted through this handle or a clone of it, a moment ago.
    pub(super) fn fresh(&self) -> &FreshRows {
        &self.fresh
    }

    pub(super) fn readers(&self) -> &DatabaseConnection {
        if self.for_keepers {
            &self.inner.keepers_readers
        } else {
            &self.inner.readers
        }
    }

    /// What moves the write-ahead log, where there is one to move.
    pub(super) fn checkpoints(&self) -> Option<&DatabaseConnection> {
        self.inner.checkpoints.as_ref()
    }

    pub(super) fn accepts(&self) -> &DatabaseConnection {
        &self.inner.accepts
    }

    /// For shares, admin and everything else that writes.
    pub(super) fn writers(&self) -> &DatabaseConnection {
        &self.inner.shares
    }

    /// Holds a read to its time limit.
    pub(super) async fn reading<T>(
        &self,
        read: impl Future<Output = Result<T, DbErr>>,
    ) -> Result<T, DbError> {
        match tokio::time::timeout(self.inner.options.read_timeout, read).await {
            Ok(result) => result.map_err(DbError::from),
            Err(_elapsed) => Err(DbError::Busy),
        }
    }

    /// Holds the reading of a whole store to its time limit.
    pub(super) async fn reading_store<T>(
        &self,
        read: impl Future<Output = Result<T, DbError>>,
    ) -> Result<T, DbError> {
        match tokio::time::timeout(self.inner.options.activation_timeout, read).await {
            Ok(result) => result,
            Err(_elapsed) => Err(DbError::Busy),
        }
    }

    /// Begins a read of a whole store, which sees one state of the database throughout.
    pub(super) async fn snapshot(&self) -> Result<DatabaseTransaction, DbErr> {
        let (isolation, access) = if self.is_postgres() {
            (
                Some(IsolationLevel::RepeatableRead),
                Some(AccessMode::ReadOnly),
            )
        } else {
            (None, None)
        };
        let snapshot = self.readers().begin_with_config(isolation, access).await?;
        if self.is_postgres() {
            // The connection's own limit is that of a short read.
            let limit_ms = self.inner.options.activation_timeout.as_millis();
            snapshot
                .execute_unprepared(&format!("SET LOCAL statement_timeout = {limit_ms}"))
                .await?;
        }
        Ok(snapshot)
    }
}

/// The file of an embedded database; `None` for others and for one in memory.
pub(super) fn sqlite_path(url: &str) -> Option<&str> {
    let path = url.strip_prefix("sqlite:")?.trim_start_matches("//");
    let path = path.split_once('?').map_or(path, |(path, _)| path);
    (!path.is_empty() && !path.starts_with(':')).then_some(path)
}

/// Creates the file when missing, for this user only; SQLite gives its journals the same mode.
fn create_private(path: &str) -> std::io::Result<()> {
    let mut open = std::fs::OpenOptions::new();
    open.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut open, 0o600);
    match open.open(path) {
        Ok(_created) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

/// Begins a transaction that will write: SQLite takes its lock at once, so that it cannot fail half-way.
pub(super) async fn begin_writing(
    connection: &DatabaseConnection,
) -> Result<DatabaseTransaction, DbErr> {
    let mode = (connection.get_database_backend() == DbBackend::Sqlite)
        .then_some(SqliteTransactionMode::Immediate);
    connection
        .begin_with_options(TransactionOptions {
            sqlite_transaction_mode: mode,
            ..Default::default()
        })
        .await
}

/// A statement with its values; the text names them `$1`, `$2`, … on both databases.
pub(super) fn statement(
    connection: &impl ConnectionTrait,
    sql: &str,
    values: impl IntoIterator<Item = sea_orm::Value>,
) -> Statement {
    Statement::from_sql_and_values(connection.get_database_backend(), sql, values)
}

fn base_options(options: &DatabaseOptions, connections: u32) -> ConnectOptions {
    let mut connect = ConnectOptions::new(options.url.clone());
    connect
        // The pool's own minimum would be kept up in the background with delays that double up to a minute: after an
        // outage nobody could connect for about as long again. They are opened by `open_all` instead.
        .min_connections(0)
        .max_connections(connections)
        .acquire_timeout(options.acquire_timeout)
        .idle_timeout(None)
        .max_lifetime(None)
        // Asking each time whether a connection lives would cost a round trip; one that is in use tells by itself.
        .test_before_acquire_if_idle_for(IDLE_BEFORE_TEST)
        .record_stmt_in_spans(false)
        .sqlx_logging(false);
    connect
}

/// Opens all connections of a pool, on the runtime that connects: a connection is driven by the runtime it began on.
async fn open_all<Kind: sea_orm::sqlx::Database>(
    pool: &sea_orm::sqlx::Pool<Kind>,
    connections: u32,
) -> Result<(), DbError> {
    let mut opened = Vec::new();
    for _ in 0..connections {
        let connection = pool.acquire().await;
        opened.push(connection.map_err(|error| DbError::from_sqlx(&error))?);
    }
    Ok(())
}

/// Closes a connection that comes back inside a transaction.
///
/// When the disk is full, among others, SQLite rolls a transaction back by itself. The driver's own ROLLBACK then fails,
/// and it takes the connection to be in a transaction for ever: what follows are savepoints in a transaction that never
/// commits, and 200 would no longer mean durable.
fn drop_lost_transactions(pool: SqlitePoolOptions) -> SqlitePoolOptions {
    pool.after_release(|connection, _released| {
        Box::pin(async move {
            if connection.is_in_transaction() {
                // Behind a rollback that is still on its way.
                connection.ping().await?;
            }
            Ok(!connection.is_in_transaction())
        })
    })
}

async fn connect_sqlite(options: &DatabaseOptions) -> Result<Connections, DbError> {
    if let Some(path) = sqlite_path(&options.url) {
        create_private(path).map_err(|error| DbError::Broken(format!("{path}: {error}")))?;
    }
    let mut writing = base_options(options, 1);
    writing.map_sqlx_sqlite_pool_opts(drop_lost_transactions);
    let (busy, wal_bytes) = (options.busy_timeout, options.wal_bytes_max);
    let pages_max = options.pages_max;
    writing.map_sqlx_sqlite_opts(move |sqlite| {
        let sqlite = pages_max.map_or(sqlite.clone(), |pages| {
            sqlite.pragma("max_page_count", pages.to_string())
        });
        sqlite
            .create_if_missing(true)
            .journal_mode(sea_orm::sqlx::sqlite::SqliteJournalMode::Wal)
            .synchronous(sea_orm::sqlx::sqlite::SqliteSynchronous::Full)
            .pragma("journal_size_limit", wal_bytes.to_string())
            // The writer moves the log only when it reaches its bound: see `writer::checkpoint`.
            .pragma("wal_autocheckpoint", (wal_bytes / PAGE_BYTES).to_string())
            .pragma("page_size", PAGE_BYTES.to_string())
            // Pages as they were before a statement, should it fail midway.
            .pragma("temp_store", "memory")
            .pragma("cache_size", format!("-{WRITER_CACHE_KIB}"))
            .foreign_keys(true)
            .busy_timeout(busy)
            .statement_cache_capacity(STATEMENTS_CACHED)
    });
    let writer = Database::connect(writing).await?;
    open_all(writer.get_sqlite_connection_pool(), 1).await?;
    let mut checkpointing = base_options(options, 1);
    checkpointing.map_sqlx_sqlite_opts(move |sqlite| {
        sqlite
            .synchronous(sea_orm::sqlx::sqlite::SqliteSynchronous::Full)
            .busy_timeout(busy)
    });
    let checkpoints = Database::connect(checkpointing).await?;
    open_all(checkpoints.get_sqlite_connection_pool(), 1).await?;
    Ok(Connections {
        readers: sqlite_readers(options, options.readers_max).await?,
        keepers_readers: sqlite_readers(options, options.keepers_readers_max).await?,
        accepts: writer.clone(),
        shares: writer,
        checkpoints: Some(checkpoints),
        options: options.clone(),
    })
}

async fn sqlite_readers(
    options: &DatabaseOptions,
    connections: u32,
) -> Result<DatabaseConnection, DbError> {
    let busy = options.busy_timeout;
    let mut reading = base_options(options, connections);
    reading.map_sqlx_sqlite_pool_opts(drop_lost_transactions);
    reading.map_sqlx_sqlite_opts(move |sqlite| {
        sqlite
            .read_only(true)
            .busy_timeout(busy)
            .statement_cache_capacity(STATEMENTS_CACHED)
    });
    let readers = Database::connect(reading).await?;
    open_all(readers.get_sqlite_connection_pool(), connections).await?;
    Ok(readers)
}

async fn connect_postgres(options: &DatabaseOptions) -> Result<Connections, DbError> {
    let statement_ms = options.statement_timeout.as_millis().to_string();
    let read_ms = options.read_timeout.as_millis().to_string();
    let pool = async |connections, timeout_ms: String| {
        let mut connect = base_options(options, connections);
        connect.map_sqlx_postgres_opts(move |postgres| {
            postgres
                .application_name("storekeeper")
                .options([("statement_timeout", timeout_ms.as_str())])
                .statement_cache_capacity(STATEMENTS_CACHED)
        });
        let pool = Database::connect(connect).await?;
        open_all(pool.get_postgres_connection_pool(), connections).await?;
        Ok::<_, DbError>(pool)
    };
    Ok(Connections {
        readers: pool(options.readers_max, read_ms.clone()).await?,
        keepers_readers: pool(options.keepers_readers_max, read_ms).await?,
        accepts: pool(POSTGRES_WRITERS, statement_ms.clone()).await?,
        shares: pool(POSTGRES_WRITERS, statement_ms).await?,
        checkpoints: None,
        options: options.clone(),
    })
}

/// One connection to PostgreSQL for work that may take long: its statements and transactions have no limit of time.
pub(super) async fn connect_postgres_alone(
    options: &DatabaseOptions,
) -> Result<DatabaseConnection, DbError> {
    let mut connect = base_options(options, 1);
    connect.map_sqlx_postgres_opts(|postgres| {
        postgres.application_name("storekeeper backup").options([
            ("statement_timeout", "0"),
            ("idle_in_transaction_session_timeout", "0"),
        ])
    });
    Ok(Database::connect(connect).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nobody_stands_behind_keepers_that_read() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("test.db");
        let options = DatabaseOptions {
            acquire_timeout: Duration::from_millis(50),
            ..DatabaseOptions::new(format!("sqlite://{}", file.display()), directory.path())
        };
        let db = Db::connect(&options).await.unwrap();
        let keepers = db.for_keepers();
        let mut reads = Vec::new();
        for _ in 0..options.keepers_readers_max {
            reads.push(keepers.snapshot().await.unwrap());
        }
        assert!(keepers.ping().await.is_err());
        assert_eq!(db.ping().await, Ok(()));
    }
}
