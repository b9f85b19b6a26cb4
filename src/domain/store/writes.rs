//! How a write ends: done, refused, or still without a definite answer.

use crate::clock::Timestamp;
use crate::domain::call::{
    Adjustment, Setting, UserError, UserErrorCode, WRITE_ENTRIES_MAX, Write,
};
use crate::domain::store::answers::describe;
use crate::domain::store::change::{Change, DeadLetterClass, DeadLetterRecord};
use crate::domain::store::outcome::Outcome;
use crate::domain::store::state::{StoreState, entry_dead_letter_id};
use crate::ids::{CallId, ItemId};

/// A write without a definite answer for this long is left to a person: the platform forgets keys after 24 hours.
const AMBIGUOUS_MAX_MS: i64 = 23 * 60 * 60 * 1_000;
/// How long a repeated write waits at least, milliseconds; the back-off of the whole store usually waits longer.
const RESEND_DELAY_MS: i64 = 1_000;

impl StoreState {
    /// The write took effect. Components are read next: an adjustment does not tell the level it led to.
    pub(super) fn write_done(
        &mut self,
        id: CallId,
        write: Write,
        at: Option<Timestamp>,
        outcome: &mut Outcome,
    ) {
        self.close_call(id, outcome);
        self.write_limit = (self.write_limit * 2).min(WRITE_ENTRIES_MAX);
        match write {
            Write::Adjust(entries) => {
                for entry in entries {
                    self.reread(entry.item, outcome);
                }
            }
            Write::Set(entries) => {
                for entry in entries {
                    self.stock.wrote(entry, at, &mut outcome.changes);
                    outcome.touched_items.push(entry.item);
                }
            }
            Write::Activate {
                item,
                location,
                available,
            } => {
                let entry = Setting {
                    item,
                    location,
                    quantity: available,
                    change_from: 0,
                };
                self.stock.wrote(entry, at, &mut outcome.changes);
                outcome.touched_items.push(item);
            }
        }
    }

    /// The platform refused the whole write: nothing of it took effect.
    pub(super) fn write_rejected(
        &mut self,
        now: Timestamp,
        id: CallId,
        write: Write,
        errors: &[UserError],
        outcome: &mut Outcome,
    ) {
        self.close_call(id, outcome);
        let retry_only = errors
            .iter()
            .any(|error| error.code == UserErrorCode::PreviousAttemptFailed);
        let errors = if retry_only { &[] } else { errors };
        match write {
            Write::Adjust(entries) => {
                self.adjustment_rejected(now, id, &entries, errors, retry_only, outcome);
            }
            Write::Set(entries) => {
                self.setting_rejected(now, id, &entries, errors, retry_only, outcome);
            }
            Write::Activate { item, .. } => {
                if errors.iter().any(|error| is_for_good(&error.code)) {
                    self.give_up_item(now, id, 0, item, errors, outcome);
                }
                self.reread(item, outcome);
            }
        }
    }

    /// Sends the write under way again, not before `at`; gives it up when its key is about to be forgotten.
    pub(super) fn resend_at(&mut self, id: CallId, at: Timestamp, outcome: &mut Outcome) {
        let Some(record) = self.open_calls.get_mut(&id) else {
            return;
        };
        record.due_at = at;
        if at.millis_since(record.created_at) < AMBIGUOUS_MAX_MS {
            outcome.changes.put(Change::PutCall(record.clone()));
            return;
        }
        let write = record.write.clone();
        self.close_call(id, outcome);
        let reason =
            "the platform gave no definite answer for 23 hours; look there whether it took effect"
                .to_owned();
        self.bury_entry(at, id, 0, DeadLetterClass::Ambiguous, reason, outcome);
        for item in items_of(&write) {
            self.reread(item, outcome);
        }
    }

