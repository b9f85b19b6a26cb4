//! How many naked rows stand in a backlog: counted beside the store's keeper by what that published, range by range, with
//! rests in between. Only ever of stores that somebody asks about.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::{Stopwatch, Timestamp};
use crate::db::{DbError, inbox, keepers, orders};
use crate::domain::backlog::Taken;
use crate::domain::interest::Interest;
use crate::ids::{OrderId, StoreId};
use crate::keeper::handle::{CommandError, StoreHandle};
use crate::keeper::judge::Judge;
use crate::keeper::shared::Shared;
use crate::keeper::slot::Slot;

/// Rows looked at before a rest.
const RANGE_ROWS: u64 = 500;
/// Bytes of their bodies.
const RANGE_BYTES_MAX: usize = 1024 * 1024;
/// The least rest. It is as long as what it follows, so that a count takes at most half of a thread.
const REST_MIN: Duration = Duration::from_millis(2);
/// Rows looked at for one count; of a longer backlog the first so many are counted.
const ROWS_MAX: i64 = 1_000_000;
/// Counts under way at once.
const RUNNING_MAX: usize = 4;
/// Counts remembered, those under way too.
const KEPT_MAX: usize = 100;

/// How far a count is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CountState {
    Running,
    Finished,
    /// The backlog is longer than what is looked at for one count, or the server stops.
    Cut,
    /// The database did not tell.
    Failed,
}

impl CountState {
    /// Its stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Finished => "finished",
            Self::Cut => "cut",
            Self::Failed => "failed",
        }
    }
}

/// How many naked rows stand in a backlog, as far as it was looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NakedCount {
    pub state: CountState,
    pub begun_at: Timestamp,
    pub ended_at: Option<Timestamp>,
    /// Rows that waited as it began; 0 until that is known.
    pub waiting: i64,
    /// How many of them were looked at.
    pub looked: i64,
    /// How many of these concern nobody.
    pub naked: i64,
    /// How many of those tell of an order.
    pub naked_orders: i64,
    /// The bytes of their bodies.
    pub naked_bytes: i64,
}

/// The last count of each store that somebody asked about since the process started.
#[derive(Debug, Default)]
pub(super) struct NakedCounts {
    by_store: Mutex<BTreeMap<StoreId, NakedCount>>,
}

impl NakedCounts {
    fn by_store(&self) -> MutexGuard<'_, BTreeMap<StoreId, NakedCount>> {
        // Every critical section leaves it consistent at each step.
        self.by_store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn find(&self, store: StoreId) -> Option<NakedCount> {
        self.by_store().get(&store).copied()
    }

    /// Begins a count; gives it, and whether it is a new one. `None`: too many are under way.
    fn begin(&self, store: StoreId, now: Timestamp) -> Option<(NakedCount, bool)> {
        let is_running = |count: &&NakedCount| count.state == CountState::Running;
        let mut by_store = self.by_store();
        if let Some(count) = by_store.get(&store).filter(is_running) {
            return Some((*count, false));
        }
        if by_store.values().filter(is_running).count() >= RUNNING_MAX {
            return None;
        }
        let count = NakedCount {
            state: CountState::Running,
            begun_at: now,
            ended_at: None,
            waiting: 0,
            looked: 0,
            naked: 0,
            naked_orders: 0,
            naked_bytes: 0,
        };
        by_store.insert(store, count);
        while by_store.len() > KEPT_MAX {
            let ended = by_store.iter().filter(|(_, count)| !is_running(count));
            let oldest = ended.min_by_key(|(_, count)| count.begun_at);
            let Some(oldest) = oldest.map(|(store, _)| *store) else {
                break;
            };
            by_store.remove(&oldest);
        }
        Some((count, true))
    }

    fn note(&self, store: StoreId, count: NakedCount) {
        if let Some(kept) = self.by_store().get_mut(&store) {
            *kept = count;
        }
    }
}

impl StoreHandle {
    /// Begins to count the naked rows of the backlog, unless that is under way.
    ///
    /// # Errors
    /// See [`CommandError`]: a keeper must run, for it tells what concerns the store.
    pub(super) async fn count_naked_rows(&self) -> Result<NakedCount, CommandError> {
        self.board().await?;
        let (shared, store) = (&self.shared, self.slot.store);
        let begun = shared.naked_counts.begin(store, shared.deps.clock.now());
        let (count, is_new) = begun.ok_or(CommandError::Busy)?;
        if is_new && !shared.run(count_to_the_end(Arc::clone(shared), Arc::clone(&self.slot))) {
            return Err(CommandError::ShuttingDown);
        }
        Ok(count)
    }
}

/// One count.
#[derive(Debug)]
struct Counting {
    shared: Arc<Shared>,
    slot: Arc<Slot>,
    interest: Arc<Interest>,
    taken: Taken,
    /// The last row looked at.
    reached: i64,
    /// The last row there was as it began.
    until: Option<i64>,
    count: NakedCount,
}

/// What a range held.
#[derive(Clone, Copy, Debug, Default)]
struct Range {
    last_seq: i64,
    reached: Option<i64>,
    looked: i64,
    naked: i64,
    naked_orders: i64,
    naked_bytes: i64,
}

