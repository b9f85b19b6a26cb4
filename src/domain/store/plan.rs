//! Which call to make next: what is wanted, in order of urgency, as far as the buckets allow (D8).

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use crate::clock::Timestamp;
use crate::domain::call::{
    Adjustment, Call, Meter, ORDER_OF_POINTS_MAX, READ_ITEMS_MAX, READ_POINTS_MAX, Read, Request,
    SettledCell, WRITE_ENTRIES_MAX, WRITE_POINTS_MAX, Write, items_points_max,
};
use crate::domain::order::OrderState;
use crate::domain::store::change::{CallRecord, Change};
use crate::domain::store::outcome::{Outcome, Reply};
use crate::domain::store::patience::Kind;
use crate::domain::store::state::{InFlight, StoreState};
use crate::domain::store::sweep::SweepStep;
use crate::ids::{CallId, FulfillmentOrderId, ItemId, LocationId, OrderId};

/// How many unsettled orders one adjustment looks at.
const ORDERS_PER_ADJUSTMENT_MAX: usize = 500;

/// Something that only a call can bring forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Want {
    /// Repeat a write without a definite answer, under its key.
    Resend(CallId),
    /// Look so many items up: a person waits for it, or their settings changed.
    Items(usize),
    Locations,
    Order(OrderId),
    /// An order that the ledger does not have, and that parked rows wait for.
    Stranger(OrderId),
    /// Whose fulfillment order it is.
    Part(FulfillmentOrderId),
    Assignments(OrderId),
    /// Take components, or give them back.
    Adjust,
    Levels,
    /// Write bundles' levels.
    Set,
    Sweep(SweepStep),
}

impl Want {
    pub(super) const fn kind(self) -> Kind {
        match self {
            Self::Resend(_) => Kind::Resend,
            Self::Items(_) => Kind::Items,
            Self::Locations => Kind::Locations,
            Self::Order(_) => Kind::Order,
            Self::Stranger(_) => Kind::Stranger,
            Self::Part(_) => Kind::Part,
            Self::Assignments(_) => Kind::Assignments,
            Self::Adjust => Kind::Adjust,
            Self::Levels => Kind::Levels,
            Self::Set => Kind::Set,
            Self::Sweep(_) => Kind::Sweep,
        }
    }

    /// The rate limit it is charged to, and the most it costs.
    pub(super) const fn price(self) -> (Meter, i64) {
        match self {
            Self::Resend(_) | Self::Adjust | Self::Set => (Meter::Graphql, WRITE_POINTS_MAX),
            Self::Part(_) => (Meter::Graphql, ORDER_OF_POINTS_MAX),
            Self::Items(items) => (Meter::Graphql, items_points_max(items)),
            Self::Sweep(SweepStep::Items) => (Meter::Graphql, items_points_max(READ_ITEMS_MAX)),
            Self::Assignments(_) | Self::Sweep(SweepStep::Subscriptions) => {
                (Meter::Graphql, READ_POINTS_MAX)
            }
            Self::Locations
            | Self::Order(_)
            | Self::Stranger(_)
            | Self::Levels
            | Self::Sweep(SweepStep::Orders | SweepStep::Levels) => (Meter::Rest, 1),
        }
    }
}

impl StoreState {
    /// Whether a call can be planned now: something is wanted, none is under way, and the tokens are there.
    #[must_use]
    pub fn wants_call(&self, now: Timestamp) -> bool {
        self.may_call(now) && self.offers(now).iter().any(|(_, at)| *at <= now)
    }

    /// When a call will be possible; `None` when none is wanted, or a person must act first.
    pub fn next_call_at(&self, now: Timestamp) -> Option<Timestamp> {
        if self.paused.is_some() || self.in_flight.is_some() {
            return None;
        }
        let affordable = self.offers(now).into_iter().map(|(_, at)| at).min();
        let later = [
            self.locations_due_at(now),
            self.stock.next_read_at(),
            self.open_calls
                .values()
                .map(|call| call.due_at)
                .filter(|at| *at > now)
                .min(),
            self.next_sweep_at(),
            self.dirty.next_postponed(),
            self.ledger.next_postponed(now),
            self.next_part_at(now),
        ];
        // What is due already is among the wants, at the instant when the bucket can afford it.
        let later = later.into_iter().flatten().filter(|at| *at > now);
        let wanted = affordable.into_iter().chain(later).min();
        wanted.map(|at| at.max(self.backoff.until))
    }

