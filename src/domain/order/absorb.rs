//! How what the platform tells of an order changes its state: the newest snapshot wins, refunds add up.

use std::collections::BTreeMap;

use crate::domain::bundle::SoldBundle;
use crate::domain::fact::{Assignment, OrderSnapshot, RefundLine, RefundSnapshot, Restock};
use crate::domain::order::{LineState, OrderState};
use crate::ids::{LineId, LocationId, VariantId};

/// What became of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absorbed {
    /// It told something new.
    Applied,
    /// It is older than what is known and told nothing new.
    Stale,
    /// It is what is known.
    Same,
    /// It has the stamp of what is known and other content: only a read can tell which is newer, and is now wanted.
    Conflict,
}

impl OrderState {
    /// The state of an order that was not known before; `None` when it sold no bundle. `sold` tells what bundle a
    /// variant was when the order was created; lines that were none never consume.
    #[must_use]
    pub fn first_seen(
        snapshot: &OrderSnapshot,
        sold: impl Fn(VariantId) -> Option<SoldBundle>,
    ) -> Option<Self> {
        let mut state = Self {
            order: snapshot.order,
            created_at: snapshot.created_at,
            updated_at: snapshot.updated_at,
            digest: digest(snapshot),
            deleted: false,
            cancelled: false,
            deletion_told: false,
            waits_for_payment: false,
            location: None,
            lines: BTreeMap::new(),
            refunds: BTreeMap::new(),
            assignments: None,
            needs_read: false,
            needs_assignments: false,
            previous: Vec::new(),
            placed_at: None,
            doubt: None,
            unplaceable: false,
            placed_by_guess: false,
            asked: None,
            cells: Vec::new(),
        };
        state.add_up(snapshot);
        state.overwrite(snapshot, sold);
        (!state.lines.is_empty()).then_some(state)
    }

    /// Takes in a snapshot from a webhook. The cells are to be recomputed afterwards unless nothing was new.
    pub fn absorb(
        &mut self,
        snapshot: &OrderSnapshot,
        sold: impl Fn(VariantId) -> Option<SoldBundle>,
    ) -> Absorbed {
        let adds_up = self.add_up(snapshot);
        if snapshot.updated_at < self.updated_at {
            return if adds_up {
                Absorbed::Applied
            } else {
                Absorbed::Stale
            };
        }
        if snapshot.updated_at > self.updated_at {
            self.overwrite(snapshot, sold);
            return Absorbed::Applied;
        }
        if digest(snapshot) == self.digest {
            return if adds_up {
                Absorbed::Applied
            } else {
                Absorbed::Same
            };
        }
        // A deleted order cannot be read any more.
        self.needs_read = !self.deleted;
        Absorbed::Conflict
    }

    /// Takes in the answer of a read. It wins over a snapshot with the same stamp and settles a wanted read; an older
    /// one (from a replica that lags) leaves the read wanted.
    pub fn absorb_read(
        &mut self,
        snapshot: &OrderSnapshot,
        sold: impl Fn(VariantId) -> Option<SoldBundle>,
    ) -> Absorbed {
        let adds_up = self.add_up(snapshot);
        if snapshot.updated_at < self.updated_at {
            return if adds_up {
                Absorbed::Applied
            } else {
                Absorbed::Stale
            };
        }
        // The platform has it, whatever a webhook said.
        self.deletion_told = false;
        let is_known = snapshot.updated_at == self.updated_at && digest(snapshot) == self.digest;
        // That a wanted read is done is news, too: it must be kept.
        let was_wanted = std::mem::take(&mut self.needs_read);
        self.overwrite(snapshot, sold);
        if is_known && !adds_up && !was_wanted {
            Absorbed::Same
        } else {
            Absorbed::Applied
        }
    }

    /// Adds a refund. Whether it was new.
    pub fn add_refund(&mut self, refund: &RefundSnapshot) -> bool {
        let is_new = !self.refunds.contains_key(&refund.refund);
        if is_new {
            self.refunds.insert(refund.refund, refund.lines.clone());
        }
        is_new
    }

    /// Takes in which location ships what. Whether anything moved.
    pub fn assign(&mut self, assignments: &[Assignment]) -> bool {
        self.needs_assignments = false;
        if std::mem::take(&mut self.placed_by_guess) {
            // It tells nothing of where units were before.
            self.placed_at = None;
        }
        let merged = merge(assignments);
        if self.assignments.as_ref() == Some(&merged) {
            return false;
        }
        self.previous = self.attributed();
        self.assignments = Some(merged);
        true
    }

    /// Takes in where cancelled fulfillment orders were to ship from. It places only lines that no current one names:
    /// those of which nothing else has told, and those of which it tells every unit just once, for then it is newer
    /// than what is remembered. Whether any was placed by it.
    pub fn recall(&mut self, former: &[Assignment]) -> bool {
        let mut placed = false;
        let lines: Vec<(LineId, i64)> = self
            .lines
            .iter()
            .map(|(line, state)| (*line, state.quantity))
            .collect();
        for (line, quantity) in lines.into_iter().filter(|(_, quantity)| *quantity > 0) {
            let of_line: Vec<Assignment> = former
                .iter()
                .filter(|entry| entry.line == line && entry.quantity > 0)
                .copied()
                .collect();
            let is_whole = of_line.iter().map(|entry| entry.quantity).sum::<i64>() == quantity;
            if is_whole && !self.is_assigned(line) {
                placed |= self.remember(line, merge(&of_line));
            } else if self.told(line, quantity).is_empty() {
                placed |= self.remember(line, newest_by_location(of_line));
            }
        }
        placed
    }

    fn is_assigned(&self, line: LineId) -> bool {
        let mut current = self.assignments.iter().flatten();
        current.any(|assignment| assignment.line == line)
    }

