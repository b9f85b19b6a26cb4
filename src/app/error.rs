//! Why the server does not start, or cannot go on.

use std::fmt;

use crate::config::ConfigError;
use crate::db::sealing::SealingError;
use crate::db::{DbError, LockError};
use crate::http::ServeError;
use crate::keeper::Silence;
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
    #[error("no sealing key yet: the server makes one when it first starts")]
    NoKey,
    #[error("the new sealing key is the one in use")]
    SameKey,
    #[error(
        "the sealing key is a setting, so a fresh one would be kept nowhere: give one with --new-key-file or as secrets.new_key"
    )]
    NewKeyNeeded,
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
    /// A thread of the keepers stands still, and all stores on it with it.
    #[error("a thread of the keepers does not answer: {0}")]
    KeepersSilent(SilentThread),
    /// Another process uses the database by now.
    #[error("the lock on the database was lost to another process")]
    LockLost,
}

/// What is known of a thread that does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SilentThread(Silence);

impl From<Silence> for SilentThread {
    fn from(silence: Silence) -> Self {
        Self(silence)
    }
}

impl fmt::Display for SilentThread {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Silence {
            arbiter,
            lasted,
            store,
            row,
        } = self.0;
        write!(formatter, "thread {arbiter}, for {} ms", lasted.as_millis())?;
        if let Some(store) = store {
            write!(formatter, ", busy with store {store}")?;
        }
        match row {
            Some(row) => write!(formatter, " at inbox row {row}"),
            None => Ok(()),
        }
    }
}

fn reason(error: &ServeError) -> String {
    std::error::Error::source(error)
        .map(ToString::to_string)
        .unwrap_or_default()
}
