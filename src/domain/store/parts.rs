//! Fulfillment orders of which a webhook told that they changed, but not whose they are: the platform is asked.
//!
//! The webhook is applied and does not come again, so what is to be asked is kept in the memo.

use std::collections::BTreeMap;

use crate::clock::Timestamp;
use crate::domain::call::{Bar, CallError, Read, Request};
use crate::domain::order::Asked;
use crate::domain::store::outcome::{Outcome, RowEnd};
use crate::domain::store::state::StoreState;
use crate::ids::{FulfillmentOrderId, OrderId};

/// How many may wait to be asked about; beyond, the next change of their order tells.
const WAITING_MAX: usize = 1_000;

impl StoreState {
    /// It changed. Who never sold a bundle has nothing that could have moved.
    pub(super) fn touch_part(&mut self, part: FulfillmentOrderId, now: Timestamp) -> RowEnd {
        if self.bundles.is_empty() {
            return RowEnd::Naked;
        }
        let before = self.parts_touched.insert(part, Asked::not_yet(now));
        if self.parts_touched.len() > WAITING_MAX {
            self.parts_touched.pop_first();
        }
        if before.is_none() {
            RowEnd::Hot
        } else {
            RowEnd::Cold
        }
    }

    /// The one that is to be asked about, of those that may be by now the one that waits longest.
    pub(super) fn next_part(&self, now: Timestamp) -> Option<FulfillmentOrderId> {
        let due = self.parts_touched.iter();
        let due = due.filter(|(_, asked)| asked.until <= now);
        due.min_by_key(|(_, asked)| asked.until)
            .map(|(part, _)| *part)
    }

    /// When the next may be asked about that may not yet.
    pub(super) fn next_part_at(&self, now: Timestamp) -> Option<Timestamp> {
        let all = self.parts_touched.values().map(|asked| asked.until);
        all.filter(|until| *until > now).min()
    }

    /// The platform did not answer: others go first when its turn comes again.
    pub(super) fn postpone_part(&mut self, part: FulfillmentOrderId, now: Timestamp) {
        if let Some(asked) = self.parts_touched.get_mut(&part) {
            *asked = Asked::once_more(Some(*asked), now);
        }
    }

    /// Whose it is: that order is asked about.
    pub(super) fn part_read(
        &mut self,
        part: FulfillmentOrderId,
        order: Option<OrderId>,
        outcome: &mut Outcome,
    ) {
        self.parts_touched.remove(&part);
        let Some(mut order) = order.and_then(|order| self.ledger.take(order)) else {
            return;
        };
        self.order_moves(&mut order, outcome.at);
        self.write_order(order, outcome);
    }

    /// Whether the platform will never tell, be it that the token may not ask: no store is barred for that.
    pub(super) fn does_without_part(&mut self, request: &Request, error: &CallError) -> bool {
        let (
            Request::Read(Read::OrderOf(part)),
            CallError::Rejected { .. } | CallError::Barred(Bar::ScopeMissing),
        ) = (request, error)
        else {
            return false;
        };
        self.parts_touched.remove(part).is_some()
    }
}

/// Those that wait.
pub(super) type PartsTouched = BTreeMap<FulfillmentOrderId, Asked>;
