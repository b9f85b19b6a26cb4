//! What was put back makes no calls before a person has looked at it.
//!
//! A backup does not know what was taken on the platform after it, so a keeper that went on from it would take it once
//! more. Webhooks are accepted and applied meanwhile: only calls wait.

use sea_orm::{ConnectionTrait, DatabaseConnection, DatabaseTransaction, TransactionTrait};

use super::error::BackupError;
use crate::db::connect::statement;
use crate::db::document;
use crate::domain::store::state::{Memo, Pause};

/// Stores looked at in one transaction.
const PAGE_STORES: usize = 500;
/// What whoever resumes a store reads.
const REASON: &str =
    "restored from a backup, which does not know what was taken on the platform after it";

/// Pauses every store that might change stock; returns how many.
pub(super) async fn pause_stores(copy: &DatabaseConnection) -> Result<u64, BackupError> {
    let mut paused = 0;
    let mut after = 0;
    loop {
        let transaction = copy.begin().await?;
        let page = page_after(&transaction, after).await?;
        for (store, memo) in &page {
            paused += u64::from(pause(&transaction, *store, memo).await?);
        }
        transaction.commit().await?;
        match page.last() {
            Some((store, _)) => after = *store,
            None => return Ok(paused),
        }
    }
}

/// Stores with bundles, and what their keepers remember.
async fn page_after(
    transaction: &DatabaseTransaction,
    after: i64,
) -> Result<Vec<(i64, String)>, BackupError> {
    let sql = format!(
        "SELECT store, memo FROM keeper WHERE store > $1 AND EXISTS \
         (SELECT 1 FROM bundle WHERE bundle.store = keeper.store) ORDER BY store LIMIT {PAGE_STORES}"
    );
    let asked = statement(transaction, &sql, [after.into()]);
    let rows = transaction.query_all_raw(asked).await?;
    let pairs = rows.into_iter().map(|row| {
        let store = row.try_get_by_index(0)?;
        Ok((store, row.try_get_by_index(1)?))
    });
    pairs.collect()
}

/// Pauses one store, unless only a person can let it go on already. Whether it did.
async fn pause(
    transaction: &DatabaseTransaction,
    store: i64,
    memo: &str,
) -> Result<bool, BackupError> {
    let what = format!("memo of store {store}");
    let mut memo: Memo = document::read(&what, memo)?;
    match memo.paused {
        Some(Pause::ByAdmin { .. }) => return Ok(false),
        // A new token would end that.
        Some(Pause::Barred(_) | Pause::Uninstalled) | None => {}
    }
    let reason = REASON.to_owned();
    memo.paused = Some(Pause::ByAdmin { reason });
    let memo = document::write("memo", &memo)?;
    let sql = "UPDATE keeper SET memo = $1 WHERE store = $2";
    let update = statement(transaction, sql, [memo.into(), store.into()]);
    transaction.execute_raw(update).await?;
    Ok(true)
}
