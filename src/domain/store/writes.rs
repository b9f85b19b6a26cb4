//! How a write ends: done, refused, or still without a definite answer.

use crate::clock::Timestamp;
use crate::domain::call::{
    Adjustment, Setting, UserError, UserErrorCode, WRITE_ENTRIES_MAX, Write,
};
use crate::domain::order::CellDelta;
use crate::domain::store::answers::describe;
use crate::domain::store::change::{CallRecord, Change, DeadLetterClass, DeadLetterRecord};
use crate::domain::store::outcome::Outcome;
use crate::domain::store::state::{StoreState, entry_dead_letter_id};
use crate::ids::{CallId, DeadLetterId, ItemId};

/// A write without a definite answer for this long is left to a person: the platform forgets keys after 24 hours.
const AMBIGUOUS_MAX_MS: i64 = 23 * 60 * 60 * 1_000;
/// How many orders a dead letter names.
const ORDERS_NAMED_MAX: usize = 5;
/// The longest delay before a write is repeated, milliseconds.
const RESEND_MAX_MS: i64 = 10 * 60 * 1_000;

/// An entry of a write that was at fault, and why if the platform says.
type Fault<'e> = (usize, Option<&'e UserError>);

impl StoreState {
    /// The write took effect. Components are read next: an adjustment does not tell the level it led to.
    pub(super) fn write_done(
        &mut self,
        id: CallId,
        write: Write,
        at: Option<Timestamp>,
        outcome: &mut Outcome,
    ) {
        let repeated = self
            .open_calls
            .get(&id)
            .is_some_and(|record| record.attempts > 1);
        self.close_call(id, outcome);
        self.write_limit = (self.write_limit * 2).min(WRITE_ENTRIES_MAX);
        match write {
            Write::Adjust(entries) => {
                for entry in entries {
                    self.stocking.taken(entry.item, entry.location);
                    self.reread(entry.item, outcome);
                }
            }
            Write::Set(entries) => {
                for entry in entries {
                    self.level_written(entry, at, repeated, outcome);
                }
            }
            // What it was before is not known: it had no level.
            Write::Activate { item, .. } => self.reread(item, outcome),
        }
    }

    /// Other locations of the bundle may still differ, so it is compared once more.
    fn level_written(
        &mut self,
        entry: Setting,
        at: Option<Timestamp>,
        repeated: bool,
        outcome: &mut Outcome,
    ) {
        self.stock.wrote(entry, at, repeated, &mut outcome.changes);
        self.dirty.mark_item(entry.item);
        outcome.touched_items.push(entry.item);
    }

    /// The platform refused the whole write: nothing of it took effect.
    pub(super) fn write_rejected(
        &mut self,
        id: CallId,
        write: Write,
        errors: &[UserError],
        outcome: &mut Outcome,
    ) {
        self.close_call(id, outcome);
        let retry_only = errors
            .iter()
            .any(|error| error.code == UserErrorCode::PreviousAttemptFailed);
        let faults = if retry_only {
            Vec::new()
        } else {
            self.faults(entries_of(&write), errors)
        };
        match write {
            Write::Adjust(entries) => self.adjustment_rejected(id, &entries, &faults, outcome),
            Write::Set(entries) => self.setting_rejected(id, &entries, &faults, outcome),
            Write::Activate { item, .. } => {
                if let Some((_, Some(error))) =
                    faults.iter().find(|fault| fault.1.is_some_and(is_for_good))
                {
                    self.give_up_item(entry_dead_letter_id(id, 0), item, Some(error), outcome);
                }
                let misplaced = |error: &UserError| error.code == UserErrorCode::LocationUnusable;
                self.locations.wanted |= errors.iter().any(misplaced);
                self.reread(item, outcome);
            }
        }
    }

    /// Sends the write under way again, not before `at`.
    pub(super) fn resend_at(&mut self, id: CallId, at: Timestamp, outcome: &mut Outcome) {
        if let Some(record) = self.open_calls.get_mut(&id) {
            record.due_at = at;
            outcome.changes.put(Change::PutCall(record.clone()));
        }
    }

    /// The same after a delay that doubles, longer than the store's own, so that other calls come in between.
    pub(super) fn resend_later(&mut self, id: CallId, outcome: &mut Outcome) {
        let attempts = self
            .open_calls
            .get(&id)
            .map_or(0, |record| record.attempts.min(16));
        let delay_ms = self
            .settings
            .call_retry_base_ms
            .saturating_mul(1 << attempts)
            .min(RESEND_MAX_MS);
        self.resend_at(id, outcome.at.plus_millis(delay_ms), outcome);
    }

    /// Whether the platform may have forgotten the key of a write.
    pub(super) const fn is_forgotten(record: &CallRecord, now: Timestamp) -> bool {
        now.millis_since(record.created_at) >= AMBIGUOUS_MAX_MS
    }

    /// Leaves a write without a definite answer to a person: under another key it might take effect twice.
    pub(super) fn give_up_call(&mut self, id: CallId, outcome: &mut Outcome) {
        let Some(record) = self.open_calls.get(&id) else {
            return;
        };
        let items = items_of(&record.write);
        self.close_call(id, outcome);
        let reason =
            "the platform gave no definite answer for 23 hours; look there whether it took effect";
        let letter = entry_dead_letter_id(id, 0);
        self.bury_entry(
            letter,
            DeadLetterClass::Ambiguous,
            reason.to_owned(),
            outcome,
        );
        for item in items {
            self.reread(item, outcome);
        }
    }

    fn close_call(&mut self, id: CallId, outcome: &mut Outcome) {
        self.open_calls.remove(&id);
        outcome.changes.put(Change::DeleteCall(id));
    }

