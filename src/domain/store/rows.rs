//! What an inbox row changes: one fact at a time, in any order, any number of times.

use crate::clock::Timestamp;
use crate::domain::call::{Read, Request};
use crate::domain::fact::{Fact, ItemSnapshot, OrderSnapshot, ProductSnapshot, RefundSnapshot};
use crate::domain::order::{Absorbed, OrderState};
use crate::domain::stock::LevelSeen;
use crate::domain::store::change::{Change, DeadLetterClass, DeadLetterRecord};
use crate::domain::store::command::Row;
use crate::domain::store::outcome::{Outcome, Refusal, Reply, RowEnd};
use crate::domain::store::state::{Pause, StoreState, dead_letter_id};
use crate::ids::{ItemId, OrderId};

/// Milliseconds in the second that a platform stamp stands for, less one.
const LAST_MILLI_OF_SECOND: i64 = 999;
/// How far ahead of the platform's clock, as it is known, a stamp may be, a day: beyond what a wrong clock explains. One that is further ahead would
/// make everything that the platform tells until then look old.
const STAMP_AHEAD_MS_MAX: i64 = 24 * 60 * 60 * 1_000;
/// The topic whose trigger time is the order's creation.
const ORDER_CREATED: &str = "orders/create";

impl StoreState {
    /// Applies an inbox row, or parks or buries it; it is done with in any case.
    ///
    /// # Errors
    /// It was taken before, or may not be taken before those that stand before it.
    pub(super) fn take_row(&mut self, row: &Row, outcome: &mut Outcome) -> Result<(), Refusal> {
        if !row.from_lane {
            self.step_past(row, outcome.at)?;
        }
        let end = match &row.fact {
            Err(reason) => {
                self.bury_row(row.seq, DeadLetterClass::Malformed, reason.clone(), outcome);
                RowEnd::Dead
            }
            Ok(fact) => {
                self.note_race(fact);
                self.note_locations_of(fact);
                self.take_fact(row, fact, outcome)
            }
        };
        self.count_row(row, end, outcome);
        self.end_naked_sweep(outcome.at);
        outcome.reply = Reply::Row(end);
        Ok(())
    }

    /// Keeps the counters; a row that leaves its lane frees the next one behind it.
    fn count_row(&mut self, row: &Row, end: RowEnd, outcome: &mut Outcome) {
        if row.from_lane && end != RowEnd::Parked {
            self.lanes.leave(row.seq, outcome.at);
            if end != RowEnd::Dead {
                outcome.changes.put(Change::Unpark(row.seq));
            }
        }
        match end {
            RowEnd::Hot | RowEnd::Cold => self.counts.applied += 1,
            RowEnd::Naked => self.counts.naked += 1,
            RowEnd::Parked => {}
            RowEnd::Dead => self.counts.dead += 1,
        }
        if self
            .suspect
            .as_ref()
            .is_some_and(|suspect| suspect.seq == row.seq)
        {
            self.suspect = None;
        }
    }

    /// Notes a change of what is just being asked about, if neither the row nor the answer has a stamp that would tell
    /// which is newer.
    fn note_race(&mut self, fact: &Fact) {
        let told_items = self.items_told(fact);
        let Some(in_flight) = &mut self.in_flight else {
            return;
        };
        let Request::Read(read) = &in_flight.call.request else {
            return;
        };
        match read {
            Read::Items(asked) => {
                let raced = told_items.into_iter().filter(|item| asked.contains(item));
                in_flight.raced_items.extend(raced);
            }
            Read::Locations => in_flight.raced |= matches!(fact, Fact::LocationsTouched),
            Read::Order(asked) => {
                in_flight.raced |= matches!(
                    fact,
                    Fact::OrderTouched(order) | Fact::OrderDeleted(order) if order == asked
                );
            }
            Read::Assignments(asked) => {
                in_flight.raced |= matches!(fact, Fact::Order(snapshot) if snapshot.order == *asked)
                    || matches!(fact, Fact::OrderTouched(order) if order == asked);
            }
            Read::Levels(_) | Read::OrderOf(_) | Read::OrdersSince { .. } | Read::Subscriptions => {
            }
        }
    }