    pub(super) fn resend_later(&mut self, now: Timestamp, id: CallId, outcome: &mut Outcome) {
        self.resend_at(id, now.plus_millis(RESEND_DELAY_MS), outcome);
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

    /// Nothing was taken: the cells are open again, and what was at fault is blocked.
    fn adjustment_rejected(
        &mut self,
        now: Timestamp,
        id: CallId,
        entries: &[Adjustment],
        errors: &[UserError],
        retry_only: bool,
        outcome: &mut Outcome,
    ) {
        let faults = if retry_only {
            Vec::new()
        } else {
            self.faults(entries.len(), errors)
        };
        for (position, entry) in entries.iter().enumerate() {
            let fault = faults.iter().find(|fault| fault.0 == position);
            self.reopen_cells(entry, fault.is_some(), outcome);
            if let Some((_, error)) = fault {
                let orders = entry
                    .cells
                    .iter()
                    .take(5)
                    .map(|cell| cell.order.to_string())
                    .collect::<Vec<_>>()
                    .join(", ");
                let what = format!(
                    "item {} at location {} by {}, for orders {orders}",
                    entry.item, entry.location, entry.delta
                );
                let reason = format!("{}: {what}", error_text(*error));
                self.bury_entry(
                    now,
                    id,
                    position,
                    DeadLetterClass::Rejected,
                    reason,
                    outcome,
                );
            }
        }
    }

    fn reopen_cells(&mut self, entry: &Adjustment, block: bool, outcome: &mut Outcome) {
        for settled in &entry.cells {
            let Some(mut order) = self.ledger.take(settled.order) else {
                continue;
            };
            let same = |cell: &&mut crate::domain::order::Cell| {
                cell.line == settled.line
                    && cell.item == entry.item
                    && cell.location == entry.location
            };
            if let Some(cell) = order.cells.iter_mut().find(same) {
                cell.applied += settled.delta;
                cell.blocked = cell.blocked || block;
            }
            outcome.changes.put(Change::PutOrder(order.clone()));
            self.ledger.put(order);
        }
    }

    fn setting_rejected(
        &mut self,
        now: Timestamp,
        id: CallId,
        entries: &[Setting],
        errors: &[UserError],
        retry_only: bool,
        outcome: &mut Outcome,
    ) {
        let faults = if retry_only {
            Vec::new()
        } else {
            self.faults(entries.len(), errors)
        };
        for (position, entry) in entries.iter().enumerate() {
            self.dirty.mark_item(entry.item);
            let fault = faults
                .iter()
                .find(|fault| fault.0 == position)
                .and_then(|fault| fault.1);
            let named = faults.iter().any(|fault| fault.0 == position);
            match fault {
                Some(error) if is_for_good(&error.code) => {
                    let errors = std::slice::from_ref(error);
                    self.give_up_item(now, id, position, entry.item, errors, outcome);
                }
                Some(error) => {
                    self.locations_wanted |= error.code == UserErrorCode::LocationUnusable;
                    self.reread(entry.item, outcome);
                }
                None if named => self.give_up_item(now, id, position, entry.item, errors, outcome),
                None => {}
            }
        }
    }

    /// Which entries were at fault. When the platform does not say, the batch is cut in half until it can only be one.
    fn faults<'e>(
        &mut self,
        entries: usize,
        errors: &'e [UserError],
    ) -> Vec<(usize, Option<&'e UserError>)> {
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
        now: Timestamp,
        id: CallId,
        position: usize,
        item: ItemId,
        errors: &[UserError],
        outcome: &mut Outcome,
    ) {
        self.stock.mark_unusable(item, true, &mut outcome.changes);
        let reason = format!(
            "the platform refuses to write item {item}: {}",
            describe(errors)
        );
        self.bury_entry(
            now,
            id,
            position,
            DeadLetterClass::Rejected,
            reason,
            outcome,
        );
    }

    fn bury_entry(
        &mut self,
        at: Timestamp,
        call: CallId,
        position: usize,
        class: DeadLetterClass,
        reason: String,
        outcome: &mut Outcome,
    ) {
        self.counts.dead += 1;
        let id = entry_dead_letter_id(call, position);
        outcome.changes.put(Change::PutDeadLetter(DeadLetterRecord {
            id,
            seq: None,
            class,
            reason,
            at,
        }));
    }
}

/// Whether a refusal will be the same next time.
const fn is_for_good(code: &UserErrorCode) -> bool {
    match code {
        UserErrorCode::Stale
        | UserErrorCode::NotStocked
        | UserErrorCode::AlreadyStocked
        | UserErrorCode::LocationUnusable
        | UserErrorCode::PreviousAttemptFailed => false,
        UserErrorCode::ItemUnusable | UserErrorCode::Other(_) => true,
    }
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