    /// Levels of this item must be read before anything is computed from them.
    fn reread(&mut self, item: ItemId, outcome: &mut Outcome) {
        self.stock
            .mark_unread(item, Timestamp::EPOCH, &mut outcome.changes);
        self.dirty.mark_item(item);
        outcome.touched_items.push(item);
    }

    /// Nothing was taken: the cells are open again, and what was at fault is blocked, unless all that it lacks is a
    /// level.
    fn adjustment_rejected(
        &mut self,
        id: CallId,
        entries: &[Adjustment],
        faults: &[Fault<'_>],
        outcome: &mut Outcome,
    ) {
        for (position, entry) in entries.iter().enumerate() {
            let fault = faults.iter().find(|fault| fault.0 == position);
            let lacks_level = fault.is_some_and(|fault| fault.1.is_some_and(is_not_stocked));
            let fault =
                fault.filter(|_| !(lacks_level && self.stocking.want(entry.item, entry.location)));
            self.reopen_cells(entry, fault.is_some(), outcome);
            if let Some((_, error)) = fault {
                let reason = format!("{}: {}", error_text(*error), describe_entry(entry));
                let letter = entry_dead_letter_id(id, position);
                self.bury_entry(letter, DeadLetterClass::Rejected, reason, outcome);
            }
        }
    }

    fn reopen_cells(&mut self, entry: &Adjustment, block: bool, outcome: &mut Outcome) {
        for settled in &entry.cells {
            let Some(mut order) = self.ledger.take(settled.order) else {
                continue;
            };
            order.reopen(
                CellDelta {
                    line: settled.line,
                    item: entry.item,
                    location: entry.location,
                    delta: settled.delta,
                },
                block,
            );
            outcome.changes.put(Change::PutOrder(order.clone()));
            self.ledger.put(order);
        }
    }

    /// Nothing was written: every level is compared anew; what was not as believed is read first.
    fn setting_rejected(
        &mut self,
        id: CallId,
        entries: &[Setting],
        faults: &[Fault<'_>],
        outcome: &mut Outcome,
    ) {
        for (position, entry) in entries.iter().enumerate() {
            self.dirty.mark_item(entry.item);
            let Some((_, error)) = faults.iter().find(|fault| fault.0 == position) else {
                continue;
            };
            match error {
                Some(error) if !is_for_good(error) => {
                    self.locations.wanted |= error.code == UserErrorCode::LocationUnusable;
                    self.reread(entry.item, outcome);
                }
                error => self.give_up_item(
                    entry_dead_letter_id(id, position),
                    entry.item,
                    *error,
                    outcome,
                ),
            }
        }
    }

    /// Which entries were at fault. When the platform does not say, the batch is cut in half until it can only be one.
    fn faults<'e>(&mut self, entries: usize, errors: &'e [UserError]) -> Vec<Fault<'e>> {
        let named = errors
            .iter()
            .filter_map(|error| error.entry.map(|entry| (entry, Some(error))));
        let named = named
            .filter(|(entry, _)| *entry < entries)
            .collect::<Vec<_>>();
        if !named.is_empty() {
            return named;
        }
        if entries > 1 {
            self.write_limit = entries.div_ceil(2);
            return Vec::new();
        }
        vec![(0, errors.first())]
    }

    fn give_up_item(
        &mut self,
        letter: DeadLetterId,
        item: ItemId,
        error: Option<&UserError>,
        outcome: &mut Outcome,
    ) {
        self.stock.mark_unusable(item, true, &mut outcome.changes);
        let reason = format!(
            "the platform refuses to write item {item}: {}",
            error_text(error)
        );
        self.bury_entry(letter, DeadLetterClass::Rejected, reason, outcome);
    }

    pub(super) fn bury_entry(
        &mut self,
        id: DeadLetterId,
        class: DeadLetterClass,
        reason: String,
        outcome: &mut Outcome,
    ) {
        self.counts.dead += 1;
        let record = DeadLetterRecord {
            id,
            seq: None,
            class,
            reason,
            at: outcome.at,
        };
        outcome.changes.put(Change::PutDeadLetter(record));
    }
}

/// Whether a refusal will be the same next time.
const fn is_for_good(error: &UserError) -> bool {
    match error.code {
        UserErrorCode::Stale
        | UserErrorCode::NotStocked
        | UserErrorCode::AlreadyStocked
        | UserErrorCode::LocationUnusable
        | UserErrorCode::PreviousAttemptFailed => false,
        UserErrorCode::ItemUnusable | UserErrorCode::Other(_) => true,
    }
}

fn is_not_stocked(error: &UserError) -> bool {
    error.code == UserErrorCode::NotStocked
}

fn error_text(error: Option<&UserError>) -> String {
    error.map_or_else(
        || "the platform refused it without a reason".to_owned(),
        |error| describe(std::slice::from_ref(error)),
    )
}

fn items_of(write: &Write) -> Vec<ItemId> {
    match write {
        Write::Adjust(entries) => entries.iter().map(|entry| entry.item).collect(),
        Write::Set(entries) => entries.iter().map(|entry| entry.item).collect(),
        Write::Activate { item, .. } => vec![*item],
    }
}

const fn entries_of(write: &Write) -> usize {
    match write {
        Write::Adjust(entries) => entries.len(),
        Write::Set(entries) => entries.len(),
        Write::Activate { .. } => 1,
    }
}

fn describe_entry(entry: &Adjustment) -> String {
    let orders = entry
        .cells
        .iter()
        .take(ORDERS_NAMED_MAX)
        .map(|cell| cell.order.to_string());
    let orders = orders.collect::<Vec<_>>().join(", ");
    format!(
        "item {} at location {} by {}, for orders {orders}",
        entry.item, entry.location, entry.delta
    )
}
