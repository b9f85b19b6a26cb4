//! Rows read from the log and not yet taken.
//!
//! They are read many at a time and parsed one by one, when their turn looks at them: so that parsing counts within
//! the time of a turn, and a store's flood of large bodies does not hold its thread.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::db::inbox::InboxRow;
use crate::deps::Platform;
use crate::domain::store::command::Row;
use crate::keeper::exit::panic_reason;
use crate::keeper::slot::Slot;

/// Rows in ascending order; bounded by what is read at once.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    /// Before all that are not parsed.
    parsed: VecDeque<Row>,
    read: VecDeque<InboxRow>,
}

impl Ahead {
    pub(super) fn len(&self) -> usize {
        self.parsed.len() + self.read.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.parsed.is_empty() && self.read.is_empty()
    }

    /// Adds rows that come after all others.
    pub(super) fn extend(&mut self, rows: Vec<InboxRow>) {
        self.read.extend(rows);
    }

    /// The next row, parsed.
    pub(super) fn peek(&mut self, platform: &dyn Platform, slot: &Slot) -> Option<&Row> {
        if self.parsed.is_empty() {
            let row = self.read.pop_front()?;
            self.parsed.push_back(parse(platform, slot, row, false));
        }
        self.parsed.front()
    }

    /// Takes the row that was looked at.
    pub(super) fn pop(&mut self) -> Option<Row> {
        self.parsed.pop_front()
    }

    /// Gives back the row that was taken last.
    pub(super) fn put_back(&mut self, row: Row) {
        self.parsed.push_front(row);
    }
}

/// Parses a row. A parser that panics holds nothing of the store: it is the body that cannot be understood. While it
/// runs the slot shows the row, should it not come to an end.
pub(super) fn parse(platform: &dyn Platform, slot: &Slot, row: InboxRow, from_lane: bool) -> Row {
    slot.take_row_in_hand(row.seq);
    let parsed = catch_unwind(AssertUnwindSafe(|| platform.parse(&row.topic, &row.body)));
    slot.put_down_row();
    let fact = parsed.unwrap_or_else(|payload| {
        let reason = panic_reason(payload.as_ref());
        Err(format!("its parser panicked: {reason}"))
    });
    Row {
        seq: row.seq,
        topic: row.topic,
        fact,
        triggered_at: row.triggered_at,
        from_lane,
    }
}
