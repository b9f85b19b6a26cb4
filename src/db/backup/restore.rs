//! A backup is put back.

use std::io::Read as _;
use std::path::Path;

use migration::{Migrator, MigratorTrait};
use sea_orm::{ConnectionTrait, DatabaseConnection, TransactionTrait};

use super::error::BackupError;
use super::file::{self, Partial, Purpose};
use super::pause::pause_stores;
use super::write::totals;
use super::{Copied, rows};
use crate::db::connect::{connect_postgres_alone, sqlite_path, statement};
use crate::db::error::DbError;
use crate::db::migrate;
use crate::db::options::DatabaseOptions;
use crate::db::process_lock::{DataDirLock, DatabaseLock};
use crate::db::sealing::{Sealer, stored_check};

/// What every SQLite file begins with.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";
/// On PostgreSQL, the copy in the data directory that rows are read from.
const SCRATCH: &str = "restore";

/// What becomes of the stores that are put back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stores {
    /// They make no calls before a person resumes them: the platform may be newer than the backup.
    Pause,
    /// They go on as in the backup: nothing happened after it.
    GoOn,
}

/// What was put back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restored {
    pub copied: Copied,
    /// How many stores wait for a person now.
    pub paused: u64,
}

/// Puts a backup where no database is yet, and brings it to this version's schema. `file` stays as it is.
///
/// # Errors
/// When there is a database with rows, when a process uses the data directory or the database, when the file is damaged
/// or newer than this version, or when `sealer` is not the key it was sealed under. Nothing is changed then.
pub async fn restore(
    options: &DatabaseOptions,
    file: &Path,
    sealer: Option<&Sealer>,
    stores: Stores,
) -> Result<Restored, BackupError> {
    require_sqlite(file)?;
    let _directory = DataDirLock::acquire(&options.data_dir)?;
    let lock = DatabaseLock::acquire(options).await?;
    let restored = match sqlite_path(&options.url) {
        Some(path) => into_sqlite(options, file, Path::new(path), sealer, stores).await,
        None => into_postgres(options, file, sealer, stores).await,
    };
    if let Some(lock) = lock {
        lock.release().await?;
    }
    restored
}

async fn into_sqlite(
    options: &DatabaseOptions,
    file: &Path,
    database: &Path,
    sealer: Option<&Sealer>,
    stores: Stores,
) -> Result<Restored, BackupError> {
    // A log without its database would be played into the new one.
    for suffix in ["", "-wal", "-shm", "-journal"] {
        file::require_absent(&file::with_suffix(database, suffix)).map_err(not_empty)?;
    }
    let partial = Partial::create(database)?;
    let paused = prepare(options, file, partial.path(), sealer, stores).await?;
    let (stores, rows) = totals(partial.path(), options).await?;
    let bytes = partial.finish().await?;
    let copied = Copied {
        stores,
        rows,
        bytes,
    };
    Ok(Restored { copied, paused })
}

fn not_empty(error: BackupError) -> BackupError {
    match error {
        BackupError::Exists(path) => BackupError::NotEmpty(format!("{path} exists")),
        BackupError::HalfWritten(_)
        | BackupError::File { .. }
        | BackupError::NoDatabase(_)
        | BackupError::NotEmpty(_)
        | BackupError::Unreadable { .. }
        | BackupError::NoKey
        | BackupError::Sealing(_)
        | BackupError::Lock(_)
        | BackupError::Db(_) => error,
    }
}

/// Rows come from a copy that was brought to this version, and all of them in one transaction.
async fn into_postgres(
    options: &DatabaseOptions,
    file: &Path,
    sealer: Option<&Sealer>,
    stores: Stores,
) -> Result<Restored, BackupError> {
    let target = connect_postgres_alone(options).await?;
    require_empty(&target).await?;
    let scratch = Partial::create(&options.data_dir.join(SCRATCH))?;
    let paused = prepare(options, file, scratch.path(), sealer, stores).await?;
    let copy = file::open(scratch.path(), Purpose::Read, options).await?;
    Migrator::up(&target, None).await?;
    let tables = rows::tables(&copy).await?;
    let transaction = target.begin().await?;
    for table in &tables {
        rows::copy(table, &copy, &transaction).await?;
    }
    file_delivery_ids(&transaction).await?;
    transaction.commit().await?;
    copy.close().await?;
    target.close().await?;
    let (stores, rows) = totals(scratch.path(), options).await?;
    let bytes = std::fs::metadata(file).map_err(|error| BackupError::file(file, error))?;
    let copied = Copied {
        stores,
        rows,
        bytes: bytes.len(),
    };
    Ok(Restored { copied, paused })
}

