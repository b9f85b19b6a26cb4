//! The ledger of a store: the orders that concern its bundles, as far as they are in memory.
//!
//! Only unsettled orders stay in memory between turns; a settled one is loaded when a fact names it.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::order::OrderState;
use crate::ids::OrderId;

/// Orders of one store.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Every order in the ledger, in memory or not.
    known: BTreeSet<OrderId>,
    loaded: BTreeMap<OrderId, OrderState>,
    unsettled: BTreeSet<OrderId>,
    /// Orders that the ledger does not have and that must be read: touched, or waited for by parked rows.
    strangers_to_read: BTreeSet<OrderId>,
}

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
        self.strangers_to_read.remove(&order);
    }

    /// The next order whose snapshot must be read.
    #[must_use]
    pub fn next_to_read(&self) -> Option<OrderId> {
        let stranger = self.strangers_to_read.first().copied();
        stranger.or_else(|| {
            self.unsettled()
                .find(|order| order.needs_read)
                .map(|order| order.order)
        })
    }

    /// The next order whose assignments must be read.
    #[must_use]
    pub fn next_to_assign(&self) -> Option<OrderId> {
        self.unsettled()
            .find(|order| order.needs_assignments)
            .map(|order| order.order)
    }

    /// Forgets settled orders, save those that a write under way may still have to change.
    pub fn evict_settled(&mut self, pinned: &BTreeSet<OrderId>) {
        let unsettled = &self.unsettled;
        self.loaded
            .retain(|order, _| unsettled.contains(order) || pinned.contains(order));
    }
}