    /// When the platform can be asked about parked rows; `None`: a person must act first.
    pub(super) fn platform_ready_at(&self, now: Timestamp) -> Option<Timestamp> {
        let affordable = self.buckets.affordable_at(Meter::Rest, 1, now);
        self.paused
            .is_none()
            .then(|| affordable.max(self.backoff.until))
    }

    /// Decides which call to make, and accounts for it; the call leaves after the commit.
    pub(super) fn plan_call(&mut self, fresh: CallId, outcome: &mut Outcome) {
        let now = outcome.at;
        outcome.reply = Reply::NoCall;
        if !self.may_call(now) {
            return;
        }
        let wanted = self.wants(now).map(Want::kind).collect();
        let offers = self.offers(now);
        for (want, _) in offers.into_iter().filter(|(_, at)| *at <= now) {
            if let Some(call) = self.build(want, fresh, outcome) {
                self.passed_over.made(want.kind(), &wanted);
                self.start_call(call, want, outcome);
                return;
            }
            // Nothing differed, but what was looked at is done: there may be more.
            outcome.reply = Reply::Done;
        }
    }

    /// Whether a person must act first, or the platform failed and is left alone.
    #[must_use]
    pub fn is_left_alone(&self, now: Timestamp) -> bool {
        self.paused.is_some() || self.backoff.until > now
    }

    fn may_call(&self, now: Timestamp) -> bool {
        !self.is_left_alone(now) && self.in_flight.is_none()
    }

    /// What is wanted now, in the order in which it is made, with when it can be afforded. Whoever has lost patience
    /// goes first, and its rate limit is left to it.
    pub(super) fn offers(&self, now: Timestamp) -> Vec<(Want, Timestamp)> {
        let mut wants: Vec<Want> = self.wants(now).collect();
        let impatience = |want: &Want| self.passed_over.impatience(want.kind());
        wants.sort_by_key(|want| Reverse(impatience(want)));
        let mut reserved = BTreeSet::new();
        let mut offers = Vec::new();
        for want in wants {
            let (meter, cost) = want.price();
            if reserved.contains(&meter) {
                continue;
            }
            let at = self.buckets.affordable_at(meter, cost, now);
            if at > now && impatience(&want) > 0 {
                reserved.insert(meter);
            }
            offers.push((want, at));
        }
        offers
    }

    /// What is wanted now, the most urgent first.
    fn wants(&self, now: Timestamp) -> impl Iterator<Item = Want> {
        let resend = self
            .open_calls
            .values()
            .filter(move |call| call.due_at <= now)
            .map(|call| Want::Resend(call.id))
            .next();
        let items = self.items_wanted.len().min(self.read_limit);
        let adjust = self.ledger.adjustable().next().is_some();
        let locations = self.locations_due_at(now).is_some_and(|at| at <= now);
        let levels = self.stock.next_read_at().is_some_and(|at| at <= now);
        [
            resend,
            (items > 0).then_some(Want::Items(items)),
            locations.then_some(Want::Locations),
            self.ledger.next_to_read(now).map(Want::Order),
            self.lanes
                .next_to_read(|order| self.ledger.may_read_stranger(order, now))
                .map(Want::Stranger),
            self.next_part(now).map(Want::Part),
            self.next_to_assign(now).map(Want::Assignments),
            adjust.then_some(Want::Adjust),
            levels.then_some(Want::Levels),
            self.dirty.has_work(now).then_some(Want::Set),
            self.sweep_step(now).map(Want::Sweep),
        ]
        .into_iter()
        .flatten()
    }

    fn build(&mut self, want: Want, fresh: CallId, outcome: &mut Outcome) -> Option<Call> {
        let now = outcome.at;
        let request = match want {
            Want::Resend(id) => {
                let record = self.open_calls.get(&id)?;
                if Self::is_forgotten(record, now) {
                    self.give_up_call(id, outcome);
                    return None;
                }
                let request = Request::Write(record.write.clone());
                return Some(Call { id, request });
            }
            Want::Items(items) => Request::Read(Read::Items(
                self.items_wanted.iter().take(items).copied().collect(),
            )),
            Want::Locations => Request::Read(Read::Locations),
            Want::Order(order) | Want::Stranger(order) => Request::Read(Read::Order(order)),
            Want::Part(part) => Request::Read(Read::OrderOf(part)),
            Want::Assignments(order) => Request::Read(Read::Assignments(order)),
            Want::Adjust => Request::Write(match self.stocking.pop() {
                Some((item, location)) => Write::Activate {
                    item,
                    location,
                    available: 0,
                },
                None => self.build_adjustment(outcome)?,
            }),
            Want::Levels => Request::Read(Read::Levels(self.stock.to_read(now, self.read_limit))),
            Want::Set => Request::Write(self.build_setting(now)?),
            Want::Sweep(_) => Request::Read(self.build_sweep(now)?),
        };
        Some(Call { id: fresh, request })
    }