/// What is kept apart for a while on SQLite (see `writer::recent`) is looked for in one table here.
async fn file_delivery_ids(target: &impl ConnectionTrait) -> Result<(), BackupError> {
    for step in [
        "INSERT INTO delivery (store, delivery_id, received_at) \
         SELECT store, delivery_id, MAX(received_at) FROM recent_delivery GROUP BY store, delivery_id \
         ON CONFLICT (store, delivery_id) DO NOTHING",
        "DELETE FROM recent_delivery",
    ] {
        target.execute_unprepared(step).await?;
    }
    Ok(())
}

/// Refuses a database in which one of our tables has rows.
async fn require_empty(target: &DatabaseConnection) -> Result<(), BackupError> {
    let sql = "SELECT table_name::text FROM information_schema.tables WHERE table_schema = current_schema() \
               AND table_name <> 'seaql_migrations' ORDER BY table_name";
    for row in target.query_all_raw(statement(target, sql, [])).await? {
        let table: String = row.try_get_by_index(0)?;
        if rows::count(target, &table).await? > 0 {
            return Err(BackupError::NotEmpty(format!("its table {table} has rows")));
        }
    }
    Ok(())
}

/// Copies the file, examines the copy, brings it to this version's schema, and says what becomes of its stores. Returns
/// how many are paused by that.
async fn prepare(
    options: &DatabaseOptions,
    file: &Path,
    into: &Path,
    sealer: Option<&Sealer>,
    stores: Stores,
) -> Result<u64, BackupError> {
    let unreadable = |error: BackupError| match error {
        BackupError::Db(DbError::Broken(reason)) => BackupError::unreadable(file, reason),
        BackupError::Db(
            DbError::NotFound(_)
            | DbError::Conflict
            | DbError::Busy
            | DbError::Full
            | DbError::Unavailable(_),
        )
        | BackupError::Exists(_)
        | BackupError::HalfWritten(_)
        | BackupError::File { .. }
        | BackupError::NoDatabase(_)
        | BackupError::NotEmpty(_)
        | BackupError::Unreadable { .. }
        | BackupError::NoKey
        | BackupError::Sealing(_)
        | BackupError::Lock(_) => error,
    };
    file::copy(file, into, options).await.map_err(unreadable)?;
    let copy = file::open(into, Purpose::Fill, options).await?;
    let prepared = async {
        examine(&copy, file, sealer).await?;
        match stores {
            Stores::Pause => pause_stores(&copy).await,
            Stores::GoOn => Ok(0),
        }
    };
    let prepared = prepared.await;
    copy.close().await?;
    prepared.map_err(unreadable)
}

async fn examine(
    copy: &DatabaseConnection,
    file: &Path,
    sealer: Option<&Sealer>,
) -> Result<(), BackupError> {
    let row = copy
        .query_one_raw(statement(copy, "PRAGMA integrity_check(1)", []))
        .await?
        .ok_or(DbError::NotFound("row"))?;
    let found: String = row.try_get_by_index(0)?;
    if found != "ok" {
        return Err(BackupError::unreadable(file, found));
    }
    let steps = migrate::steps_taken(copy).await?;
    if steps.is_empty() {
        return Err(BackupError::unreadable(file, "it is another program's"));
    }
    migrate::count_of_known(&steps).map_err(|reason| BackupError::unreadable(file, reason))?;
    Migrator::up(copy, None).await?;
    match (stored_check(copy).await?, sealer) {
        (None, _) => Ok(()),
        (Some(_sealed), None) => Err(BackupError::NoKey),
        (Some(sealed), Some(sealer)) => Ok(sealer.require_opens(&sealed)?),
    }
}

fn require_sqlite(file: &Path) -> Result<(), BackupError> {
    let failed = |error| BackupError::file(file, error);
    let mut head = [0; MAGIC.len()];
    let mut opened = std::fs::File::open(file).map_err(failed)?;
    match opened.read_exact(&mut head) {
        Ok(()) if &head == MAGIC => Ok(()),
        Ok(()) => Err(BackupError::unreadable(file, "it is another program's")),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            Err(BackupError::unreadable(file, "it is too short"))
        }
        Err(error) => Err(failed(error)),
    }
}
