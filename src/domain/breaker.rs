//! The loop breaker: stops writing a level that someone else keeps changing back.
//!
//! Two programs that both believe they own a level write it in turn for ever. Its mark is not many writes (a good
//! sale makes many) but writes of a value that was written shortly before: the level came back to where it was and
//! was taken away again. In memory only: after a restart a fight is noticed anew.

use std::collections::{BTreeMap, VecDeque};

use crate::clock::Timestamp;
use crate::ids::{ItemId, LocationId};

/// The most levels watched at a time; beyond, the one written longest ago is forgotten.
pub const LEVELS_MAX: usize = 10_000;
/// The most writes remembered of one level, whatever the settings ask for.
pub const WRITES_MAX: usize = 256;

/// Watches the writes of a store's levels.
#[derive(Clone, Debug)]
pub struct Breaker {
    writes_max: usize,
    window_ms: i64,
    levels: BTreeMap<(ItemId, LocationId), Watched>,
    /// No level is open from then on.
    all_closed_at: Timestamp,
}

#[derive(Clone, Debug, Default)]
struct Watched {
    /// Ascending by time.
    writes: VecDeque<Written>,
    open_until: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug)]
struct Written {
    at: Timestamp,
    value: i64,
    /// The value had been written before within the window.
    again: bool,
}

impl Breaker {
    /// Opens for a level once more than `writes_max` writes within `window_ms` repeat an earlier value, and stays
    /// open for as long again.
    #[must_use]
    pub fn new(writes_max: u32, window_ms: i64) -> Self {
        let writes_max = usize::try_from(writes_max)
            .unwrap_or(WRITES_MAX)
            .clamp(1, WRITES_MAX / 2);
        Self {
            writes_max,
            window_ms: window_ms.max(1),
            levels: BTreeMap::new(),
            all_closed_at: Timestamp::EPOCH,
        }
    }

    /// Until when this level is not to be written; `None`: it may be.
    #[must_use]
    pub fn open_until(
        &self,
        item: ItemId,
        location: LocationId,
        now: Timestamp,
    ) -> Option<Timestamp> {
        self.levels
            .get(&(item, location))?
            .open_until
            .filter(|until| now < *until)
    }

    /// Notes a write. Until when the level is not to be written again, when this write opened the breaker.
    pub fn wrote(
        &mut self,
        item: ItemId,
        location: LocationId,
        value: i64,
        now: Timestamp,
    ) -> Option<Timestamp> {
        self.make_room(item, location, now);
        let oldest = now.plus_millis(-self.window_ms);
        let watched = self.levels.entry((item, location)).or_default();
        watched.forget_before(oldest);
        let again = watched.writes.iter().any(|written| written.value == value);
        watched.writes.push_back(Written {
            at: now,
            value,
            again,
        });
        if watched
            .writes
            .iter()
            .filter(|written| written.again)
            .count()
            <= self.writes_max
        {
            return None;
        }
        let until = now.plus_millis(self.window_ms);
        watched.open_until = Some(until);
        self.all_closed_at = self.all_closed_at.max(until);
        Some(until)
    }

    /// The levels that are not to be written now, with the end of that.
    pub fn open_levels(
        &self,
        now: Timestamp,
    ) -> impl Iterator<Item = (ItemId, LocationId, Timestamp)> + '_ {
        let any = (now < self.all_closed_at).then_some(&self.levels);
        any.into_iter()
            .flatten()
            .filter_map(move |((item, location), watched)| {
                let until = watched.open_until.filter(|until| now < *until)?;
                Some((*item, *location, until))
            })
    }

    fn make_room(&mut self, item: ItemId, location: LocationId, now: Timestamp) {
        if self.levels.len() < LEVELS_MAX || self.levels.contains_key(&(item, location)) {
            return;
        }
        let oldest = now.plus_millis(-self.window_ms);
        self.levels
            .retain(|_, watched| watched.last_change() > oldest);
        if self.levels.len() >= LEVELS_MAX
            && let Some(key) = self
                .levels
                .iter()
                .min_by_key(|(_, watched)| watched.last_change())
                .map(|(key, _)| *key)
        {
            self.levels.remove(&key);
        }
    }
}

impl Watched {
    fn forget_before(&mut self, oldest: Timestamp) {
        while self.writes.len() >= WRITES_MAX
            || self
                .writes
                .front()
                .is_some_and(|written| written.at <= oldest)
        {
            self.writes.pop_front();
        }
    }

    fn last_change(&self) -> Timestamp {
        let written = self
            .writes
            .back()
            .map_or(Timestamp::EPOCH, |written| written.at);
        written.max(self.open_until.unwrap_or(Timestamp::EPOCH))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_millis(1_000_000);
    const ITEM: ItemId = ItemId(1);
    const HERE: LocationId = LocationId(2);

    fn write_all(
        breaker: &mut Breaker,
        values: impl Iterator<Item = i64>,
        apart_ms: i64,
    ) -> Option<Timestamp> {
        let mut now = START;
        values.into_iter().find_map(|value| {
            now = now.plus_millis(apart_ms);
            breaker.wrote(ITEM, HERE, value, now)
        })
    }

    #[test]
    fn values_that_return_too_often_open_it_for_a_window() {
        for period in [1, 2, 3] {
            let mut breaker = Breaker::new(20, 60_000);
            let until = write_all(&mut breaker, (0..100).map(|step| step % period), 100).unwrap();
            assert_eq!(until, START.plus_millis((21 + period) * 100 + 60_000));
            assert_eq!(
                breaker.open_until(ITEM, HERE, until.plus_millis(-1)),
                Some(until)
            );
            assert_eq!(breaker.open_until(ITEM, HERE, until), None);
            assert_eq!(breaker.open_until(ITEM, LocationId(3), START), None);
            assert_eq!(breaker.open_levels(START).count(), 1);
        }
    }

    #[test]
    fn a_sale_does_not_open_it() {
        assert_eq!(
            write_all(&mut Breaker::new(20, 60_000), (0..1_000).rev(), 10),
            None
        );
    }

    #[test]
    fn slow_returns_do_not_open_it() {
        assert_eq!(
            write_all(
                &mut Breaker::new(20, 60_000),
                (0..1_000).map(|step| step % 2),
                3_000
            ),
            None
        );
    }

    #[test]
    fn memory_is_bounded() {
        let mut breaker = Breaker::new(u32::MAX, i64::MAX);
        for step in 0..1_000 {
            breaker.wrote(ITEM, HERE, step, START.plus_millis(step));
        }
        assert_eq!(breaker.levels[&(ITEM, HERE)].writes.len(), WRITES_MAX);
        for item in 0..i64::try_from(LEVELS_MAX).unwrap() + 50 {
            breaker.wrote(ItemId(item), HERE, 0, START.plus_millis(10_000 + item));
        }
        assert_eq!(breaker.levels.len(), LEVELS_MAX);
        assert!(!breaker.levels.contains_key(&(ItemId(0), HERE)));
    }
}
