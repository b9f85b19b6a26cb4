//! The day's allowance: what is held, until when, and who rests longer.

use super::faults::{HOUR_MS, world};
use crate::domain::standing::{Beyond, Day, Terms};

fn terms(allowance: i64, beyond: Beyond) -> Terms {
    Terms {
        allowance: Some(allowance),
        beyond,
        ..Terms::default()
    }
}

#[test]
fn what_is_beyond_the_allowance_is_held_coalesced_or_applied() {
    // Allowance, what is beyond it, and of a day of five rows: the last that may be taken, whether it rests longer.
    for (allowance, beyond, last, coalesces) in [
        (5, Beyond::Hold, 5, false),
        (4, Beyond::Hold, 4, false),
        (0, Beyond::Hold, 0, false),
        (5, Beyond::CoalesceMore, 5, false),
        (4, Beyond::CoalesceMore, 5, true),
        (4, Beyond::Apply, 5, false),
    ] {
        let mut world = world();
        let now = world.platform.now;
        world.state.agree(terms(allowance, beyond));
        assert_eq!(world.state.count_day(now, [(1, now)], 5), last);
        assert_eq!(world.state.coalesces(now), coalesces);
        assert_eq!(world.state.rows_today(now), 5);
    }
}

#[test]
fn a_hold_ends_with_the_day_or_with_other_terms_and_that_is_told_once() {
    let mut world = world();
    let now = world.platform.now;
    let cursor = world.state.taken().cursor();
    world.state.agree(terms(0, Beyond::Hold));
    world.state.count_day(now, [(cursor + 1, now)], cursor + 3);
    let midnight = Day::end_of(now);
    assert_eq!(world.state.held_until(now), Some(midnight));
    assert_eq!(
        (world.state.taken_today(now), world.state.end_hold(now)),
        (0, false)
    );
    assert_eq!(world.state.held_until(midnight), None);
    assert!(world.state.end_hold(midnight));
    assert!(!world.state.end_hold(midnight), "told once");
    world.state.count_day(now, [], cursor + 3);
    world.state.agree(terms(HOUR_MS, Beyond::Hold));
    assert!(world.state.end_hold(now), "a larger plan");
    assert_eq!(world.state.held_until(now), None);
}
