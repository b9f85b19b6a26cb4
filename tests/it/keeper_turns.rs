//! Turns: fair between stores, complete over restarts, and on time after any sleep.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use storekeeper::domain::call::{Read, Request};
use storekeeper::domain::fact::Fact;
use storekeeper::domain::store::command::Row;
use storekeeper::ids::StoreId;
use storekeeper::keeper::{Control, Envelope, KeeperSettings, KeeperState, LifecycleStep};

use crate::support::keepers::{Rig, STORE, TurnHold, draft, eventually};

const BUSY: StoreId = STORE;
const QUIET: StoreId = StoreId(2);
const QUIET_ITEM: i64 = 9_000;

fn item_of(row: &Row) -> i64 {
    match &row.fact {
        Ok(Fact::Level(level)) => level.item.0,
        other => panic!("{other:?}"),
    }
}

/// One thread, one turn at once, and the turns of a store are held.
async fn with_turns_held(
    held: StoreId,
    adjust: impl FnOnce(&mut KeeperSettings),
) -> (Rig, Arc<TurnHold>) {
    let mut hold = None;
    let rig = Rig::start(|settings| {
        (settings.arbiters, settings.turns_in_flight_max) = (1, 1);
        hold = Some(TurnHold::over(settings, move |store| store == held));
        adjust(settings);
    })
    .await;
    (rig, hold.expect("it started"))
}

/// A neighbour has the only turn until it is let go of.
async fn with_the_only_turn_taken() -> (Rig, Arc<TurnHold>) {
    let (rig, hold) = with_turns_held(QUIET, |_| {}).await;
    rig.accept_level(QUIET, QUIET_ITEM).await;
    rig.directory.ring(QUIET);
    eventually("the neighbour's turn", || hold.held() == 1).await;
    (rig, hold)
}

async fn stands_in_line(rig: &Rig, store: StoreId) {
    let stands_there = || rig.directory.turn_place(store).is_some();
    eventually("a place in line", stands_there).await;
}

#[tokio::test]
async fn the_turn_of_a_quiet_store_comes_between_those_of_a_busy_one() {
    const BUSY_ROWS: i64 = 400;
    let order: Arc<Mutex<Vec<i64>>> = Arc::default();
    let order_of_hook = Arc::clone(&order);
    let (rig, hold) = with_turns_held(BUSY, |settings| {
        settings.before_apply = Some(Arc::new(move |row: &Row| {
            let mut order = order_of_hook.lock().expect("not poisoned");
            order.push(item_of(row));
        }));
    })
    .await;
    for item in 1..=BUSY_ROWS {
        rig.accept_level(BUSY, item).await;
    }
    rig.accept_level(QUIET, QUIET_ITEM).await;
    rig.directory.ring(BUSY);
    eventually("the busy store's first turn", || hold.held() == 1).await;
    rig.directory.ring(QUIET);
    stands_in_line(&rig, QUIET).await;
    hold.let_go();
    eventually("all rows", || {
        rig.cursor(BUSY) == BUSY_ROWS && rig.cursor(QUIET) == 1
    })
    .await;
    let order = order.lock().expect("not poisoned").clone();
    let place = order
        .iter()
        .position(|&item| item == QUIET_ITEM)
        .expect("it was applied");
    assert!(
        place < order.len() / 2,
        "it stood behind {place} rows of {}",
        order.len()
    );
}

/// The command needs a call to the platform and its answer, so all of that goes on without a turn.
#[tokio::test]
async fn a_command_to_a_store_with_a_backlog_is_answered_while_no_turn_is_free() {
    let (rig, hold) = with_the_only_turn_taken().await;
    rig.accept_level(STORE, 1).await;
    rig.directory.ring(STORE);
    stands_in_line(&rig, STORE).await;
    let command = rig.directory.command(STORE, Envelope::plain(draft(1)));
    let answered = tokio::time::timeout(Duration::from_secs(20), command).await;
    let cursor = rig.cursor(STORE);
    hold.let_go();
    assert!(matches!(answered, Ok(Ok(_))), "{answered:?}");
    assert_eq!(cursor, 0, "its row waits");
    eventually("the row", || rig.cursor(STORE) == 1).await;
}

#[tokio::test]
async fn a_turn_holds_at_most_twenty_resources_but_every_row_of_the_same_few() {
    // All rows are there before the store's first turn.
    let (rig, hold) = with_the_only_turn_taken().await;
    for item in 1..=40 {
        rig.accept_level(STORE, item).await;
    }
    for _repetition in 0..100 {
        rig.accept_level(STORE, 40).await;
    }
    hold.let_go();
    rig.directory.ring(STORE);
    eventually("all rows", || rig.cursor(STORE) == 140).await;
    // The last turn is counted a moment after its rows are.
    rig.pass_time_until_stopped().await;
    assert_eq!(
        rig.directory.status(STORE).map(|status| status.turns),
        Some(2)
    );
}

