//! Delivery ids that came lately (SQLite): told apart in memory, and filed into the big table many to a page.
//!
//! The platform's ids come in no order, so a table keyed by them has a page to write for every single one. An accepted
//! id is therefore only added at the end of `recent_delivery`, and to [`RecentIds`] in memory, once that is committed.
//! When many ids have gathered they are filed into `delivery` in the order of its key ([`Filing`](super::filing::Filing)).
//!
//! PostgreSQL's index tells ids apart; there only how long ago one was repeated is remembered.

use std::collections::BTreeMap;
use std::ops::Bound;

use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, QueryResult};

use super::within_time;
use crate::clock::Timestamp;
use crate::db::connect::{Db, statement};
use crate::db::error::DbError;
use crate::db::grid::Grid;
use crate::ids::StoreId;

const HOUR_MS: i64 = 60 * 60 * 1000;

/// Ids that are read at a time.
const PAGE_ROWS: i64 = 10_000;

/// Groups without a repeated id after which none is expected.
const CALM_GROUPS: u32 = 32;

/// An id as it is told apart from others.
pub(super) type Key<'id> = (StoreId, &'id str);

/// What stands in `recent_delivery` and is not filed, in the order of the key of `delivery`; the writer alone changes it.
///
/// A transaction comes behind [`catch_up`](Self::catch_up), begins with [`open`](Self::open) and ends with
/// [`settle`](Self::settle), once it is committed. One that was not settled may have been committed or not, so everything
/// is read anew: memory and disk cannot differ.
#[derive(Debug, Default)]
pub(super) struct RecentIds {
    ids: BTreeMap<StoreId, BTreeMap<Box<str>, Timestamp>>,
    is_settled: bool,
    /// What the transaction does that is not committed yet.
    staged: Vec<Staged>,
    /// Groups written since one had a repeated id, or since the start (PostgreSQL).
    groups_since_repeat: u32,
}

#[derive(Debug)]
enum Staged {
    Noted(StoreId, Box<str>, Timestamp),
    /// Filed or forgotten.
    Gone(StoreId, Box<str>),
}

impl RecentIds {
    /// Reads what an earlier process left, or a transaction whose end is not known: page by page, each in the time of a
    /// transaction, for a long list takes longer.
    ///
    /// # Errors
    /// A page could not be read; the next call begins anew.
    pub(super) async fn catch_up(&mut self, db: &Db) -> Result<(), DbError> {
        if self.is_settled || db.is_postgres() {
            return Ok(());
        }
        self.ids.clear();
        let mut next = Some(i64::MIN);
        while let Some(first) = next {
            next =
                within_time(db, async { Ok(self.read_page(db.accepts(), first).await?) }).await?;
        }
        self.is_settled = true;
        Ok(())
    }

    /// Reads the ids from this number on; gives the number where the next page begins.
    async fn read_page(
        &mut self,
        connection: &impl ConnectionTrait,
        first: i64,
    ) -> Result<Option<i64>, DbErr> {
        // An id that outlived its place in `delivery` may have come again: the later counts.
        const PAGE: &str = "SELECT store, delivery_id, received_at, number FROM recent_delivery \
            WHERE number >= $1 ORDER BY number LIMIT $2";
        let page = statement(connection, PAGE, [first.into(), PAGE_ROWS.into()]);
        let mut next = None;
        for row in connection.query_all_raw(page).await? {
            let (store, id) = key(&row)?;
            self.insert(store, id, Timestamp::from_millis(row.try_get_by_index(2)?));
            next = Some(row.try_get_by_index::<i64>(3)?.saturating_add(1));
        }
        Ok(next)
    }

    /// Whether the next group may well have an id that came before, as after an outage, when the platform repeats itself.
    pub(super) const fn expects_repeats(&self) -> bool {
        self.groups_since_repeat < CALM_GROUPS
    }

    /// A group was written.
    pub(super) const fn note_group(&mut self, has_repeat: bool) {
        self.groups_since_repeat = if has_repeat {
            0
        } else {
            self.groups_since_repeat.saturating_add(1)
        };
    }

    /// Begins to take part in a transaction.
    pub(super) fn open(&mut self) {
        debug_assert!(self.is_settled, "it has caught up");
        self.staged.clear();
        self.is_settled = false;
    }

    /// The transaction is committed.
    pub(super) fn settle(&mut self) {
        for staged in std::mem::take(&mut self.staged) {
            match staged {
                Staged::Noted(store, id, received_at) => self.insert(store, id, received_at),
                Staged::Gone(store, id) => self.remove(store, &id),
            }
        }
        self.is_settled = true;
    }

    /// Those of the ids that came before.
    pub(super) async fn known(
        &self,
        transaction: &DatabaseTransaction,
        ids: impl Iterator<Item = Key<'_>>,
    ) -> Result<Vec<(StoreId, Box<str>)>, DbErr> {
        const FILED: &str = "SELECT store, delivery_id FROM g WHERE EXISTS (SELECT 1 FROM delivery filed \
            WHERE filed.store = g.store AND filed.delivery_id = g.delivery_id)";
        let mut known = Vec::new();
        let mut others = Grid::new(&["store", "delivery_id"]);
        for (store, id) in ids {
            if self.came(store, id).is_some() {
                known.push((store, id.into()));
            } else {
                others.push(vec![store.0.into(), id.into()]);
            }
        }
        for row in others.query(transaction, FILED).await? {
            known.push(key(&row)?);
        }
        Ok(known)
    }

