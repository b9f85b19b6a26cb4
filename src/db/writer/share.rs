//! A transaction of shares (D5, D6): fences first, then the winners' rows, merged into few statements.

use std::collections::BTreeSet;

use entity::{bundle, call, idempotent_reply, item, ledger_order, level, store_policy};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::handle::{CommitError, Share, WaitingShare};
use super::within_time;
use crate::clock::Timestamp;
use crate::db::admin::audit::{self, AuditEntry};
use crate::db::connect::{Db, begin_writing};
use crate::db::error::DbError;
use crate::db::grid::{Grid, upsert};
use crate::db::parking::Revived;
use crate::db::{
    bundles, calls, dead_letters, document, idempotency, orders, parking, policies, stock,
};
use crate::domain::store::change::{Change, DeadLetterRecord, ParkedRecord};
use crate::ids::{DeadLetterId, StoreId};

/// Shares that are written in one transaction, and who waits for each.
pub(super) struct Group {
    pub(super) shares: Vec<Share>,
    answers: Vec<oneshot::Sender<Result<(), CommitError>>>,
    begun: Instant,
}

impl Group {
    pub(super) fn of(waiting: Vec<WaitingShare>) -> Self {
        let (shares, answers) = waiting
            .into_iter()
            .map(|waiting| (waiting.share, waiting.answer))
            .unzip();
        Self {
            shares,
            answers,
            begun: Instant::now(),
        }
    }

    /// They are committed, those whose fence held.
    pub(super) fn answer(self, winners: &BTreeSet<StoreId>) {
        let results = self.shares.iter().map(|share| result(share, winners));
        let results = results.collect();
        self.tell(results);
    }

    /// None is committed, for a reason that concerns all.
    pub(super) fn fail(self, error: &DbError) {
        let results = self.shares.iter().map(|_| failure(error)).collect();
        self.tell(results);
    }

    fn tell(self, results: Vec<Result<(), CommitError>>) {
        measure(self.begun, &results);
        for (result, answer) in results.into_iter().zip(self.answers) {
            // A keeper that has gone learns it from the database.
            let _gone = answer.send(result).is_err();
        }
    }
}

/// Writes a group and answers each; a failed group is written one by one, so that a bad share fails alone.
pub(super) async fn write_group(db: &Db, group: Group) {
    match write(db, &group.shares).await {
        Ok(winners) => group.answer(&winners),
        Err(error) if group.shares.len() == 1 || error.is_transient() => group.fail(&error),
        Err(_error) => {
            let results = one_by_one(db, &group.shares).await;
            group.tell(results);
        }
    }
}

fn measure(begun: Instant, results: &[Result<(), CommitError>]) {
    metrics::histogram!("storekeeper_commit_seconds").record(begun.elapsed());
    metrics::histogram!("storekeeper_commit_shares")
        .record(u32::try_from(results.len()).unwrap_or(u32::MAX));
    let fenced = results
        .iter()
        .filter(|result| **result == Err(CommitError::Fenced))
        .count();
    metrics::counter!("storekeeper_fenced_commits_total")
        .increment(u64::try_from(fenced).unwrap_or(u64::MAX));
}

fn result(share: &Share, winners: &BTreeSet<StoreId>) -> Result<(), CommitError> {
    if winners.contains(&share.store) {
        Ok(())
    } else {
        Err(CommitError::Fenced)
    }
}

fn failure(error: &DbError) -> Result<(), CommitError> {
    Err(if error.is_transient() {
        CommitError::Unavailable
    } else {
        CommitError::Refused(error.clone())
    })
}

async fn one_by_one(db: &Db, shares: &[Share]) -> Vec<Result<(), CommitError>> {
    let mut results = Vec::with_capacity(shares.len());
    for share in shares {
        results.push(match write(db, std::slice::from_ref(share)).await {
            Ok(winners) => result(share, &winners),
            Err(error) => failure(&error),
        });
    }
    results
}

