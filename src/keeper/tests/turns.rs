//! What a turn takes, within its time.

use std::sync::Arc;
use std::time::Duration;

use super::bench::Bench;
use crate::clock::Stopwatch;
use crate::keeper::settings::KeeperSettings;
use crate::telemetry::Lines;

#[tokio::test]
async fn a_turn_without_time_reads_many_rows_and_parses_one() {
    let bench = Bench::set_up_with(|settings| settings.turn_decide_us_max = 0).await;
    for number in 1..=3 {
        bench.accept(number).await;
    }
    let mut core = bench.activate().await.unwrap();
    for turn in 1..=3 {
        (core, _) = core.step().await.unwrap();
        let parsed = i64::try_from(bench.platform.parsed()).unwrap();
        assert_eq!((core.cursor, parsed), (turn, turn));
    }
}

/// The turn has time to parse all rows, and none left after it decided the first.
#[tokio::test]
async fn a_row_that_its_turn_parsed_and_had_no_time_for_is_not_parsed_again() {
    const TIME: Duration = Duration::from_millis(100);
    let dear_rows = |settings: &mut KeeperSettings| {
        settings.turn_decide_us_max = u64::try_from(TIME.as_micros()).unwrap();
        settings.before_apply = Some(Arc::new(|_row| {
            let watch = Stopwatch::start();
            while watch.elapsed() < TIME {
                std::hint::spin_loop();
            }
        }));
    };
    let bench = Bench::set_up_with(dear_rows).await;
    for number in 1..=3 {
        bench.accept(number).await;
    }
    let mut core = bench.activate().await.unwrap();
    for turn in 1..=3 {
        (core, _) = core.step().await.unwrap();
        assert_eq!(core.cursor, turn);
    }
    assert_eq!(bench.platform.parsed(), 3);
}

#[tokio::test]
async fn a_body_that_brings_its_parser_down_is_a_dead_letter_and_the_next_is_taken() {
    let bench = Bench::set_up().await;
    bench.accept_body(1, r#""panic""#).await;
    bench.accept(2).await;
    let (lines, _capturing) = Lines::capture();
    let mut core = bench.activate().await.unwrap();
    while core.cursor < 2 {
        (core, _) = core.step().await.unwrap();
    }
    let told = lines.saying("dead letter");
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("its parser panicked"), "{told:?}");
}
