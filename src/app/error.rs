//! Why the server does not start, or cannot go on.

use crate::config::ConfigError;
use crate::db::sealing::SealingError;
use crate::db::{DbError, LockError};
use crate::http::ServeError;
use crate::platform::ClientSetupError;
use crate::telemetry::FilterError;

/// Why the server does not start, or cannot go on. One line for a person.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    LogFilter(#[from] FilterError),
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error("failed to open the database: {0}")]
    Db(#[from] DbError),
    #[error(
        "no database of this version yet: start the server once, it makes one and prints an admin token"
    )]
    NoDatabase,
    #[error("failed to open the stored secrets: {0}")]
    Sealing(#[from] SealingError),
    #[error(transparent)]
    Platform(#[from] ClientSetupError),
    #[error("failed to make the client that posts alarms: {0}")]
    Hook(String),
    #[error("failed to start the keepers' threads: {0}")]
    Keepers(std::io::Error),
    #[error("{error}: {}", reason(.error))]
    Serve {
        #[from]
        error: ServeError,
    },
    /// What ran has ended although nobody asked for it.
    #[error("the HTTP server ended by itself")]
    ServerEnded,
    /// Another process uses the database by now.
    #[error("the lock on the database was lost to another process")]
    LockLost,
}

fn reason(error: &ServeError) -> String {
    std::error::Error::source(error)
        .map(ToString::to_string)
        .unwrap_or_default()
}