async fn write(db: &Db, shares: &[Share]) -> Result<BTreeSet<StoreId>, DbError> {
    within_time(db, async {
        let transaction = begin_writing(db.writers()).await?;
        let winners = write_rows(&transaction, shares).await?;
        transaction.commit().await?;
        Ok(winners)
    })
    .await
}

/// Writes the shares into a transaction that another commits; returns the stores whose fence held.
pub(super) async fn write_rows(
    transaction: &DatabaseTransaction,
    shares: &[Share],
) -> Result<BTreeSet<StoreId>, DbError> {
    let winners = advance_fences(transaction, shares).await?;
    let mut rows = Rows::default();
    for share in shares.iter().filter(|share| winners.contains(&share.store)) {
        for change in share.changes.rows() {
            rows.add(share.store, change)?;
        }
    }
    rows.write(transaction).await?;
    Ok(winners)
}

/// The first statement: compares every fence and advances those that match, with the keepers' own rows; returns the
/// stores whose fence matched. Nothing of the others is written.
async fn advance_fences(
    transaction: &DatabaseTransaction,
    shares: &[Share],
) -> Result<BTreeSet<StoreId>, DbError> {
    const ADVANCE: &str = "UPDATE keeper SET applied_seq = keeper.applied_seq + 1, cursor = g.cursor, \
        near_from = g.near_from, near_to = g.near_to, far_from = g.far_from, far_to = g.far_to, \
        applied = g.applied, naked = g.naked, parked = g.parked, dead = g.dead, wake_at = g.wake_at, memo = g.memo, installation = g.installation, \
        oldest_at = (SELECT i.received_at FROM inbox i WHERE i.store = g.store AND i.seq = g.cursor + 1) \
        FROM g WHERE keeper.store = g.store AND keeper.grant_id = g.grant_id AND keeper.applied_seq = g.applied_seq \
        RETURNING keeper.store";
    if transaction.get_database_backend() == DbBackend::Postgres && shares.len() > 1 {
        lock_keepers(transaction, shares).await?;
    }
    let mut grid = Grid::new(&[
        "store",
        "grant_id",
        "applied_seq",
        "cursor",
        "applied",
        "naked",
        "parked",
        "dead",
        "wake_at",
        "memo",
        "installation",
        "near_from",
        "near_to",
        "far_from",
        "far_to",
    ]);
    let mut in_order: Vec<&Share> = shares.iter().collect();
    in_order.sort_by_key(|share| share.store);
    for share in in_order {
        let [near, far] = share.record.ahead;
        grid.push(vec![
            share.store.0.into(),
            share.grant.to_string().into(),
            share.applied_seq.into(),
            share.record.cursor.into(),
            share.record.applied.into(),
            share.record.naked.into(),
            share.record.parked.into(),
            share.record.dead.into(),
            share.record.wake_at.map(Timestamp::as_millis).into(),
            document::write("memo", &share.record.memo)?.into(),
            share
                .record
                .installation
                .map_or(0, Timestamp::as_millis)
                .into(),
            near.from.into(),
            near.to.into(),
            far.from.into(),
            far.to.into(),
        ]);
    }
    let winners = grid.query(transaction, ADVANCE).await?;
    Ok(winners
        .iter()
        .map(|row| row.try_get_by_index(0).map(StoreId))
        .collect::<Result<_, _>>()?)
}

/// Locks the keepers' rows in ascending order; an update alone locks in no certain order.
async fn lock_keepers(transaction: &DatabaseTransaction, shares: &[Share]) -> Result<(), DbError> {
    const LOCK: &str = "SELECT keeper.store FROM keeper JOIN g ON g.store = keeper.store \
        ORDER BY keeper.store FOR UPDATE OF keeper";
    let stores: BTreeSet<StoreId> = shares.iter().map(|share| share.store).collect();
    let mut grid = Grid::new(&["store"]);
    for store in stores {
        grid.push(vec![store.0.into()]);
    }
    grid.query(transaction, LOCK).await?;
    Ok(())
}

