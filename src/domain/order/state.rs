//! An order as its ledger keeps it, and what of it is still to be asked of the platform.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::domain::fact::{Assignment, RefundLine};
use crate::ids::{BundleId, ItemId, LineId, LocationId, OrderId, RefundId};

/// An order that concerns a bundle, as its ledger keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts, kept as a document by these names"
)]
pub struct OrderState {
    pub order: OrderId,
    /// Platform time, resolution one second; decides which recipe is in force.
    pub created_at: Timestamp,
    /// `updated_at` of the newest snapshot applied, platform time, resolution one second.
    pub updated_at: Timestamp,
    /// Digest of that snapshot: tells an equal repetition from an equal stamp with other content.
    pub digest: u64,
    pub deleted: bool,
    #[serde(default)]
    pub cancelled: bool,
    /// A webhook says that it was deleted; believed once the platform does not have it either.
    #[serde(default)]
    pub deletion_told: bool,
    /// Nothing is taken before it is paid: the store consumed on payment when the order was first told of.
    #[serde(default)]
    pub waits_for_payment: bool,
    /// Point of sale: where it happened.
    pub location: Option<LocationId>,
    /// Only lines that sold a bundle.
    pub lines: BTreeMap<LineId, LineState>,
    /// Every refund seen, by id; refunds never change.
    pub refunds: BTreeMap<RefundId, Vec<RefundLine>>,
    /// Which location ships what, when the platform has told.
    pub assignments: Option<Vec<Assignment>>,
    /// The snapshot must be read anew: an equal stamp with other content, or a touch without content.
    pub needs_read: bool,
    /// The assignments must be read anew before anything more is taken.
    pub needs_assignments: bool,
    /// Where units were to ship from before the assignments that are known now: units that left the assignments stay
    /// there. At most one entry for each (line, location).
    #[serde(default)]
    pub previous: Vec<Assignment>,
    /// The location that took everything when the store had just this one.
    #[serde(default)]
    pub placed_at: Option<LocationId>,
    /// `placed_at`, or that it still holds, is not confirmed: the order may ship from a location that the store has not
    /// heard of yet.
    #[serde(default)]
    pub doubt: Option<Doubt>,
    /// The platform does not tell where it ships from, often enough asked: what is known stands, and a person was told.
    #[serde(default)]
    pub unplaceable: bool,
    /// `placed_at` was never confirmed: should there be other locations, it tells nothing.
    #[serde(default)]
    pub placed_by_guess: bool,
    /// Since when it waits to be asked about, or what became of that; kept, so that a restart does not begin anew.
    #[serde(default)]
    pub asked: Option<Asked>,
    /// Ascending by (line, item, location), each at most once.
    pub cells: Vec<Cell>,
}

/// A doubt about where an order is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Doubt {
    /// Our clock.
    pub since: Timestamp,
    /// It ends with this reading of the store's locations, or a later one, by their numbers: a clock may be set back.
    pub until_reading: i64,
}

/// A question that is to be asked, or was answered with too little and is asked again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// How often it was asked.
    pub reads: u32,
    /// Not before this is it asked (again), our clock. Who was first here is asked about first.
    pub until: Timestamp,
    /// How often the platform answered, and told too little.
    #[serde(default)]
    pub answers: u32,
}

/// The first delay before a question is asked again, milliseconds; doubles each time.
const ASK_AGAIN_BASE_MS: i64 = 1_000;

impl Asked {
    /// The longest delay before a question is asked again, milliseconds.
    pub const DELAY_MS_MAX: i64 = 15 * 60 * 1_000;

    /// A question that was not asked yet.
    #[must_use]
    pub const fn not_yet(now: Timestamp) -> Self {
        Self {
            reads: 0,
            until: now,
            answers: 0,
        }
    }

    /// What becomes of `before` when it was asked once more, and the platform told too little.
    #[must_use]
    pub fn answered(before: Option<Self>, now: Timestamp) -> Self {
        let asked = Self::once_more(before, now);
        Self {
            answers: asked.answers.saturating_add(1),
            ..asked
        }
    }

    /// What becomes of `before` when it was asked once more.
    #[must_use]
    pub fn once_more(before: Option<Self>, now: Timestamp) -> Self {
        let reads = before.map_or(0, |asked| asked.reads).saturating_add(1);
        let delay_ms = ASK_AGAIN_BASE_MS
            .saturating_mul(1 << reads.min(16))
            .min(Self::DELAY_MS_MAX);
        Self {
            reads,
            until: now.plus_millis(delay_ms),
            answers: before.map_or(0, |asked| asked.answers),
        }
    }
}

/// A line that sold a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineState {
    pub bundle: BundleId,
    /// Units as ordered.
    pub quantity: i64,
    /// Units of each leaf component in one bundle, frozen when the line was first seen.
    pub needs: BTreeMap<ItemId, i64>,
}