#[tokio::test]
async fn rows_are_taken_without_any_doorbell() {
    let rig = Rig::start(|_| {}).await;
    rig.accept_level(STORE, 1).await;
    rig.pass_time(eventually("the row", || rig.cursor(STORE) == 1))
        .await;
}

#[tokio::test]
async fn naked_webhooks_are_counted_with_the_next_commit() {
    let rig = Rig::start(|_| {}).await;
    rig.accept_level(STORE, 1).await;
    (0..7).for_each(|_| rig.directory.count_naked(STORE));
    rig.directory.ring(STORE);
    eventually("the row", || rig.cursor(STORE) == 1).await;
    let record = storekeeper::db::keepers::find(&rig.db, STORE)
        .await
        .expect("read")
        .expect("there");
    assert_eq!(
        record.naked,
        7 + 1,
        "seven were counted, and the stored row concerns nobody either"
    );
}

/// Waits until the store's log is empty.
async fn log_is_purged(rig: &Rig) {
    let waiting = async {
        let mut looks = tokio::time::interval(std::time::Duration::from_millis(1));
        while rows_in_log(rig).await > 0 {
            looks.tick().await;
        }
    };
    rig.pass_time(waiting).await;
}

async fn rows_in_log(rig: &Rig) -> usize {
    let ahead = storekeeper::db::inbox::look_ahead(&rig.db, STORE, 0, 10, 1_000_000).await;
    ahead.expect("read").rows.len()
}

#[tokio::test]
async fn a_keeper_that_leaves_for_want_of_work_leaves_no_rows_behind() {
    let rig = Rig::start(|_| {}).await;
    rig.accept_level(STORE, 1).await;
    rig.directory.ring(STORE);
    eventually("the row", || rig.cursor(STORE) == 1).await;
    assert_eq!(rows_in_log(&rig).await, 1, "one turn is too few to purge");
    rig.pass_time_until_stopped().await;
    log_is_purged(&rig).await;
}

#[tokio::test]
async fn rows_that_a_predecessor_left_behind_are_purged() {
    let rig = Rig::start(|_| {}).await;
    rig.accept_level(STORE, 1).await;
    rig.directory.ring(STORE);
    eventually("the row", || rig.cursor(STORE) == 1).await;
    rig.directory
        .control(STORE, Control::Restart, "test".to_owned())
        .await
        .expect("told");
    log_is_purged(&rig).await;
    assert_eq!(rig.cursor(STORE), 1);
}

#[tokio::test]
async fn a_deadline_two_days_ahead_outlives_the_keeper_that_set_it() {
    const TWO_DAYS_MS: i64 = 48 * 3_600_000;
    let rig = Rig::start(|settings| settings.store.sweep_interval_ms = TWO_DAYS_MS).await;
    let sweeps = || {
        rig.platform
            .count(|request| matches!(request, Request::Read(Read::OrdersSince { .. })))
    };
    rig.directory
        .command(STORE, Envelope::plain(draft(1)))
        .await
        .expect("a bundle");
    let swept = || {
        let observation = rig
            .directory
            .status(STORE)
            .and_then(|status| status.observation);
        observation.is_some_and(|observation| {
            observation.last_sweep_at.is_some() && observation.open_calls == 0
        })
    };
    rig.pass_time(eventually("the first sweep", swept)).await;
    let before = sweeps();
    rig.pass_time_until_stopped().await;
    let wake_at = storekeeper::db::keepers::find(&rig.db, STORE)
        .await
        .expect("read")
        .and_then(|record| record.wake_at);
    let wake_at = wake_at.expect("it wants to be woken");
    assert!(
        wake_at.millis_since(rig.clock.now()) > TWO_DAYS_MS / 2,
        "{wake_at}"
    );
    rig.clock
        .advance_millis(wake_at.millis_since(rig.clock.now()) - 1);
    assert_eq!((sweeps(), rig.state(STORE)), (before, KeeperState::Stopped));
    rig.clock.advance_millis(1);
    rig.pass_time(eventually("the second sweep", || sweeps() > before))
        .await;
    let activated =
        |event: &storekeeper::keeper::LifecycleEvent| event.step == LifecycleStep::Activated;
    assert_eq!(
        rig.directory
            .lifecycle()
            .iter()
            .filter(|event| activated(event))
            .count(),
        2
    );
}