    /// Writes down ids that are not known; none may occur twice.
    pub(super) async fn note(
        &mut self,
        transaction: &DatabaseTransaction,
        ids: &[(Key<'_>, Timestamp)],
    ) -> Result<(), DbErr> {
        const INSERT: &str = "INSERT INTO recent_delivery (store, delivery_id, received_at) \
            SELECT store, delivery_id, received_at FROM g";
        let mut grid = Grid::new(&["store", "delivery_id", "received_at"]);
        for ((store, id), received_at) in ids {
            let received_ms = received_at.as_millis();
            grid.push(vec![store.0.into(), (*id).into(), received_ms.into()]);
            self.staged
                .push(Staged::Noted(*store, (*id).into(), *received_at));
        }
        grid.execute(transaction, INSERT).await.map(drop)
    }

    /// Forgets the oldest ids that came before this moment, at most `rows_max`; returns how many went.
    pub(super) async fn forget(
        &mut self,
        transaction: &DatabaseTransaction,
        before: Timestamp,
        rows_max: u32,
    ) -> Result<u64, DbErr> {
        const OLDEST: &str =
            "received_at < $1 AND number < (SELECT MIN(number) FROM recent_delivery) + $2";
        let values = || [before.as_millis().into(), i64::from(rows_max).into()];
        let select = format!("SELECT store, delivery_id FROM recent_delivery WHERE {OLDEST}");
        let oldest = statement(transaction, &select, values());
        for row in transaction.query_all_raw(oldest).await? {
            let (store, id) = key(&row)?;
            // The same id may have come once more.
            if self.came(store, &id).is_some_and(|came| came < before) {
                self.staged.push(Staged::Gone(store, id));
            }
        }
        let delete = format!("DELETE FROM recent_delivery WHERE {OLDEST}");
        let deleted = transaction.execute_raw(statement(transaction, &delete, values()));
        Ok(deleted.await?.rows_affected())
    }

    /// Files the next ids behind `after` in the order of their key, at most `rows_max`; returns the last of them, or
    /// nothing when these were all that was left.
    pub(super) async fn file(
        &mut self,
        transaction: &DatabaseTransaction,
        after: &(StoreId, Box<str>),
        rows_max: u32,
    ) -> Result<Option<(StoreId, Box<str>)>, DbErr> {
        // The end of the hour: none is forgotten early, and the index by moment grows in the order of the key.
        const INSERT: &str = "INSERT OR IGNORE INTO delivery (store, delivery_id, received_at) \
            SELECT store, delivery_id, received_at FROM g";
        let rows_max = usize::try_from(rows_max).unwrap_or(usize::MAX);
        let mut grid = Grid::new(&["store", "delivery_id", "received_at"]);
        let mut filed = Vec::new();
        for (store, id, received_at) in self.behind(after).take(rows_max) {
            let received_ms = received_at.as_millis();
            let end_of_hour = received_ms - received_ms % HOUR_MS + HOUR_MS - 1;
            grid.push(vec![store.0.into(), id.into(), end_of_hour.into()]);
            filed.push((store, Box::from(id)));
        }
        grid.execute(transaction, INSERT).await?;
        let is_full = filed.len() >= rows_max;
        let last = filed.last().cloned().filter(|_| is_full);
        let filed = filed.into_iter();
        self.staged
            .extend(filed.map(|(store, id)| Staged::Gone(store, id)));
        Ok(last)
    }

    fn behind(
        &self,
        (store, id): &(StoreId, Box<str>),
    ) -> impl Iterator<Item = (StoreId, &str, Timestamp)> {
        let first = self
            .ids
            .get(store)
            .into_iter()
            .flat_map(|ids| ids.range::<str, _>((Bound::Excluded(&**id), Bound::Unbounded)));
        let first = first.map(|(id, received_at)| (*store, &**id, *received_at));
        let behind = (Bound::Excluded(store), Bound::Unbounded);
        let others = self.ids.range(behind).flat_map(|(store, ids)| {
            ids.iter()
                .map(|(id, received_at)| (*store, &**id, *received_at))
        });
        first.chain(others)
    }

    fn came(&self, store: StoreId, id: &str) -> Option<Timestamp> {
        self.ids.get(&store)?.get(id).copied()
    }

    fn insert(&mut self, store: StoreId, id: Box<str>, received_at: Timestamp) {
        self.ids.entry(store).or_default().insert(id, received_at);
    }

    fn remove(&mut self, store: StoreId, id: &str) {
        if let Some(ids) = self.ids.get_mut(&store) {
            ids.remove(id);
            if ids.is_empty() {
                self.ids.remove(&store);
            }
        }
    }
}

fn key(row: &QueryResult) -> Result<(StoreId, Box<str>), DbErr> {
    let id: String = row.try_get_by_index(1)?;
    Ok((StoreId(row.try_get_by_index(0)?), id.into()))
}

/// Numbers of the first and the last id that was written down.
pub(super) async fn span(connection: &impl ConnectionTrait) -> Result<Option<(i64, i64)>, DbErr> {
    const SPAN: &str = "SELECT (SELECT MIN(number) FROM recent_delivery), (SELECT MAX(number) FROM recent_delivery)";
    let found = connection
        .query_one_raw(statement(connection, SPAN, []))
        .await?;
    let Some(row) = found else { return Ok(None) };
    let (first, last): (Option<i64>, Option<i64>) =
        (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
    Ok(first.zip(last))
}

/// Strikes the first ids up to this number off the list, at most `rows_max`; returns how many.
pub(super) async fn strike(
    connection: &impl ConnectionTrait,
    up_to: i64,
    rows_max: u32,
) -> Result<u64, DbErr> {
    const STRIKE: &str = "DELETE FROM recent_delivery WHERE number <= $1 \
        AND number < (SELECT MIN(number) FROM recent_delivery) + $2";
    let values = [up_to.into(), i64::from(rows_max).into()];
    let struck = connection.execute_raw(statement(connection, STRIKE, values));
    Ok(struck.await?.rows_affected())
}
