//! What a merchant should look at: nothing is wrong with the keeper, but nobody else will mend it.

use std::collections::BTreeSet;

use crate::clock::Timestamp;
use crate::domain::order::OrderState;
use crate::domain::store::state::StoreState;
use crate::ids::{ItemId, LocationId, OrderId};

/// How many of each kind are shown.
const SHOWN_MAX: usize = 100;

/// What a merchant should look at; of each kind a hundred at most.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attention {
    /// Levels of bundles that somebody else keeps changing back.
    pub contested: Vec<Contested>,
    /// Cancelled orders whose components the platform was not told to give back, ascending.
    pub unrestocked: Vec<OrderId>,
}

/// A level that is left alone for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contested {
    pub item: ItemId,
    pub location: LocationId,
    /// Not written before this, our clock.
    pub until: Timestamp,
}

impl StoreState {
    /// What the merchant should look at now.
    #[must_use]
    pub fn attention(&self, now: Timestamp) -> Attention {
        let open = self.breaker.open_levels(now).take(SHOWN_MAX);
        let contested = open.map(|(item, location, until)| Contested {
            item,
            location,
            until,
        });
        Attention {
            contested: contested.collect(),
            unrestocked: self.unrestocked.iter().copied().collect(),
        }
    }

    /// A cancelled order that still consumes: its goods count as gone until a refund says that they are back.
    pub(super) fn note_cancellation(&mut self, order: &OrderState) {
        let consumes = || order.lines.keys().any(|line| order.consumed(*line) > 0);
        if !(order.cancelled && consumes()) {
            self.unrestocked.remove(&order.order);
            return;
        }
        self.unrestocked.insert(order.order);
        if self.unrestocked.len() > SHOWN_MAX {
            self.unrestocked.pop_first();
        }
    }
}

/// Ids rise with time: the oldest is forgotten first.
pub(super) type Unrestocked = BTreeSet<OrderId>;
