//! A backup is taken.

use std::path::Path;

use migration::{Migrator, MigratorTrait};
use sea_orm::{AccessMode, ConnectionTrait, DatabaseTransaction, IsolationLevel, TransactionTrait};

use super::error::BackupError;
use super::file::{self, Partial, Purpose};
use super::{Copied, rows};
use crate::db::connect::{connect_postgres_alone, sqlite_path};
use crate::db::migrate;
use crate::db::options::DatabaseOptions;

/// Writes the database as it is now into a new file, whether or not a server uses it meanwhile.
///
/// # Errors
/// When `file` exists, when there is no database, or when either cannot be read or written; no file is left then.
pub async fn write(options: &DatabaseOptions, file: &Path) -> Result<Copied, BackupError> {
    match sqlite_path(&options.url) {
        Some(path) => {
            if !file::exists(options) {
                return Err(BackupError::NoDatabase(path.to_owned()));
            }
            let partial = Partial::create(file)?;
            file::copy(Path::new(path), partial.path(), options).await?;
            finish(partial, options).await
        }
        None => {
            let partial = Partial::create(file)?;
            copy_postgres(options, partial.path()).await?;
            finish(partial, options).await
        }
    }
}

async fn finish(partial: Partial, options: &DatabaseOptions) -> Result<Copied, BackupError> {
    let (stores, rows) = totals(partial.path(), options).await?;
    Ok(Copied {
        stores,
        rows,
        bytes: partial.finish().await?,
    })
}

/// Stores, and rows of all tables.
pub(super) async fn totals(
    path: &Path,
    options: &DatabaseOptions,
) -> Result<(u64, u64), BackupError> {
    let copy = file::open(path, Purpose::Read, options).await?;
    let (mut stores, mut total) = (0, 0);
    for table in rows::tables(&copy).await? {
        let count = rows::count(&copy, &table.name).await?;
        total += count;
        if table.name == "store" {
            stores = count;
        }
    }
    copy.close().await?;
    Ok((stores, total))
}

async fn copy_postgres(options: &DatabaseOptions, into: &Path) -> Result<(), BackupError> {
    let source = connect_postgres_alone(options).await?;
    let snapshot = source
        .begin_with_config(
            Some(IsolationLevel::RepeatableRead),
            Some(AccessMode::ReadOnly),
        )
        .await?;
    let steps = migrate::steps_taken(&snapshot).await?;
    if steps.is_empty() {
        return Err(BackupError::NoDatabase("database.url".to_owned()));
    }
    let count = migrate::count_of_known(&steps)
        .map_err(|reason| BackupError::unreadable(Path::new("database.url"), reason))?;
    let copy = file::open(into, Purpose::Fill, options).await?;
    Migrator::up(&copy, Some(count)).await?;
    copy_tables(&snapshot, &copy).await?;
    snapshot.rollback().await?;
    copy.close().await?;
    Ok(source.close().await?)
}

async fn copy_tables(
    snapshot: &DatabaseTransaction,
    copy: &(impl ConnectionTrait + TransactionTrait<Transaction = DatabaseTransaction>),
) -> Result<(), BackupError> {
    let tables = rows::tables(copy).await?;
    let transaction = copy.begin().await?;
    for table in &tables {
        rows::copy(table, snapshot, &transaction).await?;
    }
    Ok(transaction.commit().await?)
}
