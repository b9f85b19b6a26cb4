//! Moves, one by one and played to their end.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::balance::{Balance, Move, Seen, WHOLE};
use crate::ids::StoreId;
use crate::keeper::settings::PlacementSettings;

const SECOND: Duration = Duration::from_secs(1);

/// Fleets that are played, always the same.
const FLEETS: usize = 1_000;

/// Both threads gain 4 of the 100 at least, and were 19 apart: 2 · 4 · 15.
const FALL_MIN: u64 = 120;

/// Forgets at once, so that a load is what was seen last.
const FORGETFUL: PlacementSettings = PlacementSettings {
    interval_ms: 1_000,
    memory_ms: 1,
    overload_percent: 50,
    gap_percent: 20,
    stay_ms: 0,
};

/// Threads, and the keepers on each with their loads in percent.
struct Threads {
    balance: Balance,
    count: usize,
    keepers: BTreeMap<StoreId, (usize, u64)>,
}

impl Threads {
    fn new(settings: PlacementSettings, loads: &[&[u64]]) -> Self {
        let on_threads = loads.iter().enumerate();
        let keepers =
            on_threads.flat_map(|(thread, loads)| loads.iter().map(move |load| (thread, *load)));
        Self {
            balance: Balance::new(settings, loads.len()),
            count: loads.len(),
            keepers: (1..).map(StoreId).zip(keepers).collect(),
        }
    }

    fn look(&mut self, passed: Duration) {
        let percent = passed / 100;
        let seen = self.keepers.iter().map(|(store, (arbiter, load))| Seen {
            store: *store,
            arbiter: *arbiter,
            busy: percent * u32::try_from(*load).unwrap(),
        });
        self.balance.look(passed, seen);
    }

    /// The move that is wanted now, made.
    fn make_move(&mut self) -> Option<Move> {
        let wanted = self.balance.wanted(|_open| true, |_fixed| false)?;
        let (thread, _load) = self.keepers.get_mut(&wanted.store).unwrap();
        assert_eq!(*thread, wanted.from);
        *thread = wanted.to;
        self.balance.moves(wanted);
        Some(wanted)
    }

    fn loads(&self) -> Vec<u64> {
        let of = |thread| {
            let here = self.keepers.values().filter(|(here, _)| *here == thread);
            here.map(|(_, load)| *load).sum()
        };
        (0..self.count).map(of).collect()
    }
}

/// The stores that move, in their order, and the loads that they leave.
fn played(loads: &[&[u64]]) -> (Vec<i64>, Vec<u64>) {
    let mut threads = Threads::new(FORGETFUL, loads);
    let mut moved = Vec::new();
    loop {
        threads.look(SECOND);
        let Some(next) = threads.make_move() else {
            return (moved, threads.loads());
        };
        moved.push(next.store.0);
        assert!(moved.len() < 1_000, "it never ends");
    }
}

#[test]
fn the_keeper_that_leaves_the_higher_load_lowest_moves() {
    assert_eq!(played(&[&[45, 30, 5], &[10]]), (vec![2], vec![50, 40]));
    assert_eq!(played(&[&[45, 45], &[]]), (vec![1], vec![45, 45]));
    assert_eq!(played(&[&[50, 50], &[10]]), (vec![1], vec![50, 60]));
}

#[test]
fn a_keeper_that_is_the_load_stays_and_its_neighbours_leave() {
    assert_eq!(played(&[&[95], &[]]), (vec![], vec![95, 0]));
    assert_eq!(played(&[&[80, 15], &[5]]), (vec![2], vec![80, 20]));
    // The next thread has one that fits.
    assert_eq!(
        played(&[&[95], &[40, 40], &[]]),
        (vec![2], vec![95, 40, 40])
    );
}

#[test]
fn who_is_calm_or_nearly_even_or_gains_little_is_left_alone() {
    assert_eq!(played(&[&[30, 19], &[]]), (vec![], vec![49, 0]));
    assert_eq!(played(&[&[40, 40], &[65]]), (vec![], vec![80, 65]));
    assert_eq!(played(&[&[80, 2, 2], &[]]), (vec![], vec![84, 0]));
}

#[test]
fn with_a_gap_of_all_of_a_threads_time_nobody_moves() {
    let settings = PlacementSettings {
        gap_percent: 100,
        ..FORGETFUL
    };
    // Work in hand counts when it ends, so that a look may see more than there is time for.
    let mut threads = Threads::new(settings, &[&[90, 90], &[]]);
    threads.look(SECOND);
    assert_eq!(threads.make_move(), None);
    let mut threads = Threads::new(FORGETFUL, &[&[90, 90], &[]]);
    threads.look(SECOND);
    assert!(threads.make_move().is_some());
}

#[test]
fn fleets_come_to_rest_within_as_many_moves_as_their_unevenness_pays_for() {
    let mut runner = TestRunner::deterministic();
    let fleets = threads();
    for fleet in 0..FLEETS {
        let keepers = fleets.new_tree(&mut runner).unwrap().current();
        let slices: Vec<&[u64]> = keepers.iter().map(Vec::as_slice).collect();
        let before: Vec<u64> = keepers.iter().map(|loads| loads.iter().sum()).collect();
        let most = unevenness(&before) / FALL_MIN;
        let moves = u64::try_from(played(&slices).0.len()).unwrap();
        assert!(
            moves <= most,
            "fleet {fleet}: {moves} of {most} {keepers:?}"
        );
    }
}

