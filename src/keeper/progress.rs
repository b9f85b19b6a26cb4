//! Whether a keeper that has work in hand gets on with it: progress, not liveness.
//!
//! Work begins when a keeper has what it waited for (a turn, a place among those that read their stores, a command) and
//! is over when something has moved: rows are behind the cursor, commands and answers are committed, or there was
//! nothing to do after all. A keeper that takes turn after turn and moves nothing is still at the same piece of work.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;

use crate::clock::Timestamp;
use crate::ids::StoreId;

/// What a keeper has in hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Doing {
    /// It reads its store.
    Activation,
    /// Rows of its inbox.
    Turn,
    /// Commands, or an answer of the platform.
    Commands,
    /// Planning a call.
    Call,
}

impl Doing {
    /// For people.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Activation => "reading its store",
            Self::Turn => "a turn",
            Self::Commands => "commands or an answer",
            Self::Call => "planning a call",
        }
    }
}

/// A piece of work that a keeper is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct InHand {
    pub doing: Doing,
    /// When it began this piece of work.
    pub since: Timestamp,
}

/// A keeper that does not get on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Stuck {
    pub doing: Doing,
    /// When it began this piece of work.
    pub since: Timestamp,
}

/// What one keeper has in hand.
#[derive(Debug, Default)]
pub(super) struct Progress {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    work: Option<Work>,
    /// Pieces of work that were begun.
    begun: u64,
    stuck: Option<Stuck>,
}

/// A piece of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Work {
    /// No other piece of the same store's has it.
    pub(super) number: u64,
    pub(super) doing: Doing,
    pub(super) since: Timestamp,
}

impl Progress {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a piece of work in hand; one that has not moved yet goes on under its number.
    pub(super) fn begin(&self, doing: Doing, now: Timestamp) {
        let mut state = self.state();
        if let Some(work) = &mut state.work {
            work.doing = doing;
            return;
        }
        state.begun += 1;
        state.work = Some(Work {
            number: state.begun,
            doing,
            since: now,
        });
    }

    /// The piece of work in hand is over; gives the mark that it had.
    pub(super) fn moved(&self) -> Option<Stuck> {
        let mut state = self.state();
        state.work = None;
        state.stuck.take()
    }

    pub(super) fn work(&self) -> Option<Work> {
        self.state().work
    }

    /// Marks the piece of work of this number; `None`: it is over, or marked already.
    pub(super) fn mark(&self, number: u64) -> Option<Stuck> {
        let mut state = self.state();
        let work = state.work.filter(|work| work.number == number)?;
        let stuck = Stuck {
            doing: work.doing,
            since: work.since,
        };
        state.stuck.replace(stuck).is_none().then_some(stuck)
    }

    pub(super) fn stuck(&self) -> Option<Stuck> {
        self.state().stuck
    }
}

/// The inbox row that a keeper is deciding.
#[derive(Debug, Default)]
pub(super) struct RowInHand {
    /// 0: none.
    seq: AtomicI64,
}

impl RowInHand {
    /// It is about to be decided.
    pub(super) fn take(&self, seq: i64) {
        self.seq.store(seq, Ordering::Relaxed);
    }

    pub(super) fn put_down(&self) {
        self.seq.store(0, Ordering::Relaxed);
    }

    pub(super) fn seq(&self) -> Option<i64> {
        let seq = self.seq.load(Ordering::Relaxed);
        (seq != 0).then_some(seq)
    }
}

/// For how long each piece of work has been seen. Pure: time comes in as an argument.
#[derive(Debug)]
pub(super) struct Watchlist {
    limit: Duration,
    /// By store, the number of its work, and when that was seen first.
    seen: HashMap<StoreId, (u64, Duration)>,
}

impl Watchlist {
    pub(super) fn new(limit: Duration) -> Self {
        Self {
            limit,
            seen: HashMap::new(),
        }
    }

    /// Looks at everything that is in hand now; gives what has been in hand too long.
    pub(super) fn overdue(
        &mut self,
        now: Duration,
        at_work: impl IntoIterator<Item = (StoreId, u64)>,
    ) -> Vec<(StoreId, u64)> {
        let mut seen = HashMap::new();
        let mut overdue = Vec::new();
        for (store, number) in at_work {
            let before = self.seen.get(&store).filter(|(known, _)| *known == number);
            let since = before.map_or(now, |(_, since)| *since);
            seen.insert(store, (number, since));
            if now.saturating_sub(since) >= self.limit {
                overdue.push((store, number));
            }
        }
        self.seen = seen;
        overdue
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORE: StoreId = StoreId(1);

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn only_work_that_stays_the_same_is_overdue() {
        let mut watchlist = Watchlist::new(at(30));
        assert!(watchlist.overdue(at(0), [(STORE, 1)]).is_empty());
        assert!(watchlist.overdue(at(29), [(STORE, 1)]).is_empty());
        assert_eq!(watchlist.overdue(at(30), [(STORE, 1)]), [(STORE, 1)]);
        assert!(watchlist.overdue(at(31), [(STORE, 2)]).is_empty());
        assert!(watchlist.overdue(at(40), []).is_empty());
        assert!(watchlist.overdue(at(61), [(STORE, 2)]).is_empty());
    }

    #[test]
    fn work_that_does_not_move_keeps_its_number_and_is_marked_once() {
        let progress = Progress::default();
        progress.begin(Doing::Turn, Timestamp::from_millis(5));
        let first = progress.work().unwrap();
        progress.begin(Doing::Turn, Timestamp::from_millis(9));
        assert_eq!(progress.work(), Some(first));
        let mark = Stuck {
            doing: Doing::Turn,
            since: Timestamp::from_millis(5),
        };
        assert_eq!(progress.mark(first.number), Some(mark));
        assert_eq!(progress.mark(first.number), None, "it is told once");
        assert_eq!(progress.moved(), Some(mark));
        progress.begin(Doing::Commands, Timestamp::from_millis(10));
        assert_eq!(progress.mark(first.number), None, "that one is over");
        assert_eq!(progress.stuck(), None);
    }
}
