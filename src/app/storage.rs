//! Everything durable, opened in order: locks, database, schema, sealing key, writer.

use std::path::PathBuf;
use std::sync::Arc;

use super::error::AppError;
use super::settings::database_options;
use crate::clock::Timestamp;
use crate::config::Config;
use crate::db::key_file::KeyFile;
use crate::db::sealing::Sealer;
use crate::db::writer::Writer;
use crate::db::{DataDirLock, DatabaseLock, Db, DbError, NotDurable, migrate};
use crate::ids::IdSource;

/// The sealing key's file in the data directory.
const KEY_FILE: &str = "secrets.key";

/// What is open for as long as the server runs.
#[derive(Debug)]
pub(super) struct Storage {
    pub(super) db: Db,
    pub(super) writer: Writer,
    pub(super) sealer: Sealer,
    /// Whether commits survive a power cut.
    pub(super) is_durable: bool,
    database_lock: Option<Arc<DatabaseLock>>,
    _directory_lock: DataDirLock,
}

impl Storage {
    pub(super) async fn open(
        config: &Config,
        ids: &Arc<IdSource>,
        now: Timestamp,
    ) -> Result<Self, AppError> {
        let options = database_options(config);
        let directory_lock = DataDirLock::acquire(&options.data_dir)?;
        let database_lock = DatabaseLock::acquire(&options).await?.map(Arc::new);
        // Under both locks, so that no other process changes the schema at the same time.
        let db = Db::connect(&options).await?;
        migrate::up(&db).await?;
        let durability = db.check_durability().await;
        if let Err(error) = &durability {
            tracing::error!(%error, "commits are not durable: webhooks will be refused");
        }
        let sealer = sealer(config, &db, ids).await?;
        sealer.check(&db, now).await?;
        let writer = Writer::start(&db);
        Ok(Self {
            db,
            writer,
            sealer,
            is_durable: !matches!(durability, Err(NotDurable::Setting { .. })),
            database_lock,
            _directory_lock: directory_lock,
        })
    }

    /// The lock to be watched; `None` for the embedded database, whose lock cannot be lost.
    pub(super) fn database_lock(&self) -> Option<Arc<DatabaseLock>> {
        let lock = self.database_lock.clone();
        lock.filter(|lock| lock.can_be_lost())
    }

    /// Closes the database and lets the next process in.
    pub(super) async fn close(self) -> Result<(), DbError> {
        self.db.close().await?;
        match &self.database_lock {
            Some(lock) => lock.release().await,
            None => Ok(()),
        }
    }
}

async fn sealer(config: &Config, db: &Db, ids: &Arc<IdSource>) -> Result<Sealer, AppError> {
    let sealer = match config.secrets.key.filled() {
        Some(digits) => Sealer::from_hex(digits, Arc::clone(ids)),
        None => key_file(config).open(db, ids).await,
    };
    Ok(sealer?)
}

/// What seals under the key that is set or kept; `None` when there is none yet, and none is made.
pub fn sealer_if_there(config: &Config, ids: Arc<IdSource>) -> Result<Option<Sealer>, AppError> {
    let sealer = match config.secrets.key.filled() {
        Some(digits) => Sealer::from_hex(digits, ids).map(Some),
        None => Sealer::from_file_if_there(&key_path(config), ids),
    };
    Ok(sealer?)
}

pub(super) fn key_file(config: &Config) -> KeyFile {
    KeyFile::new(key_path(config))
}

fn key_path(config: &Config) -> PathBuf {
    config.database.data_dir.join(KEY_FILE)
}
