//! Files: made beside their name and renamed when they are whole; private, for they hold customers' orders.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use sea_orm::sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection};

use super::error::BackupError;
use crate::db::connect::{sqlite_path, statement};
use crate::db::options::DatabaseOptions;

/// Whether there is a database; one on a server is taken to be there until it is asked.
#[must_use]
pub fn exists(options: &DatabaseOptions) -> bool {
    sqlite_path(&options.url).is_none_or(|path| Path::new(path).exists())
}

/// A file that is being written; deleted unless it is finished.
pub(super) struct Partial {
    path: PathBuf,
    target: PathBuf,
}

/// What a file is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A server may use it meanwhile.
    Read,
    /// Nobody else knows it yet, and it is worth nothing until it is whole: no journal, no syncs.
    Fill,
}

impl Partial {
    /// Begins `{target}.partial`, when neither it nor `target` is there.
    pub(super) fn create(target: &Path) -> Result<Self, BackupError> {
        require_absent(target)?;
        let path = with_suffix(target, ".partial");
        let mut open = std::fs::OpenOptions::new();
        open.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut open, 0o600);
        match open.open(&path) {
            Ok(_created) => Ok(Self {
                path,
                target: target.to_owned(),
            }),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                Err(BackupError::HalfWritten(path.display().to_string()))
            }
            Err(error) => Err(BackupError::file(&path, error)),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the file durable, and then gives it its name. Returns its size in bytes.
    pub(super) async fn finish(self) -> Result<u64, BackupError> {
        let failed = |error| BackupError::file(&self.target, error);
        let file = tokio::fs::File::open(&self.path).await.map_err(failed)?;
        file.sync_all().await.map_err(failed)?;
        let bytes = file.metadata().await.map_err(failed)?.len();
        require_absent(&self.target)?;
        tokio::fs::rename(&self.path, &self.target)
            .await
            .map_err(failed)?;
        // The name is durable when its directory is.
        let directory = match self.target.parent() {
            Some(parent) if parent != Path::new("") => parent,
            Some(_) | None => Path::new("."),
        };
        let directory = tokio::fs::File::open(directory).await.map_err(failed)?;
        directory.sync_all().await.map_err(failed)?;
        Ok(bytes)
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // After `finish` there is nothing of this name.
        std::fs::remove_file(&self.path).unwrap_or_default();
    }
}

pub(super) fn require_absent(path: &Path) -> Result<(), BackupError> {
    // Also a link that leads nowhere is in the way.
    match std::fs::symlink_metadata(path) {
        Ok(_there) => Err(BackupError::Exists(path.display().to_string())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(BackupError::file(path, error)),
    }
}

pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

/// One connection to a SQLite file that exists.
pub(super) async fn open(
    path: &Path,
    purpose: Purpose,
    options: &DatabaseOptions,
) -> Result<DatabaseConnection, BackupError> {
    let mut connect = ConnectOptions::new("sqlite://");
    let (path, busy) = (path.to_owned(), options.busy_timeout);
    connect
        .max_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .acquire_timeout(options.acquire_timeout)
        .sqlx_logging(false)
        .map_sqlx_sqlite_opts(move |sqlite| {
            // By name, since an address would have to escape it.
            let sqlite = sqlite.filename(&path).busy_timeout(busy);
            match purpose {
                Purpose::Read => sqlite.read_only(true),
                Purpose::Fill => sqlite
                    .journal_mode(SqliteJournalMode::Off)
                    .synchronous(SqliteSynchronous::Off),
            }
        });
    Ok(Database::connect(connect).await?)
}

/// Copies a SQLite database as it is at one instant, a server's own included, into an empty file.
///
/// A reader like any other: no writer waits for it, and the write-ahead log grows until it is done.
pub(super) async fn copy(
    from: &Path,
    into: &Path,
    options: &DatabaseOptions,
) -> Result<(), BackupError> {
    let invalid = || std::io::Error::from(std::io::ErrorKind::InvalidFilename);
    let name = into
        .to_str()
        .ok_or_else(|| BackupError::file(into, invalid()))?;
    let source = open(from, Purpose::Read, options).await?;
    source
        .execute_raw(statement(&source, "VACUUM INTO $1", [name.into()]))
        .await?;
    Ok(source.close().await?)
}