/// The winners' changes, by table.
#[derive(Default)]
struct Rows {
    items: Vec<item::Model>,
    levels: Vec<level::Model>,
    gone_levels: Vec<(StoreId, i64, i64)>,
    bundles: Vec<bundle::Model>,
    policies: Vec<store_policy::Model>,
    orders: Vec<ledger_order::Model>,
    calls: Vec<call::Model>,
    gone_calls: Vec<(StoreId, String)>,
    parked: Vec<(StoreId, ParkedRecord)>,
    unparked: Vec<(StoreId, i64)>,
    dead_letters: Vec<(StoreId, DeadLetterRecord)>,
    revived: Vec<Revived>,
    gone_dead_letters: Vec<(StoreId, DeadLetterId)>,
    replies: Vec<idempotent_reply::Model>,
    deeds: Vec<AuditEntry>,
}

impl Rows {
    fn add(&mut self, store: StoreId, change: &Change) -> Result<(), DbError> {
        match change {
            Change::PutItem(record) => self.items.push(stock::item_model(store, record)),
            Change::PutLevel(record) => self.levels.push(stock::level_model(store, record)),
            Change::DeleteLevel(item, location) => {
                self.gone_levels.push((store, item.0, location.0));
            }
            Change::PutBundle(bundle) => self.bundles.push(bundles::model(store, bundle)?),
            Change::PutPolicy(policy) => self.policies.push(policies::model(store, policy)?),
            Change::PutOrder(order) => self.orders.push(orders::model(store, order)?),
            Change::PutCall(record) => self.calls.push(calls::model(store, record)?),
            Change::DeleteCall(id) => self.gone_calls.push((store, id.to_string())),
            Change::Park(record) => self.parked.push((store, *record)),
            Change::Unpark(seq) => self.unparked.push((store, *seq)),
            Change::PutDeadLetter(record) => {
                self.unparked.extend(record.seq.map(|seq| (store, seq)));
                self.dead_letters.push((store, record.clone()));
            }
            Change::DeleteDeadLetter(id) => self.gone_dead_letters.push((store, *id)),
            Change::ReviveDeadLetter { id, parked, edit } => {
                let edit = edit.as_deref();
                self.revived.push(Revived {
                    store,
                    letter: *id,
                    parked: *parked,
                    body: edit.map(|edit| edit.body.bytes().to_vec()),
                });
                self.gone_dead_letters.push((store, *id));
                let deed = edit.map(|edit| AuditEntry::of(store, edit.deed.clone()));
                self.deeds.extend(deed);
            }
            Change::PutIdempotentReply(reply) => {
                self.replies.push(idempotency::model(store, reply));
            }
        }
        Ok(())
    }

    async fn write(self, transaction: &DatabaseTransaction) -> Result<(), DbError> {
        upsert::<item::Entity>(transaction, self.items).await?;
        upsert::<level::Entity>(transaction, self.levels).await?;
        upsert::<bundle::Entity>(transaction, self.bundles).await?;
        upsert::<store_policy::Entity>(transaction, self.policies).await?;
        upsert::<ledger_order::Entity>(transaction, self.orders).await?;
        upsert::<call::Entity>(transaction, self.calls).await?;
        upsert::<idempotent_reply::Entity>(transaction, self.replies).await?;
        stock::delete_levels(transaction, &self.gone_levels).await?;
        calls::delete(transaction, &self.gone_calls).await?;
        // A row that dies is copied from its lane before it leaves the lane, and one that revives from the dead.
        parking::park(transaction, &self.parked).await?;
        dead_letters::put(transaction, &self.dead_letters).await?;
        parking::unpark(transaction, &self.unparked).await?;
        parking::revive(transaction, &self.revived).await?;
        dead_letters::delete(transaction, &self.gone_dead_letters).await?;
        for deed in self.deeds {
            audit::insert_within(transaction, deed).await?;
        }
        Ok(())
    }
}
