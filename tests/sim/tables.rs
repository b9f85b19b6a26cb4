//! The rows of one store as a database keeps them, with the commit semantics of `db`: a share is written whole or not
//! at all, under its fence; a delivery id is taken once; numbers are given in the order of commits.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde::de::DeserializeOwned;
use storekeeper::clock::Timestamp;
use storekeeper::domain::backlog::{Span, Taken};
use storekeeper::domain::bundle::Bundle;
use storekeeper::domain::fact::Fact;
use storekeeper::domain::order::OrderState;
use storekeeper::domain::store::StorePolicy;
use storekeeper::domain::store::change::{
    CallRecord, Change, Changes, DeadLetterRecord, IdempotentReply, ItemRecord, KeeperRecord,
    LevelRecord, ParkedRecord,
};
use storekeeper::domain::store::patience::PassedOver;
use storekeeper::domain::store::state::Loaded;
use storekeeper::ids::{BundleId, CallId, DeadLetterId, GrantId, ItemId, OrderId};

use crate::planted::Plant;
use crate::reference::Place;

/// Of so many commits, documents are read back from their written form after one.
const WRITTEN_EVERY: i64 = 8;

/// An accepted webhook.
#[derive(Clone, Debug)]
pub(crate) struct InboxRow {
    pub(crate) seq: i64,
    pub(crate) topic: &'static str,
    pub(crate) fact: Fact,
    pub(crate) triggered_at: Timestamp,
    pub(crate) delivery: u64,
    /// Brings the keeper down that takes it.
    pub(crate) is_deadly: bool,
}

/// What a commit compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fence {
    pub(crate) grant: GrantId,
    pub(crate) applied_seq: i64,
}

/// What a keeper wants written.
#[derive(Clone, Debug)]
pub(crate) struct Share {
    pub(crate) fence: Fence,
    pub(crate) record: KeeperRecord,
    pub(crate) changes: Changes,
}

/// Why a share was not written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NotWritten {
    Fenced,
    /// Nothing of it can be written, now or later.
    Refused(String),
}

/// What the door answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Accepted {
    Fresh(i64),
    Duplicate,
}

/// The rows of a store.
#[derive(Debug)]
pub(crate) struct Tables {
    pub(crate) grant: Option<GrantId>,
    pub(crate) applied_seq: i64,
    pub(crate) keeper: KeeperRecord,
    pub(crate) installed_at: Timestamp,
    items: BTreeMap<ItemId, ItemRecord>,
    levels: BTreeMap<Place, LevelRecord>,
    bundles: BTreeMap<BundleId, Bundle>,
    policy: StorePolicy,
    orders: BTreeMap<OrderId, OrderState>,
    pub(crate) calls: BTreeMap<CallId, CallRecord>,
    pub(crate) parked: BTreeMap<i64, (ParkedRecord, InboxRow)>,
    pub(crate) dead: BTreeMap<DeadLetterId, (DeadLetterRecord, Option<InboxRow>)>,
    pub(crate) replies: BTreeMap<String, IdempotentReply>,
    inbox: BTreeMap<i64, InboxRow>,
    deliveries: BTreeSet<u64>,
    pub(crate) head: i64,
}

impl Tables {
    pub(crate) fn new(installed_at: Timestamp, policy: StorePolicy) -> Self {
        Self {
            grant: None,
            applied_seq: 0,
            keeper: KeeperRecord::default(),
            installed_at,
            items: BTreeMap::new(),
            levels: BTreeMap::new(),
            bundles: BTreeMap::new(),
            policy,
            orders: BTreeMap::new(),
            calls: BTreeMap::new(),
            parked: BTreeMap::new(),
            dead: BTreeMap::new(),
            replies: BTreeMap::new(),
            inbox: BTreeMap::new(),
            deliveries: BTreeSet::new(),
            head: 0,
        }
    }

    /// Whether the app was installed again since the keeper looked.
    pub(crate) fn is_installed_anew(&self) -> bool {
        let seen = self.keeper.installation;
        seen.is_some_and(|seen| seen != self.installed_at)
    }

    /// Makes a delivery durable.
    pub(crate) fn accept(&mut self, row: InboxRow, planted: Option<Plant>) -> Accepted {
        let is_new = self.deliveries.insert(row.delivery);
        if !is_new && planted != Some(Plant::DedupOff) {
            return Accepted::Duplicate;
        }
        self.head += 1;
        let seq = self.head;
        self.inbox.insert(seq, InboxRow { seq, ..row });
        Accepted::Fresh(seq)
    }

    /// Takes a row out of sight; gives it back.
    pub(crate) fn hide(&mut self, seq: i64) -> Option<InboxRow> {
        self.inbox.remove(&seq)
    }

