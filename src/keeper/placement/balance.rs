//! Which keeper is to live on another thread, pure: time and loads come in as arguments.
//!
//! A load is what keeps a thread busy, in nanoseconds of a second, averaged exponentially: what is `memory` old counts
//! for little more than a third. A thread's load is that of its keepers, so that it changes on paper at once when one
//! moves, and no second one follows for the same reason.
//!
//! A keeper moves from a thread that is overloaded to the calmest, if the two differ enough: the one that leaves the
//! higher of both loads lowest. So a keeper that is nearly all of the load stays, for that would only move the problem,
//! and its neighbours leave. What a move must gain makes the sum of the squares of all loads fall by a least amount
//! each time: with loads that stay as they are moves come to an end, and none is taken back (`tests` plays it). With
//! loads that change, one move at a time and a keeper that stays for a while where it came to.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::time::Duration;

use crate::ids::StoreId;
use crate::keeper::settings::PlacementSettings;

/// What keeps a thread busy all the time.
pub(super) const WHOLE: u64 = 1_000_000_000;

/// Who keeps a thread busy for less is not remembered.
const REMEMBERED_MIN: u64 = WHOLE / 1_000_000;

/// A move lowers the higher load by this part of the difference that it needs, at least.
const GAIN_PART: u64 = 4;

const PERCENT: u64 = WHOLE / 100;

/// A keeper as it was seen since the last look.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) store: StoreId,
    pub(super) arbiter: usize,
    /// It kept its thread busy for so long.
    pub(super) busy: Duration,
}

/// A keeper that is to live on another thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Move {
    pub(super) store: StoreId,
    pub(super) from: usize,
    pub(super) to: usize,
}

/// What is known of the loads. Bounded by the keepers that live.
#[derive(Debug)]
pub(super) struct Balance {
    settings: PlacementSettings,
    /// The time of all looks together.
    now: Duration,
    keepers: HashMap<StoreId, Weighed>,
    arbiters: Vec<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Weighed {
    arbiter: usize,
    load: u64,
    seen_at: Duration,
    /// It does not move before.
    stays_until: Duration,
}

impl Balance {
    pub(super) fn new(settings: PlacementSettings, arbiters: usize) -> Self {
        Self {
            settings,
            now: Duration::ZERO,
            keepers: HashMap::new(),
            arbiters: vec![0; arbiters],
        }
    }

    /// Learns what all keepers did in the time that has passed since the last look.
    pub(super) fn look(&mut self, passed: Duration, keepers: impl IntoIterator<Item = Seen>) {
        self.now += passed;
        let (now, settings) = (self.now, self.settings);
        for seen in keepers {
            if seen.busy.is_zero() && !self.keepers.contains_key(&seen.store) {
                continue;
            }
            let weighed = self.keepers.entry(seen.store).or_insert(Weighed {
                arbiter: seen.arbiter,
                load: 0,
                seen_at: now,
                stays_until: Duration::ZERO,
            });
            weighed.load = settings.mean(weighed.load, seen.busy, passed);
            (weighed.arbiter, weighed.seen_at) = (seen.arbiter, now);
        }
        self.arbiters.fill(0);
        let arbiters = &mut self.arbiters;
        self.keepers.retain(|_store, weighed| {
            if weighed.seen_at < now {
                weighed.load = settings.mean(weighed.load, Duration::ZERO, passed);
            } else if let Some(load) = arbiters.get_mut(weighed.arbiter) {
                *load += weighed.load;
            }
            weighed.load >= REMEMBERED_MIN || weighed.stays_until > now
        });
    }

    /// The load of each thread.
    pub(super) fn loads(&self) -> &[u64] {
        &self.arbiters
    }

    /// What a keeper that does anything is on average.
    pub(super) fn of_one(&self) -> u64 {
        let count = u64::try_from(self.keepers.len()).unwrap_or(u64::MAX);
        self.arbiters.iter().sum::<u64>() / count.max(1)
    }

    /// The move that is called for, if there is one, between threads that are `open`. Whoever is `fixed` does not move.
    pub(super) fn wanted(
        &self,
        is_open: impl Fn(usize) -> bool,
        is_fixed: impl Fn(StoreId) -> bool,
    ) -> Option<Move> {
        if self.settings.nobody_moves() {
            return None;
        }
        let open = self.arbiters.iter().copied().enumerate();
        let mut open: Vec<_> = open.filter(|(arbiter, _load)| is_open(*arbiter)).collect();
        open.sort_by_key(|(_arbiter, load)| Reverse(*load));
        let (to, low) = open.last().copied()?;
        let mut overloaded = open
            .into_iter()
            .take_while(|(_arbiter, high)| self.settings.calls_for_a_move(*high, low));
        overloaded.find_map(|(from, high)| {
            let store = self.fitting(from, high, low, &is_fixed)?;
            Some(Move { store, from, to })
        })
    }

    /// The keeper that had better live on a thread with the load `low` than on this one, which has `high`.
    fn fitting(
        &self,
        from: usize,
        high: u64,
        low: u64,
        is_fixed: impl Fn(StoreId) -> bool,
    ) -> Option<StoreId> {
        let higher_after = |load: u64| high.saturating_sub(load).max(low + load);
        let here = self.keepers.iter().filter(|(store, weighed)| {
            weighed.arbiter == from
                && weighed.seen_at == self.now
                && weighed.stays_until <= self.now
                && higher_after(weighed.load) + self.settings.gain_min() <= high
                && !is_fixed(**store)
        });
        let best = here.min_by_key(|(store, weighed)| (higher_after(weighed.load), **store));
        best.map(|(store, _weighed)| *store)
    }

    /// It is about to move.
    pub(super) fn moves(&mut self, wanted: Move) {
        let Some(weighed) = self.keepers.get_mut(&wanted.store) else {
            return;
        };
        weighed.arbiter = wanted.to;
        weighed.stays_until = self.now + Duration::from_millis(self.settings.stay_ms);
        let load = weighed.load;
        if let Some(from) = self.arbiters.get_mut(wanted.from) {
            *from = from.saturating_sub(load);
        }
        if let Some(to) = self.arbiters.get_mut(wanted.to) {
            *to += load;
        }
    }
}

impl PlacementSettings {
    /// What is the mean now that something was busy for so long of the time that passed.
    fn mean(&self, mean: u64, busy: Duration, passed: Duration) -> u64 {
        let (passed, memory) = (passed.as_nanos(), u128::from(self.memory_ms) * 1_000_000);
        // Work in hand counts when it ends, and may have begun before; but not so long ago that it is forgotten.
        let seen = busy.as_nanos().min(memory + passed) * u128::from(WHOLE);
        let weighed = u128::from(mean) * memory + seen;
        u64::try_from(weighed / (memory + passed).max(1)).unwrap_or(WHOLE)
    }

    const fn nobody_moves(&self) -> bool {
        self.gap_percent >= 100
    }

    fn calls_for_a_move(&self, high: u64, low: u64) -> bool {
        high >= self.overload_percent * PERCENT && high - low >= self.gap_min()
    }

    const fn gap_min(&self) -> u64 {
        self.gap_percent * PERCENT
    }

    const fn gain_min(&self) -> u64 {
        self.gap_min() / GAIN_PART
    }
}
