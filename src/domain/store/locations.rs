//! The store's locations: what is known of them, when they are read again, and which orders that may move.
//!
//! A store with one active location takes everything there (D9). It may have got another one of which nobody has told
//! yet, so an order is placed there subject to confirmation: the locations are read again soon after it, and when they
//! turn out to be others, the platform is asked where the order is. Once something has told of an unknown location,
//! nothing is placed by what is known before the locations are read.

use crate::clock::Timestamp;
use crate::domain::call::{Read, Request};
use crate::domain::fact::{Assignments, Fact, LocationSnapshot, OrderSnapshot, RefundSnapshot};
use crate::domain::order::{OrderState, Placement};
use crate::domain::store::change::Change;
use crate::domain::store::outcome::Outcome;
use crate::domain::store::state::StoreState;
use crate::ids::LocationId;

/// How long after an order the locations are read at the latest, milliseconds: one request a minute at most.
const CONFIRM_MS: i64 = 60_000;
/// How many orders one read of the locations confirms; so many do not wait.
const CONFIRMED_MAX: usize = 250;
/// How many orders one read of the locations places anew, so that a commit stays bounded.
const PLACED_MAX: usize = 250;
/// How long after a read that failed the next one waits, milliseconds.
const AGAIN_MS: i64 = 30_000;
/// How many unknown ids are remembered to have been asked about.
const STRANGE_MAX: usize = 1_000;

impl StoreState {
    /// Active locations, ascending.
    #[must_use]
    pub fn active_locations(&self) -> Vec<LocationId> {
        active(self.locations.as_deref().unwrap_or_default())
    }

    /// Whether everything is taken at one location, as far as is known.
    fn only_location(&self) -> Option<LocationId> {
        match self.active_locations().as_slice() {
            [only] if !self.locations_in_doubt => Some(*only),
            [] | [_, ..] => None,
        }
    }

    /// Where an order's units are taken; asks for what must be known first.
    pub(super) fn place(&mut self, order: &mut OrderState, now: Timestamp) {
        self.locations_wanted |= self.locations.is_none();
        let placement = match self.only_location() {
            Some(only) => {
                if order.placed_at.is_none() && order.knows_only(only) {
                    order.placed_by_guess = true;
                    self.doubt(order, now);
                }
                Placement::SingleLocation(only)
            }
            // Until the locations are known nothing is guessed.
            None => Placement::ByAssignment,
        };
        order.recompute(&placement);
    }

    /// Whether only the platform's assignments tell where the order's units are taken.
    pub(super) fn ships_from_anywhere(&self, order: &OrderState) -> bool {
        let only = self.only_location();
        let is_told = only.is_some_and(|only| order.knows_only(only));
        !order.deleted && order.location.is_none() && !is_told
    }

    /// The platform told something new of an order, which may ship from elsewhere since.
    pub(super) fn order_moves(&self, order: &mut OrderState, now: Timestamp) {
        order.asked = None;
        if self.ships_from_anywhere(order) {
            order.needs_assignments = true;
        } else {
            self.doubt(order, now);
        }
    }

    /// The order is where the store's one location is, unless there are others by now.
    fn doubt(&self, order: &mut OrderState, now: Timestamp) {
        if order.location.is_none() && !order.deleted && self.only_location().is_some() {
            order.doubted_since = Some(now);
        }
    }

    /// When the locations are to be read; `None`: nobody wants to know.
    pub(super) fn locations_due_at(&self) -> Option<Timestamp> {
        let wanted = self.locations_wanted.then_some(Timestamp::EPOCH);
        let doubted = self.ledger.doubted_since();
        let delay_ms = if self.ledger.doubted_count() < CONFIRMED_MAX {
            CONFIRM_MS
        } else {
            0
        };
        let confirmed = doubted.map(|since| since.plus_millis(delay_ms));
        let due_at = wanted.or(confirmed)?;
        Some(due_at.max(self.locations_not_before))
    }

    /// The platform says that they changed.
    pub(super) const fn locations_touched(&mut self) {
        self.locations_wanted = true;
        self.locations_in_doubt = true;
    }

    /// Takes note of the locations that a fact names.
    pub(super) fn note_locations_of(&mut self, fact: &Fact) {
        match fact {
            Fact::Order(order) => self.note_locations_of_order(order),
            Fact::Refund(refund) => self.note_locations_of_refund(refund),
            Fact::Level(level) if self.stock.item(level.item).is_some() => {
                self.note_location(level.location);
            }
            Fact::LocationsTouched => self.locations_touched(),
            Fact::Level(_)
            | Fact::OrderTouched(_)
            | Fact::OrderDeleted(_)
            | Fact::LevelGone { .. }
            | Fact::Item(_)
            | Fact::ItemGone(_)
            | Fact::Product(_)
            | Fact::ProductGone(_)
            | Fact::Uninstalled
            | Fact::Unneeded => {}
        }
    }