    pub(crate) fn show(&mut self, row: InboxRow) {
        self.inbox.insert(row.seq, row);
    }

    pub(crate) fn rows_after(&self, seq: i64, limit: usize) -> Vec<InboxRow> {
        let after = (std::ops::Bound::Excluded(seq), std::ops::Bound::Unbounded);
        let rows = self.inbox.range(after).map(|(_, row)| row.clone());
        rows.take(limit).collect()
    }

    /// A row in its lane, body included.
    pub(crate) fn parked_row(&self, seq: i64, planted: Option<Plant>) -> Option<&InboxRow> {
        let (_, row) = self.parked.get(&seq)?;
        let has_body = planted != Some(Plant::BodyLeftBehind) || self.inbox.contains_key(&seq);
        has_body.then_some(row)
    }

    /// Whether the row keeps its place among all others: it does not tell all of what it is about.
    pub(crate) fn keeps_order(&self, seq: i64) -> bool {
        let row = self.inbox.get(&seq);
        row.is_some_and(|row| {
            !matches!(
                row.fact,
                Fact::Order(_) | Fact::Level(_) | Fact::Item(_) | Fact::Product(_) | Fact::Unneeded
            )
        })
    }

    /// The rows that the keeper is done with, as it has written them down.
    pub(crate) fn taken(&self) -> Taken {
        Taken::restore(self.keeper.cursor, self.keeper.ahead).unwrap()
    }

    /// Deletes what is behind the cursor.
    pub(crate) fn purge(&mut self, planted: Option<Plant>) {
        let cursor = if planted == Some(Plant::PurgedAhead) {
            self.taken().last()
        } else {
            self.keeper.cursor
        };
        self.inbox.retain(|seq, _| *seq > cursor);
    }

    /// Claims the store: no earlier grant can commit any more.
    pub(crate) fn claim(&mut self, grant: GrantId) -> Fence {
        self.grant = Some(grant);
        Fence {
            grant,
            applied_seq: self.applied_seq,
        }
    }

    /// A document as it is read; now and then through its written form, which takes most of the time of a run.
    fn document<Document: Serialize + DeserializeOwned + Clone>(
        &self,
        kept: &Document,
    ) -> Document {
        if self.applied_seq % WRITTEN_EVERY == 0 {
            written(kept)
        } else {
            kept.clone()
        }
    }

    /// The store as a keeper reads it.
    pub(crate) fn load(&self, planted: Option<Plant>) -> Loaded {
        let mut keeper = self.keeper.clone();
        keeper.memo = self.document(&keeper.memo);
        if planted == Some(Plant::InstallationForgotten) {
            keeper.installation = None;
        }
        if planted == Some(Plant::SegmentsForgotten) {
            keeper.ahead = <[Span; 2]>::default();
        }
        let forgets_asks = planted == Some(Plant::AsksForgotten);
        if forgets_asks {
            keeper.memo.passed_over = PassedOver::default();
            keeper.memo.strangers_asked.clear();
        }
        let places_confirmed = keeper.memo.places_confirmed;
        let calls = self.calls.values().map(|call| CallRecord {
            write: self.document(&call.write),
            ..call.clone()
        });
        let calls = if planted == Some(Plant::CallsNotLoaded) {
            Vec::new()
        } else {
            calls.collect()
        };
        Loaded {
            keeper,
            installed_at: Some(self.installed_at),
            items: self.items.values().copied().collect(),
            levels: self.levels.values().copied().collect(),
            bundles: self
                .bundles
                .values()
                .map(|bundle| self.document(bundle))
                .collect(),
            policy: self.document(&self.policy),
            pending_orders: self
                .orders
                .values()
                .filter(|order| order.is_pending_since(places_confirmed))
                .map(|order| self.document(order))
                .map(|order| OrderState {
                    asked: order.asked.filter(|_| !forgets_asks),
                    ..order
                })
                .collect(),
            known_orders: self.orders.keys().copied().collect(),
            calls,
            parked: self.parked.values().map(|(record, _)| *record).collect(),
        }
    }

    /// What each order's ledger asked of a leaf at a place.
    pub(crate) fn asked_by_order(&self, (item, location): Place) -> BTreeMap<OrderId, i64> {
        let cells = self.orders.values().flat_map(|order| {
            let cells = order.cells.iter().map(|cell| (order.order, *cell));
            cells.collect::<Vec<_>>()
        });
        let mut asked = BTreeMap::new();
        for (order, cell) in
            cells.filter(|(_, cell)| (cell.item, cell.location) == (item, location))
        {
            *asked.entry(order).or_default() += cell.applied;
        }
        asked
    }

