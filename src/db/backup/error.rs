//! Why there is no backup, or why it was not put back.

use std::path::Path;

use sea_orm::DbErr;

use crate::db::error::DbError;
use crate::db::process_lock::LockError;
use crate::db::sealing::SealingError;

/// Why there is no backup, or why it was not put back. One line for a person, who is told what to do.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error("{0} exists already, and nothing is overwritten: choose another name")]
    Exists(String),
    #[error(
        "{0} exists already: it is being written, or writing it was cut off; delete it when nothing writes it"
    )]
    HalfWritten(String),
    #[error("{path}: {error}")]
    File { path: String, error: std::io::Error },
    #[error("no database yet at {0}")]
    NoDatabase(String),
    #[error("the database must be empty, and {0}: restore into another one, or move it away first")]
    NotEmpty(String),
    #[error("{path} is not a backup that this version can read: {reason}")]
    Unreadable { path: String, reason: String },
    #[error(
        "the sealing key is not part of a backup: put the key of the server that made it (its secrets.key, or \
         the secrets.key.<id> that a rotation left) into the data directory as secrets.key (mode 0600), or set \
         secrets.key, and restore again"
    )]
    NoKey,
    #[error(transparent)]
    Sealing(#[from] SealingError),
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error(transparent)]
    Db(#[from] DbError),
}

impl BackupError {
    pub(super) fn file(path: &Path, error: std::io::Error) -> Self {
        Self::File {
            path: path.display().to_string(),
            error,
        }
    }

    pub(super) fn unreadable(path: &Path, reason: impl std::fmt::Display) -> Self {
        Self::Unreadable {
            path: path.display().to_string(),
            reason: reason.to_string(),
        }
    }
}

impl From<DbErr> for BackupError {
    fn from(error: DbErr) -> Self {
        Self::Db(error.into())
    }
}