    pub(super) fn note_locations_of_order(&mut self, order: &OrderSnapshot) {
        if let Some(till) = order.location {
            self.note_location(till);
        }
        for refund in &order.refunds {
            self.note_locations_of_refund(refund);
        }
    }

    fn note_locations_of_refund(&mut self, refund: &RefundSnapshot) {
        for location in refund.lines.iter().filter_map(|line| line.location) {
            self.note_location(location);
        }
    }

    pub(super) fn note_locations_of_assignments(&mut self, assignments: &Assignments) {
        let Assignments { current, former } = assignments;
        for assignment in current.iter().chain(former) {
            self.note_location(assignment.location);
        }
    }

    /// Something names a location. One that is not known is worth a read; one that the platform did not list then
    /// (it was deleted) is not worth another.
    pub(super) fn note_location(&mut self, location: LocationId) {
        let Some(known) = &self.locations else {
            return;
        };
        if known.iter().any(|known| known.location == location) {
            return;
        }
        if self.strange_locations.len() >= STRANGE_MAX {
            self.strange_locations.clear();
        }
        if !self.strange_locations.insert(location) {
            return;
        }
        self.locations_touched();
        if let Some(in_flight) = &mut self.in_flight {
            in_flight.raced |= in_flight.call.request == Request::Read(Read::Locations);
        }
    }

    /// The platform's locations. `raced`: they changed while they were read; `begun_at`: what came before that is
    /// told of by the answer.
    pub(super) fn locations_read(
        &mut self,
        locations: Vec<LocationSnapshot>,
        (raced, begun_at): (bool, Timestamp),
        outcome: &mut Outcome,
    ) {
        let before = self.locations.replace(locations);
        let after = self.active_locations();
        self.locations_wanted = raced;
        let was_in_doubt = std::mem::replace(&mut self.locations_in_doubt, raced);
        let changed = before != self.locations;
        let moved = before.is_some_and(|before| active(&before) != after);
        let (mut confirmed, mut placed) = (0, 0);
        for id in self.ledger.placeable() {
            let Some(mut order) = self.ledger.take(id) else {
                continue;
            };
            let doubted_since = order.doubted_since;
            if doubted_since.is_some() && moved {
                order.doubt_place();
            } else if !raced
                && confirmed < CONFIRMED_MAX
                && doubted_since.is_some_and(|since| since < begun_at)
            {
                confirmed += 1;
                order.confirm_place();
            } else if (changed || was_in_doubt) && placed < PLACED_MAX {
                placed += usize::from(self.place_anew(order, outcome));
                continue;
            } else {
                self.ledger.put(order);
                continue;
            }
            self.keep_order(order, outcome);
        }
        if placed == PLACED_MAX {
            // The next answer places the next ones.
            self.locations_wanted = true;
            self.locations_in_doubt = true;
        }
        if changed {
            self.dirty_all();
        }
    }

    /// The locations could not be read: what was known stands for now, and other calls go first.
    pub(super) fn locations_not_read(&mut self, now: Timestamp) {
        let delay_ms = if self.locations.is_none() {
            self.back_off_delay_ms()
        } else {
            AGAIN_MS
        };
        self.locations_not_before = now.plus_millis(delay_ms);
    }

    /// Places an order by what is known now, and keeps it if that changes anything; tells whether it does.
    fn place_anew(&mut self, order: OrderState, outcome: &mut Outcome) -> bool {
        let mut placed = order.clone();
        self.place(&mut placed, outcome.at);
        let is_moved = placed != order;
        if is_moved {
            self.keep_order(placed, outcome);
        } else {
            self.ledger.put(order);
        }
        is_moved
    }

    /// Places an order and keeps it.
    pub(super) fn keep_order(&mut self, mut order: OrderState, outcome: &mut Outcome) {
        self.place(&mut order, outcome.at);
        if !order.needs_read && !order.needs_assignments {
            order.asked = None;
        }
        outcome.changes.put(Change::PutOrder(order.clone()));
        self.ledger.put(order);
    }
}

/// The active ones, ascending.
fn active(locations: &[LocationSnapshot]) -> Vec<LocationId> {
    let active = locations.iter().filter(|location| location.active);
    let mut ids: Vec<_> = active.map(|location| location.location).collect();
    ids.sort_unstable();
    ids
}