    pub(crate) fn orders(&self, ids: &[OrderId]) -> Vec<OrderState> {
        let found = ids.iter().filter_map(|id| self.orders.get(id));
        found.map(|order| self.document(order)).collect()
    }

    /// Writes a share, whole or not at all.
    ///
    /// # Errors
    /// Nothing was written.
    pub(crate) fn commit(
        &mut self,
        share: Share,
        planted: Option<Plant>,
    ) -> Result<(), NotWritten> {
        let own = Fence {
            grant: share.fence.grant,
            applied_seq: self.applied_seq,
        };
        let is_current = self.grant == Some(share.fence.grant) && own == share.fence;
        if !is_current && planted != Some(Plant::FenceOff) {
            return Err(NotWritten::Fenced);
        }
        self.check(&share.changes)?;
        self.advance(share.record, planted);
        let (mut parked, mut unparked, mut gone_letters) = (Vec::new(), Vec::new(), Vec::new());
        for change in share.changes.into_rows() {
            match change {
                Change::Park(record) => parked.push(record),
                Change::Unpark(seq) => unparked.push(seq),
                Change::DeleteDeadLetter(id) => gone_letters.push(id),
                Change::ReviveDeadLetter { id, parked, .. } => {
                    if let Some((_, Some(row))) = self.dead.get(&id) {
                        self.parked.insert(parked.seq, (parked, row.clone()));
                    }
                    gone_letters.push(id);
                }
                Change::PutDeadLetter(record) => {
                    unparked.extend(record.seq);
                    let row = record.seq.and_then(|seq| self.row(seq));
                    self.dead.insert(record.id, (record, row));
                }
                row @ (Change::PutItem(_)
                | Change::PutLevel(_)
                | Change::DeleteLevel(..)
                | Change::PutBundle(_)
                | Change::PutPolicy(_)
                | Change::PutOrder(_)
                | Change::PutCall(_)
                | Change::DeleteCall(_)
                | Change::PutIdempotentReply(_)) => self.put(row),
            }
        }
        for record in parked {
            if let Some(row) = self.row(record.seq) {
                self.parked.insert(record.seq, (record, row));
            }
        }
        for seq in unparked {
            self.parked.remove(&seq);
        }
        for id in gone_letters {
            self.dead.remove(&id);
        }
        Ok(())
    }

    /// The keeper's own row, and the fence.
    pub(crate) fn advance(&mut self, record: KeeperRecord, planted: Option<Plant>) {
        self.applied_seq += 1;
        self.keeper = record;
        if planted == Some(Plant::BucketForgotten) {
            self.keeper.memo.buckets.clear();
            self.keeper.memo.charged = None;
        }
        if planted == Some(Plant::WakeForgotten) {
            self.keeper.wake_at = None;
        }
    }

    /// A row that is to be parked must be in the inbox, or parked already.
    fn check(&self, changes: &Changes) -> Result<(), NotWritten> {
        for change in changes.rows() {
            if let Change::Park(record) = change
                && self.row(record.seq).is_none()
            {
                let reason = format!("row {} is neither in the inbox nor parked", record.seq);
                return Err(NotWritten::Refused(reason));
            }
        }
        Ok(())
    }

    fn row(&self, seq: i64) -> Option<InboxRow> {
        let parked = self.parked.get(&seq).map(|(_, row)| row);
        parked.or_else(|| self.inbox.get(&seq)).cloned()
    }

    fn put(&mut self, change: Change) {
        match change {
            Change::PutItem(record) => drop(self.items.insert(record.item, record)),
            Change::PutLevel(record) => {
                self.levels.insert((record.item, record.location), record);
            }
            Change::DeleteLevel(item, location) => drop(self.levels.remove(&(item, location))),
            Change::PutBundle(bundle) => drop(self.bundles.insert(bundle.id, bundle)),
            Change::PutPolicy(policy) => self.policy = policy,
            Change::PutOrder(order) => drop(self.orders.insert(order.order, order)),
            Change::PutCall(record) => drop(self.calls.insert(record.id, record)),
            Change::DeleteCall(id) => drop(self.calls.remove(&id)),
            Change::PutIdempotentReply(reply) => {
                self.replies.insert(reply.key.clone(), reply);
            }
            Change::Park(_)
            | Change::Unpark(_)
            | Change::PutDeadLetter(_)
            | Change::DeleteDeadLetter(_)
            | Change::ReviveDeadLetter { .. } => {}
        }
    }
}

/// A document as it comes back from the database.
fn written<Document: Serialize + DeserializeOwned + Clone>(document: &Document) -> Document {
    let text = serde_json::to_string(document).unwrap();
    serde_json::from_str(&text).unwrap()
}
