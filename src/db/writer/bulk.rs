//! Bulk work: deletion of what nobody needs any more, cut into small transactions.

use sea_orm::ConnectionTrait;

use super::handle::WaitingBulk;
use super::recent::RecentIds;
use super::within_time;
use crate::clock::Timestamp;
use crate::db::connect::{Db, begin_writing, statement};
use crate::db::error::DbError;
use crate::db::fleet;
use crate::ids::StoreId;

/// What is to be deleted.
#[derive(Clone, Copy, Debug)]
pub(super) enum Bulk {
    Inbox { store: StoreId, up_to_seq: i64 },
    Deliveries { before: Timestamp },
    Digests { before: Timestamp },
    Replies { before: Timestamp },
}

/// What one transaction of bulk work did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Deleted {
    pub(super) rows: u64,
    /// It was full, so there may be more.
    pub(super) may_be_more: bool,
}

/// Deletes at most one transaction's worth and answers what went.
pub(super) async fn write(db: &Db, recent: &mut RecentIds, waiting: WaitingBulk) {
    let deleted = match recent.catch_up(db).await {
        Ok(()) => within_time(db, delete(db, recent, waiting.job)).await,
        Err(error) => Err(error),
    };
    // Whoever asked may have gone; what is deleted stays deleted.
    let _gone = waiting.answer.send(deleted).is_err();
}

async fn delete(db: &Db, recent: &mut RecentIds, job: Bulk) -> Result<Deleted, DbError> {
    let rows_max = db.options().writer.bulk_rows_max;
    let connection = db.writers();
    let rows = match job {
        Bulk::Inbox { store, up_to_seq } => {
            delete_inbox_rows(connection, store, up_to_seq, rows_max).await
        }
        Bulk::Deliveries { before } => {
            let recent = forget_recent_deliveries(db, recent, before, rows_max).await?;
            let filed = fleet::delete_deliveries(connection, before, rows_max).await?;
            return Ok(Deleted {
                rows: recent + filed,
                may_be_more: recent.max(filed) >= u64::from(rows_max),
            });
        }
        Bulk::Digests { before } => fleet::delete_body_digests(connection, before, rows_max).await,
        Bulk::Replies { before } => {
            fleet::delete_idempotent_replies(connection, before, rows_max).await
        }
    }?;
    Ok(Deleted {
        rows,
        may_be_more: rows >= u64::from(rows_max),
    })
}

/// On PostgreSQL none are kept apart.
async fn forget_recent_deliveries(
    db: &Db,
    recent: &mut RecentIds,
    before: Timestamp,
    rows_max: u32,
) -> Result<u64, DbError> {
    if db.is_postgres() {
        return Ok(0);
    }
    let transaction = begin_writing(db.writers()).await?;
    recent.open();
    let forgotten = recent.forget(&transaction, before, rows_max).await?;
    transaction.commit().await?;
    recent.settle();
    Ok(forgotten)
}

/// Deletes by range, from the oldest, and never past the cursor. A log has no gaps, so a range that was not full was the
/// last one.
async fn delete_inbox_rows(
    connection: &impl ConnectionTrait,
    store: StoreId,
    up_to_seq: i64,
    rows_max: u32,
) -> Result<u64, DbError> {
    const DELETE: &str = "DELETE FROM inbox WHERE store = $1 AND seq <= $2 \
        AND seq <= (SELECT cursor FROM keeper WHERE keeper.store = $1) \
        AND seq < (SELECT MIN(oldest.seq) FROM inbox oldest WHERE oldest.store = $1) + $3";
    let values = [store.0.into(), up_to_seq.into(), i64::from(rows_max).into()];
    Ok(connection
        .execute_raw(statement(connection, DELETE, values))
        .await?
        .rows_affected())
}
