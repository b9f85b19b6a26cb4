//! A consistent copy of the database while it is in use.

use std::path::Path;

use sea_orm::ConnectionTrait;

use super::connect::{Db, statement};
use super::error::DbError;

/// Writes the database as it is now into a new file (SQLite). On PostgreSQL its own tools do this.
/// [`DbError::Conflict`]: the file exists.
pub async fn write(db: &Db, file: &Path) -> Result<(), DbError> {
    if db.is_postgres() {
        return Err(DbError::Broken(
            "back PostgreSQL up with pg_dump".to_owned(),
        ));
    }
    if tokio::fs::try_exists(file).await.unwrap_or(true) {
        return Err(DbError::Conflict);
    }
    let file_name = file
        .to_str()
        .ok_or_else(|| DbError::Broken("file name is not UTF-8".to_owned()))?;
    let reader = db.readers();
    reader
        .execute_raw(statement(reader, "VACUUM INTO $1", [file_name.into()]))
        .await?;
    Ok(())
}
