//! Where an order's units are taken and given back: from state to desired cells.
//!
//! Of a line's ordered units each is taken at one location; each restocked unit comes back at one. The difference by
//! location, times the need of each leaf, is desired there. Cells are a function of the state alone, never of the
//! order in which it became so; only what was known about assignments before has a memory
//! ([`OrderState::previous`]).

use std::collections::BTreeMap;

use crate::domain::fact::{Assignment, Restock};
use crate::domain::order::{Cell, LineState, OrderState};
use crate::ids::{ItemId, LineId, LocationId};

/// How a store tells where an order's units are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// It has just this active location.
    SingleLocation(LocationId),
    /// It has several: the platform assigns them.
    ByAssignment,
}

type UnitsBy<Key> = BTreeMap<Key, i64>;

impl OrderState {
    /// Brings the desired cells up to date. When it is not known where units are taken, the assignments are marked
    /// as wanted and the cells stay as they are.
    pub fn recompute(&mut self, placement: &Placement) {
        match placement {
            // Where its units are to ship from may change until then.
            _ if self.waits_for_payment => self.needs_assignments = false,
            Placement::SingleLocation(location) if self.knows_only(*location) => {
                self.placed_at.get_or_insert(*location);
                self.needs_assignments = false;
            }
            _ if self.location.is_some() => self.needs_assignments = false,
            Placement::SingleLocation(_) | Placement::ByAssignment => {
                let unknown = self.assignments.is_none() && self.placed_at.is_none();
                self.needs_assignments |= unknown && self.wants_units() && !self.deleted;
                if self.needs_assignments {
                    return;
                }
            }
        }
        self.rewrite_cells();
    }

    /// Whether nothing is known of it that lies elsewhere than at `location`.
    #[must_use]
    pub fn knows_only(&self, location: LocationId) -> bool {
        let assigned = self.assignments.iter().flatten().chain(&self.previous);
        let assigned = assigned.map(|assignment| assignment.location);
        assigned
            .chain(self.placed_at)
            .all(|known| known == location)
    }

    /// A reading of the store's locations found none but the order's. A doubt that only a later one ends stays.
    pub fn confirm_place(&mut self, reading: i64) {
        if self
            .doubt
            .is_some_and(|doubt| doubt.until_reading <= reading)
        {
            self.doubt = None;
            self.placed_by_guess = false;
        }
    }

    /// The order may ship from another location than was thought: the platform must tell. Of a deleted
    /// order nobody tells any more.
    pub fn doubt_place(&mut self) {
        self.doubt = None;
        if self.deleted || self.location.is_some() || !self.wants_units() {
            return;
        }
        self.needs_assignments = true;
    }

    /// Whether units are consumed of a line of which no assignment tells: the platform has assigned no location yet,
    /// and what would be likely is worth less than asking again.
    #[must_use]
    pub fn is_unplaced(&self) -> bool {
        let is_told = |line: &LineId, state: &LineState| {
            self.location.is_some() || !self.told(*line, state.quantity).is_empty()
        };
        let mut lines = self.lines.iter();
        lines.any(|(line, state)| self.consumed(*line) > 0 && !is_told(line, state))
    }

    /// Units of a line that stay consumed: as ordered, without those that came back.
    #[must_use]
    pub fn consumed(&self, line: LineId) -> i64 {
        let Some(state) = self.lines.get(&line).filter(|_| !self.waits_for_payment) else {
            return 0;
        };
        let back = self
            .refunds_of(line)
            .filter(|refund| refund.restock.gives_back());
        let back = back.fold(0_i64, |sum, refund| {
            sum.saturating_add(refund.quantity.max(0))
        });
        state.quantity.saturating_sub(back).max(0)
    }

    /// Where every line's units are to ship from by what the platform has told until now.
    pub(super) fn attributed(&self) -> Vec<Assignment> {
        let mut attributed = Vec::new();
        for (line, state) in &self.lines {
            let units = match (&self.assignments, self.placed_at) {
                (Some(_), _) => self.told(*line, state.quantity),
                (None, Some(location)) => BTreeMap::from([(location, state.quantity)]),
                (None, None) => BTreeMap::new(),
            };
            let entry = |(location, quantity)| Assignment {
                line: *line,
                location,
                quantity,
            };
            attributed.extend(units.into_iter().map(entry));
        }
        attributed
    }

    fn wants_units(&self) -> bool {
        !self.waits_for_payment && self.lines.values().any(|line| line.quantity > 0)
    }

