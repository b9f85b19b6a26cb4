//! What the platform's answers change.
//!
//! A write with a definite answer is over: its row goes. One without keeps its row and its key and is sent again
//! (INV-K). A refused batch took no effect at all, so its entries are wanted again and the next plan makes new rows
//! with new keys; the entry that was at fault is set aside.

use std::collections::BTreeSet;

use crate::clock::Timestamp;
use crate::domain::call::{
    Answer, Bar, Call, CallError, READ_ITEMS_MAX, Read, Reply as CallReply, Request, UserError,
    UserErrorCode,
};
use crate::domain::fact::{ItemSnapshot, LevelSnapshot};
use crate::domain::stock::StockBook;
use crate::domain::store::outcome::{Outcome, Refusal};
use crate::domain::store::rows::end_of_second;
use crate::domain::store::state::{Backoff, InFlight, Pause, StoreState};
use crate::ids::{CallId, ItemId, LocationId};

/// The longest delay between calls to a platform that does not answer, milliseconds.
const BACKOFF_MAX_MS: i64 = 60_000;
/// The platform's clock is only taken to differ from ours when it does so by more than its resolution explains.
const CLOCK_SLACK_MS: i64 = 2_000;

impl StoreState {
    /// Takes the answer to the call under way.
    pub(super) fn call_answered(
        &mut self,
        id: CallId,
        answer: Answer,
        outcome: &mut Outcome,
    ) -> Result<(), Refusal> {
        let Some(in_flight) = self.in_flight.take_if(|in_flight| in_flight.call.id == id) else {
            return Err(Refusal::UnknownCall);
        };
        self.buckets.answered(&answer, outcome.at);
        if let Some(platform_time) = answer.platform_time {
            self.compare_clocks(platform_time, in_flight.begun_at, outcome.at);
        }
        match answer.result {
            Ok(reply) => {
                self.backoff = Backoff::default();
                self.replied(in_flight, reply, outcome);
            }
            Err(error) => self.failed(in_flight, error, outcome),
        }
        Ok(())
    }

    /// The platform looked at its clock at some instant while the call was under way, which may have been long. What is
    /// believed of its clock stands as long as that is possible.
    fn compare_clocks(&mut self, platform_time: Timestamp, begun_at: Timestamp, now: Timestamp) {
        let least_ms = platform_time.millis_since(now);
        let most_ms = end_of_second(platform_time).millis_since(begun_at);
        let ahead_ms = self.platform_ahead_ms.min(most_ms).max(least_ms);
        self.platform_ahead_ms = if ahead_ms.abs() <= CLOCK_SLACK_MS {
            0
        } else {
            ahead_ms
        };
    }

    fn replied(&mut self, in_flight: InFlight, reply: CallReply, outcome: &mut Outcome) {
        let InFlight {
            call,
            is_sweep,
            begun_at,
            raced,
            raced_items,
        } = in_flight;
        match (call.request, reply) {
            (Request::Write(write), CallReply::Written { at }) => {
                self.write_done(call.id, write, at, outcome);
            }
            (Request::Read(Read::Levels(items)), CallReply::Levels(levels)) => {
                self.levels_read(&items, &levels, outcome);
                if is_sweep {
                    self.items_swept(&items, outcome.at);
                }
            }
            (Request::Read(Read::Items(items)), CallReply::Items(found)) => {
                self.items_read(&items, &found, outcome);
                self.items_wanted.extend(raced_items);
                if is_sweep {
                    self.items_swept(&items, outcome.at);
                }
            }
            (Request::Read(Read::Order(order)), CallReply::Order(found)) => {
                self.order_read(order, found.as_deref(), outcome);
                if raced {
                    self.read_order_again(order, outcome);
                }
            }
            (Request::Read(Read::OrdersSince { .. }), CallReply::OrdersPage { orders, next }) => {
                self.orders_swept(&orders, next, outcome);
            }
            (Request::Read(Read::Assignments(order)), CallReply::Assignments(assignments)) => {
                self.assignments_read(order, &assignments, outcome);
                if raced {
                    self.place_order_again(order, outcome);
                }
            }
            (Request::Read(Read::OrderOf(part)), CallReply::OrderOf(order)) => {
                self.part_read(part, order, outcome);
            }
            (Request::Read(Read::Locations), CallReply::Locations(locations)) => {
                self.locations_read(locations, raced, outcome);
            }
            (Request::Read(Read::Subscriptions), CallReply::Subscriptions { .. }) => {
                self.subscriptions_swept();
            }
            // An answer of another kind than the question: as if the platform had not answered.
            (request, _) => {
                let id = call.id;
                let in_flight = InFlight {
                    call: Call { id, request },
                    is_sweep,
                    begun_at,
                    raced,
                    raced_items,
                };
                let reason = "the answer does not fit the call".to_owned();
                self.failed(in_flight, CallError::Ambiguous { reason }, outcome);
            }
        }
    }

