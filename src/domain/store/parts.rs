//! Fulfillment orders of which a webhook told that they changed, but not whose they are: the platform is asked.
//!
//! The webhook is applied and does not come again, so what is to be asked is kept in the memo.

use std::collections::BTreeSet;

use crate::domain::call::{Bar, CallError, Read, Request};
use crate::domain::store::outcome::{Outcome, RowEnd};
use crate::domain::store::state::StoreState;
use crate::ids::{FulfillmentOrderId, OrderId};

/// How many may wait to be asked about; beyond, the next change of their order tells.
const WAITING_MAX: usize = 1_000;

impl StoreState {
    /// It changed. Who never sold a bundle has nothing that could have moved.
    pub(super) fn touch_part(&mut self, part: FulfillmentOrderId) -> RowEnd {
        if self.bundles.is_empty() {
            return RowEnd::Naked;
        }
        let is_new = self.parts_touched.insert(part);
        if self.parts_touched.len() > WAITING_MAX {
            self.parts_touched.pop_first();
        }
        if is_new { RowEnd::Hot } else { RowEnd::Cold }
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
        self.parts_touched.remove(part)
    }
}

/// Those that wait.
pub(super) type PartsTouched = BTreeSet<FulfillmentOrderId>;