    fn rewrite_cells(&mut self) {
        let mut desired: UnitsBy<(LineId, ItemId, LocationId)> = BTreeMap::new();
        let consumed = self.lines.iter().filter(|_| !self.waits_for_payment);
        for (line, state) in consumed {
            for (location, units) in self.net(*line, state.quantity) {
                for (item, need) in &state.needs {
                    desired.insert((*line, *item, location), units.saturating_mul(*need));
                }
            }
        }
        for cell in &mut self.cells {
            cell.desired = desired.remove(&cell.key()).unwrap_or(0);
            // Where nothing is asked any more, nothing is refused: what is asked later is asked anew.
            cell.blocked = cell.blocked && cell.desired != cell.applied;
        }
        let fresh = desired
            .into_iter()
            .map(|((line, item, location), desired)| Cell {
                line,
                item,
                location,
                desired,
                applied: 0,
                blocked: false,
            });
        self.cells.extend(fresh);
        self.cells
            .retain(|cell| cell.desired != 0 || cell.applied != 0);
        self.cells.sort_unstable_by_key(Cell::key);
    }

    /// Units by location: taken, less what came back. Sums up to what is consumed, or is empty when nothing is known.
    fn net(&self, line: LineId, quantity: i64) -> UnitsBy<LocationId> {
        let mut net = self.taken(line, quantity);
        if net.is_empty() {
            return net;
        }
        let mut left = quantity;
        for refund in self
            .refunds_of(line)
            .filter(|refund| refund.restock.gives_back())
        {
            let units = refund.quantity.clamp(0, left);
            left -= units;
            match refund.location {
                Some(location) => *net.entry(location).or_default() -= units,
                None => give_back(&mut net, units),
            }
        }
        net
    }

    /// Units by the location they are taken at, summing up to `quantity`; empty when nothing is known.
    fn taken(&self, line: LineId, quantity: i64) -> UnitsBy<LocationId> {
        if let Some(location) = self.location {
            return BTreeMap::from([(location, quantity)]);
        }
        if self.assignments.is_none() {
            return self
                .placed_at
                .map(|location| (location, quantity))
                .into_iter()
                .collect();
        }
        let mut taken = self.told(line, quantity);
        let mut left = quantity - taken.values().sum::<i64>();
        for (location, units) in self.restocked_at(line) {
            add(&mut taken, location, units, &mut left);
        }
        match self.fallback(line) {
            Some(location) => add(&mut taken, location, left, &mut { left }),
            // Some units would be nowhere: then nothing is guessed about the others either.
            None if left > 0 => taken.clear(),
            None => {}
        }
        taken
    }

    /// What the assignments tell, and for units that have left them, what they told before.
    pub(super) fn told(&self, line: LineId, quantity: i64) -> UnitsBy<LocationId> {
        let of_line = |assignment: &&Assignment| assignment.line == line;
        let mut told = BTreeMap::new();
        let mut left = quantity;
        for assignment in self.assignments.iter().flatten().filter(of_line) {
            add(
                &mut told,
                assignment.location,
                assignment.quantity,
                &mut left,
            );
        }
        let assigned = told.clone();
        for before in self.previous.iter().filter(of_line) {
            let still_assigned = assigned.get(&before.location).copied().unwrap_or(0);
            add(
                &mut told,
                before.location,
                before.quantity - still_assigned,
                &mut left,
            );
        }
        told
    }

    /// Where restocked units came back, those first that were never shipped: they were taken where they lie.
    fn restocked_at(&self, line: LineId) -> Vec<(LocationId, i64)> {
        let is_shipped = |restock: Restock| match restock {
            Restock::None | Restock::Return => true,
            Restock::Cancel | Restock::Legacy => false,
        };
        let mut restocked: Vec<_> = self
            .refunds_of(line)
            .filter(|refund| refund.restock.gives_back() && refund.quantity > 0)
            .filter_map(|refund| {
                Some((
                    is_shipped(refund.restock),
                    refund.location?,
                    refund.quantity,
                ))
            })
            .collect();
        restocked.sort_by_key(|(shipped, _, _)| *shipped);
        restocked
            .into_iter()
            .map(|(_, location, units)| (location, units))
            .collect()
    }

    /// The likeliest place of units that nothing tells of: with the rest of the line, of its refunds, of the order.
    fn fallback(&self, line: LineId) -> Option<LocationId> {
        let assignments = || self.assignments.iter().flatten();
        assignments()
            .find(|assignment| assignment.line == line)
            .or_else(|| self.previous.iter().find(|before| before.line == line))
            .map(|assignment| assignment.location)
            .or_else(|| {
                self.restocked_at(line)
                    .first()
                    .map(|(location, _)| *location)
            })
            .or(self.placed_at)
            .or_else(|| assignments().next().map(|assignment| assignment.location))
    }
}

/// Adds up to `units` at `location`, no more than are left.
fn add(taken: &mut UnitsBy<LocationId>, location: LocationId, units: i64, left: &mut i64) {
    let units = units.clamp(0, (*left).max(0));
    if units > 0 {
        *taken.entry(location).or_default() += units;
        *left -= units;
    }
}

/// Gives back units of which no location is told: where units are taken, ascending, no more than are taken there.
fn give_back(net: &mut UnitsBy<LocationId>, mut units: i64) {
    for taken in net.values_mut() {
        let back = units.clamp(0, (*taken).max(0));
        *taken -= back;
        units -= back;
    }
    if let Some(taken) = net.values_mut().next() {
        *taken -= units;
    }
}