    /// The items whose settings a fact tells of.
    fn items_told(&self, fact: &Fact) -> Vec<ItemId> {
        match fact {
            Fact::Item(snapshot) => vec![snapshot.item],
            Fact::ItemGone(item) => vec![*item],
            Fact::Product(product) => {
                let variants = product.variants.iter().map(|variant| variant.variant);
                variants
                    .filter_map(|variant| self.stock.item_of(variant))
                    .collect()
            }
            Fact::ProductGone(product) => self.stock.items_of(*product).collect(),
            Fact::Order(_)
            | Fact::Refund(_)
            | Fact::OrderTouched(_)
            | Fact::PartTouched(_)
            | Fact::OrderDeleted(_)
            | Fact::Level(_)
            | Fact::LevelGone { .. }
            | Fact::LocationsTouched
            | Fact::Uninstalled
            | Fact::Unneeded
            | Fact::Naked => Vec::new(),
        }
    }

    fn take_fact(&mut self, row: &Row, fact: &Fact, outcome: &mut Outcome) -> RowEnd {
        match fact {
            Fact::Order(snapshot) if self.is_absurd(snapshot.updated_at, outcome.at) => {
                self.touch_order(row, snapshot.order, outcome)
            }
            Fact::Order(snapshot) => {
                let created_at = precise_creation(snapshot, row);
                self.take_order(snapshot, created_at, outcome)
            }
            Fact::Refund(refund) => self.take_refund(row, refund, outcome),
            Fact::OrderTouched(order) => self.touch_order(row, *order, outcome),
            Fact::PartTouched(part) => self.touch_part(*part, outcome.at),
            Fact::OrderDeleted(order) => self.delete_order(*order, outcome),
            Fact::Level(level) if self.is_absurd(level.updated_at, outcome.at) => {
                self.want_levels(level.item, outcome)
            }
            Fact::Level(level) => {
                let seen = self.stock.see_level(*level, &mut outcome.changes);
                self.level_seen(level.item, seen, outcome)
            }
            Fact::LevelGone { item, .. } => {
                // Carries no stamp, so it may be older than what is known: read instead of believing it.
                self.want_levels(*item, outcome)
            }
            Fact::Item(item) => self.take_item(item),
            Fact::ItemGone(item) => self.bury_item(*item, outcome),
            Fact::Product(product) => self.take_product(product),
            Fact::ProductGone(product) => {
                let items = self.stock.items_of(*product).collect::<Vec<_>>();
                let ends = items
                    .into_iter()
                    .map(|item| self.bury_item(item, outcome))
                    .collect::<Vec<_>>();
                if ends.contains(&RowEnd::Hot) {
                    RowEnd::Hot
                } else {
                    RowEnd::Naked
                }
            }
            Fact::LocationsTouched => RowEnd::Hot,
            Fact::Uninstalled => self.uninstall(row),
            Fact::Unneeded => RowEnd::Naked,
            Fact::Naked => self.take_naked(row.seq, outcome),
        }
    }

    /// Applies a full order, from a webhook. Also wakes what waited for it.
    fn take_order(
        &mut self,
        snapshot: &OrderSnapshot,
        created_at: Timestamp,
        outcome: &mut Outcome,
    ) -> RowEnd {
        let Some(mut order) = self.ledger.take(snapshot.order) else {
            return self.first_sight(snapshot, created_at, outcome);
        };
        self.lanes.wake(snapshot.order, outcome.at);
        let sold = |variant| self.bundles.recipe_for(variant, created_at);
        let absorbed = order.absorb(snapshot, sold);
        if absorbed == Absorbed::Same && order.location.is_none() && !order.deleted {
            // The body does not tell where goods ship from, and its stamp tells seconds only: they may have moved
            // within the second of what is known.
            self.order_moves(&mut order, outcome.at);
            self.keep_order(order, outcome);
            return RowEnd::Hot;
        }
        self.order_absorbed(order, absorbed, outcome)
    }