    fn levels_read(&mut self, items: &[ItemId], levels: &[LevelSnapshot], outcome: &mut Outcome) {
        self.read_limit_widens();
        let places = |stock: &StockBook, item: ItemId| -> BTreeSet<LocationId> {
            let levels = stock.levels(item).into_iter().flatten();
            levels.map(|(location, _)| *location).collect()
        };
        let before = items
            .iter()
            .map(|item| places(&self.stock, *item))
            .collect::<Vec<_>>();
        let changed = self
            .stock
            .finish_reading(items, levels, outcome.at, &mut outcome.changes);
        for (item, before) in items.iter().zip(before) {
            if self.stock.is_certain(*item) {
                self.dirty.became_certain(*item);
            }
            // One may have gone as well: it is not their number that counts.
            if !places(&self.stock, *item).is_subset(&before) {
                self.unblock(*item, outcome);
            }
        }
        for level in levels {
            self.note_location(level.location);
        }
        self.items_changed(&changed, outcome);
    }

    fn items_read(&mut self, asked: &[ItemId], found: &[ItemSnapshot], outcome: &mut Outcome) {
        self.read_limit_widens();
        let mut changed = Vec::new();
        for item in asked {
            self.items_wanted.remove(item);
            self.note_checked(*item, outcome.at);
            let differs = match found.iter().find(|snapshot| snapshot.item == *item) {
                Some(snapshot) => self.stock.see_item(snapshot, &mut outcome.changes),
                None => self.stock.bury(*item, &mut outcome.changes),
            };
            if differs {
                self.stock.mark_unusable(*item, false, &mut outcome.changes);
                self.unblock(*item, outcome);
                changed.push(*item);
            }
        }
        self.items_changed(&changed, outcome);
    }

    fn failed(&mut self, in_flight: InFlight, error: CallError, outcome: &mut Outcome) {
        self.stock.abandon_reading();
        if let Some(order) = self.does_without_place(&in_flight.call.request, &error) {
            self.postpone_order(order, outcome);
            return;
        }
        if self.does_without_part(&in_flight.call.request, &error) {
            return;
        }
        self.step_aside(&in_flight.call.request, &error, outcome);
        if in_flight.is_sweep {
            self.sweep_stumbled(&in_flight.call.request, &error, outcome.at);
        }
        match error {
            // The bucket knows the wait already.
            CallError::Throttled { .. } => self.resend_at(in_flight.call.id, outcome.at, outcome),
            CallError::Unavailable { reason } | CallError::Ambiguous { reason } => {
                self.back_off(outcome.at, reason);
                self.resend_later(in_flight.call.id, outcome);
            }
            CallError::Busy => {
                self.back_off(
                    outcome.at,
                    "the platform is still working on the same call".to_owned(),
                );
                self.resend_later(in_flight.call.id, outcome);
            }
            CallError::Barred(bar) => {
                // A call that began with the former token tells nothing of the present one.
                if self
                    .renewed_at
                    .is_none_or(|renewed_at| renewed_at <= in_flight.begun_at)
                {
                    self.barred(bar);
                }
                self.resend_at(in_flight.call.id, outcome.at, outcome);
            }
            CallError::Rejected { errors } => self.rejected(in_flight, &errors, outcome),
        }
    }

    /// A step of the sweep that the platform does not answer is left out, so that it does not stand before the others
    /// for ever; what was refused is dealt with where refusals are.
    fn sweep_stumbled(&mut self, request: &Request, error: &CallError, now: Timestamp) {
        let Request::Read(read) = request else { return };
        match error {
            CallError::Unavailable { .. } | CallError::Ambiguous { .. } | CallError::Busy => {}
            CallError::Throttled { .. } | CallError::Barred(_) | CallError::Rejected { .. } => {
                return;
            }
        }
        match read {
            Read::Subscriptions => self.subscriptions_swept(),
            // Asked again in halves.
            Read::Levels(items) | Read::Items(items) if items.len() > 1 => {}
            Read::Levels(items) | Read::Items(items) => self.items_swept(items, now),
            Read::OrdersSince { .. }
            | Read::Order(_)
            | Read::OrderOf(_)
            | Read::Assignments(_)
            | Read::Locations => self.end_sweep(now),
        }
    }

