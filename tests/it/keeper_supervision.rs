//! What a crash of a keeper costs: nothing but time, and only its own store.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use storekeeper::db::dead_letters::{self, DeadLetterFilter};
use storekeeper::db::keepers;
use storekeeper::domain::store::change::DeadLetterClass;
use storekeeper::domain::store::command::{Command, Row};
use storekeeper::ids::{GrantId, StoreId};
use storekeeper::keeper::{
    CommandError, Control, Envelope, KeeperSettings, KeeperState, LifecycleStep, Moment,
};

use crate::support::keepers::{Rig, STORE, draft, eventually};

/// Panics at these rows, and remembers every row it saw.
fn panic_at(settings: &mut KeeperSettings, poison: &'static [i64]) -> Arc<Mutex<Vec<i64>>> {
    let seen: Arc<Mutex<Vec<i64>>> = Arc::default();
    let seen_by_hook = Arc::clone(&seen);
    settings.before_apply = Some(Arc::new(move |row: &Row| {
        seen_by_hook.lock().expect("not poisoned").push(row.seq);
        assert!(!poison.contains(&row.seq), "row {} is poison", row.seq);
    }));
    seen
}

#[tokio::test]
async fn a_row_that_panics_three_times_becomes_a_dead_letter_and_the_next_is_applied() {
    let mut seen = Arc::default();
    let rig = Rig::start(|settings| seen = panic_at(settings, &[2])).await;
    rig.deliver(STORE, 3).await;
    for _crash in 0..3 {
        rig.let_restart(STORE).await;
    }
    eventually("the rows behind it", || rig.cursor(STORE) == 3).await;
    let seen = seen.lock().expect("not poisoned").clone();
    assert_eq!(seen.iter().filter(|&&seq| seq == 2).count(), 3, "{seen:?}");
    assert_eq!(seen.iter().filter(|&&seq| seq == 3).count(), 1, "{seen:?}");
    let filter = DeadLetterFilter {
        store: Some(STORE),
        class: None,
    };
    let dead = dead_letters::list(&rig.db, filter, None, 10)
        .await
        .expect("a list");
    let dead: Vec<_> = dead.into_iter().map(|letter| letter.record).collect();
    assert_eq!(dead.len(), 1);
    assert_eq!(
        (dead[0].seq, dead[0].class),
        (Some(2), DeadLetterClass::Poison)
    );
    assert_eq!(dead[0].reason, "row 2 is poison");
    let status = rig.directory.status(STORE).expect("known");
    assert_eq!((status.state, status.restarts), (KeeperState::Running, 3));
}

#[tokio::test]
async fn a_sixth_crash_within_a_minute_is_quarantine_until_released_and_of_that_store_alone() {
    let rig = Rig::start(|settings| drop(panic_at(settings, &[1, 2]))).await;
    let neighbour = StoreId(2);
    rig.deliver(STORE, 3).await;
    for _crash in 0..5 {
        rig.let_restart(STORE).await;
    }
    eventually("quarantine", || {
        matches!(rig.state(STORE), KeeperState::Quarantined { .. })
    })
    .await;
    let KeeperState::Quarantined { until } = rig.state(STORE) else {
        panic!("it ended by itself")
    };
    assert_eq!(until.millis_since(rig.clock.now()), 900_000);
    let refused = rig
        .directory
        .command(STORE, Envelope::plain(Command::Resume))
        .await;
    assert_eq!(refused, Err(CommandError::Unavailable { until }));
    let served = rig
        .directory
        .command(neighbour, Envelope::plain(Command::Resume))
        .await;
    assert!(served.is_ok(), "{served:?}");
    rig.directory
        .control(STORE, Control::Release, "looked at".to_owned())
        .await
        .expect("released");
    eventually("the row behind both", || rig.cursor(STORE) == 3).await;
}

#[tokio::test]
async fn concurrent_rings_make_one_keeper() {
    let rig = Rig::start(|_| {}).await;
    rig.accept_level(STORE, 1).await;
    let ringers = (0..8).map(|_| {
        let directory = rig.directory.clone();
        std::thread::spawn(move || (0..500).for_each(|_| directory.ring(STORE)))
    });
    for ringer in ringers.collect::<Vec<_>>() {
        ringer.join().expect("no panic");
    }
    eventually("the row", || rig.cursor(STORE) == 1).await;
    let events = rig.directory.lifecycle();
    let activated = events
        .iter()
        .filter(|event| event.step == LifecycleStep::Activated)
        .count();
    assert_eq!(activated, 1, "{events:?}");
}