    /// An order that the ledger does not have: keep it only if it sold a bundle.
    pub(super) fn first_sight(
        &mut self,
        snapshot: &OrderSnapshot,
        created_at: Timestamp,
        outcome: &mut Outcome,
    ) -> RowEnd {
        self.ledger.forget_stranger(snapshot.order);
        let sold = |variant| self.bundles.recipe_for(variant, created_at);
        let Some(mut order) = OrderState::first_seen(snapshot, sold) else {
            self.lanes.wake_unneeded(snapshot.order, outcome.at);
            return RowEnd::Naked;
        };
        order.waits_for_payment = self.policy.waits_for_payment(snapshot);
        self.lanes.wake(snapshot.order, outcome.at);
        self.order_absorbed(order, Absorbed::Applied, outcome)
    }

    /// Puts an order back after a snapshot, with what follows from it.
    pub(super) fn order_absorbed(
        &mut self,
        mut order: OrderState,
        absorbed: Absorbed,
        outcome: &mut Outcome,
    ) -> RowEnd {
        match absorbed {
            Absorbed::Same | Absorbed::Stale => {
                self.ledger.put(order);
                RowEnd::Cold
            }
            Absorbed::Applied | Absorbed::Conflict => {
                // Goods may have moved between locations with any change.
                self.order_moves(&mut order, outcome.at);
                self.order_changed(order, outcome);
                RowEnd::Hot
            }
        }
    }

    /// Recomputes what an order should consume, and keeps it. The platform has changed the bundles' own levels already.
    pub(super) fn order_changed(&mut self, order: OrderState, outcome: &mut Outcome) {
        let bundles = order
            .lines
            .values()
            .map(|line| line.bundle)
            .collect::<Vec<_>>();
        for item in bundles
            .into_iter()
            .filter_map(|bundle| self.bundles.get(bundle).map(|bundle| bundle.item))
            .collect::<Vec<_>>()
        {
            self.stock
                .mark_unread(item, Timestamp::EPOCH, &mut outcome.changes);
            self.mark_dirty(item);
        }
        self.keep_order(order, outcome);
    }

    fn take_refund(&mut self, row: &Row, refund: &RefundSnapshot, outcome: &mut Outcome) -> RowEnd {
        if let Some(mut order) = self.ledger.take(refund.order) {
            let is_new = order.add_refund(refund);
            let absorbed = if is_new {
                Absorbed::Applied
            } else {
                Absorbed::Same
            };
            return self.order_absorbed(order, absorbed, outcome);
        }
        if self.lanes.is_unneeded(refund.order) || !self.concerns_us(refund) {
            return RowEnd::Naked;
        }
        self.park_row(row, refund.order, outcome)
    }

    /// Whether a refund of an order that the ledger does not have may concern a bundle.
    fn concerns_us(&self, refund: &RefundSnapshot) -> bool {
        refund.lines.iter().any(|line| {
            line.variant
                .is_none_or(|variant| self.bundles.ever_sold(variant))
        })
    }

    /// An order changed in a way that only a read tells.
    fn touch_order(&mut self, row: &Row, order: OrderId, outcome: &mut Outcome) -> RowEnd {
        if row.from_lane && (self.ledger.knows(order) || self.lanes.is_unneeded(order)) {
            // It has been read since this row was parked.
            return RowEnd::Cold;
        }
        let Some(mut state) = self.ledger.take(order) else {
            if self.bundles.is_empty() {
                return RowEnd::Naked;
            }
            return self.park_until_read(row, order, outcome);
        };
        state.touch();
        self.order_moves(&mut state, outcome.at);
        self.write_order(state, outcome);
        RowEnd::Hot
    }

    fn delete_order(&mut self, order: OrderId, outcome: &mut Outcome) -> RowEnd {
        let Some(mut state) = self.ledger.take(order) else {
            return RowEnd::Naked;
        };
        if state.deleted {
            self.ledger.put(state);
            return RowEnd::Cold;
        }
        state.tell_deletion();
        state.ask_anew(outcome.at);
        self.write_order(state, outcome);
        RowEnd::Hot
    }

    /// Settings carry no stamp, so what differs may be older than what is known: it is read instead of believed.
    fn take_item(&mut self, item: &ItemSnapshot) -> RowEnd {
        if self.stock.item(item.item).is_none() {
            return RowEnd::Naked;
        }
        if !self.stock.differs(item) {
            return RowEnd::Cold;
        }
        self.items_wanted.insert(item.item);
        RowEnd::Hot
    }

