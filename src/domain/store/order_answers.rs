//! What the platform's answers about single orders change: what they are, and where they ship from.

use uuid::Uuid;

use crate::clock::Timestamp;
use crate::domain::call::{Bar, CallError, Read, Request};
use crate::domain::fact::{Assignments, OrderSnapshot};
use crate::domain::order::{Asked, OrderState};
use crate::domain::store::change::DeadLetterClass;
use crate::domain::store::outcome::Outcome;
use crate::domain::store::rows::end_of_second;
use crate::domain::store::state::StoreState;
use crate::ids::{DeadLetterId, OrderId};

/// After this many reads of an order that were older than what is known, what is known stands.
const STALE_READS_MAX: u32 = 5;
/// After this many answers that told no location (at least half an hour), an order is left unplaced: all its fulfilment
/// orders were cancelled before we saw one, or the platform refuses to tell.
const PLACELESS_ANSWERS_MAX: u32 = 12;

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
        let asked = Asked::answered(order.asked, outcome.at);
        order.asked = Some(asked);
        order.needs_read = found.is_some() && asked.answers < STALE_READS_MAX;
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
            let asked = Asked::answered(order.asked, outcome.at);
            order.asked = Some(asked);
            order.needs_assignments = asked.answers < PLACELESS_ANSWERS_MAX;
            if !order.needs_assignments {
                self.leave_unplaced(&mut order, outcome);
            }
        }
        if moved {
            self.order_changed(order, outcome);
        } else {
            self.keep_order(order, outcome);
        }
    }

    /// The platform refuses to tell where the order ships from.
    pub(super) fn assignments_refused(&mut self, id: OrderId, outcome: &mut Outcome) {
        let Some(mut order) = self.ledger.take(id) else {
            return;
        };
        // `step_aside` has postponed it. While the locations are in doubt they may still tell.
        if let Some(asked) = order.asked.as_mut().filter(|_| !self.locations.in_doubt) {
            asked.answers = asked.answers.saturating_add(1);
            if asked.answers >= PLACELESS_ANSWERS_MAX {
                order.needs_assignments = false;
                self.place(&mut order, outcome.at);
                self.leave_unplaced(&mut order, outcome);
            }
        }
        self.write_order(order, outcome);
    }

    /// Nobody tells where the order ships from: what is known of it stands until there is news of it, and a person is
    /// told.
    fn leave_unplaced(&mut self, order: &mut OrderState, outcome: &mut Outcome) {
        order.needs_assignments = false;
        order.unplaceable = true;
        // News of it may have it asked about and left again: that is another letter.
        let name = format!("unplaced/{}/{}/{}", self.store, order.order, outcome.at);
        let id = DeadLetterId(Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()));
        let reason = format!(
            "the platform does not tell where order {} ships from: look whether its components were taken",
            order.order
        );
        self.bury_entry(id, DeadLetterClass::Rejected, reason, outcome);
    }

    /// A person says that orders which the platform did not place are to be asked about again.
    pub(super) fn place_unplaced_again(&mut self, outcome: &mut Outcome) {
        let unplaced = self.ledger.unsettled().filter(|order| order.unplaceable);
        for mut order in unplaced.cloned().collect::<Vec<_>>() {
            order.ask_anew(outcome.at);
            order.needs_assignments = true;
            self.write_order(order, outcome);
        }
    }

    /// The next order to be asked where it ships from. As long as the store's locations are not known the answer may
    /// not be needed.
    pub(super) fn next_to_assign(&self, now: Timestamp) -> Option<OrderId> {
        self.locations.known.as_ref()?;
        self.ledger.next_to_assign(now)
    }

    /// The order that was asked about in vain, when nobody needs the answer: a token that may not ask where orders ship
    /// from is good enough for a store with one location, as long as nothing is known of another.
    pub(super) fn does_without_place(
        &self,
        request: &Request,
        error: &CallError,
    ) -> Option<OrderId> {
        let (Request::Read(Read::Assignments(order)), CallError::Barred(Bar::ScopeMissing)) =
            (request, error)
        else {
            return None;
        };
        let state = self.ledger.get(*order)?;
        self.is_where_it_was_thought(state).then_some(*order)
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
