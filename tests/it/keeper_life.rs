//! Who stays in memory and who leaves: nothing is lost with a keeper that leaves, and nobody leaves who has work.

use std::sync::Arc;
use std::time::Duration;

use storekeeper::db::keepers;
use storekeeper::domain::call::{Read, Request};
use storekeeper::domain::store::command::{Command, Row};
use storekeeper::ids::StoreId;
use storekeeper::keeper::{Envelope, KeeperState, LifecycleStep};

use crate::support::keepers::{Rig, STORE, draft, eventually};

const SECOND: StoreId = StoreId(2);
const THIRD: StoreId = StoreId(3);
/// How long anything here may take before the test fails; far more than it ever takes.
const PATIENCE: Duration = Duration::from_secs(20);
const TWO_DAYS_MS: i64 = 48 * 3_600_000;

async fn is_stopped(rig: &Rig, store: StoreId) {
    eventually("room for others", || {
        rig.state(store) == KeeperState::Stopped
    })
    .await;
}

#[tokio::test]
async fn the_keeper_that_was_idle_longest_makes_room() {
    let rig = Rig::start_with(3, |settings| settings.running_max = 2).await;
    for store in [STORE, SECOND, THIRD] {
        rig.deliver(store, 1).await;
        eventually("the row", || rig.cursor(store) == 1).await;
        rig.clock.advance_millis(1);
    }
    is_stopped(&rig, STORE).await;
    let events = rig.directory.lifecycle();
    let ended = events
        .iter()
        .filter(|event| event.step == LifecycleStep::Ended);
    let ended: Vec<_> = ended.map(|event| event.store).collect();
    assert_eq!(ended, [STORE], "{events:?}");
    for _search in 0..5 {
        rig.clock.advance_millis(1_000);
    }
    rig.deliver(SECOND, 1).await;
    eventually("the next row", || rig.cursor(SECOND) == 2).await;
    assert_eq!(rig.activations(STORE), 1, "it has nothing to come back for");
    rig.deliver(STORE, 1).await;
    eventually("a row that brings it back", || rig.cursor(STORE) == 2).await;
}

#[tokio::test]
async fn who_waits_for_the_platform_stays_however_many_there_are() {
    let rig = Rig::start(|settings| settings.running_max = 1).await;
    rig.platform.hold(true);
    let directory = rig.directory.clone();
    let bundle =
        tokio::spawn(async move { directory.command(STORE, Envelope::plain(draft(1))).await });
    eventually("the call", || rig.platform.count(|_| true) == 1).await;
    rig.clock.advance_millis(1);
    rig.deliver(SECOND, 1).await;
    eventually("the row", || rig.cursor(SECOND) == 1).await;
    is_stopped(&rig, SECOND).await;
    assert_eq!(rig.state(STORE), KeeperState::Running);
    rig.platform.hold(false);
    let answered = rig.pass_time(bundle).await.expect("no panic");
    assert!(answered.is_ok(), "{answered:?}");
    assert_eq!(rig.activations(STORE), 1);
}

/// The clock stands still, so no search finds what a lost doorbell leaves behind.
#[tokio::test]
async fn nothing_that_comes_while_a_keeper_leaves_is_lost() {
    const ROUNDS: i64 = 150;
    let rig = Rig::start(|settings| settings.running_max = 1).await;
    let stores = [STORE, SECOND];
    for round in 1..=ROUNDS {
        for store in stores {
            let asked = rig
                .directory
                .command(store, Envelope::plain(Command::Resume));
            let both = async { tokio::join!(asked, rig.deliver(store, 1)) };
            let both = tokio::time::timeout(PATIENCE, both).await;
            let (asked, ()) = both.expect("a command is not lost");
            assert!(asked.is_ok(), "{asked:?}");
        }
        for store in stores {
            eventually("the round's row", || rig.cursor(store) == round).await;
        }
    }
    let activations: usize = stores.map(|store| rig.activations(store)).iter().sum();
    assert!(activations > 10, "only {activations} came back");
}

#[tokio::test]
async fn who_made_room_comes_back_for_a_deadline_two_days_ahead() {
    let rig = Rig::start(|settings| {
        settings.running_max = 1;
        settings.store.sweep_interval_ms = TWO_DAYS_MS;
    })
    .await;
    let sweeps = || {
        rig.platform
            .count(|request| matches!(request, Request::Read(Read::OrdersSince { .. })))
    };
    let bundle = rig.directory.command(STORE, Envelope::plain(draft(1)));
    rig.pass_time(bundle).await.expect("a bundle");
    rig.pass_time(eventually("the first sweep", || sweeps() > 0))
        .await;
    rig.deliver(SECOND, 1).await;
    let makes_room = eventually("room for others", || {
        rig.directory.ring(SECOND);
        rig.state(STORE) == KeeperState::Stopped
    });
    rig.pass_time(makes_room).await;
    let before = (sweeps(), rig.activations(STORE));
    let record = keepers::find(&rig.db, STORE).await.expect("read");
    let wake_at = record
        .and_then(|record| record.wake_at)
        .expect("a deadline");
    assert!(
        wake_at.millis_since(rig.clock.now()) > TWO_DAYS_MS / 2,
        "{wake_at}"
    );
    rig.clock
        .advance_millis(wake_at.millis_since(rig.clock.now()) - 1);
    assert_eq!((sweeps(), rig.activations(STORE)), before);
    rig.clock.advance_millis(1);
    rig.pass_time(eventually("the second sweep", || sweeps() > before.0))
        .await;
}

#[tokio::test]
async fn a_keeper_that_made_room_does_not_come_back_with_a_clean_record() {
    let rig = Rig::start(|settings| {
        settings.running_max = 1;
        settings.before_apply = Some(Arc::new(|row: &Row| {
            assert!(row.seq > 2, "row {} is poison", row.seq);
        }));
    })
    .await;
    rig.deliver(STORE, 1).await;
    for _crash in 0..3 {
        rig.let_restart(STORE).await;
    }
    eventually("its first dead letter", || rig.cursor(STORE) == 1).await;
    rig.clock.advance_millis(1);
    rig.deliver(SECOND, 0).await;
    is_stopped(&rig, STORE).await;
    rig.deliver(STORE, 1).await;
    for _crash in 0..2 {
        rig.let_restart(STORE).await;
    }
    eventually("quarantine", || {
        matches!(rig.state(STORE), KeeperState::Quarantined { .. })
    })
    .await;
}
