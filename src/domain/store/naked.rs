//! Naked rows of a standing backlog: which are, and how far they are to be swept out of it.
//!
//! Intake answers naked webhooks without storing them, but only by what a running keeper published. What came without
//! one, or before a bundle went, stands in the log, and each order of it would take its place in a turn. While a sweep
//! is under way a keeper judges many rows at once by the same set, and takes the naked ones beside the others of a turn.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::domain::interest::{Interest, Mentions};
use crate::domain::store::outcome::{Outcome, RowEnd};
use crate::domain::store::state::StoreState;

/// A sweep of naked rows that a person ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NakedSweep {
    pub begun_at: Timestamp,
    /// Rows up to this one were done with as it began.
    pub from: i64,
    /// The last row that it reaches.
    pub until: i64,
    /// How many it has taken.
    pub naked: i64,
    pub finished_at: Option<Timestamp>,
}

impl NakedSweep {
    /// Whether rows are left to it, in a log whose first ones up to `cursor` are done with.
    #[must_use]
    pub const fn is_under_way(&self, cursor: i64) -> bool {
        self.finished_at.is_none() && cursor < self.until
    }
}

impl StoreState {
    /// Whether nobody in the store is interested in what a row mentions. Stricter than intake, which knows neither
    /// orders nor items that no recipe has: a row of an order that the ledger knows, or that others wait for, is not
    /// naked, whatever it sold.
    #[must_use]
    pub fn is_naked(&self, interest: &Interest, topic: &str, mentions: &Mentions) -> bool {
        interest.is_naked(topic, mentions) && !self.knows_of(mentions)
    }

    /// Whether the store knows of anything that a row mentions, or waits to be told of it.
    #[must_use]
    pub fn knows_of(&self, mentions: &Mentions) -> bool {
        let mut orders = mentions.orders.iter();
        let mut items = mentions.items.iter();
        let mut variants = mentions.variants.iter();
        let mut products = mentions.products.iter();
        orders.any(|order| self.ledger.knows(*order) || self.lanes.has_lane(*order))
            || items.any(|item| self.stock.item(*item).is_some())
            || variants.any(|variant| self.stock.item_of(*variant).is_some())
            || products.any(|product| self.stock.items_of(*product).next().is_some())
    }

    /// Whether naked rows are to be looked for in the log, and taken many at once.
    #[must_use]
    pub fn sweeps_naked(&self, now: Timestamp) -> bool {
        let cursor = self.counts.taken.cursor();
        let sweep = self.naked_sweep.as_ref();
        sweep.is_some_and(|sweep| sweep.is_under_way(cursor)) || self.drops_naked(now)
    }

    /// The last sweep that a person ordered.
    #[must_use]
    pub const fn naked_sweep(&self) -> Option<&NakedSweep> {
        self.naked_sweep.as_ref()
    }

    /// Orders a sweep of everything up to `until` that is not done with; what another one has left is part of it.
    pub(super) fn order_naked_sweep(&mut self, until: i64, now: Timestamp) {
        let cursor = self.counts.taken.cursor();
        let until = until.max(self.counts.head);
        self.naked_sweep = Some(NakedSweep {
            begun_at: now,
            from: cursor,
            until,
            naked: 0,
            finished_at: (until <= cursor).then_some(now),
        });
    }

    /// A row that was found naked without being read whole.
    pub(super) fn take_naked(&mut self, seq: i64, outcome: &Outcome) -> RowEnd {
        if let Some(sweep) = &mut self.naked_sweep
            && sweep.finished_at.is_none()
            && seq <= sweep.until
        {
            sweep.naked += 1;
        }
        self.allowance.drop_naked(outcome.at, 1);
        RowEnd::Naked
    }

    /// The sweep is over once its last row is done with.
    pub(super) fn end_naked_sweep(&mut self, now: Timestamp) {
        let cursor = self.counts.taken.cursor();
        if let Some(sweep) = &mut self.naked_sweep
            && sweep.finished_at.is_none()
            && cursor >= sweep.until
        {
            sweep.finished_at = Some(now);
        }
    }
}