async fn count_to_the_end(shared: Arc<Shared>, slot: Arc<Slot>) {
    let store = slot.store;
    let counts = &shared.naked_counts;
    let ended = match Counting::begin(&shared, &slot).await {
        Ok(Some(mut counting)) => counting.go_on().await,
        Ok(None) => Ok(CountState::Cut),
        Err(error) => Err(error),
    };
    let state = ended.unwrap_or_else(|error| {
        tracing::warn!(%store, %error, "naked rows not counted");
        CountState::Failed
    });
    if let Some(count) = counts.find(store) {
        let ended_at = Some(shared.deps.clock.now());
        counts.note(
            store,
            NakedCount {
                state,
                ended_at,
                ..count
            },
        );
    }
}

impl Counting {
    /// `None`: its keeper is gone again, or the count is.
    async fn begin(shared: &Arc<Shared>, slot: &Arc<Slot>) -> Result<Option<Self>, DbError> {
        let (db, store) = (shared.deps.db.clone(), slot.store);
        let find = async move { keepers::find(&db, store).await };
        let record = shared.home.serve(find).await?;
        let taken = record.and_then(|record| Taken::restore(record.cursor, record.ahead));
        let taken = taken.unwrap_or_default();
        let (Some(interest), Some(count)) = (slot.interest(), shared.naked_counts.find(store))
        else {
            return Ok(None);
        };
        Ok(Some(Self {
            shared: Arc::clone(shared),
            slot: Arc::clone(slot),
            interest,
            taken,
            reached: taken.cursor(),
            until: None,
            count,
        }))
    }

    async fn go_on(&mut self) -> Result<CountState, DbError> {
        loop {
            self.shared.storm.give_way().await;
            if self.shared.is_shutting_down() || self.count.looked >= ROWS_MAX {
                return Ok(CountState::Cut);
            }
            let watch = Stopwatch::start();
            let range = self.look().await?;
            let until = *self.until.get_or_insert(range.last_seq);
            self.add(range, until);
            if range.reached.is_none_or(|reached| reached >= until) {
                return Ok(CountState::Finished);
            }
            tokio::time::sleep(watch.elapsed().max(REST_MIN)).await;
        }
    }

    fn add(&mut self, range: Range, until: i64) {
        self.reached = range.reached.unwrap_or(self.reached);
        let count = &mut self.count;
        count.waiting = self.taken.left(until);
        count.looked += range.looked;
        count.naked += range.naked;
        count.naked_orders += range.naked_orders;
        count.naked_bytes += range.naked_bytes;
        self.shared.naked_counts.note(self.slot.store, *count);
    }

    /// Looks at the next rows. What its keeper publishes may have changed meanwhile; without one, the last it published
    /// is good enough to count by.
    async fn look(&mut self) -> Result<Range, DbError> {
        if let Some(interest) = self.slot.interest() {
            self.interest = interest;
        }
        let (db, store) = (self.shared.deps.db.clone(), self.slot.store);
        let (taken, after, until) = (self.taken, self.reached, self.until);
        let judge = Judge {
            platform: Arc::clone(&self.shared.deps.platform),
            interest: Arc::clone(&self.interest),
            line: Arc::clone(&self.shared.judges),
        };
        let look = async move {
            let found = inbox::read_log(&db, store, after, RANGE_ROWS, RANGE_BYTES_MAX).await?;
            let (rows, judged) = judge.judge(found.rows).await;
            let named = judged.naked.values().flat_map(|told| &told.orders);
            let known =
                orders::known(&db, store, &named.copied().collect::<Vec<OrderId>>()).await?;
            let mut range = Range {
                last_seq: found.last_seq,
                reached: rows.last().map(|row| row.seq),
                ..Range::default()
            };
            let last = until.unwrap_or(found.last_seq);
            for row in rows
                .iter()
                .filter(|row| row.seq <= last && !taken.contains(row.seq))
            {
                range.looked += 1;
                let Some(told) = judged.naked.get(&row.seq) else {
                    continue;
                };
                if told.orders.iter().any(|order| known.contains(order)) {
                    continue;
                }
                range.naked += 1;
                range.naked_orders += i64::from(!told.orders.is_empty());
                range.naked_bytes += i64::try_from(row.body.len()).unwrap_or(0);
            }
            Ok(range)
        };
        self.shared.home.serve(look).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_one_for_each_store_few_at_once_and_forgotten_when_they_are_many() {
        let counts = NakedCounts::default();
        let begin = |store: i64| counts.begin(StoreId(store), Timestamp::from_millis(store));
        let end = |store: i64| {
            let count = counts.find(StoreId(store)).unwrap();
            let state = CountState::Finished;
            counts.note(StoreId(store), NakedCount { state, ..count });
        };
        let running = i64::try_from(RUNNING_MAX).unwrap();
        for store in 1..=running {
            assert!(begin(store).unwrap().1, "new");
            assert!(!begin(store).unwrap().1, "under way");
        }
        assert_eq!(begin(running + 1), None, "too many at once");
        for store in 1..=running {
            end(store);
        }
        let kept = i64::try_from(KEPT_MAX).unwrap();
        for store in running + 1..=kept + running {
            assert!(begin(store).unwrap().1);
            end(store);
        }
        assert_eq!(counts.find(StoreId(running)), None, "the oldest go first");
        assert!(counts.find(StoreId(running + 1)).is_some());
    }
}
