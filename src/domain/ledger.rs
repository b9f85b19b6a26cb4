//! The ledger of a store: the orders that concern its bundles, as far as they are in memory.
//!
//! Only unsettled orders stay in memory between turns; a settled one is loaded when a fact names it.

use std::collections::{BTreeMap, BTreeSet};

use crate::clock::Timestamp;
use crate::domain::order::OrderState;
use crate::ids::{ItemId, OrderId};

/// Orders of one store.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Every order in the ledger, in memory or not.
    known: BTreeSet<OrderId>,
    loaded: BTreeMap<OrderId, OrderState>,
    unsettled: BTreeSet<OrderId>,
    /// Orders that the ledger does not have and that must be read: touched, or waited for by parked rows.
    strangers_to_read: BTreeSet<OrderId>,
    /// Orders whose last read told too little: read again, but not before.
    postponed: BTreeMap<OrderId, Postponed>,
}

/// A read that is to be repeated.
#[derive(Clone, Copy, Debug)]
struct Postponed {
    reads: u32,
    until: Timestamp,
}

/// The first delay before an order is read again, milliseconds; doubles with each read.
const REREAD_BASE_MS: i64 = 1_000;
/// The longest delay before an order is read again, milliseconds.
const REREAD_MAX_MS: i64 = 15 * 60 * 1_000;

impl Ledger {
    /// Rebuilds the ledger from its rows.
    #[must_use]
    pub fn restore(known: Vec<OrderId>, unsettled: Vec<OrderState>) -> Self {
        let mut ledger = Self {
            known: known.into_iter().collect(),
            ..Self::default()
        };
        for order in unsettled {
            ledger.put(order);
        }
        ledger
    }

    /// Whether the ledger has this order.
    #[must_use]
    pub fn knows(&self, order: OrderId) -> bool {
        self.known.contains(&order)
    }

    /// Whether the order must be loaded before it can be changed.
    #[must_use]
    pub fn must_load(&self, order: OrderId) -> bool {
        self.knows(order) && !self.loaded.contains_key(&order)
    }

    /// Takes a loaded order into memory; one that is there already is newer and stays.
    pub fn admit(&mut self, order: OrderState) {
        if self.must_load(order.order) {
            self.put(order);
        }
    }

    /// An order in memory.
    #[must_use]
    pub fn get(&self, order: OrderId) -> Option<&OrderState> {
        self.loaded.get(&order)
    }

    /// Takes an order out, to be changed and put back.
    #[must_use]
    pub fn take(&mut self, order: OrderId) -> Option<OrderState> {
        self.loaded.remove(&order)
    }

    /// Puts an order in, or back.
    pub fn put(&mut self, order: OrderState) {
        let id = order.order;
        self.known.insert(id);
        self.strangers_to_read.remove(&id);
        if order.unsettled() {
            self.unsettled.insert(id);
        } else {
            self.unsettled.remove(&id);
            self.postponed.remove(&id);
        }
        self.loaded.insert(id, order);
    }

    /// Unsettled orders, ascending.
    pub fn unsettled(&self) -> impl Iterator<Item = &OrderState> {
        self.unsettled
            .iter()
            .filter_map(|order| self.loaded.get(order))
    }

    /// How many orders are unsettled.
    #[must_use]
    pub fn unsettled_count(&self) -> usize {
        self.unsettled.len()
    }

    /// An order that the ledger does not have must be read.
    pub fn want_stranger(&mut self, order: OrderId) {
        if !self.knows(order) {
            self.strangers_to_read.insert(order);
        }
    }

    /// The read of an order that the ledger does not have is done.
    pub fn forget_stranger(&mut self, order: OrderId) {
        if !self.knows(order) {
            self.postponed.remove(&order);
        }
        self.strangers_to_read.remove(&order);
    }

    /// The next order whose snapshot must be read.
    #[must_use]
    pub fn next_to_read(&self, now: Timestamp) -> Option<OrderId> {
        let mut strangers = self.strangers_to_read.iter().copied();
        let stranger = strangers.find(|order| self.may_read(*order, now));
        stranger.or_else(|| self.next_due(now, |order| order.needs_read))
    }

    /// Whether an order's read is not postponed.
    #[must_use]
    pub fn may_read(&self, order: OrderId, now: Timestamp) -> bool {
        self.postponed
            .get(&order)
            .is_none_or(|postponed| postponed.until <= now)
    }

    /// The next order whose assignments must be read.
    #[must_use]
    pub fn next_to_assign(&self, now: Timestamp) -> Option<OrderId> {
        self.next_due(now, |order| order.needs_assignments)
    }

    fn next_due(&self, now: Timestamp, wanted: impl Fn(&OrderState) -> bool) -> Option<OrderId> {
        let is_due = |order: &&OrderState| wanted(order) && self.may_read(order.order, now);
        self.unsettled().find(is_due).map(|order| order.order)
    }

    /// A read of this order told too little: it is read again after a delay that doubles. Returns how often that was.
    pub fn postpone(&mut self, order: OrderId, now: Timestamp) -> u32 {
        let reads = self
            .postponed
            .get(&order)
            .map_or(0, |postponed| postponed.reads)
            + 1;
        let delay_ms = REREAD_BASE_MS
            .saturating_mul(1 << reads.min(16))
            .min(REREAD_MAX_MS);
        self.postponed.insert(
            order,
            Postponed {
                reads,
                until: now.plus_millis(delay_ms),
            },
        );
        reads
    }

    /// When the next postponed read is due.
    #[must_use]
    pub fn next_postponed(&self, now: Timestamp) -> Option<Timestamp> {
        self.postponed
            .values()
            .map(|postponed| postponed.until)
            .filter(|until| *until > now)
            .min()
    }

    /// An item can be written again: what was refused of it is open again. Returns the orders that changed.
    pub fn unblock(&mut self, item: ItemId) -> Vec<OrderState> {
        let is_blocked = |order: &&OrderState| {
            order
                .cells
                .iter()
                .any(|cell| cell.item == item && cell.blocked)
        };
        let blocked = self
            .unsettled()
            .filter(is_blocked)
            .cloned()
            .collect::<Vec<_>>();
        let unblocked = blocked.into_iter().map(|mut order| {
            for cell in order.cells.iter_mut().filter(|cell| cell.item == item) {
                cell.blocked = false;
            }
            order
        });
        unblocked.collect()
    }

    /// Forgets settled orders, save those that a write under way may still have to change.
    pub fn evict_settled(&mut self, pinned: &BTreeSet<OrderId>) {
        let unsettled = &self.unsettled;
        self.loaded
            .retain(|order, _| unsettled.contains(order) || pinned.contains(order));
    }
}
