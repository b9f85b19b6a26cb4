//! The parking lanes: rows that name an order which the ledger does not have yet.
//!
//! One lane for each order (its rules are in [`Lane`]); rows are applied in the order of their numbers, and later ones
//! queue behind. Before a row is given up, the order is read from the platform.

use std::collections::{BTreeMap, BTreeSet};

use crate::clock::Timestamp;
use crate::domain::retry::{Lane, NextAttempt, RetryPolicy};
use crate::domain::store::change::{Change, DeadLetterClass, ParkedRecord};
use crate::domain::store::command::Row;
use crate::domain::store::outcome::{Outcome, RowEnd};
use crate::domain::store::state::StoreState;
use crate::ids::OrderId;

/// The lane of rows that were brought back from the dead; no order of the platform has this id.
const REVIVED: OrderId = OrderId(0);

/// Every lane of a store.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    lanes: BTreeMap<OrderId, Lane>,
    lane_of: BTreeMap<i64, OrderId>,
    /// Lanes whose order turned out not to concern us.
    unneeded: BTreeSet<OrderId>,
}

impl Lanes {
    /// Rebuilds the lanes from their rows.
    pub(super) fn restore(parked: Vec<ParkedRecord>, policy: &RetryPolicy) -> Self {
        let mut by_order = BTreeMap::<OrderId, Vec<ParkedRecord>>::new();
        for record in parked {
            by_order.entry(record.lane).or_default().push(record);
        }
        let mut restored = Self::default();
        for (order, records) in by_order {
            let Some(mut lane) = Lane::restore(order, &records, policy) else {
                continue;
            };
            if order == REVIVED {
                lane.wake(Timestamp::EPOCH);
            }
            restored
                .lane_of
                .extend(records.iter().map(|record| (record.seq, order)));
            restored.lanes.insert(order, lane);
        }
        restored
    }

    /// How many rows are parked.
    pub(super) fn len(&self) -> usize {
        self.lane_of.len()
    }

    /// The next order that must be read before its rows are given up: the one that waits longest.
    pub(super) fn next_to_read(&self, may_read: impl Fn(OrderId) -> bool) -> Option<OrderId> {
        let wanted = self.lanes.iter().filter(|(_, lane)| lane.wants_read());
        let readable = wanted.filter(|(order, _)| may_read(**order));
        let longest = readable.min_by_key(|(_, lane)| lane.first());
        longest.map(|(order, _)| *order)
    }

    /// The order has come: its rows are due at once.
    pub(super) fn wake(&mut self, order: OrderId, now: Timestamp) {
        if let Some(lane) = self.lanes.get_mut(&order) {
            lane.wake(now);
        }
    }

    /// The order exists and does not concern us: its rows are due at once, and will be naked.
    pub(super) fn wake_unneeded(&mut self, order: OrderId, now: Timestamp) {
        if self.lanes.contains_key(&order) {
            self.unneeded.insert(order);
            self.wake(order, now);
        }
    }

    /// Whether rows wait for this order.
    pub(super) fn has_lane(&self, order: OrderId) -> bool {
        self.lanes.contains_key(&order)
    }

    /// Whether an order with a lane is known not to concern us.
    pub(super) fn is_unneeded(&self, order: OrderId) -> bool {
        self.unneeded.contains(&order)
    }

    /// Wakes the lanes of orders that have come meanwhile: a crash may lie between the order and its lane.
    pub(super) fn wake_known(&mut self, is_known: impl Fn(OrderId) -> bool, now: Timestamp) {
        for (_, lane) in self.lanes.iter_mut().filter(|(order, _)| is_known(**order)) {
            lane.wake(now);
        }
    }

    /// A row leaves: applied, or given up. The next one of its lane is due at once.
    pub(super) fn leave(&mut self, seq: i64, now: Timestamp) {
        let Some(order) = self.lane_of.remove(&seq) else {
            return;
        };
        let is_empty = self
            .lanes
            .get_mut(&order)
            .is_some_and(|lane| !lane.leave(seq, now));
        if is_empty {
            self.lanes.remove(&order);
            self.unneeded.remove(&order);
        }
    }

    /// A dead letter goes back into a lane, due at once.
    pub(super) fn revive(
        &mut self,
        seq: i64,
        policy: &RetryPolicy,
        now: Timestamp,
    ) -> ParkedRecord {
        let lane = self
            .lanes
            .entry(REVIVED)
            .or_insert_with(|| Lane::open(REVIVED, seq, policy, now, 0));
        lane.push(seq);
        lane.wake(now);
        self.lane_of.insert(seq, REVIVED);
        lane.record(seq)
    }

