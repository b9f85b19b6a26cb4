//! The parking lanes: rows that name an order which the ledger does not have yet.
//!
//! One lane for each order; its rows are applied in the order of their numbers, and later ones queue behind. An
//! attempt counts only once the cursor has come past the inbox head as it stood when the row was parked (what it waits
//! for may be in the backlog), and none is made while the platform cannot be asked. Before a row is given up, the
//! order is read from the platform.

use std::collections::BTreeMap;

use crate::clock::Timestamp;
use crate::domain::retry::RetryPolicy;
use crate::domain::store::change::{Change, DeadLetterClass, ParkedRecord};
use crate::domain::store::command::Row;
use crate::domain::store::outcome::{Outcome, RowEnd};
use crate::domain::store::state::StoreState;
use crate::ids::OrderId;

/// Lane of rows that were revived from the dead: each is taken on its own.
const REVIVED: OrderId = OrderId(0);

/// What a lane waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waiting {
    /// The order, by webhook, until the next attempt.
    ForOrder,
    /// The platform's word on the order: the last resort.
    ForRead,
    /// Nothing: the order has come.
    No,
    /// Nothing: the order exists and does not concern us.
    Unneeded,
}

#[derive(Clone, Debug)]
struct Lane {
    /// Numbers of its rows, ascending.
    rows: Vec<i64>,
    attempts: u32,
    due_at: Timestamp,
    behind_seq: i64,
    waiting: Waiting,
}

/// Every lane of a store.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    lanes: BTreeMap<OrderId, Lane>,
    lane_of: BTreeMap<i64, OrderId>,
}

impl Lanes {
    /// Rebuilds the lanes from their rows.
    pub(super) fn restore(parked: Vec<ParkedRecord>, retry: &RetryPolicy) -> Self {
        let mut lanes = Self::default();
        for record in parked {
            lanes.lane_of.insert(record.seq, record.lane);
            let exhausted = !retry.retry_enabled || record.attempts >= retry.retry_count;
            let lane = lanes.lanes.entry(record.lane).or_insert_with(|| Lane {
                rows: Vec::new(),
                attempts: record.attempts,
                due_at: record.due_at,
                behind_seq: record.behind_seq,
                waiting: if record.lane == REVIVED {
                    Waiting::No
                } else if exhausted {
                    Waiting::ForRead
                } else {
                    Waiting::ForOrder
                },
            });
            lane.rows.push(record.seq);
            lane.rows.sort_unstable();
        }
        lanes
    }

    /// How many rows are parked.
    pub(super) fn len(&self) -> usize {
        self.lane_of.len()
    }

    /// Orders that must be read before their rows are given up.
    pub(super) fn to_read(&self) -> impl Iterator<Item = OrderId> {
        self.lanes.iter().filter(|(_, lane)| lane.waiting == Waiting::ForRead).map(|(order, _)| *order)
    }

    /// What the lane waited for has come: its rows are due at once.
    pub(super) fn wake(&mut self, order: OrderId, now: Timestamp) {
        self.release(order, now, Waiting::No);
    }

    /// The order exists and does not concern us: its rows are due at once, as naked.
    pub(super) fn wake_unneeded(&mut self, order: OrderId, now: Timestamp) {
        self.release(order, now, Waiting::Unneeded);
    }

    fn release(&mut self, order: OrderId, now: Timestamp, waiting: Waiting) {
        if let Some(lane) = self.lanes.get_mut(&order) {
            lane.waiting = waiting;
            lane.due_at = now;
        }
    }

    /// Whether a row's order is known not to concern us.
    pub(super) fn is_unneeded(&self, seq: i64) -> bool {
        let lane = self.lane_of.get(&seq).and_then(|order| self.lanes.get(order));
        lane.is_some_and(|lane| lane.waiting == Waiting::Unneeded)
    }

    /// A row leaves: applied, or given up.
    pub(super) fn leave(&mut self, seq: i64) {
        let Some(order) = self.lane_of.remove(&seq) else { return };
        if let Some(lane) = self.lanes.get_mut(&order) {
            lane.rows.retain(|row| *row != seq);
            if lane.rows.is_empty() {
                self.lanes.remove(&order);
            }
        }
    }

    /// When the next attempt is due that the cursor does not stand in the way of.
    pub(super) fn next_due(&self, cursor: i64) -> Option<(Timestamp, bool)> {
        let lanes = self.lanes.values().filter(|lane| lane.waiting != Waiting::ForRead);
        let ready = lanes.filter(|lane| lane.is_free() || lane.behind_seq <= cursor);
        ready.map(|lane| (lane.due_at, lane.is_free())).min()
    }

