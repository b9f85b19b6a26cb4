//! What the platform's answers about single orders change: what they are, and where they ship from.

use crate::domain::fact::{Assignments, OrderSnapshot};
use crate::domain::order::Asked;
use crate::domain::store::outcome::Outcome;
use crate::domain::store::rows::end_of_second;
use crate::domain::store::state::StoreState;
use crate::ids::OrderId;

/// After this many reads of an order that were older than what is known, what is known stands.
const STALE_READS_MAX: u32 = 5;
/// After this many reads that told no location (about half an hour), an order is left unplaced: all its fulfilment
/// orders were cancelled before we saw one. A later change of the order asks again.
const ASSIGNMENT_READS_MAX: u32 = 12;

impl StoreState {
    /// The platform's word on an order that had to be read. A word that is older than what is known (a replica that
    /// lags) settles nothing: the order is read again.
    pub(super) fn order_read(
        &mut self,
        id: OrderId,
        found: Option<&OrderSnapshot>,
        outcome: &mut Outcome,
    ) {
        match found {
            Some(snapshot) => self.take_read_order(snapshot, outcome),
            None => self.order_is_missing(id, outcome),
        }
        self.ledger.forget_stranger(id);
        let Some(mut order) = self.ledger.take(id) else {
            return;
        };
        if found.is_none() && order.deletion_told {
            // The goods stay consumed; the tombstone keeps a late update from bringing the order back.
            order.mark_deleted();
            self.keep_order(order, outcome);
            return;
        }
        if !order.needs_read {
            self.ledger.put(order);
            return;
        }
        let asked = Asked::once_more(order.asked, outcome.at);
        order.asked = Some(asked);
        order.needs_read = found.is_some() && asked.reads < STALE_READS_MAX;
        self.keep_order(order, outcome);
    }

    /// The platform refuses to tell of the order: what is known of it stands, and it is not taken to be deleted.
    pub(super) fn order_unreadable(&mut self, id: OrderId, outcome: &mut Outcome) {
        if let Some(mut order) = self.ledger.take(id) {
            order.deletion_told = false;
            self.ledger.put(order);
        }
        self.order_read(id, None, outcome);
    }

    /// Which location ships what. The platform assigns a moment after the sale, so an order of which nothing is told
    /// yet is asked about again.
    pub(super) fn assignments_read(
        &mut self,
        id: OrderId,
        assignments: &Assignments,
        outcome: &mut Outcome,
    ) {
        self.note_locations_of_assignments(assignments);
        let Some(mut order) = self.ledger.take(id) else {
            return;
        };
        let moved = order.assign(&assignments.current) | order.recall(&assignments.former);
        if order.is_unplaced() && !order.deleted {
            let asked = Asked::once_more(order.asked, outcome.at);
            order.asked = Some(asked);
            order.needs_assignments = asked.reads < ASSIGNMENT_READS_MAX;
        }
        if moved {
            self.order_changed(order, outcome);
        } else {
            self.keep_order(order, outcome);
        }
    }

    /// The platform refuses to tell where the order ships from: after so many times what is known of it stands, until
    /// there is news of it.
    pub(super) fn assignments_refused(&mut self, id: OrderId, outcome: &mut Outcome) {
        let Some(mut order) = self.ledger.take(id) else {
            return;
        };
        let reads = order.asked.map_or(0, |asked| asked.reads);
        order.needs_assignments &= reads < ASSIGNMENT_READS_MAX;
        self.write_order(order, outcome);
    }

    /// The order was touched while it was read.
    pub(super) fn read_order_again(&mut self, id: OrderId, outcome: &mut Outcome) {
        if let Some(mut order) = self.ledger.take(id) {
            order.needs_read = !order.deleted;
            self.write_order(order, outcome);
        }
    }

    /// The order changed while it was read where it ships from.
    pub(super) fn place_order_again(&mut self, id: OrderId, outcome: &mut Outcome) {
        if let Some(mut order) = self.ledger.take(id) {
            order.needs_assignments |= self.ships_from_anywhere(&order);
            self.write_order(order, outcome);
        }
    }

    /// Applies an order that was read: newer than any webhook of the same stamp.
    pub(super) fn take_read_order(&mut self, snapshot: &OrderSnapshot, outcome: &mut Outcome) {
        self.note_locations_of_order(snapshot);
        let created_at = end_of_second(snapshot.created_at);
        match self.ledger.take(snapshot.order) {
            Some(mut order) => {
                let sold = |variant| self.bundles.recipe_for(variant, created_at);
                let absorbed = order.absorb_read(snapshot, sold);
                self.lanes.wake(snapshot.order, outcome.at);
                self.order_absorbed(order, absorbed, outcome);
            }
            None => {
                self.first_sight(snapshot, created_at, outcome);
            }
        }
    }

    /// A question about an order was not answered: others go first when its turn comes again.
    pub(super) fn postpone_order(&mut self, id: OrderId, outcome: &mut Outcome) {
        let Some(mut order) = self.ledger.take(id) else {
            self.ledger.postpone_stranger(id, outcome.at);
            return;
        };
        order.asked = Some(Asked::once_more(order.asked, outcome.at));
        self.write_order(order, outcome);
    }
}