#[tokio::test]
async fn a_fenced_keeper_ends_and_its_successor_goes_on() {
    let applied = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&applied);
    let rig = Rig::start(|settings| {
        settings.before_apply = Some(Arc::new(move |_: &Row| {
            counted.fetch_add(1, Ordering::SeqCst);
        }));
    })
    .await;
    rig.deliver(STORE, 1).await;
    eventually("the first row", || rig.cursor(STORE) == 1).await;
    let intruder = GrantId(uuid::Uuid::from_u128(1));
    keepers::activate(&rig.db, STORE, intruder, rig.clock.now())
        .await
        .expect("taken over");
    rig.deliver(STORE, 1).await;
    rig.let_restart(STORE).await;
    eventually("the second row", || rig.cursor(STORE) == 2).await;
    assert_eq!(
        applied.load(Ordering::SeqCst),
        3,
        "the second row was decided twice and committed once"
    );
    let record = keepers::find(&rig.db, STORE)
        .await
        .expect("read")
        .expect("there");
    assert_eq!((record.cursor, record.applied + record.naked), (2, 2));
    let last_error = rig
        .directory
        .status(STORE)
        .and_then(|status| status.last_error);
    assert_eq!(
        last_error.as_deref(),
        Some("another keeper of this store has taken over")
    );
}

#[tokio::test]
async fn the_interest_set_is_withdrawn_with_the_keeper() {
    let rig = Rig::start(|settings| drop(panic_at(settings, &[2]))).await;
    rig.deliver(STORE, 1).await;
    eventually("a keeper", || rig.directory.interest(STORE).is_some()).await;
    eventually("the first row", || rig.cursor(STORE) == 1).await;
    rig.deliver(STORE, 1).await;
    eventually("a crash", || {
        matches!(rig.state(STORE), KeeperState::Restarting { .. })
    })
    .await;
    assert!(rig.directory.interest(STORE).is_none());
}

#[tokio::test]
async fn shutdown_ends_every_keeper_and_refuses_what_comes_later() {
    let rig = Rig::start(|_| {}).await;
    rig.deliver(STORE, 1).await;
    rig.deliver(StoreId(2), 1).await;
    eventually("both rows", || {
        rig.cursor(STORE) == 1 && rig.cursor(StoreId(2)) == 1
    })
    .await;
    let leftovers = rig
        .directory
        .shutdown(std::time::Duration::from_secs(10))
        .await;
    assert_eq!(leftovers, []);
    assert_eq!(
        (rig.state(STORE), rig.state(StoreId(2))),
        (KeeperState::Stopped, KeeperState::Stopped)
    );
    let refused = rig
        .directory
        .command(STORE, Envelope::plain(Command::Resume))
        .await;
    assert_eq!(refused, Err(CommandError::ShuttingDown));
}

const NEIGHBOUR: StoreId = StoreId(2);

/// Makes keepers panic at a moment of their lives until it is mended.
fn panic_on(settings: &mut KeeperSettings, moment: Moment, stores: Range<i64>) -> Arc<AtomicBool> {
    let is_mended: Arc<AtomicBool> = Arc::default();
    let mended = Arc::clone(&is_mended);
    // All crashes count, however long a slow machine takes between them.
    settings.restart.window_ms = 24 * 60 * 60 * 1_000;
    settings.on_moment = Some(Arc::new(move |store, reached| {
        let is_meant = stores.contains(&store.0) && reached == moment;
        assert!(!is_meant || mended.load(Ordering::SeqCst), "at {moment:?}");
    }));
    is_mended
}

/// Gives a store everything to do that a keeper does: rows, a command, a call and its answer.
async fn keep_busy(rig: &Rig, store: StoreId, number: u128) {
    let directory = rig.directory.clone();
    // Whoever asks a keeper that crashes learns nothing that matters here.
    let asked = async move {
        let asked = Envelope::plain(draft(number));
        directory.command(store, asked).await.map(drop)
    };
    drop(tokio::spawn(asked));
    rig.deliver(store, 1).await;
}

fn crashes(rig: &Rig, store: StoreId) -> u64 {
    let status = rig.directory.status(store);
    status.map_or(0, |status| status.restarts)
}

