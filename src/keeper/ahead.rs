//! Rows read from the log and not yet taken.
//!
//! They are read many at a time and parsed one by one, when their turn looks at them: so that parsing counts within
//! the time of a turn, and a store's flood of large bodies does not hold its thread.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::db::inbox::InboxRow;
use crate::deps::Platform;
use crate::domain::backlog::Manner;
use crate::domain::fact::Fact;
use crate::domain::interest::{Interest, Mentions};
use crate::domain::store::command::Row;
use crate::keeper::exit::Caught;
use crate::keeper::judge::Judged;
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

/// A row that concerns nobody, as it was judged.
#[derive(Debug)]
struct Naked {
    row: InboxRow,
    mentions: Mentions,
}

/// A row that is yet to be taken.
#[derive(Debug)]
enum Entry {
    Read(InboxRow),
    Naked(Naked),
    Parsed(Row),
}

impl Entry {
    const fn seq(&self) -> i64 {
        match self {
            Self::Read(row) | Self::Naked(Naked { row, .. }) => row.seq,
            Self::Parsed(row) => row.seq,
        }
    }
}

/// Rows of one place in ascending order, without gaps; bounded by what is read at once.
#[derive(Debug)]
pub(super) struct Ahead {
    manner: Manner,
    entries: VecDeque<Entry>,
    /// Naked rows that this turn took, and may give back.
    naked: Vec<Naked>,
    /// By what rows were judged.
    judged_by: Option<Arc<Interest>>,
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
            entries: rows.into_iter().map(Entry::Read).collect(),
            naked: Vec::new(),
            judged_by: None,
        }
    }

    /// The same with what was found of them.
    pub(super) fn judged(self, judged: Judged) -> Self {
        let Judged {
            interest,
            mut naked,
            took: _,
        } = judged;
        let entries = self.entries.into_iter().map(|entry| match entry {
            Entry::Read(row) => match naked.remove(&row.seq) {
                Some(mentions) => Entry::Naked(Naked { row, mentions }),
                None => Entry::Read(row),
            },
            Entry::Naked(_) | Entry::Parsed(_) => entry,
        });
        Self {
            entries: entries.collect(),
            judged_by: Some(interest),
            ..self
        }
    }

    /// A turn begins: what the last one took is done with, and what was judged by another set than this is judged no
    /// more.
    pub(super) fn begin_turn(&mut self, interest: Option<&Arc<Interest>>) {
        self.naked.clear();
        let Some(judged_by) = &self.judged_by else {
            return;
        };
        if interest.is_some_and(|interest| Arc::ptr_eq(interest, judged_by)) {
            return;
        }
        self.judged_by = None;
        for entry in &mut self.entries {
            if let Entry::Naked(Naked { row, .. }) = entry {
                *entry = Entry::Read(row.clone());
            }
        }
    }

    /// Whether its rows were judged, and that holds.
    pub(super) const fn is_judged(&self) -> bool {
        self.judged_by.is_some()
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The number of the last of them.
    pub(super) fn last_seq(&self) -> Option<i64> {
        self.entries.back().map(Entry::seq)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The next row when it is a naked one, unparsed: it is taken beside the others of a turn. Only what stands behind
    /// the cursor is judged, so nobody is overtaken.
    pub(super) fn pop_naked(&mut self, concerns: impl Fn(&Mentions) -> bool) -> Option<Row> {
        let Some(Entry::Naked(naked)) = self.entries.front() else {
            return None;
        };
        if concerns(&naked.mentions) {
            return None;
        }
        let Some(Entry::Naked(naked)) = self.entries.pop_front() else {
            return None;
        };
        let row = Row {
            seq: naked.row.seq,
            topic: naked.row.topic.clone(),
            fact: Ok(Fact::Naked),
            triggered_at: naked.row.triggered_at,
            from_lane: false,
        };
        self.naked.push(naked);
        Some(row)
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
                self.entries.pop_front();
                continue;
            }
            let stopped = (manner == Manner::Ahead).then_some(seq);
            // What is put back stands before others all the same.
            *self = Self::new(Manner::Ahead, Vec::new());
            return Front::Ended(stopped);
        }
        match self.entries.front() {
            Some(Entry::Parsed(row)) => Front::Row(row),
            Some(Entry::Read(_) | Entry::Naked(_)) => Front::Nothing,
            None if manner == Manner::Opening && passed > 0 => Front::Ended(None),
            None => Front::Nothing,
        }
    }

    /// The number of the row that [`peek`](Self::peek) would parse or give.
    pub(super) fn next_seq(&self) -> Option<i64> {
        self.entries.front().map(Entry::seq)
    }

    /// Takes the row that was looked at.
    pub(super) fn pop(&mut self) -> Option<Row> {
        let row = match self.entries.pop_front()? {
            Entry::Parsed(row) => row,
            entry @ (Entry::Read(_) | Entry::Naked(_)) => {
                self.entries.push_front(entry);
                return None;
            }
        };
        if self.manner == Manner::Opening {
            self.manner = Manner::Ahead;
        }
        Some(row)
    }

    /// Gives back the row that was taken last.
    pub(super) fn put_back(&mut self, row: Row) {
        let is_last = |naked: &mut Naked| naked.row.seq == row.seq;
        let entry = match self.naked.pop_if(is_last) {
            Some(naked) => Entry::Naked(naked),
            None => Entry::Parsed(row),
        };
        self.entries.push_front(entry);
    }

    fn parse_front(&mut self, platform: &dyn Platform, slot: &Slot) -> Option<&Row> {
        let parsed = match self.entries.pop_front()? {
            Entry::Parsed(row) => row,
            Entry::Read(row) | Entry::Naked(Naked { row, .. }) => parse(platform, slot, row, false),
        };
        self.entries.push_front(Entry::Parsed(parsed));
        match self.entries.front() {
            Some(Entry::Parsed(row)) => Some(row),
            Some(Entry::Read(_) | Entry::Naked(_)) | None => None,
        }
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
