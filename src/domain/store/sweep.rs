//! The sweep: reading again what webhooks should have told, because some never arrive (facts: delivery is not
//! guaranteed).
//!
//! Orders are read from a watermark on, with an overlap; the watermark advances in the commit that takes the last
//! page. Then the levels of every item that has to do with a bundle are read. Missing subscriptions are made again first.

use crate::clock::Timestamp;
use crate::domain::call::{READ_ITEMS_MAX, Read};
use crate::domain::fact::OrderSnapshot;
use crate::domain::store::outcome::Outcome;
use crate::domain::store::state::StoreState;
use crate::ids::ItemId;

/// What a sweep does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SweepStep {
    Subscriptions,
    Orders,
    Levels,
    /// Settings of items: whether they are tracked, and sold on when out.
    Items,
}

/// A sweep under way. It is not remembered: after a crash it begins again from the watermark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SweepRun {
    pub step: SweepStep,
    /// Platform time when it began: the next watermark.
    pub started_at: Timestamp,
    /// Orders updated since then are read.
    pub since: Timestamp,
    /// The platform's cursor of the next page of orders.
    pub page: Option<String>,
    /// The last item whose levels were read.
    pub after_item: Option<ItemId>,
}

impl StoreState {
    /// When the next sweep is due; `None` when there is nothing to sweep, or one is under way.
    pub(super) fn next_sweep_at(&self) -> Option<Timestamp> {
        if self.bundles.is_empty() || self.sweep.is_some() {
            return None;
        }
        let finished_at = self.sweep_memo.finished_at;
        Some(finished_at.map_or(Timestamp::EPOCH, |at| {
            at.plus_millis(self.settings.sweep_interval_ms)
        }))
    }

    /// The step of the sweep that a call would bring forward now.
    pub(super) fn sweep_step(&self, now: Timestamp) -> Option<SweepStep> {
        match &self.sweep {
            Some(sweep) if sweep.step == SweepStep::Subscriptions => Some(self.first_sweep_step()),
            Some(sweep) => Some(sweep.step),
            None => self
                .next_sweep_at()
                .filter(|at| *at <= now)
                .map(|_| self.first_sweep_step()),
        }
    }

    /// A suspended store's webhooks are refused so that the platform ends them: they are not asked for again.
    const fn first_sweep_step(&self) -> SweepStep {
        if self.terms().is_suspended() {
            SweepStep::Orders
        } else {
            SweepStep::Subscriptions
        }
    }

    /// Starts a sweep now, whatever the schedule says; one under way begins again.
    pub(super) fn reconcile_now(&mut self) {
        self.sweep = None;
        self.sweep_memo.finished_at = None;
    }

    /// The read for the present step; begins a sweep when none is under way.
    pub(super) fn build_sweep(&mut self, now: Timestamp) -> Option<Read> {
        if self.sweep.is_none() {
            self.locations.wanted = true;
            self.sweep = Some(self.begin_sweep(now));
        }
        let step = self.sweep_step(now)?;
        let sweep = self.sweep.as_mut()?;
        sweep.step = step;
        Some(match step {
            SweepStep::Subscriptions => Read::Subscriptions,
            SweepStep::Orders => Read::OrdersSince {
                since: sweep.since,
                page: sweep.page.clone(),
            },
            SweepStep::Items => Read::Items(
                self.stock
                    .page_after(sweep.after_item, self.read_limit.min(READ_ITEMS_MAX)),
            ),
            SweepStep::Levels => Read::Levels(
                self.stock
                    .page_after(sweep.after_item, self.read_limit.min(READ_ITEMS_MAX)),
            ),
        })
    }

    fn begin_sweep(&self, now: Timestamp) -> SweepRun {
        let started_at = self.platform_now(now).floor_to_second();
        // The first sweep may have failed long ago, or never come: orders from before the first recipe do not matter.
        let first = || self.bundles.in_force_since().unwrap_or(started_at);
        let watermark = self.sweep_memo.orders_until.unwrap_or_else(first);
        SweepRun {
            step: self.first_sweep_step(),
            started_at,
            since: watermark.plus_millis(-self.settings.sweep_overlap_ms),
            page: None,
            after_item: None,
        }
    }

    /// Subscriptions are as they should be, or could not be looked at: on to the orders.
    pub(super) fn subscriptions_swept(&mut self) {
        if let Some(sweep) = &mut self.sweep {
            sweep.step = SweepStep::Orders;
        }
    }

    /// Takes a page of orders; the last one moves the watermark.
    pub(super) fn orders_swept(
        &mut self,
        orders: &[OrderSnapshot],
        next: Option<String>,
        outcome: &mut Outcome,
    ) {
        for order in orders {
            self.take_read_order(order, outcome);
        }
        let Some(sweep) = &mut self.sweep else { return };
        match next {
            Some(page) => sweep.page = Some(page),
            None => {
                self.sweep_memo.orders_until = Some(sweep.started_at);
                sweep.step = SweepStep::Levels;
            }
        }
    }

    /// The levels, or the settings, of a page of items were read: on to the next page, the next step, or the end.
    pub(super) fn items_swept(&mut self, items: &[ItemId], now: Timestamp) {
        let Some(sweep) = &mut self.sweep else { return };
        let last = items.last().copied();
        if last.is_some() && !self.stock.page_after(last, 1).is_empty() {
            sweep.after_item = last;
            return;
        }
        match sweep.step {
            SweepStep::Levels => {
                sweep.step = SweepStep::Items;
                sweep.after_item = None;
            }
            SweepStep::Subscriptions | SweepStep::Orders | SweepStep::Items => self.end_sweep(now),
        }
    }

    /// The sweep is over, or cannot go on now: the next one comes when it is due.
    pub(super) fn end_sweep(&mut self, now: Timestamp) {
        self.sweep = None;
        self.sweep_memo.finished_at = Some(now);
    }
}
