//! The ledger of a store: the orders that concern its bundles, as far as they are in memory.
//!
//! Only unsettled orders stay in memory between turns; a settled one is loaded when a fact names it.

use std::collections::{BTreeMap, BTreeSet};

use crate::clock::Timestamp;
use crate::domain::order::{Asked, OrderState};
use crate::domain::questions::Questions;
use crate::ids::{ItemId, OrderId};

/// How many reads of unknown orders are remembered over a restart.
const STRANGERS_ASKED_MAX: usize = 100;

/// Orders of one store.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Every order in the ledger, in memory or not.
    known: BTreeSet<OrderId>,
    loaded: BTreeMap<OrderId, OrderState>,
    index: Index,
    /// Doubts about places that end with this reading of the locations, are over.
    places_confirmed: i64,
    /// Orders that the ledger does not have, whose last read told too little: read again, but not before.
    strangers_asked: BTreeMap<OrderId, Asked>,
}

/// Which of the loaded orders want what, so that nobody has to look at all of them.
#[derive(Debug, Default)]
struct Index {
    unsettled: BTreeSet<OrderId>,
    /// Placed at the one location that the store knows of, and not confirmed since then.
    doubted: BTreeSet<(Timestamp, OrderId)>,
    adjustable: BTreeSet<OrderId>,
    to_read: Questions,
    to_assign: Questions,
}

impl Index {
    fn add(&mut self, order: &OrderState) {
        let id = order.order;
        if order.unsettled() {
            self.unsettled.insert(id);
        }
        if let Some(doubt) = order.doubt {
            self.doubted.insert((doubt.since, id));
        }
        if order.is_adjustable() {
            self.adjustable.insert(id);
        }
        if order.needs_read {
            self.to_read.insert(due_at(order), id);
        }
        if order.needs_assignments {
            self.to_assign.insert(due_at(order), id);
        }
    }

    fn remove(&mut self, order: &OrderState) {
        let id = order.order;
        self.unsettled.remove(&id);
        if let Some(doubt) = order.doubt {
            self.doubted.remove(&(doubt.since, id));
        }
        self.adjustable.remove(&id);
        self.to_read.remove(due_at(order), id);
        self.to_assign.remove(due_at(order), id);
    }
}

/// From when on an order may be asked about.
fn due_at(order: &OrderState) -> Timestamp {
    order.asked.map_or(Timestamp::EPOCH, |asked| asked.until)
}

