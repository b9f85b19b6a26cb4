//! Deliveries and shares in one transaction: all who wait, one commit (SQLite).
//!
//! There is one writer, and a transaction waits for the disk once, however much it holds. Deliveries go first. Shares
//! stand behind a savepoint, so that shares that cannot be written are taken back and the deliveries are committed.

use std::collections::BTreeSet;

use sea_orm::{DatabaseTransaction, TransactionTrait};

use super::handle::Share;
use super::recent::RecentIds;
use super::{accept, share, within_time};
use crate::db::connect::{Db, begin_writing};
use crate::db::error::DbError;
use crate::db::inbox::Delivery;
use crate::ids::StoreId;

/// Writes both and answers each. Where one could be the other's misfortune, each is written by itself.
pub(super) async fn write_group(
    db: &Db,
    recent: &mut RecentIds,
    deliveries: accept::Group,
    shares: share::Group,
) {
    let written = match recent.catch_up(db).await {
        Ok(()) => {
            let written = write(db, recent, &deliveries.deliveries, &shares.shares);
            within_time(db, written).await
        }
        Err(error) => Err(error),
    };
    match written {
        Ok((outcomes, Some(winners))) => {
            deliveries.answer(db, outcomes);
            shares.answer(&winners);
        }
        Ok((outcomes, None)) => {
            deliveries.answer(db, outcomes);
            share::write_group(db, shares).await;
        }
        Err(error @ (DbError::Busy | DbError::Unavailable(_))) => {
            deliveries.fail(&error);
            shares.fail(&error);
        }
        // Less than both may find room on the disk.
        Err(DbError::Full | DbError::NotFound(_) | DbError::Conflict | DbError::Broken(_)) => {
            accept::write_group(db, recent, deliveries).await;
            share::write_group(db, shares).await;
        }
    }
}

/// Commits the deliveries, and the shares if they can be written; returns the stores whose fence held.
async fn write(
    db: &Db,
    recent: &mut RecentIds,
    deliveries: &[Delivery],
    shares: &[Share],
) -> Result<(accept::Outcomes, Option<BTreeSet<StoreId>>), DbError> {
    let transaction = begin_writing(db.accepts()).await?;
    let outcomes = accept::write_rows(&transaction, recent, deliveries).await?;
    let winners = write_shares(&transaction, shares).await?;
    transaction.commit().await?;
    recent.settle();
    Ok((outcomes, winners))
}

/// Writes shares behind a savepoint; `None` when they cannot be written and nothing of them was.
///
/// SQLite may have rolled back more than the shares, the whole transaction. Then there is no savepoint to go back to, and
/// that fails.
async fn write_shares(
    transaction: &DatabaseTransaction,
    shares: &[Share],
) -> Result<Option<BTreeSet<StoreId>>, DbError> {
    let savepoint = transaction.begin().await?;
    match share::write_rows(&savepoint, shares).await {
        Ok(winners) => {
            savepoint.commit().await?;
            Ok(Some(winners))
        }
        Err(error) => {
            tracing::debug!(%error, "shares not written beside deliveries");
            savepoint.rollback().await?;
            Ok(None)
        }
    }
}
