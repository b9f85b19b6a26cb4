//! What an admin changes of a store in one go: the row, its secrets, and the entry in the audit.

use sea_orm::ActiveModelTrait;

use super::audit::{self, AuditEntry};
use super::secrets;
use super::stores::{StorePatch, patched, row_within};
use crate::clock::Timestamp;
use crate::db::connect::{Db, begin_writing};
use crate::db::error::DbError;
use crate::db::sealing::{Sealer, SealingError, Secret};
use crate::ids::StoreId;

/// What an admin changes of a store at once.
#[derive(Clone, Debug)]
pub struct StoreChange {
    pub patch: StorePatch,
    pub add_secrets: Vec<Secret>,
    /// Numbers of secrets.
    pub revoke_secrets: Vec<i64>,
    /// [`updated_at`](super::stores::StoreRecord::updated_at) as the admin saw it, when it must still be so.
    pub seen: Option<Timestamp>,
    pub deed: AuditEntry,
}

/// Why nothing of a [`StoreChange`] was done.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    #[error("the store was changed meanwhile")]
    ChangedMeanwhile,
    #[error("too many secrets live already")]
    TooManySecrets,
    #[error("no such secret lives")]
    UnknownSecret,
    #[error(transparent)]
    Sealing(#[from] SealingError),
}

impl ChangeError {
    fn of_revoking(error: DbError) -> Self {
        if matches!(error, DbError::NotFound(_)) {
            return Self::UnknownSecret;
        }
        error.into()
    }

    fn of_adding(error: SealingError) -> Self {
        if matches!(error, SealingError::Db(DbError::Conflict)) {
            return Self::TooManySecrets;
        }
        error.into()
    }
}

impl From<DbError> for ChangeError {
    fn from(error: DbError) -> Self {
        Self::Sealing(error.into())
    }
}

/// Changes a store and its secrets and writes the deed down: all of it, or nothing.
pub async fn change(
    db: &Db,
    sealer: &Sealer,
    id: StoreId,
    change: StoreChange,
    now: Timestamp,
) -> Result<(), ChangeError> {
    let transaction = begin_writing(db.writers()).await.map_err(DbError::from)?;
    let row = row_within(&transaction, id).await?;
    if change
        .seen
        .is_some_and(|seen| seen.as_millis() != row.updated_at)
    {
        return Err(ChangeError::ChangedMeanwhile);
    }
    // What is revoked makes room for what is added.
    for secret in change.revoke_secrets {
        let revoked = secrets::revoke_within(&transaction, id, secret, now).await;
        revoked.map_err(ChangeError::of_revoking)?;
    }
    for secret in &change.add_secrets {
        let added = secrets::insert_within(&transaction, sealer, id, secret, now).await;
        added.map_err(ChangeError::of_adding)?;
    }
    let row = patched(sealer, row, change.patch, now)?;
    row.update(&transaction).await.map_err(DbError::from)?;
    audit::insert_within(&transaction, change.deed).await?;
    transaction.commit().await.map_err(DbError::from)?;
    Ok(())
}