    /// Rows that are due, at most `limit`, lane by lane.
    fn due(&self, now: Timestamp, cursor: i64, platform_ready: bool, limit: usize) -> Vec<i64> {
        let due = self.lanes.values().filter(|lane| {
            let free = lane.is_free();
            let waits = lane.waiting == Waiting::ForOrder && lane.behind_seq <= cursor && platform_ready;
            lane.due_at <= now && (free || waits)
        });
        due.flat_map(|lane| lane.rows.iter().copied()).take(limit).collect()
    }

    /// A dead letter goes back into a lane of its own kind, due at once.
    pub(super) fn revive(&mut self, seq: i64, now: Timestamp) -> ParkedRecord {
        self.lane_of.insert(seq, REVIVED);
        let lane = self.lanes.entry(REVIVED).or_insert_with(|| Lane {
            rows: Vec::new(),
            attempts: 0,
            due_at: now,
            behind_seq: 0,
            waiting: Waiting::No,
        });
        lane.rows.push(seq);
        ParkedRecord { seq, lane: REVIVED, attempts: 0, due_at: now, behind_seq: 0 }
    }
}

impl Lane {
    const fn is_free(&self) -> bool {
        matches!(self.waiting, Waiting::No | Waiting::Unneeded)
    }

    const fn record(&self, seq: i64, lane: OrderId) -> ParkedRecord {
        ParkedRecord { seq, lane, attempts: self.attempts, due_at: self.due_at, behind_seq: self.behind_seq }
    }
}

impl StoreState {
    /// Parked rows that are due, in the order in which they are to be applied; at most `limit`.
    #[must_use]
    pub fn due_parked(&self, now: Timestamp, limit: usize) -> Vec<i64> {
        let platform_ready = self.platform_ready_at(now).is_some_and(|at| at <= now);
        self.lanes.due(now, self.counts.cursor, platform_ready, limit)
    }

    /// When the next parked row is due.
    pub(super) fn next_parked_at(&self, now: Timestamp) -> Option<Timestamp> {
        let (due_at, free) = self.lanes.next_due(self.counts.cursor)?;
        if free {
            return Some(due_at);
        }
        self.platform_ready_at(now).map(|ready| ready.max(due_at))
    }

    /// Parks a row until its order comes, or notes that an attempt failed.
    pub(super) fn park_row(&mut self, now: Timestamp, row: &Row, order: OrderId, outcome: &mut Outcome) -> RowEnd {
        if row.from_lane {
            self.attempt_failed(now, row.seq, order, outcome);
            return RowEnd::Parked;
        }
        let retry = self.settings.retry;
        let lane = self.lanes.lanes.entry(order).or_insert_with(|| Lane {
            rows: Vec::new(),
            attempts: 0,
            due_at: now.plus_millis(retry.base_delay_ms),
            behind_seq: self.counts.head,
            waiting: if retry.retry_enabled { Waiting::ForOrder } else { Waiting::ForRead },
        });
        lane.rows.push(row.seq);
        outcome.changes.put(Change::Park(lane.record(row.seq, order)));
        self.lanes.lane_of.insert(row.seq, order);
        RowEnd::Parked
    }

    /// The order has still not come. Only the first row of a lane counts the attempt; the others stand behind it.
    fn attempt_failed(&mut self, now: Timestamp, seq: i64, order: OrderId, outcome: &mut Outcome) {
        if self.lanes.lane_of.get(&seq) == Some(&REVIVED) {
            self.lanes.leave(seq);
            self.lanes.lane_of.insert(seq, order);
        }
        let retry = self.settings.retry;
        let head = self.counts.head;
        let lane = self.lanes.lanes.entry(order).or_insert_with(|| Lane {
            rows: vec![seq],
            attempts: 0,
            due_at: now,
            behind_seq: head,
            waiting: Waiting::ForOrder,
        });
        if lane.rows.first() != Some(&seq) {
            return;
        }
        lane.attempts += 1;
        lane.behind_seq = head;
        lane.due_at = now.plus_millis(retry.base_delay_ms.saturating_mul(i64::from(lane.attempts) + 1));
        let exhausted = !retry.retry_enabled || lane.attempts >= retry.retry_count;
        lane.waiting = if exhausted { Waiting::ForRead } else { Waiting::ForOrder };
        outcome.changes.put(Change::Park(lane.record(seq, order)));
    }

    /// The platform has no such order: what waited for it is given up.
    pub(super) fn order_is_missing(&mut self, now: Timestamp, order: OrderId, outcome: &mut Outcome) {
        let Some(lane) = self.lanes.lanes.get(&order) else { return };
        for seq in lane.rows.clone() {
            let reason = format!("order {order} does not exist on the platform");
            self.bury_row(seq, DeadLetterClass::EntityMissing, reason, now, outcome);
            outcome.changes.put(Change::Unpark(seq));
            self.lanes.leave(seq);
            self.counts.dead += 1;
        }
    }
}