    /// Replaces what was told of a line before. Whether that is anything new.
    fn remember(&mut self, line: LineId, entries: Vec<Assignment>) -> bool {
        let (of_line, mut others): (Vec<_>, Vec<_>) = std::mem::take(&mut self.previous)
            .into_iter()
            .partition(|before| before.line == line);
        let is_new = of_line != entries;
        others.extend(entries);
        self.previous = others;
        is_new
    }

    /// The order changed in a way that was not described: it must be read, and where it ships from.
    pub fn touch(&mut self) {
        self.needs_read = !self.deleted;
        self.needs_assignments = !self.deleted;
    }

    /// A webhook says that the order was deleted. It may be out of order, or forged, so the platform is asked.
    pub const fn tell_deletion(&mut self) {
        self.deletion_told = !self.deleted;
        self.needs_read = !self.deleted;
    }

    /// The order is gone from the platform, its goods are not: cells stay, and nothing can be read any more.
    pub fn mark_deleted(&mut self) {
        self.deleted = true;
        self.needs_read = false;
        self.needs_assignments = false;
    }

    /// The refund lines that concern a line, by ascending refund.
    pub(super) fn refunds_of(&self, line: LineId) -> impl Iterator<Item = &RefundLine> {
        self.refunds
            .values()
            .flatten()
            .filter(move |refund| refund.line == line)
    }

    /// Takes in what only ever adds up, however old the snapshot: refunds, and that it was paid. Whether any was new.
    fn add_up(&mut self, snapshot: &OrderSnapshot) -> bool {
        let mut is_new = snapshot.paid && std::mem::take(&mut self.waits_for_payment);
        for refund in &snapshot.refunds {
            is_new |= self.add_refund(refund);
        }
        is_new
    }

    fn overwrite(
        &mut self,
        snapshot: &OrderSnapshot,
        sold: impl Fn(VariantId) -> Option<SoldBundle>,
    ) {
        self.updated_at = snapshot.updated_at;
        self.digest = digest(snapshot);
        self.cancelled = snapshot.cancelled;
        self.location = snapshot.location.or(self.location);
        for line in &snapshot.lines {
            let quantity = line.quantity.max(0);
            let before = match self.lines.get_mut(&line.line) {
                Some(known) => std::mem::replace(&mut known.quantity, quantity),
                None => {
                    let Some(SoldBundle { bundle, needs }) = line.variant.and_then(&sold) else {
                        continue;
                    };
                    self.lines.insert(
                        line.line,
                        LineState {
                            bundle,
                            quantity,
                            needs,
                        },
                    );
                    0
                }
            };
            // Units that no assignment can know yet.
            self.needs_assignments |= quantity > before && !self.deleted;
        }
    }
}

/// One entry for each (line, location), ascending, positive.
fn merge(assignments: &[Assignment]) -> Vec<Assignment> {
    let mut units: BTreeMap<(LineId, LocationId), i64> = BTreeMap::new();
    for assignment in assignments
        .iter()
        .filter(|assignment| assignment.quantity > 0)
    {
        let sum = units
            .entry((assignment.line, assignment.location))
            .or_default();
        *sum = sum.saturating_add(assignment.quantity);
    }
    let entry = |((line, location), quantity)| Assignment {
        line,
        location,
        quantity,
    };
    units.into_iter().map(entry).collect()
}

/// The first entry for each location: a newer one tells more than an older one.
fn newest_by_location(entries: Vec<Assignment>) -> Vec<Assignment> {
    let mut newest: Vec<Assignment> = Vec::new();
    for entry in entries {
        if newest.iter().all(|newer| newer.location != entry.location) {
            newest.push(entry);
        }
    }
    newest
}

/// Tells snapshots apart by what matters of them, whatever the order of their parts. Stable over restarts and
/// versions; not meant against forgery.
#[must_use]
pub fn digest(snapshot: &OrderSnapshot) -> u64 {
    let mut lines: Vec<_> = snapshot
        .lines
        .iter()
        .map(|line| (line.line, line.variant, line.quantity))
        .collect();
    lines.sort_unstable();
    let mut refunds: Vec<_> = snapshot
        .refunds
        .iter()
        .flat_map(|refund| refund.lines.iter().map(|line| (refund.refund, line)))
        .map(|(refund, line)| {
            (
                refund,
                line.line,
                line.quantity,
                restock_number(line.restock),
                line.location,
            )
        })
        .collect();
    refunds.sort_unstable();
    let mut hash = Fnv::default();
    hash.write(snapshot.order.0);
    hash.write(i64::from(snapshot.cancelled));
    hash.write_optional(snapshot.location.map(|location| location.0));
    hash.write_count(lines.len());
    for (line, variant, quantity) in lines {
        hash.write(line.0);
        hash.write_optional(variant.map(|variant| variant.0));
        hash.write(quantity);
    }
    for (refund, line, quantity, restock, location) in refunds {
        hash.write(refund.0);
        hash.write(line.0);
        hash.write(quantity);
        hash.write(restock);
        hash.write_optional(location.map(|location| location.0));
    }
    hash.0
}

const fn restock_number(restock: Restock) -> i64 {
    match restock {
        Restock::None => 0,
        Restock::Cancel => 1,
        Restock::Return => 2,
        Restock::Legacy => 3,
    }
}

/// FNV-1a, 64 bits.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    fn write(&mut self, value: i64) {
        for byte in value.to_le_bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    fn write_optional(&mut self, value: Option<i64>) {
        self.write(i64::from(value.is_some()));
        self.write(value.unwrap_or_default());
    }

    fn write_count(&mut self, count: usize) {
        self.write(i64::try_from(count).unwrap_or(i64::MAX));
    }
}
