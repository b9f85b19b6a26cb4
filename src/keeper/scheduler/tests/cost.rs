//! Averages that follow what rows cost, and hardly any single measurement.

use std::time::Duration;

use crate::keeper::scheduler::cost::{Costs, TURN_US_MAX, TURN_US_MIN, Taken, Temperature};

fn rows(temperature: Temperature, count: usize) -> Taken {
    let mut taken = Taken::default();
    (0..count).for_each(|_| taken.add(temperature));
    taken
}

#[test]
fn the_average_comes_to_what_rows_cost() {
    let mut costs = Costs::default();
    let turn = rows(Temperature::Hot, 20);
    for _turn in 0..200 {
        costs.learn(&turn, Duration::from_micros(20 * 700));
    }
    let row = costs.of_row(Temperature::Hot).as_micros();
    assert!((690..=710).contains(&row), "{row} µs");
    let cold = costs.of_row(Temperature::Cold);
    assert_eq!(cold, Costs::default().of_row(Temperature::Cold));
}

#[test]
fn rows_of_two_temperatures_in_one_turn_are_told_apart_by_turns_of_one() {
    let mut costs = Costs::default();
    let mut mixed = rows(Temperature::Hot, 4);
    (0..16).for_each(|_| mixed.add(Temperature::Naked));
    for _turn in 0..500 {
        costs.learn(
            &rows(Temperature::Naked, 20),
            Duration::from_micros(20 * 10),
        );
        costs.learn(&mixed, Duration::from_micros(4 * 500 + 16 * 10));
    }
    let hot = costs.of_row(Temperature::Hot).as_micros();
    let naked = costs.of_row(Temperature::Naked).as_micros();
    assert!((450..=520).contains(&hot), "{hot} µs");
    assert!((9..=12).contains(&naked), "{naked} µs");
}

#[test]
fn one_odd_measurement_moves_an_average_by_a_fifth_at_most() {
    for odd in [Duration::ZERO, Duration::from_hours(1)] {
        let mut costs = Costs::default();
        let before = costs.of_row(Temperature::Hot);
        costs.learn(&rows(Temperature::Hot, 20), odd);
        let after = costs.of_row(Temperature::Hot);
        assert_ne!(before, after);
        assert!(
            before.abs_diff(after) * 5 <= before,
            "{before:?} to {after:?}"
        );
    }
}

#[test]
fn what_a_turn_is_charged_is_bounded_whatever_was_measured() {
    let mut costs = Costs::default();
    assert_eq!(costs.of_turn(&Taken::default()), TURN_US_MIN);
    let turn = rows(Temperature::Hot, 500);
    (0..1_000).for_each(|_| costs.learn(&turn, Duration::MAX));
    assert_eq!(costs.of_turn(&turn), TURN_US_MAX);
    (0..1_000).for_each(|_| costs.learn(&turn, Duration::ZERO));
    assert!(costs.of_row(Temperature::Hot) >= Duration::from_micros(5));
}
