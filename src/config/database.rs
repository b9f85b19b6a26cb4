//! `[database]`.

use std::path::PathBuf;

use super::secrets::Secret;
use super::setting::{Range, settings};

settings! {
    /// Where everything is kept.
    ["database"]
    pub struct DatabaseConfig {
        /// `postgres://…` or `sqlite://…`. Empty: SQLite in the data directory.
        url: Secret = Secret::default(), "address", Range::Database;
        /// Holds the embedded database, the sealing key and the lock against a second process.
        data_dir: PathBuf = PathBuf::from("./storekeeper-data"), "path", Range::Filled;
        /// Connections that doors and pages read with. Writing has its own.
        readers_max: u32 = 2, "connections", Range::Between(1, 256);
        /// Connections that keepers read with.
        keepers_readers_max: u32 = 4, "connections", Range::Between(1, 256);
        /// How long to wait for a connection.
        acquire_timeout_ms: u64 = 5_000, "milliseconds", Range::Between(100, 60_000);
        /// How long a read may last.
        read_timeout_ms: u64 = 2_000, "milliseconds", Range::Between(100, 60_000);
        /// How long reading a whole store may last, when its keeper is activated.
        activation_timeout_ms: u64 = 30_000, "milliseconds", Range::Between(1_000, 600_000);
        /// How long a statement that writes may last (PostgreSQL).
        statement_timeout_ms: u64 = 5_000, "milliseconds", Range::Between(100, 60_000);
        /// How long to wait for another process's lock (SQLite).
        busy_timeout_ms: u64 = 5_000, "milliseconds", Range::Between(100, 60_000);
        /// Size to which the write-ahead log is cut back (SQLite).
        wal_bytes_max: u64 = 64 * 1024 * 1024, "bytes", Range::Between(1_048_576, 4_294_967_296);
    }
}
