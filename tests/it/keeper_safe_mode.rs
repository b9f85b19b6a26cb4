//! When many stores crash at once nothing is done but accepting, until it is quiet or an operator ends it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use storekeeper::domain::store::command::{Command, Row};
use storekeeper::ids::StoreId;
use storekeeper::keeper::{CommandError, Control, Envelope, KeeperState};

use crate::support::keepers::{Rig, eventually};

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