    fn take_product(&mut self, product: &ProductSnapshot) -> RowEnd {
        let differing = self.stock.differing(product);
        let end = if differing.is_empty() {
            RowEnd::Cold
        } else {
            RowEnd::Hot
        };
        self.items_wanted.extend(differing);
        end
    }

    fn bury_item(&mut self, item: ItemId, outcome: &mut Outcome) -> RowEnd {
        let changed = if self.stock.bury(item, &mut outcome.changes) {
            vec![item]
        } else {
            Vec::new()
        };
        self.items_changed(&changed, outcome)
    }

    fn level_seen(&mut self, item: ItemId, seen: LevelSeen, outcome: &mut Outcome) -> RowEnd {
        match seen {
            LevelSeen::Hot => self.items_changed(&[item], outcome),
            LevelSeen::Cold if self.stock.item(item).is_some() => RowEnd::Cold,
            LevelSeen::Cold => RowEnd::Naked,
        }
    }

    fn want_levels(&mut self, item: ItemId, outcome: &mut Outcome) -> RowEnd {
        if self.stock.item(item).is_none() {
            return RowEnd::Naked;
        }
        self.stock
            .mark_unread(item, outcome.at, &mut outcome.changes);
        self.items_changed(&[item], outcome)
    }

    /// What the platform refused of this item is asked again.
    pub(super) fn unblock(&mut self, item: ItemId, outcome: &mut Outcome) {
        for order in self.ledger.unblock(item) {
            outcome.changes.put(Change::PutOrder(order.clone()));
            self.ledger.put(order);
        }
    }

    /// Bundles that contain, or are, one of these items must be computed anew.
    pub(super) fn items_changed(&mut self, items: &[ItemId], outcome: &mut Outcome) -> RowEnd {
        for item in items {
            self.mark_dirty(*item);
            outcome.touched_items.push(*item);
        }
        if items.is_empty() {
            RowEnd::Cold
        } else {
            RowEnd::Hot
        }
    }

    fn uninstall(&mut self, row: &Row) -> RowEnd {
        // A late or repeated uninstall must not stop a store that was installed again since.
        let late = row
            .triggered_at
            .is_some_and(|at| self.installed_at.is_some_and(|installed| at < installed));
        if late {
            return RowEnd::Cold;
        }
        match self.paused {
            // What an admin paused goes on when an admin says so, installed again or not.
            Some(Pause::Uninstalled | Pause::ByAdmin { .. }) => RowEnd::Cold,
            Some(Pause::Barred(_)) | None => {
                self.paused = Some(Pause::Uninstalled);
                RowEnd::Hot
            }
        }
    }

    pub(super) fn bury_row(
        &self,
        seq: i64,
        class: DeadLetterClass,
        reason: String,
        outcome: &mut Outcome,
    ) {
        let id = dead_letter_id(self.store, seq);
        let record = DeadLetterRecord {
            id,
            seq: Some(seq),
            class,
            reason,
            at: outcome.at,
        };
        outcome.changes.put(Change::PutDeadLetter(record));
    }

    /// Whether a stamp is too far ahead to be the platform's: what it stamps is read instead of believed.
    pub(super) const fn is_absurd(&self, stamp: Timestamp, now: Timestamp) -> bool {
        stamp.millis_since(self.platform_now(now)) > STAMP_AHEAD_MS_MAX
    }
}

/// When the order was made, as finely as can be told: the stamp has a resolution of one second, so the trigger time of
/// its creation decides within that second, and otherwise the whole second counts as after a change of recipe in it.
fn precise_creation(snapshot: &OrderSnapshot, row: &Row) -> Timestamp {
    let hint = row.triggered_at.filter(|_| row.topic == ORDER_CREATED);
    match hint {
        Some(hint) if hint.floor_to_second() == snapshot.created_at.floor_to_second() => hint,
        Some(_) | None => end_of_second(snapshot.created_at),
    }
}

/// The last instant that a platform stamp may stand for.
pub(super) const fn end_of_second(stamp: Timestamp) -> Timestamp {
    stamp.floor_to_second().plus_millis(LAST_MILLI_OF_SECOND)
}