/// One ledger cell: units of a component that an order line consumes at a location.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    pub line: LineId,
    pub item: ItemId,
    pub location: LocationId,
    /// What the newest state says; negative when more came back here than was taken here.
    pub desired: i64,
    /// What has been asked of the platform so far.
    pub applied: i64,
    /// The platform refuses this component here: a person must act.
    pub blocked: bool,
}

/// An adjustment of a component's level that a cell asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CellDelta {
    pub line: LineId,
    pub item: ItemId,
    pub location: LocationId,
    /// What to add to the level: negative when units are taken. Never zero.
    pub delta: i64,
}

impl OrderState {
    /// Whether anything is left to ask of the platform: an adjustment, blocked or not, or a read.
    #[must_use]
    pub fn unsettled(&self) -> bool {
        let differs = |cell: &Cell| cell.desired != cell.applied;
        let is_asked_about = self.needs_read || self.needs_assignments;
        is_asked_about || self.unplaceable || self.cells.iter().any(differs)
    }

    /// Whether it must be at hand without a webhook that names it: it is unsettled, or may have to be placed anew.
    /// Doubts that end with the reading `places_confirmed` are over.
    #[must_use]
    pub fn is_pending_since(&self, places_confirmed: i64) -> bool {
        let is_doubted = |doubt: Doubt| doubt.until_reading > places_confirmed;
        self.unsettled() || self.doubt.is_some_and(is_doubted)
    }

    /// There is news of it: it is asked about as if it never had been. One that waits for that keeps its place in line.
    pub fn ask_anew(&mut self, now: Timestamp) {
        self.unplaceable = false;
        self.asked = self.asked.map(|asked| Asked {
            until: asked.until.min(now),
            ..Asked::not_yet(now)
        });
    }

    /// Puts it in line to be asked about, or takes it out.
    pub fn line_up(&mut self, now: Timestamp) {
        if self.needs_read || self.needs_assignments {
            self.asked.get_or_insert(Asked::not_yet(now));
        } else {
            self.asked = None;
        }
    }

    /// Whether it has something to take or give back, and nothing to learn first.
    #[must_use]
    pub fn is_adjustable(&self) -> bool {
        !self.needs_read && self.deltas().next().is_some()
    }

    /// The adjustments that are due, ascending by (line, item, location). None while the assignments are to be read:
    /// they may move everything.
    pub fn deltas(&self) -> impl Iterator<Item = CellDelta> + '_ {
        let open = self
            .cells
            .iter()
            .filter(|cell| cell.is_open() && !self.needs_assignments);
        open.map(|cell| CellDelta {
            line: cell.line,
            item: cell.item,
            location: cell.location,
            delta: cell.applied.saturating_sub(cell.desired),
        })
    }

    /// Notes that the adjustment has been asked of the platform. Whether there is such a cell.
    pub fn settle(&mut self, asked: CellDelta) -> bool {
        self.change(asked, |cell| {
            cell.applied = cell.applied.saturating_sub(asked.delta);
        })
    }

    /// Takes back [`settle`](Self::settle): the platform refused the adjustment and nothing of it took effect.
    pub fn unsettle(&mut self, asked: CellDelta) -> bool {
        self.change(asked, |cell| {
            cell.applied = cell.applied.saturating_add(asked.delta);
        })
    }

    /// The platform refused an adjustment that was asked and nothing of it took effect: it is open again, or blocked.
    /// Meanwhile the opposite may have been asked, and the cell have gone: then that is what is left to take back.
    pub fn reopen(&mut self, asked: CellDelta, block: bool) {
        let key = (asked.line, asked.item, asked.location);
        if let Some(cell) = self.cells.iter_mut().find(|cell| cell.key() == key) {
            cell.applied = cell.applied.saturating_add(asked.delta);
            cell.blocked |= block;
            return;
        }
        self.cells.push(Cell {
            line: asked.line,
            item: asked.item,
            location: asked.location,
            desired: 0,
            applied: asked.delta,
            blocked: block,
        });
        self.cells.sort_unstable_by_key(Cell::key);
    }

    /// Asks no more of the platform for this component at this location, or does so again.
    pub fn block(&mut self, item: ItemId, location: LocationId, blocked: bool) {
        for cell in self
            .cells
            .iter_mut()
            .filter(|cell| (cell.item, cell.location) == (item, location))
        {
            cell.blocked = blocked;
        }
    }

    fn change(&mut self, asked: CellDelta, change: impl FnOnce(&mut Cell)) -> bool {
        let key = (asked.line, asked.item, asked.location);
        let cell = self.cells.iter_mut().find(|cell| cell.key() == key);
        cell.map(change).is_some()
    }
}

impl Cell {
    /// Whether an adjustment is due.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.desired != self.applied && !self.blocked
    }

    pub(super) fn key(&self) -> (LineId, ItemId, LocationId) {
        (self.line, self.item, self.location)
    }
}
