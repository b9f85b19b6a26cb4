//! What a command says when it fails.

use crate::app::AppError;
use crate::config::ConfigError;
use crate::db::DbError;
use crate::sandbox::SandboxError;

/// A command that failed; its text is the one line that people see.
#[derive(Debug, thiserror::Error)]
pub(super) enum CliError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    App(#[from] AppError),
    #[error(transparent)]
    Db(#[from] DbError),
    #[error(transparent)]
    Lock(#[from] crate::db::LockError),
    #[error(transparent)]
    Backup(#[from] crate::db::backup::BackupError),
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    #[error("cannot start: {0}")]
    Runtime(std::io::Error),
    #[error("cannot read {path}: {reason}")]
    File { path: String, reason: String },
    #[error(
        "no admin token: set STOREKEEPER__ADMIN__TOKEN or pass --token; the server printed it on its first start, and `storekeeper admin-token` makes another"
    )]
    NoToken,
    #[error("cannot reach {url}: {reason}")]
    Unreachable { url: String, reason: String },
    #[error("the server refused: {0}")]
    Refused(String),
    #[error(
        "the demo failed: {lost} accepted webhooks lost, {drift} levels differ from the reference"
    )]
    Demo { lost: i64, drift: usize },
    #[error("{0}")]
    Ambiguous(String),
}
