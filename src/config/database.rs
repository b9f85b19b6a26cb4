//! `[database]`.

use std::path::PathBuf;

use super::secrets::Secret;
use super::setting::{Range, settings};

settings! {
    /// Where everything is kept, and how commits are grouped.
    ["database"]
    pub struct DatabaseConfig {
        /// `postgres://…` or `sqlite:…`. Empty: SQLite in the data directory.
        url: Secret = Secret::default(), "address", Range::Any;
        /// Holds the embedded database, the sealing key and the lock against a second process.
        data_dir: PathBuf = PathBuf::from("./storekeeper-data"), "path", Range::Filled;
        /// Connections that read. Writing has its own.
        read_connections_max: u32 = 8, "connections", Range::Between(1, 256);
        /// How long to wait for the database to answer when connecting or taking a connection.
        connect_timeout_ms: u64 = 5_000, "milliseconds", Range::Between(100, 60_000);
        /// Rows after which a transaction closes.
        commit_rows_max: usize = 1_000, "rows", Range::Between(1, 10_000);
        /// Bytes after which a transaction closes.
        commit_bytes_max: usize = 1024 * 1024, "bytes", Range::Between(65_536, 67_108_864);
        /// How long a transaction gathers what else wants to commit before it closes.
        commit_open_max_ms: u64 = 5, "milliseconds", Range::Between(1, 1_000);
        /// Deliveries and shares that may wait for a commit. More are answered 503.
        commits_waiting_max: usize = 10_000, "commits", Range::Between(64, 1_000_000);
    }
}
