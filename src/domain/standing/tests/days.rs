//! Days of a log against a list of the moments at which its rows came.

use proptest::prelude::*;

use crate::clock::Timestamp;
use crate::domain::standing::*;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

#[test]
fn a_day_begins_at_midnight_utc_and_counts_rows_by_their_numbers() {
    let noon = at(DAY_MS * 20_000 + DAY_MS / 2);
    let day = Day::at(noon, None, Some(8), 10);
    assert_eq!((day.rows(10), day.rows(7), day.last_within(5)), (3, 0, 12));
    assert_eq!(Day::end_of(noon), at(DAY_MS * 20_001));
    let later = noon.plus_millis(DAY_MS / 2 - 1);
    assert_eq!(Day::at(later, Some(day), None, 50), day);
    let next = Day::at(later.plus_millis(1), Some(day), None, 50);
    assert_eq!((next.rows(50), next.rows(60)), (0, 10));
    let back = Day::at(noon, Some(next), None, 70);
    assert_eq!(
        back.rows(70),
        0,
        "a clock that was set back charges nothing"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Rows come, and it is looked now and then, with or without what was kept. Never more is counted than came today,
    /// and all of it when each row was looked at as it came.
    #[test]
    fn no_row_of_another_day_is_ever_counted(
        gaps in prop::collection::vec((0_i64..DAY_MS / 3, any::<bool>(), prop::bool::weighted(0.1)), 1..80),
    ) {
        let (mut now, mut came, mut kept) = (DAY_MS * 20_000, Vec::new(), None::<Day>);
        let mut looked_at_each = true;
        let mut seen = 0;
        for (gap, looks, crashes) in gaps {
            now += gap;
            came.push(now);
            looked_at_each &= looks && !crashes;
            kept = kept.filter(|_| !crashes);
            if !looks {
                continue;
            }
            let head = i64::try_from(came.len()).unwrap();
            let is_today = |moment: &i64| moment.div_euclid(DAY_MS) == now.div_euclid(DAY_MS);
            // The keeper reads what it has not taken yet.
            let unread = came.iter().enumerate().skip(seen);
            let first = unread.clone().find(|(_, moment)| is_today(moment));
            let first = first.map(|(index, _)| i64::try_from(index).unwrap() + 1);
            let day = Day::at(at(now), kept, first, head);
            let today = i64::try_from(came.iter().filter(|moment| is_today(moment)).count()).unwrap();
            prop_assert!((0..=today).contains(&day.rows(head)), "{} of {today}", day.rows(head));
            if looked_at_each {
                prop_assert_eq!(day.rows(head), today);
            }
            kept = Some(day);
            seen = came.len();
        }
    }
}
