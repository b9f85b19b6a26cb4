//! What a crash of a keeper costs: nothing but time, and only its own store.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use storekeeper::db::dead_letters::{self, DeadLetterFilter};
use storekeeper::db::keepers;
use storekeeper::domain::store::change::DeadLetterClass;
use storekeeper::domain::store::command::{Command, Row};
use storekeeper::ids::{GrantId, StoreId};
use storekeeper::keeper::{
    CommandError, Control, Envelope, KeeperSettings, KeeperState, LifecycleStep,
};

use crate::support::keepers::{Rig, STORE, eventually};

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