    fn attempts(
        &self,
        now: Timestamp,
        cursor: i64,
        platform_ready: bool,
    ) -> impl Iterator<Item = NextAttempt> {
        self.lanes
            .values()
            .map(move |lane| lane.next_attempt(now, cursor, platform_ready))
    }

    fn park(&mut self, order: OrderId, seq: i64, fresh: Lane) -> ParkedRecord {
        let lane = self.lanes.entry(order).or_insert(fresh);
        lane.push(seq);
        self.lane_of.insert(seq, order);
        lane.record(seq)
    }
}

impl StoreState {
    /// Parked rows that are due: at most one of each lane, and at most `limit`.
    #[must_use]
    pub fn due_parked(&self, now: Timestamp, limit: usize) -> Vec<i64> {
        let platform_ready = self.platform_ready_at(now).is_some_and(|at| at <= now);
        let attempts = self
            .lanes
            .attempts(now, self.counts.taken.cursor(), platform_ready);
        attempts.filter_map(due_row).take(limit).collect()
    }

    /// When the next parked row is due; `None` when only the cursor, a read or a person can bring that about.
    pub(super) fn next_parked_at(&self, now: Timestamp) -> Option<Timestamp> {
        let ready_at = self.platform_ready_at(now);
        let platform_ready = ready_at.is_some_and(|at| at <= now);
        let attempts = self
            .lanes
            .attempts(now, self.counts.taken.cursor(), platform_ready);
        let due = attempts.filter_map(|attempt| match attempt {
            NextAttempt::Now { .. } => Some(now),
            NextAttempt::At(due_at) => Some(due_at),
            NextAttempt::Platform => ready_at,
            NextAttempt::Cursor { .. } | NextAttempt::Read | NextAttempt::Nothing => None,
        });
        due.min()
    }

    /// Parks a row until its order comes, or notes that an attempt failed.
    pub(super) fn park_row(&mut self, row: &Row, order: OrderId, outcome: &mut Outcome) -> RowEnd {
        let (now, retry, head) = (outcome.at, self.settings.retry, self.counts.head);
        let lane = self.lanes.lanes.get_mut(&order);
        let record = match lane.filter(|lane| row.from_lane && lane.first() == Some(row.seq)) {
            Some(lane) => {
                lane.fail(&retry, now, head);
                lane.record(row.seq)
            }
            None => {
                if row.from_lane {
                    self.lanes.leave(row.seq, now);
                }
                self.lanes.park(
                    order,
                    row.seq,
                    Lane::open(order, row.seq, &retry, now, head),
                )
            }
        };
        outcome.changes.put(Change::Park(record));
        RowEnd::Parked
    }

    /// Parks a row that only a read of its order can explain.
    pub(super) fn park_until_read(
        &mut self,
        row: &Row,
        order: OrderId,
        outcome: &mut Outcome,
    ) -> RowEnd {
        if row.from_lane {
            return self.park_row(row, order, outcome);
        }
        let at_once = RetryPolicy {
            retry_enabled: false,
            ..self.settings.retry
        };
        let fresh = Lane::open(order, row.seq, &at_once, outcome.at, self.counts.head);
        let record = self.lanes.park(order, row.seq, fresh);
        outcome.changes.put(Change::Park(record));
        RowEnd::Parked
    }

    /// The platform has no such order: what waited for it is given up.
    pub(super) fn order_is_missing(&mut self, order: OrderId, outcome: &mut Outcome) {
        let lane = self.lanes.lanes.get(&order);
        let rows = lane
            .map(|lane| lane.rows().collect::<Vec<_>>())
            .unwrap_or_default();
        for seq in rows {
            let reason = format!("order {order} does not exist on the platform");
            self.bury_row(seq, DeadLetterClass::EntityMissing, reason, outcome);
            self.lanes.leave(seq, outcome.at);
            self.counts.dead += 1;
        }
    }
}

const fn due_row(attempt: NextAttempt) -> Option<i64> {
    match attempt {
        NextAttempt::Now { seq } => Some(seq),
        NextAttempt::At(_)
        | NextAttempt::Cursor { .. }
        | NextAttempt::Platform
        | NextAttempt::Read
        | NextAttempt::Nothing => None,
    }
}
