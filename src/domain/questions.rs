//! Who is to be asked about next: in the order in which they came to wait.

use std::collections::BTreeSet;

use crate::clock::Timestamp;
use crate::domain::order::Asked;
use crate::ids::OrderId;

/// Orders to be asked about, by the instant from which on they may be.
#[derive(Debug, Default)]
pub(super) struct Questions(BTreeSet<(Timestamp, OrderId)>);

impl Questions {
    pub(super) fn insert(&mut self, due_at: Timestamp, order: OrderId) {
        self.0.insert((due_at, order));
    }

    pub(super) fn remove(&mut self, due_at: Timestamp, order: OrderId) {
        self.0.remove(&(due_at, order));
    }

    /// The one that waits longest, if it may be asked about.
    pub(super) fn first_due(&self, now: Timestamp) -> Option<OrderId> {
        let (due_at, order) = self.0.first()?;
        // One that would have to wait longer than any ever does: our clock was set back.
        let is_absurd = due_at.millis_since(now) > Asked::DELAY_MS_MAX;
        (*due_at <= now || is_absurd).then_some(*order)
    }

    /// When the next one may be asked about that may not yet.
    pub(super) fn first_after(&self, now: Timestamp) -> Option<Timestamp> {
        let later = (now.plus_millis(1), OrderId(i64::MIN));
        self.0.range(later..).next().map(|(due_at, _)| *due_at)
    }
}
