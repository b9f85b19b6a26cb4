//! Webhooks accepted a moment ago: kept until their keeper takes them, so that it need not read them back.
//!
//! They are put here after their commit, by the writer, and are in the inbox as well: whatever is missing here is read
//! from there. Kept are only rows that follow one another, so that what is taken is a part of the log without gaps.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::inbox::InboxRow;
use crate::ids::StoreId;

/// What all rows may take in memory; more are forgotten.
const BYTES_MAX: usize = 8 * 1024 * 1024;
/// Rows of one store; one that has more has a backlog, which is read many at a time.
const STORE_ROWS_MAX: usize = 256;
/// About what a row takes beside its body.
const ROW_BYTES: usize = 512;

/// The rows by store.
#[derive(Debug, Default)]
pub(super) struct FreshRows {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    by_store: HashMap<StoreId, VecDeque<InboxRow>>,
    bytes: usize,
}

impl FreshRows {
    /// Keeps rows that are committed, those of each store in order.
    pub(super) fn keep(&self, rows: impl Iterator<Item = InboxRow>) {
        let mut kept = self.lock();
        for row in rows {
            kept.keep(row);
        }
    }

    /// Takes the rows that follow `after_seq`, at most `limit` and no more than fit into `max_bytes` of bodies, but at
    /// least one when it is here. Those before them are forgotten.
    pub(super) fn take(
        &self,
        store: StoreId,
        after_seq: i64,
        limit: u64,
        max_bytes: usize,
    ) -> Vec<InboxRow> {
        let mut kept = self.lock();
        let Some(mut rows) = kept.by_store.remove(&store) else {
            return Vec::new();
        };
        let bytes_before = bytes_of(&rows);
        while rows.front().is_some_and(|row| row.seq <= after_seq) {
            rows.pop_front();
        }
        let follows = rows.front().is_some_and(|row| row.seq == after_seq + 1);
        let count = if follows {
            within(&rows, limit, max_bytes)
        } else {
            0
        };
        let taken = rows.drain(..count).collect();
        kept.bytes = kept
            .bytes
            .saturating_sub(bytes_before.saturating_sub(bytes_of(&rows)));
        if !rows.is_empty() {
            kept.by_store.insert(store, rows);
        }
        taken
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn keep(&mut self, row: InboxRow) {
        let bytes = bytes_of([&row]);
        if bytes > BYTES_MAX {
            return;
        }
        if self.bytes + bytes > BYTES_MAX {
            *self = Self::default();
        }
        let rows = self.by_store.entry(row.store).or_default();
        let follows = rows.back().is_none_or(|last| last.seq + 1 == row.seq);
        if !follows || rows.len() >= STORE_ROWS_MAX {
            self.bytes = self.bytes.saturating_sub(bytes_of(&*rows));
            rows.clear();
        }
        self.bytes += bytes;
        rows.push_back(row);
    }
}

fn bytes_of<'rows>(rows: impl IntoIterator<Item = &'rows InboxRow>) -> usize {
    let bytes = rows.into_iter().map(|row| row.body.len() + ROW_BYTES);
    bytes.sum()
}

/// How many rows fit; the first always does.
fn within(rows: &VecDeque<InboxRow>, limit: u64, max_bytes: usize) -> usize {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut bytes = 0_usize;
    let fits = |row: &&InboxRow| {
        let is_first = bytes == 0;
        bytes = bytes.saturating_add(row.body.len().max(1));
        is_first || bytes <= max_bytes
    };
    rows.iter().take(limit).take_while(fits).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    const STORE: StoreId = StoreId(7);

    fn row(seq: i64, bytes: usize) -> InboxRow {
        InboxRow {
            store: STORE,
            seq,
            topic: "orders/create".to_owned(),
            delivery_id: format!("d{seq}"),
            event_id: None,
            triggered_at: None,
            api_version: None,
            received_at: Timestamp::from_millis(1),
            body: vec![b'x'; bytes].into(),
        }
    }

    fn take(rows: &FreshRows, after: i64, limit: u64, bytes: usize) -> Vec<i64> {
        let taken = rows.take(STORE, after, limit, bytes);
        taken.into_iter().map(|row| row.seq).collect()
    }

    /// What the books say is what is there.
    fn assert_bytes(rows: &FreshRows) {
        let kept = rows.lock();
        let there: usize = kept.by_store.values().map(bytes_of).sum();
        assert_eq!(kept.bytes, there);
    }

    #[test]
    fn gives_what_follows_within_bounds_and_once() {
        let rows = FreshRows::default();
        rows.keep((1..=6).map(|seq| row(seq, 100)));
        assert_eq!(
            take(&rows, 0, 0, 1_000),
            Vec::<i64>::new(),
            "none are asked for"
        );
        assert_eq!(take(&rows, 0, 2, 1_000), [1, 2]);
        assert_eq!(take(&rows, 2, 9, 250), [3, 4]);
        assert_bytes(&rows);
        assert_eq!(take(&rows, 4, 9, 1), [5], "the first always fits");
        assert_eq!(take(&rows, 4, 9, 1_000), Vec::<i64>::new(), "once");
        assert_eq!(take(&rows, 5, 9, 1_000), [6]);
        assert_eq!(rows.lock().bytes, 0);
    }

    #[test]
    fn gives_nothing_behind_a_gap_and_forgets_what_is_passed() {
        let rows = FreshRows::default();
        rows.keep([row(1, 10), row(2, 10), row(5, 10), row(6, 10)].into_iter());
        assert_eq!(
            take(&rows, 0, 9, 1_000),
            Vec::<i64>::new(),
            "1 and 2 are only in the inbox"
        );
        assert_eq!(take(&rows, 5, 9, 1_000), [6]);
        assert_eq!(rows.lock().bytes, 0);
    }

    #[test]
    fn a_backlog_and_a_crowd_are_forgotten() {
        let rows = FreshRows::default();
        rows.keep((1..=300).map(|seq| row(seq, 10)));
        assert_eq!(take(&rows, 0, 999, 100_000), Vec::<i64>::new());
        assert_eq!(take(&rows, 256, 999, 100_000).len(), 44);
        for store in 0..100 {
            rows.keep((1..=3).map(|seq| InboxRow {
                store: StoreId(store),
                ..row(seq, 60_000)
            }));
            assert_bytes(&rows);
            assert!(rows.lock().bytes <= BYTES_MAX);
        }
        rows.keep([row(400, BYTES_MAX)].into_iter());
        assert_eq!(
            take(&rows, 399, 1, 1),
            Vec::<i64>::new(),
            "larger than all may be"
        );
    }
}
