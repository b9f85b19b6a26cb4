//! How long a transaction may last.

use crate::db::connect::Db;
use crate::db::error::DbError;

/// Gives a transaction up that does not end in time; dropped, it is rolled back.
pub(super) async fn within_time<Written>(
    db: &Db,
    transaction: impl Future<Output = Result<Written, DbError>>,
) -> Result<Written, DbError> {
    let written = tokio::time::timeout(db.options().writer.group_timeout, transaction).await;
    written.unwrap_or_else(|_elapsed| {
        Err(DbError::Unavailable(
            "a transaction did not end in time".to_owned(),
        ))
    })
}