/// The store's keeper crashes until it is quarantined; its neighbour is served after every crash.
async fn crash_until_quarantined(rig: &Rig, served: &mut i64) {
    let before = crashes(rig, STORE);
    for crash in 1..=6_u32 {
        // Who rests takes no commands.
        let rested = eventually("the end of its rest", || {
            !matches!(rig.state(STORE), KeeperState::Restarting { .. })
        });
        rig.pass_time(rested).await;
        keep_busy(rig, STORE, u128::from(crash)).await;
        let crashed = eventually("a crash", || {
            rig.directory.ring(STORE);
            crashes(rig, STORE) >= before + u64::from(crash)
        });
        rig.pass_time(crashed).await;
        rig.deliver(NEIGHBOUR, 1).await;
        *served += 1;
        eventually("the neighbour's row", || rig.cursor(NEIGHBOUR) == *served).await;
        let told = rig
            .directory
            .command(NEIGHBOUR, Envelope::plain(Command::Resume))
            .await;
        assert!(told.is_ok(), "{told:?}");
    }
    eventually("quarantine", || {
        matches!(rig.state(STORE), KeeperState::Quarantined { .. })
    })
    .await;
    assert_eq!(crashes(rig, STORE), before + 6, "as many as the budget has");
}

async fn a_panic_touches_one_store_only(moment: Moment) {
    let mut is_mended = Arc::default();
    let rig = Rig::start(|settings| is_mended = panic_on(settings, moment, 1..2)).await;
    crash_until_quarantined(&rig, &mut 0).await;
    let status = rig.directory.status(STORE).expect("known");
    assert_eq!(status.last_error, Some(format!("panicked: at {moment:?}")));
    assert_eq!(crashes(&rig, NEIGHBOUR), 0);
    assert_eq!(rig.activations(NEIGHBOUR), 1);
    is_mended.store(true, Ordering::SeqCst);
    rig.directory
        .control(STORE, Control::Release, "mended".to_owned())
        .await
        .expect("released");
    let rows = eventually("its rows", || rig.cursor(STORE) == 6);
    rig.pass_time(rows).await;
}

#[tokio::test]
async fn a_panic_while_a_store_is_restored_touches_that_store_only() {
    a_panic_touches_one_store_only(Moment::Restore).await;
}

#[tokio::test]
async fn a_panic_while_an_actor_starts_touches_that_store_only() {
    a_panic_touches_one_store_only(Moment::Started).await;
}

#[tokio::test]
async fn a_panic_while_a_message_is_handled_touches_that_store_only() {
    a_panic_touches_one_store_only(Moment::Doorbell).await;
}

#[tokio::test]
async fn a_panic_while_a_command_is_decided_touches_that_store_only() {
    a_panic_touches_one_store_only(Moment::Command).await;
}

#[tokio::test]
async fn a_panic_while_an_answer_is_decided_touches_that_store_only() {
    a_panic_touches_one_store_only(Moment::Answer).await;
}

#[tokio::test]
async fn a_panic_while_a_call_is_planned_touches_that_store_only() {
    a_panic_touches_one_store_only(Moment::Call).await;
}

#[tokio::test]
async fn quarantine_doubles_when_it_brought_no_cure() {
    let rig = Rig::start(|settings| drop(panic_on(settings, Moment::Restore, 1..2))).await;
    let mut served = 0;
    for expected_ms in [900_000, 1_800_000, 3_600_000] {
        crash_until_quarantined(&rig, &mut served).await;
        let KeeperState::Quarantined { until } = rig.state(STORE) else {
            panic!("it ended by itself")
        };
        let left_ms = until.millis_since(rig.clock.now());
        assert!(
            (expected_ms - 60_000..=expected_ms).contains(&left_ms),
            "{left_ms} of {expected_ms}"
        );
        rig.clock.advance_millis(left_ms);
    }
}

#[tokio::test]
async fn a_storm_of_restarts_does_not_hold_up_a_quiet_store() {
    const SICK: Range<i64> = 3..63;
    let rig = Rig::start_with(62, |settings| {
        settings.safe_mode.crashed_stores_min = 1_000;
        drop(panic_on(settings, Moment::Started, SICK));
    })
    .await;
    for store in SICK.map(StoreId) {
        rig.deliver(store, 1).await;
    }
    let is_quarantined =
        |store: i64| matches!(rig.state(StoreId(store)), KeeperState::Quarantined { .. });
    let mut served = 0;
    while !SICK.into_iter().all(is_quarantined) {
        served += 1;
        rig.deliver(NEIGHBOUR, 1).await;
        eventually("the quiet store's row", || rig.cursor(NEIGHBOUR) == served).await;
        rig.clock.advance_millis(100);
        assert!(served < 10_000, "the storm does not end");
    }
    assert_eq!(crashes(&rig, NEIGHBOUR), 0);
    for store in SICK.map(StoreId) {
        assert_eq!(crashes(&rig, store), 6);
    }
}
