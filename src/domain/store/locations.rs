//! The store's locations: what is known of them, when they are read again, and which orders that may move.
//!
//! A store with one active location takes everything there (D9). It may have got another one of which nobody has told
//! yet, so an order is placed there subject to confirmation: the locations are read again soon after it, and when they
//! turn out to be others, the platform is asked where the order is. Once something has told of an unknown location,
//! nothing is placed by what is known before the locations are read.

use std::collections::BTreeSet;

use crate::clock::Timestamp;
use crate::domain::call::{Read, Request};
use crate::domain::fact::{Assignments, Fact, LocationSnapshot, OrderSnapshot, RefundSnapshot};
use crate::domain::order::{Doubt, OrderState, Placement};
use crate::domain::store::change::Change;
use crate::domain::store::outcome::Outcome;
use crate::domain::store::state::{Memo, StoreState};
use crate::ids::{LocationId, OrderId};

/// How long after an order the locations are read at the latest, milliseconds: one request a minute at most.
const CONFIRM_MS: i64 = 60_000;
/// When so many orders are in doubt the locations are read at once, for all of these are kept in memory.
const DOUBTED_MANY: usize = 2_000;
/// How many orders one read of the locations places anew, so that a commit stays bounded.
const PLACED_MAX: usize = 250;
/// How long after a read that failed the next one waits, milliseconds.
const AGAIN_MS: i64 = 30_000;
/// How many unknown ids are remembered to have been asked about.
const STRANGE_MAX: usize = 1_000;

/// What is known of a store's locations.
#[derive(Debug, Default)]
pub(super) struct Locations {
    /// `None`: never read.
    pub(super) known: Option<Vec<LocationSnapshot>>,
    /// To be read as soon as may be.
    pub(super) wanted: bool,
    /// What is known is not all: nothing is placed by it until they are read.
    pub(super) in_doubt: bool,
    /// Not before this are they read again.
    not_before: Timestamp,
    /// How often they were asked about, the reading under way included.
    pub(super) readings: i64,
    /// When they were read last.
    read_at: Timestamp,
    /// Ids that something named and that are not known: each is worth one read.
    strange: BTreeSet<LocationId>,
}

impl Locations {
    /// As they were when the keeper's predecessor committed last. A change may have been told just before its end, so
    /// whoever places orders reads them anew.
    pub(super) fn restore(memo: &Memo, places_orders: bool) -> Self {
        Self {
            known: memo.locations.clone(),
            wanted: places_orders || memo.locations_in_doubt,
            in_doubt: memo.locations_in_doubt,
            readings: memo.locations_readings,
            ..Self::default()
        }
    }

    /// Something needs them: they are read if they never were.
    pub(super) const fn need(&mut self) {
        self.wanted |= self.known.is_none();
    }
}

impl StoreState {
    /// Active locations, ascending.
    #[must_use]
    pub fn active_locations(&self) -> Vec<LocationId> {
        active(self.locations.known.as_deref().unwrap_or_default())
    }

    /// Whether everything is taken at one location, as far as is known.
    fn only_location(&self) -> Option<LocationId> {
        match self.active_locations().as_slice() {
            [only] if !self.locations.in_doubt => Some(*only),
            [] | [_, ..] => None,
        }
    }

