//! The promises of `rounds`, in any scenario.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::play::{Had, Order, Play, Wants};
use crate::ids::StoreId;
use crate::keeper::scheduler::rounds::{LATE_ROUNDS, Rounds};

const QUANTUM_US: u64 = 1_000;
const PLAYED_US: u64 = 300_000;

/// Weights that divide a hundred, so that a position is exact and so are the bounds.
fn weight_percent() -> impl Strategy<Value = u8> {
    prop_oneof![4 => Just(100), 1 => Just(50), 1 => Just(20), 1 => Just(5)]
}

fn wants() -> impl Strategy<Value = Wants> {
    let naked = prop::collection::vec(50..300_u64, 1..4);
    let hot = prop::collection::vec(500..6_000_u64, 1..4);
    let mixed = prop::collection::vec(50..6_000_u64, 1..6);
    let busy = Just(vec![0]);
    let sparse = prop::collection::vec(0..20_000_u64, 1..5);
    let costs_us = prop_oneof![naked, hot, mixed];
    let pauses_us = prop_oneof![busy, sparse];
    (weight_percent(), costs_us, pauses_us).prop_map(|(weight_percent, costs_us, pauses_us)| {
        Wants {
            weight_percent,
            costs_us,
            pauses_us,
        }
    })
}

fn in_rounds(in_flight_max: usize, wants: Vec<Wants>) -> Play {
    let order = Order::Rounds(Rounds::new(QUANTUM_US, in_flight_max));
    Play::new(order, in_flight_max, wants)
}

fn first_come(in_flight_max: usize, wants: Vec<Wants>) -> Play {
    let order = Order::FirstCome {
        line: VecDeque::new(),
        free: in_flight_max,
    };
    Play::new(order, in_flight_max, wants)
}

/// How long a store may wait at most that owes so many rounds: while it waits, every turn serves somebody else, and
/// each of the others has no more than its quantum in each round and the turn that it began last.
fn wait_max_us(play: &Play, store: StoreId, rounds_owed: u64, in_flight_max: usize) -> u64 {
    let dearest = play.wants.values().map(Wants::dearest).max().unwrap_or(0);
    let others = play.wants.iter().filter(|(other, _)| **other != store);
    let served: u64 = others
        .map(|(_, wants)| {
            let quantum_us = QUANTUM_US * u64::from(wants.weight_percent) / 100;
            (rounds_owed + LATE_ROUNDS) * quantum_us + wants.dearest()
        })
        .sum();
    dearest + served / u64::try_from(in_flight_max).unwrap()
}

/// The least and the most service over its weight among those that always want more, and the dearest turn over its
/// weight.
fn spread(play: &Play) -> Option<(u64, u64, u64)> {
    let busy: Vec<_> = play
        .wants
        .iter()
        .filter(|(_, wants)| wants.is_always_busy())
        .map(|(store, wants)| {
            let over_weight = |us: u64| us * 100 / u64::from(wants.weight_percent);
            let served = over_weight(play.had[store].service_us);
            (served, over_weight(wants.dearest()))
        })
        .collect();
    let least = busy.iter().map(|(served, _)| *served).min()?;
    let most = busy.iter().map(|(served, _)| *served).max()?;
    let dearest = busy.iter().map(|(_, dearest)| *dearest).max()?;
    Some((least, most, dearest))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Play itself fails when a turn is free while somebody waits.
    #[test]
    fn nobody_waits_longer_than_a_round_for_each_that_it_owes(
        stores in prop::collection::vec(wants(), 1..40),
        in_flight_max in 1..9_usize,
    ) {
        let mut play = in_rounds(in_flight_max, stores);
        play.run(PLAYED_US, |_| {});
        for (store, had) in &play.had {
            prop_assert!(had.turns > 0, "{store} starved");
            for wait in &had.waits {
                let most_us = wait_max_us(&play, *store, wait.rounds_owed, in_flight_max);
                prop_assert!(wait.lasted_us <= most_us, "{store}: {wait:?}, at most {most_us}");
            }
        }
    }

    #[test]
    fn those_who_always_want_more_have_the_same_service_over_their_weights(
        stores in prop::collection::vec(wants(), 2..40),
    ) {
        let mut play = in_rounds(1, stores);
        play.run(PLAYED_US, |play| {
            if let Some((least, most, dearest)) = spread(play) {
                assert!(most - least < QUANTUM_US + dearest, "{least} to {most} at {}", play.now_us());
            }
        });
    }

    /// With several turns at once a store that is in the middle of one falls behind by what others do meanwhile.
    #[test]
    fn with_several_turns_at_once_too(
        costs_us in prop::collection::vec(50..3_000_u64, 9..40),
        in_flight_max in 2..5_usize,
    ) {
        let stores = costs_us.into_iter().map(Wants::always).collect();
        let mut play = in_rounds(in_flight_max, stores);
        play.run(PLAYED_US, |play| {
            if let Some((least, most, dearest)) = spread(play) {
                assert!(most - least < 2 * (QUANTUM_US + dearest), "{least} to {most} at {}", play.now_us());
            }
        });
    }

    #[test]
    fn memory_is_kept_only_for_those_who_wait_or_owe(
        stores in prop::collection::vec(wants(), 1..200),
        in_flight_max in 1..9_usize,
    ) {
        let mut play = in_rounds(in_flight_max, stores);
        for wants in play.wants.values_mut() {
            wants.pauses_us = vec![u64::MAX / 2];
        }
        play.run(u64::MAX / 4, |_| {});
        prop_assert_eq!(play.remembered(), 0);
    }
}

fn share_percent(play: &Play, store: StoreId) -> u64 {
    let all: u64 = play.had.values().map(|had| had.service_us).sum();
    play.had[&store].service_us * 100 / all
}

fn longest_wait_us(had: &Had) -> u64 {
    let waits = had.waits.iter().map(|wait| wait.lasted_us);
    waits.max().unwrap_or(0)
}

/// Nine stores with small turns and one with dear ones, all always busy, and a quiet one.
fn a_noisy_neighbour() -> Vec<Wants> {
    let mut stores = vec![Wants::always(4_000)];
    stores.extend((0..9).map(|_| Wants::always(200)));
    stores.push(Wants {
        weight_percent: 100,
        costs_us: vec![100],
        pauses_us: vec![30_011],
    });
    stores
}

#[test]
fn a_store_of_dear_turns_takes_its_share_where_first_come_first_served_gives_it_most() {
    const NOISY: StoreId = StoreId(1);
    const QUIET: StoreId = StoreId(11);
    let mut plays = [
        in_rounds(1, a_noisy_neighbour()),
        first_come(1, a_noisy_neighbour()),
    ];
    for play in &mut plays {
        play.run(10_000_000, |_| {});
    }
    let [fair, unfair] = &plays;
    assert_eq!(share_percent(fair, NOISY), 10);
    assert_eq!(share_percent(unfair, NOISY), 68);
    let mean_wait_us = |play: &Play| {
        let waits = &play.had[&QUIET].waits;
        waits.iter().map(|wait| wait.lasted_us).sum::<u64>() / u64::try_from(waits.len()).unwrap()
    };
    let (with_rounds, without) = (mean_wait_us(fair), mean_wait_us(unfair));
    assert!(
        with_rounds * 2 < without,
        "{with_rounds} µs on average, {without} µs without rounds"
    );
    assert!(longest_wait_us(&fair.had[&QUIET]) <= 4_000 + 9 * 200);
}