#[test]
fn nobody_moves_to_a_thread_that_is_closed_or_from_it_and_who_is_fixed_stays() {
    let mut threads = Threads::new(FORGETFUL, &[&[40, 40], &[], &[30]]);
    threads.look(SECOND);
    let to = |is_open: fn(usize) -> bool| {
        let wanted = threads.balance.wanted(is_open, |_fixed| false);
        wanted.map(|wanted| (wanted.store, wanted.to))
    };
    assert_eq!(to(|_any| true), Some((StoreId(1), 1)));
    assert_eq!(to(|thread| thread != 1), Some((StoreId(1), 2)));
    assert_eq!(to(|thread| thread != 0), None);
    let fixed = threads.balance.wanted(|_open| true, |store| store.0 == 1);
    assert_eq!(fixed.map(|wanted| wanted.store), Some(StoreId(2)));
}

#[test]
fn a_load_counts_as_long_as_memory_lasts() {
    let settings = PlacementSettings {
        memory_ms: 30_000,
        ..FORGETFUL
    };
    let mut threads = Threads::new(settings, &[&[100], &[]]);
    let percent = |threads: &Threads| threads.balance.loads().iter().sum::<u64>() * 100 / WHOLE;
    for _five_seconds in 0..6 {
        threads.look(SECOND * 5);
    }
    assert!(
        (59..=64).contains(&percent(&threads)),
        "{}",
        percent(&threads)
    );
    (0..100).for_each(|_| threads.look(SECOND * 5));
    assert_eq!(percent(&threads), 99);
    threads.keepers.values_mut().for_each(|(_, load)| *load = 0);
    for _five_seconds in 0..6 {
        threads.look(SECOND * 5);
    }
    assert!(
        (36..=41).contains(&percent(&threads)),
        "{}",
        percent(&threads)
    );
    threads.keepers.clear();
    threads.look(SECOND * 5);
    assert_eq!(percent(&threads), 0, "who has no keeper keeps nobody busy");
}

#[test]
fn who_moved_stays_for_a_while_whatever_it_does() {
    let settings = PlacementSettings {
        stay_ms: 10_000,
        ..FORGETFUL
    };
    let mut threads = Threads::new(settings, &[&[40, 41], &[]]);
    threads.look(SECOND);
    assert!(threads.make_move().is_some());
    // Where it came to there is suddenly much to do, and nothing where it came from.
    threads.keepers.insert(StoreId(2), (0, 0));
    threads.keepers.insert(StoreId(9), (1, 45));
    let mut waited = 0;
    let back = loop {
        threads.look(SECOND);
        if let Some(wanted) = threads.balance.wanted(|_| true, |store| store.0 == 9) {
            break wanted;
        }
        waited += 1;
        assert!(waited < 100);
    };
    assert_eq!((back.store, back.to, waited), (StoreId(1), 0, 9));
}

/// What each move lessens.
fn unevenness(loads: &[u64]) -> u64 {
    loads.iter().map(|load| load * load).sum()
}

fn threads() -> impl Strategy<Value = Vec<Vec<u64>>> {
    let light = prop::collection::vec(0..3_u64, 0..12);
    let mixed = prop::collection::vec(0..40_u64, 0..5);
    let heavy = prop::collection::vec(30..90_u64, 0..2);
    let thread = (light, mixed, heavy).prop_map(|(light, mixed, heavy)| {
        let mut keepers = [light, mixed, heavy].concat();
        // No thread has more than all of its time.
        while keepers.iter().sum::<u64>() > 100 {
            keepers.pop();
        }
        keepers
    });
    prop::collection::vec(thread, 1..9)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// However loads lie: each move makes it better by a least amount. Hence they end, and no arrangement comes back.
    #[test]
    fn each_move_makes_it_better_by_a_least_amount(keepers in threads()) {
        let slices: Vec<&[u64]> = keepers.iter().map(Vec::as_slice).collect();
        let mut threads = Threads::new(FORGETFUL, &slices);
        loop {
            threads.look(SECOND);
            let before = threads.loads();
            let Some(next) = threads.make_move() else { break };
            let after = threads.loads();
            let higher = after[next.from].max(after[next.to]);
            prop_assert!(higher + 4 <= before[next.from], "{before:?} {after:?}");
            prop_assert!(after.iter().max() <= before.iter().max());
            prop_assert!(after.iter().min() >= before.iter().min());
            prop_assert!(unevenness(&after) + FALL_MIN <= unevenness(&before));
        }
    }

    /// Loads that change at random, as they do: a keeper moves no more often than it may.
    #[test]
    fn with_loads_that_change_nobody_moves_twice_while_it_is_to_stay(
        keepers in threads(),
        changes in prop::collection::vec((0..40_i64, 0..60_u64), 200),
    ) {
        let settings = PlacementSettings { memory_ms: 5_000, stay_ms: 60_000, ..FORGETFUL };
        let slices: Vec<&[u64]> = keepers.iter().map(Vec::as_slice).collect();
        let mut threads = Threads::new(settings, &slices);
        let mut moved_at: BTreeMap<StoreId, usize> = BTreeMap::new();
        for (second, (store, load)) in changes.into_iter().enumerate() {
            if let Some((_, changed)) = threads.keepers.get_mut(&StoreId(store)) {
                *changed = load;
            }
            threads.look(SECOND);
            if let Some(next) = threads.make_move() {
                let last = moved_at.insert(next.store, second);
                prop_assert!(last.is_none_or(|last| second - last >= 60));
            }
        }
    }
}
