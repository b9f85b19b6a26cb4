//! Rows read from the log and not yet taken.
//!
//! They are read many at a time and parsed one by one, when their turn looks at them: so that parsing counts within
//! the time of a turn, and a store's flood of large bodies does not hold its thread.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::db::inbox::InboxRow;
use crate::deps::Platform;
use crate::domain::backlog::Manner;
use crate::domain::store::command::Row;
use crate::keeper::exit::Caught;
use crate::keeper::slot::Slot;

/// So many rows that may not overtake are passed in search of one that begins a segment; each is parsed for it.
const OPENING_ROWS_MAX: usize = 16;

/// What comes next of the rows that were read.
#[derive(Debug)]
pub(super) enum Front<'rows> {
    Row(&'rows Row),
    /// There are none.
    Nothing,
    /// They stand before others and may not overtake them: they are given back to the log. With the row that must keep
    /// its order, when a segment ends at it.
    Ended(Option<i64>),
}

/// Rows of one place in ascending order, without gaps; bounded by what is read at once.
#[derive(Debug)]
pub(super) struct Ahead {
    manner: Manner,
    /// Before all that are not parsed.
    parsed: VecDeque<Row>,
    read: VecDeque<InboxRow>,
}

impl Default for Ahead {
    fn default() -> Self {
        Self::new(Manner::InOrder, Vec::new())
    }
}

impl Ahead {
    /// Rows as they were read.
    pub(super) fn new(manner: Manner, rows: Vec<InboxRow>) -> Self {
        Self {
            manner,
            parsed: VecDeque::new(),
            read: rows.into(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.parsed.len() + self.read.len()
    }

    /// The number of the last of them.
    pub(super) fn last_seq(&self) -> Option<i64> {
        let read = self.read.back().map(|row| row.seq);
        read.or_else(|| self.parsed.back().map(|row| row.seq))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.parsed.is_empty() && self.read.is_empty()
    }

    /// The next row, parsed. `may_overtake` is asked of rows that stand before others.
    pub(super) fn peek(
        &mut self,
        platform: &dyn Platform,
        slot: &Slot,
        may_overtake: impl Fn(&Row) -> bool,
    ) -> Front<'_> {
        let (manner, mut passed) = (self.manner, 0);
        while let Some(row) = self.parse_front(platform, slot) {
            if manner == Manner::InOrder || may_overtake(row) {
                break;
            }
            let seq = row.seq;
            passed += 1;
            if manner == Manner::Opening && passed < OPENING_ROWS_MAX {
                self.parsed.pop_front();
                continue;
            }
            let stopped = (manner == Manner::Ahead).then_some(seq);
            // What is put back stands before others all the same.
            *self = Self::new(Manner::Ahead, Vec::new());
            return Front::Ended(stopped);
        }
        match self.parsed.front() {
            Some(row) => Front::Row(row),
            None if manner == Manner::Opening && passed > 0 => Front::Ended(None),
            None => Front::Nothing,
        }
    }

    /// The number of the row that [`peek`](Self::peek) would parse or give.
    pub(super) fn next_seq(&self) -> Option<i64> {
        let parsed = self.parsed.front().map(|row| row.seq);
        parsed.or_else(|| self.read.front().map(|row| row.seq))
    }

    /// Takes the row that was looked at.
    pub(super) fn pop(&mut self) -> Option<Row> {
        let row = self.parsed.pop_front()?;
        if self.manner == Manner::Opening {
            self.manner = Manner::Ahead;
        }
        Some(row)
    }

    /// Gives back the row that was taken last.
    pub(super) fn put_back(&mut self, row: Row) {
        self.parsed.push_front(row);
    }

    fn parse_front(&mut self, platform: &dyn Platform, slot: &Slot) -> Option<&Row> {
        if self.parsed.is_empty() {
            let row = self.read.pop_front()?;
            self.parsed.push_back(parse(platform, slot, row, false));
        }
        self.parsed.front()
    }
}

/// Parses a row. A parser that panics holds nothing of the store: it is the body that cannot be understood. While it
/// runs the slot shows the row, should it not come to an end.
pub(super) fn parse(platform: &dyn Platform, slot: &Slot, row: InboxRow, from_lane: bool) -> Row {
    slot.row.take(row.seq);
    let parsed = catch_unwind(AssertUnwindSafe(|| platform.parse(&row.topic, &row.body)));
    slot.row.put_down();
    let fact = parsed.unwrap_or_else(|payload| {
        let panic = Caught::of(payload.as_ref());
        Err(format!("its parser panicked: {}", panic.reason))
    });
    Row {
        seq: row.seq,
        topic: row.topic,
        fact,
        triggered_at: row.triggered_at,
        from_lane,
    }
}