    /// Takes the tokens and writes the call down.
    fn start_call(&mut self, call: Call, want: Want, outcome: &mut Outcome) {
        let now = outcome.at;
        self.buckets.take(want.kind(), want.price(), now);
        match &call.request {
            Request::Write(write) => {
                let attempts = self
                    .open_calls
                    .get(&call.id)
                    .map_or(0, |record| record.attempts);
                let created_at = self
                    .open_calls
                    .get(&call.id)
                    .map_or(now, |record| record.created_at);
                let record = CallRecord {
                    id: call.id,
                    write: write.clone(),
                    created_at,
                    attempts: attempts + 1,
                    due_at: now,
                };
                outcome.changes.put(Change::PutCall(record.clone()));
                self.open_calls.insert(call.id, record);
            }
            Request::Read(Read::Levels(items)) => self.stock.start_reading(items),
            Request::Read(Read::Locations) => self.locations.readings += 1,
            Request::Read(_) => {}
        }
        let is_sweep = matches!(want, Want::Sweep(_));
        self.in_flight = Some(InFlight {
            call: call.clone(),
            is_sweep,
            begun_at: now,
            raced: false,
            raced_items: BTreeSet::new(),
        });
        outcome.reply = Reply::Done;
        outcome.call = Some(call);
    }

    /// Gathers the unsettled cells into one adjustment, and counts them as taken: the call row keeps them from here.
    fn build_adjustment(&mut self, outcome: &mut Outcome) -> Option<Write> {
        let orders = self.ledger.adjustable();
        let orders = orders.take(ORDERS_PER_ADJUSTMENT_MAX).collect::<Vec<_>>();
        let mut entries = BTreeMap::<(ItemId, LocationId), Vec<SettledCell>>::new();
        for order in orders {
            let Some(mut state) = self.ledger.take(order) else {
                continue;
            };
            self.gather_cells(&mut state, &mut entries);
            outcome.changes.put(Change::PutOrder(state.clone()));
            self.ledger.put(state);
        }
        let adjustments = entries.into_iter().filter_map(|((item, location), cells)| {
            // Absurd orders sum up to absurd changes, which the platform refuses; they must not wrap around to small ones.
            let deltas = cells.iter().map(|cell| cell.delta);
            let delta = deltas.fold(0, i64::saturating_add);
            (delta != 0).then_some(Adjustment {
                item,
                location,
                delta,
                cells,
            })
        });
        let adjustments = adjustments.collect::<Vec<_>>();
        (!adjustments.is_empty()).then_some(Write::Adjust(adjustments))
    }

    /// Moves an order's open cells into `entries` while there is room.
    fn gather_cells(
        &self,
        order: &mut OrderState,
        entries: &mut BTreeMap<(ItemId, LocationId), Vec<SettledCell>>,
    ) {
        let id = order.order;
        for cell in order
            .cells
            .iter_mut()
            .filter(|cell| cell.desired != cell.applied && !cell.blocked)
        {
            let record = self.stock.item(cell.item);
            if record.is_none_or(|record| record.gone || record.composite || !record.tracked) {
                // There is no stock to take it from, and nothing to make up for when there is again.
                cell.applied = cell.desired;
                continue;
            }
            if record.is_some_and(|record| record.unusable) {
                cell.blocked = true;
                continue;
            }
            let key = (cell.item, cell.location);
            if entries.len() >= self.write_limit.min(WRITE_ENTRIES_MAX)
                && !entries.contains_key(&key)
            {
                continue;
            }
            let delta = cell.applied.saturating_sub(cell.desired);
            entries.entry(key).or_default().push(SettledCell {
                order: id,
                line: cell.line,
                delta,
            });
            cell.applied = cell.desired;
        }
    }
}
