//! While webhooks that were sent again come too fast, stores with a backlog take their turns slowly; a quiet one goes on.

use storekeeper::clock::Stopwatch;
use storekeeper::domain::storm::Sign;
use storekeeper::ids::StoreId;

use crate::support::keepers::{Rig, eventually};

const BUSY: StoreId = StoreId(1);
const QUIET: StoreId = StoreId(2);
/// One turn each, so that in a storm they take a minute.
const ROWS: i64 = 60;
/// Each rests a moment from the one before, so that all of a backlog that does not give way is done meanwhile.
const QUIET_ROWS: i64 = 20;

/// Keepers of two stores, and a storm that has begun.
async fn storm() -> Rig {
    let rig = Rig::start(|settings| {
        settings.turn_rows_max = 1;
        settings.storm.rules.webhooks_min = 1;
        settings.storm.turns_per_s = 1;
        settings.storm.turn_spacing_ms = 20;
    })
    .await;
    // What comes right after a look is judged by the next one.
    eventually("a storm", || {
        rig.clock.advance_millis(250);
        rig.directory.note_webhook(&Sign {
            at: rig.clock.now(),
            is_known: true,
            triggered_at: None,
            took_ms: 10_000,
        });
        rig.directory.storm().is_some()
    })
    .await;
    let storm = rig.directory.storm().expect("a storm");
    assert_eq!(storm.webhooks, storm.resent);
    rig
}

#[tokio::test]
async fn a_backlog_is_worked_off_slowly_in_a_storm_and_a_quiet_store_goes_on() {
    let rig = storm().await;
    let watch = Stopwatch::start();
    rig.deliver(BUSY, ROWS).await;
    eventually("a turn of the busy store", || rig.cursor(BUSY) > 0).await;
    for row in 1..=QUIET_ROWS {
        rig.deliver(QUIET, 1).await;
        eventually("the quiet store's row", || rig.cursor(QUIET) == row).await;
    }
    // One a second, one at once, and one that was not known to be of a backlog.
    let turns = rig.cursor(BUSY);
    assert!(
        turns <= watch.elapsed().as_secs().cast_signed() + 3,
        "{turns}"
    );
    assert!(rig.directory.storm().is_some());
    let over = eventually("the end of the storm", || rig.directory.storm().is_none());
    rig.pass_time(over).await;
    eventually("all of the backlog", || rig.cursor(BUSY) == ROWS).await;
}
