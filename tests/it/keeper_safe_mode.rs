//! When many stores crash at once nothing is done but accepting, until it is quiet or an operator ends it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use storekeeper::domain::store::command::{Command, Row};
use storekeeper::ids::StoreId;
use storekeeper::keeper::{CommandError, Control, Envelope, KeeperState, Moment};

use crate::support::keepers::{Gate, Rig, TurnHold, eventually};

const STORES: i64 = 10;
const QUIET: StoreId = StoreId(10);

/// Ten stores with a keeper each; malformed rows crash their keepers until the fault is mended.
async fn ten_keepers() -> (Rig, Arc<AtomicBool>) {
    let is_mended: Arc<AtomicBool> = Arc::default();
    let mended = Arc::clone(&is_mended);
    let rig = Rig::start_with(STORES, |settings| {
        settings.before_apply = Some(Arc::new(move |row: &Row| {
            assert!(
                row.fact.is_ok() || mended.load(Ordering::SeqCst),
                "a fault of ours"
            );
        }));
    })
    .await;
    for store in (1..=STORES).map(StoreId) {
        rig.deliver(store, 1).await;
        eventually("a keeper", || rig.cursor(store) == 1).await;
    }
    (rig, is_mended)
}

async fn crash(rig: &Rig, stores: impl Iterator<Item = i64>) {
    for store in stores.map(StoreId) {
        rig.accept_malformed(store).await;
        rig.directory.ring(store);
        eventually("a crash", || {
            matches!(rig.state(store), KeeperState::Restarting { .. })
        })
        .await;
    }
}

async fn ask(rig: &Rig, store: StoreId) -> Result<(), CommandError> {
    let asked = Envelope::plain(Command::Resume);
    rig.directory.command(store, asked).await.map(drop)
}

/// A keeper that is built anew and shows itself has gone through a whole step.
async fn goes_round(rig: &Rig, store: StoreId) {
    let before = rig.activations(store);
    rig.directory
        .control(store, Control::Restart, "test".to_owned())
        .await
        .expect("told");
    eventually("another keeper", || rig.activations(store) > before).await;
    rig.directory.board(store).await.expect("it can be read");
}

async fn all_rows(rig: &Rig) {
    let is_done = |store: i64| rig.cursor(StoreId(store)) == 2;
    let done = eventually("every row", || (1..=5).all(is_done) && is_done(STORES));
    rig.pass_time(done).await;
}

#[tokio::test]
async fn too_many_crashes_at_once_stop_everything_but_accepting_until_it_is_quiet() {
    let (rig, is_mended) = ten_keepers().await;
    crash(&rig, 1..=4).await;
    assert_eq!(rig.directory.safe_mode(), None);
    assert_eq!(ask(&rig, QUIET).await, Ok(()));
    crash(&rig, 5..=5).await;
    let status = rig.directory.safe_mode().expect("safe mode");
    assert_eq!((status.crashed, status.of), (5, 10));
    rig.deliver(QUIET, 1).await;
    goes_round(&rig, QUIET).await;
    assert_eq!(rig.cursor(QUIET), 1, "its row waits");
    assert_eq!(ask(&rig, QUIET).await, Err(CommandError::SafeMode));
    is_mended.store(true, Ordering::SeqCst);
    rig.clock
        .advance_millis(status.until.millis_since(rig.clock.now()) - 1);
    goes_round(&rig, QUIET).await;
    assert_eq!(rig.cursor(QUIET), 1, "its row waits");
    rig.clock.advance_millis(1);
    let ended = eventually("the end", || rig.directory.safe_mode().is_none());
    rig.pass_time(ended).await;
    all_rows(&rig).await;
    assert_eq!(ask(&rig, QUIET).await, Ok(()));
}

#[tokio::test]
async fn an_operator_ends_safe_mode_and_what_waited_is_applied() {
    let (rig, is_mended) = ten_keepers().await;
    crash(&rig, 1..=5).await;
    assert!(rig.directory.safe_mode().is_some());
    rig.deliver(QUIET, 1).await;
    is_mended.store(true, Ordering::SeqCst);
    rig.directory.end_safe_mode();
    assert_eq!(rig.directory.safe_mode(), None);
    all_rows(&rig).await;
}

/// Its thread was busy when safe mode began and its turn came, so that it finds both at once.
#[tokio::test]
async fn a_turn_that_was_waited_for_is_not_taken_once_safe_mode_has_begun() {
    // As they come, they are seated on one of two threads and on the other by turns.
    const WAITS: StoreId = StoreId(1);
    const CRASHES: StoreId = StoreId(2);
    const HOLDS: StoreId = StoreId(3);
    const ELSEWHERE: StoreId = StoreId(4);
    const BUSY: StoreId = StoreId(5);
    let (is_to_hold, command): (Arc<AtomicBool>, Arc<Gate>) = Default::default();
    let (is_to_hold_of_hook, command_of_hook) = (Arc::clone(&is_to_hold), Arc::clone(&command));
    let mut hold = None;
    let rig = Rig::start_with(5, |settings| {
        (settings.arbiters, settings.turns_in_flight_max) = (2, 1);
        settings.turn_spacing_ms = 0;
        settings.safe_mode.crashed_stores_min = 1;
        settings.safe_mode.crashed_percent = 1;
        let is_meant = move |store| store == HOLDS && is_to_hold_of_hook.load(Ordering::SeqCst);
        hold = Some(TurnHold::over(settings, is_meant));
        settings.on_moment = Some(Arc::new(move |store, moment| {
            if (store, moment) == (BUSY, Moment::Command) {
                command_of_hook.pass();
            }
            assert!(
                (store, moment) != (CRASHES, Moment::Command),
                "told to panic"
            );
        }));
    })
    .await;
    let turns = |store| rig.directory.status(store).map_or(0, |status| status.turns);
    let thread = |store| rig.directory.status(store).map(|status| status.arbiter);
    for store in [WAITS, CRASHES, HOLDS, ELSEWHERE, BUSY] {
        rig.deliver(store, 1).await;
        eventually("a turn", || turns(store) == 1).await;
    }
    let threads = [CRASHES, HOLDS, BUSY].map(|store| thread(store) == thread(WAITS));
    assert_eq!(threads, [false, true, true]);
    let hold = hold.expect("it started");
    is_to_hold.store(true, Ordering::SeqCst);
    rig.deliver(HOLDS, 1).await;
    eventually("the only turn", || hold.held() == 1).await;
    rig.deliver(WAITS, 1).await;
    let in_line = || rig.directory.turn_place(WAITS).is_some();
    eventually("a place in line", in_line).await;
    let ask = |store| {
        let directory = rig.directory.clone();
        let asked = Envelope::plain(Command::Resume);
        // How it is answered is not the matter.
        drop(tokio::spawn(async move {
            directory.command(store, asked).await
        }));
    };
    ask(BUSY);
    eventually("its command", || command.is_reached()).await;
    ask(CRASHES);
    eventually("safe mode", || rig.directory.safe_mode().is_some()).await;
    // Its end, and so the beginning of the other, comes when the thread goes on.
    hold.let_go();
    command.open();
    eventually("the end of the turn", || turns(HOLDS) == 2).await;
    let leave = rig
        .directory
        .control(WAITS, Control::Deactivate, "test".to_owned());
    leave.await.expect("told");
    eventually("its end", || rig.state(WAITS) == KeeperState::Stopped).await;
    assert_eq!((turns(WAITS), rig.cursor(WAITS)), (1, 1));
}