    /// Where an order's units are taken; asks for what must be known first.
    pub(super) fn place(&mut self, order: &mut OrderState, now: Timestamp) {
        self.locations.need();
        let placement = match self.only_location() {
            Some(only) => {
                let is_guess = order.placed_at.is_none();
                // Also when the question where it ships from falls away: another location may have opened meanwhile.
                if order.knows_only(only) && (is_guess || order.needs_assignments) {
                    order.placed_by_guess |= is_guess;
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
        order.ask_anew(now);
        if self.ships_from_anywhere(order) {
            order.needs_assignments = true;
        } else {
            self.doubt(order, now);
        }
    }

    /// The order is where the store's one location is, unless there are others by now.
    fn doubt(&self, order: &mut OrderState, now: Timestamp) {
        let ships = !order.deleted && !order.waits_for_payment;
        if order.location.is_none() && ships && self.only_location().is_some() {
            order.doubt = Some(Doubt {
                since: order.doubt.map_or(now, |doubt| doubt.since.min(now)),
                until_reading: self.locations.readings.saturating_add(1),
            });
        }
    }

    /// When the locations are to be read; `None`: nobody wants to know.
    pub(super) fn locations_due_at(&self, now: Timestamp) -> Option<Timestamp> {
        let Locations {
            wanted,
            not_before,
            read_at,
            ..
        } = self.locations;
        let wanted = wanted.then_some(Timestamp::EPOCH);
        let confirm = |since: Timestamp| {
            if self.ledger.doubted_count() < DOUBTED_MANY {
                since.max(read_at).plus_millis(CONFIRM_MS)
            } else {
                read_at.plus_millis(CONFIRM_MS / 10)
            }
        };
        let due_at = wanted.or_else(|| self.ledger.doubted_since().map(confirm))?;
        let due_at = due_at.max(not_before);
        // Nothing is put off for longer: our clock was set back.
        let is_absurd = due_at.millis_since(now) > CONFIRM_MS;
        Some(if is_absurd { now } else { due_at })
    }

    /// The platform says that they changed.
    pub(super) const fn locations_touched(&mut self) {
        self.locations.wanted = true;
        self.locations.in_doubt = true;
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
            | Fact::PartTouched(_)
            | Fact::OrderDeleted(_)
            | Fact::LevelGone { .. }
            | Fact::Item(_)
            | Fact::ItemGone(_)
            | Fact::Product(_)
            | Fact::ProductGone(_)
            | Fact::Uninstalled
            | Fact::Unneeded
            | Fact::Naked => {}
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
        let Some(known) = &self.locations.known else {
            return;
        };
        if known.iter().any(|known| known.location == location) {
            return;
        }
        if self.locations.strange.len() >= STRANGE_MAX {
            self.locations.strange.clear();
        }
        if !self.locations.strange.insert(location) {
            return;
        }
        self.locations_touched();
        if let Some(in_flight) = &mut self.in_flight {
            in_flight.raced |= in_flight.call.request == Request::Read(Read::Locations);
        }
    }

    /// The platform's locations. `raced`: they changed while they were read.
    pub(super) fn locations_read(
        &mut self,
        locations: Vec<LocationSnapshot>,
        raced: bool,
        outcome: &mut Outcome,
    ) {
        let changed = self.locations.known.as_ref() != Some(&locations);
        self.locations.known = Some(locations);
        self.locations.wanted = raced;
        self.locations.read_at = outcome.at;
        let was_in_doubt = std::mem::replace(&mut self.locations.in_doubt, raced);
        if changed {
            self.dirty_all();
        }
        if (changed || was_in_doubt) && !self.place_all_anew(outcome) {
            // The next answer places the next ones.
            self.locations_touched();
            return;
        }
        if self.active_locations().len() == 1 && !raced {
            self.ledger.confirm_places(self.locations.readings);
        }
    }

    /// Places every order by what is known now that this may move; tells whether it came to the end of them.
    fn place_all_anew(&mut self, outcome: &mut Outcome) -> bool {
        let mut placed = 0;
        for order in self.ledger.placeable() {
            if placed == PLACED_MAX {
                return false;
            }
            placed += usize::from(self.place_anew(order, outcome));
        }
        true
    }

    /// The locations could not be read: what was known stands for now, and other calls go first.
    pub(super) fn locations_not_read(&mut self, now: Timestamp) {
        let delay_ms = if self.locations.known.is_none() {
            self.back_off_delay_ms()
        } else {
            AGAIN_MS
        };
        self.locations.not_before = now.plus_millis(delay_ms);
    }

    /// Places an order by what is known now, and keeps it if that changes anything; tells whether it does.
    fn place_anew(&mut self, id: OrderId, outcome: &mut Outcome) -> bool {
        let Some(order) = self.ledger.take(id) else {
            return false;
        };
        let mut placed = order.clone();
        if order.doubt.is_some() && !self.is_where_it_was_thought(&order) {
            placed.doubt_place();
        }
        self.place(&mut placed, outcome.at);
        let is_moved = placed != order;
        if is_moved {
            self.write_order(placed, outcome);
        } else {
            self.ledger.put(order);
        }
        is_moved
    }

    /// Whether the store has no active location but the one where the order was taken to be.
    pub(super) fn is_where_it_was_thought(&self, order: &OrderState) -> bool {
        match self.active_locations().as_slice() {
            [only] => order.knows_only(*only),
            [] | [_, ..] => false,
        }
    }

    /// Places an order and keeps it.
    pub(super) fn keep_order(&mut self, mut order: OrderState, outcome: &mut Outcome) {
        self.place(&mut order, outcome.at);
        self.write_order(order, outcome);
    }

    /// Keeps an order as it is.
    pub(super) fn write_order(&mut self, mut order: OrderState, outcome: &mut Outcome) {
        order.line_up(outcome.at);
        self.note_cancellation(&order);
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