    /// What was asked lets other things go first when its turn comes again, so that one question that always fails
    /// does not stand before all others.
    fn step_aside(&mut self, request: &Request, error: &CallError, outcome: &mut Outcome) {
        let now = outcome.at;
        let Request::Read(read) = request else { return };
        if matches!(error, CallError::Throttled { .. } | CallError::Barred(_)) {
            return;
        }
        match read {
            Read::Order(order) | Read::Assignments(order) => {
                self.postpone_order(*order, outcome);
            }
            Read::Levels(items) | Read::Items(items) if items.len() > 1 => {
                self.read_limit = items.len().div_ceil(2);
            }
            Read::Levels(items) => {
                let until = now.plus_millis(self.back_off_delay_ms());
                for item in items {
                    self.stock.postpone_read(*item, until);
                }
            }
            Read::Locations => self.locations_not_read(now),
            Read::OrderOf(part) => self.postpone_part(*part, now),
            Read::Items(_) | Read::OrdersSince { .. } | Read::Subscriptions => {}
        }
    }

    fn barred(&mut self, bar: Bar) {
        if self.paused.is_none() {
            self.paused = Some(Pause::Barred(bar));
        }
    }

    /// Lets the platform rest: doubling from the configured base, at most a minute.
    fn back_off(&mut self, now: Timestamp, reason: String) {
        let delay_ms = self.back_off_delay_ms();
        self.backoff = Backoff {
            failures: self.backoff.failures.saturating_add(1),
            until: now.plus_millis(delay_ms),
            reason: Some(reason),
        };
    }

    pub(super) fn back_off_delay_ms(&self) -> i64 {
        let doublings = self.backoff.failures.min(16);
        let delay_ms = self
            .settings
            .call_retry_base_ms
            .saturating_mul(1 << doublings);
        delay_ms.min(BACKOFF_MAX_MS)
    }

    fn rejected(&mut self, in_flight: InFlight, errors: &[UserError], outcome: &mut Outcome) {
        let InFlight { call, is_sweep, .. } = in_flight;
        match call.request {
            Request::Write(write) => self.write_rejected(call.id, write, errors, outcome),
            Request::Read(read) => self.read_rejected(read, is_sweep, errors, outcome),
        }
    }

    /// The platform does not answer this question. A long question is cut in half, so that one bad entry does not
    /// block the others; a question about one thing gives that thing up, so that it does not block the rest.
    fn read_rejected(
        &mut self,
        read: Read,
        is_sweep: bool,
        errors: &[UserError],
        outcome: &mut Outcome,
    ) {
        match read {
            // `step_aside` has cut it in half.
            Read::Levels(items) | Read::Items(items) if items.len() > 1 => {}
            Read::Levels(items) => {
                if is_sweep {
                    self.items_swept(&items, outcome.at);
                }
            }
            Read::Items(items) => {
                // Nobody knows such an item, or nobody may ask: what is known of it stands.
                for item in &items {
                    self.items_wanted.remove(item);
                    self.note_checked(*item, outcome.at);
                }
                if is_sweep {
                    self.items_swept(&items, outcome.at);
                }
            }
            Read::Order(order) => self.order_unreadable(order, outcome),
            Read::OrdersSince { .. } => self.end_sweep(outcome.at),
            Read::Assignments(order) => self.assignments_refused(order, outcome),
            // Given up already.
            Read::OrderOf(_) => {}
            Read::Locations => self.back_off(outcome.at, describe(errors)),
            Read::Subscriptions => self.subscriptions_swept(),
        }
    }

    const fn read_limit_widens(&mut self) {
        self.read_limit = if self.read_limit * 2 < READ_ITEMS_MAX {
            self.read_limit * 2
        } else {
            READ_ITEMS_MAX
        };
    }
}

/// The errors in one line for a person.
pub(super) fn describe(errors: &[UserError]) -> String {
    let lines = errors.iter().take(3).map(|error| match &error.code {
        UserErrorCode::Other(code) => format!("{code}: {}", error.message),
        UserErrorCode::Stale
        | UserErrorCode::NotStocked
        | UserErrorCode::AlreadyStocked
        | UserErrorCode::ItemUnusable
        | UserErrorCode::LocationUnusable
        | UserErrorCode::PreviousAttemptFailed => error.message.clone(),
    });
    lines.collect::<Vec<_>>().join("; ")
}
