//! How the database is reached and how much of it is used at once; `config` fills it.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// How the database is reached.
#[derive(Clone)]
pub struct DatabaseOptions {
    /// `sqlite://path` or `postgres://…`; a SQLite file is created when missing.
    pub url: String,
    /// Where this process keeps its files; locked for the life of the process.
    pub data_dir: PathBuf,
    /// Connections that doors, pages and the directory read with.
    pub readers_max: u32,
    /// Connections that keepers read with.
    pub keepers_readers_max: u32,
    /// How long to wait for a connection.
    pub acquire_timeout: Duration,
    /// How long a read may last.
    pub read_timeout: Duration,
    /// How long reading a whole store may last, when its keeper is activated.
    pub activation_timeout: Duration,
    /// How long a statement may last (PostgreSQL).
    pub statement_timeout: Duration,
    /// How long to wait for another process's lock (SQLite).
    pub busy_timeout: Duration,
    /// The size to which the write-ahead log is cut back, bytes (SQLite).
    pub wal_bytes_max: u64,
    /// The most pages that the database may have; `None`: as many as the disk takes (SQLite).
    pub pages_max: Option<u32>,
    pub writer: WriterOptions,
}

/// Bounds of the writer.
#[derive(Clone, Copy, Debug)]
pub struct WriterOptions {
    /// Deliveries that may wait; more are refused.
    pub waiting_deliveries_max: usize,
    /// Bytes of bodies that may wait; more are refused.
    pub waiting_bytes_max: usize,
    /// Shares that may wait; more keepers wait outside.
    pub waiting_shares_max: usize,
    /// Rows in one transaction.
    pub group_rows_max: usize,
    /// Bytes of bodies in one transaction.
    pub group_bytes_max: usize,
    /// How long gathering a transaction's rows may last.
    pub group_gather_max: Duration,
    /// How long a transaction may last before it is given up.
    pub group_timeout: Duration,
    /// Rows in one transaction of bulk work.
    pub bulk_rows_max: u32,
    /// Delivery ids that gather in memory before they are filed; up to twice as many while they are (SQLite).
    pub recent_ids_max: u32,
}

impl DatabaseOptions {
    /// Everything at its default for this address and directory.
    #[must_use]
    pub fn new(url: impl Into<String>, data_dir: impl Into<PathBuf>) -> Self {
        Self {
            url: url.into(),
            data_dir: data_dir.into(),
            readers_max: 2,
            keepers_readers_max: 4,
            acquire_timeout: Duration::from_secs(5),
            read_timeout: Duration::from_secs(2),
            activation_timeout: Duration::from_secs(30),
            statement_timeout: Duration::from_secs(5),
            busy_timeout: Duration::from_secs(5),
            wal_bytes_max: 64 * 1024 * 1024,
            pages_max: None,
            writer: WriterOptions::default(),
        }
    }
}

impl Default for WriterOptions {
    fn default() -> Self {
        Self {
            waiting_deliveries_max: 10_000,
            waiting_bytes_max: 64 * 1024 * 1024,
            waiting_shares_max: 1_000,
            group_rows_max: 1_000,
            group_bytes_max: 1024 * 1024,
            group_gather_max: Duration::from_millis(5),
            group_timeout: Duration::from_secs(10),
            bulk_rows_max: 500,
            recent_ids_max: 100_000,
        }
    }
}

impl fmt::Debug for DatabaseOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The address may hold a password.
        formatter
            .debug_struct("DatabaseOptions")
            .field("data_dir", &self.data_dir)
            .field("readers_max", &self.readers_max)
            .field("keepers_readers_max", &self.keepers_readers_max)
            .field("writer", &self.writer)
            .finish_non_exhaustive()
    }
}