impl Ledger {
    /// Rebuilds the ledger from its rows, and from what is remembered of reads of unknown orders and of locations.
    #[must_use]
    pub fn restore(
        known: Vec<OrderId>,
        pending: Vec<OrderState>,
        strangers_asked: BTreeMap<OrderId, Asked>,
        places_confirmed: i64,
    ) -> Self {
        let mut ledger = Self {
            known: known.into_iter().collect(),
            strangers_asked,
            places_confirmed,
            ..Self::default()
        };
        for order in pending {
            ledger.admit(order);
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
    pub fn admit(&mut self, mut order: OrderState) {
        if self.must_load(order.order) {
            order.confirm_place(self.places_confirmed);
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
        let order = self.loaded.remove(&order)?;
        self.index.remove(&order);
        Some(order)
    }

    /// Puts an order in, or back.
    pub fn put(&mut self, order: OrderState) {
        let id = order.order;
        self.known.insert(id);
        self.strangers_asked.remove(&id);
        if let Some(before) = self.loaded.remove(&id) {
            self.index.remove(&before);
        }
        self.index.add(&order);
        self.loaded.insert(id, order);
    }

    /// Unsettled orders, ascending.
    pub fn unsettled(&self) -> impl Iterator<Item = &OrderState> {
        let unsettled = self.index.unsettled.iter();
        unsettled.filter_map(|order| self.loaded.get(order))
    }

    /// How many orders are unsettled.
    #[must_use]
    pub fn unsettled_count(&self) -> usize {
        self.index.unsettled.len()
    }

    /// Orders that have something to take or give back, and nothing to learn first; ascending.
    pub fn adjustable(&self) -> impl Iterator<Item = OrderId> {
        self.index.adjustable.iter().copied()
    }

    /// Orders that may have to be placed anew when the store's locations turn out to be others.
    #[must_use]
    pub fn placeable(&self) -> BTreeSet<OrderId> {
        let doubted = self.index.doubted.iter().map(|(_, order)| *order);
        doubted
            .chain(self.index.unsettled.iter().copied())
            .collect()
    }

    /// Since when the place of an order is in doubt, the longest.
    #[must_use]
    pub fn doubted_since(&self) -> Option<Timestamp> {
        self.index.doubted.first().map(|(since, _)| *since)
    }

    /// Of how many orders the place is in doubt.
    #[must_use]
    pub fn doubted_count(&self) -> usize {
        self.index.doubted.len()
    }

    /// A reading of the locations ended the doubts that end with it. The rows of these orders stay as they are: they
    /// are read by [`places_confirmed`](Self::places_confirmed).
    pub fn confirm_places(&mut self, reading: i64) {
        self.places_confirmed = reading;
        let loaded = &mut self.loaded;
        self.index.doubted.retain(|(_, order)| {
            let Some(order) = loaded.get_mut(order) else {
                return false;
            };
            order.confirm_place(reading);
            order.doubt.is_some()
        });
    }

    /// Doubts about places that end with this reading of the locations, are over.
    #[must_use]
    pub const fn places_confirmed(&self) -> i64 {
        self.places_confirmed
    }

    /// The read of an order that the ledger does not have is done.
    pub fn forget_stranger(&mut self, order: OrderId) {
        self.strangers_asked.remove(&order);
    }

    /// What is to be remembered of reads of unknown orders.
    #[must_use]
    pub const fn strangers_asked(&self) -> &BTreeMap<OrderId, Asked> {
        &self.strangers_asked
    }

    /// The next order whose snapshot must be read: the one that waits longest.
    #[must_use]
    pub fn next_to_read(&self, now: Timestamp) -> Option<OrderId> {
        self.index.to_read.first_due(now)
    }

    /// Whether the read of an order that the ledger does not have is not postponed.
    #[must_use]
    pub fn may_read_stranger(&self, order: OrderId, now: Timestamp) -> bool {
        let asked = self.strangers_asked.get(&order);
        asked.is_none_or(|asked| asked.until <= now)
    }

    /// The next order whose assignments must be read: the one that waits longest.
    #[must_use]
    pub fn next_to_assign(&self, now: Timestamp) -> Option<OrderId> {
        self.index.to_assign.first_due(now)
    }

    /// A read of this order told too little: it is read again after a delay that doubles.
    pub fn postpone_stranger(&mut self, order: OrderId, now: Timestamp) {
        let before = self.strangers_asked.get(&order).copied();
        let asked = Asked::once_more(before, now);
        self.strangers_asked.insert(order, asked);
        if self.strangers_asked.len() > STRANGERS_ASKED_MAX {
            // Never the one that was just asked about: it would be asked about at once again.
            let by_due = self.strangers_asked.iter();
            let last = by_due.max_by_key(|(_, asked)| asked.until);
            if let Some(last) = last.map(|(order, _)| *order) {
                self.strangers_asked.remove(&last);
            }
        }
    }

    /// When the next postponed read is due.
    #[must_use]
    pub fn next_postponed(&self, now: Timestamp) -> Option<Timestamp> {
        let strangers = self.strangers_asked.values().map(|asked| asked.until);
        let strangers = strangers.filter(|until| *until > now).min();
        let known = [&self.index.to_read, &self.index.to_assign];
        let known = known
            .into_iter()
            .filter_map(|questions| questions.first_after(now));
        known.chain(strangers).min()
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
        let unsettled = &self.index.unsettled;
        self.loaded.retain(|order, state| {
            unsettled.contains(order) || state.doubt.is_some() || pinned.contains(order)
        });
    }
}
