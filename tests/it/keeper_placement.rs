//! Keepers that keep the same thread busy are parted, and lose nothing by it.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use storekeeper::clock::Stopwatch;
use storekeeper::db::keepers;
use storekeeper::domain::store::command::{Command, Row};
use storekeeper::ids::StoreId;
use storekeeper::keeper::{
    Answered, CommandError, Envelope, KeeperState, LifecycleStep, PlacementSettings,
};
use tokio::task::JoinSet;

use crate::support::keepers::{Rig, eventually};

/// On two threads, so that at least two of them live on one.
const STORES: i64 = 3;
/// What deciding one row keeps a thread busy for; of more than the first one.
const ROW_TAKES: Duration = Duration::from_millis(10);
/// As many rows as are delivered at once.
const ROWS: i64 = 20;
/// For so many moments a thread is busy before a keeper on it counts as one that stays.
const LOOKS: u32 = 200;

/// How long it may take until a keeper moves; far longer than it takes.
const PATIENCE: Duration = Duration::from_secs(120);

/// Looks all the time, since a test has none, and does not let anybody move twice. What it takes to move is little, for
/// machines on which a commit takes longer than the rows.
const QUICK: PlacementSettings = PlacementSettings {
    interval_ms: 10,
    memory_ms: 1_000,
    overload_percent: 10,
    gap_percent: 8,
    stay_ms: 3_600_000,
};

async fn keepers_on_two_threads(placement: PlacementSettings) -> Rig {
    let rig = Rig::start_with(STORES, |settings| {
        settings.placement = placement;
        settings.turn_spacing_ms = 0;
        settings.command_wait_ms_max = 86_400_000;
        settings.before_apply = Some(Arc::new(|row: &Row| {
            let watch = Stopwatch::start();
            while row.seq > 1 && watch.elapsed() < ROW_TAKES {
                std::hint::spin_loop();
            }
        }));
    })
    .await;
    for store in (1..=STORES).map(StoreId) {
        rig.deliver(store, 1).await;
        eventually("its row", || rig.cursor(store) == 1).await;
    }
    rig
}

fn thread(rig: &Rig, store: StoreId) -> Option<usize> {
    rig.directory.status(store).map(|status| status.arbiter)
}

/// Two stores whose keepers live on the same thread.
fn neighbours(rig: &Rig) -> [StoreId; 2] {
    let pairs = [[1, 2], [1, 3], [2, 3]].map(|pair| pair.map(StoreId));
    let mut pairs = pairs.into_iter();
    let pair = pairs.find(|[one, other]| thread(rig, *one) == thread(rig, *other));
    pair.expect("three keepers on two threads")
}

/// Lets a moment pass for those who look, over and over, until `done`. There is always work for these stores. Gives how
/// many rows each was sent.
async fn busy_until<const COUNT: usize>(
    rig: &Rig,
    stores: [StoreId; COUNT],
    mut on_work: impl FnMut(StoreId),
    mut done: impl FnMut() -> bool,
) -> [i64; COUNT] {
    let mut sent = [1; COUNT];
    let mut looks = tokio::time::interval(Duration::from_millis(1));
    while !done() {
        for (store, sent) in stores.into_iter().zip(&mut sent) {
            if rig.cursor(store) == *sent {
                *sent += ROWS;
                join_all((0..ROWS).map(|item| rig.accept_level(store, 500 + item))).await;
                rig.directory.ring(store);
                on_work(store);
            }
        }
        looks.tick().await;
        rig.clock.advance_millis(QUICK.interval_ms);
    }
    sent
}

async fn in_time<Awaited: Future>(what: &str, awaited: Awaited) -> Awaited::Output {
    let output = tokio::time::timeout(PATIENCE, awaited).await;
    output.unwrap_or_else(|_elapsed| panic!("waited in vain until {what}"))
}

/// Where keepers moved to.
fn moves(rig: &Rig) -> Vec<(StoreId, String)> {
    let events = rig.directory.lifecycle().into_iter();
    let moves = events.filter(|event| event.step == LifecycleStep::Moved);
    moves.map(|event| (event.store, event.detail)).collect()
}

#[tokio::test]
async fn two_keepers_that_keep_one_thread_busy_are_parted_and_lose_nothing() {
    let rig = keepers_on_two_threads(QUICK).await;
    let busy = neighbours(&rig);
    let mut asked: JoinSet<Result<Answered, CommandError>> = JoinSet::new();
    let ask = |store| {
        let (directory, command) = (rig.directory.clone(), Envelope::plain(Command::Resume));
        asked.spawn(async move { directory.command(store, command).await });
    };
    let are_parted = || thread(&rig, busy[0]) != thread(&rig, busy[1]);
    let sent = in_time("they are parted", busy_until(&rig, busy, ask, are_parted)).await;
    for (store, sent) in busy.into_iter().zip(sent) {
        eventually("all rows", || rig.cursor(store) == sent).await;
        let runs = || rig.state(store) == KeeperState::Running;
        eventually("its keeper", runs).await;
        let record = keepers::find(&rig.db, store).await.expect("read");
        let record = record.expect("there");
        assert_eq!(record.applied + record.naked, sent, "each counts once");
    }
    while let Some(answered) = asked.join_next().await {
        let answered = answered.expect("it does not panic");
        assert!(matches!(answered, Ok(Answered::Fresh(_))), "{answered:?}");
    }
    let moved: Vec<_> = moves(&rig)
        .into_iter()
        .filter(|(store, _to)| busy.contains(store))
        .collect();
    assert_eq!(moved.len(), 1, "one of them moved, once: {moved:?}");
    let (moved, to) = &moved[0];
    let lives = thread(&rig, *moved).map(|thread| format!("to thread {thread}"));
    assert_eq!(lives.as_ref(), Some(to));
}

/// What its neighbour does is nothing, so to move it would only move the problem.
#[tokio::test]
async fn a_keeper_that_alone_keeps_its_thread_busy_stays() {
    // So slow that no step of the neighbour's can be mistaken for a load.
    let slow = PlacementSettings {
        memory_ms: 4_000,
        overload_percent: 20,
        gap_percent: 20,
        ..QUICK
    };
    let rig = keepers_on_two_threads(slow).await;
    let [hot, _quiet] = neighbours(&rig);
    let before = thread(&rig, hot);
    let is_overloaded = || {
        let loads = rig.directory.arbiter_loads();
        let here = loads.iter().find(|load| Some(load.arbiter) == before);
        here.is_some_and(|load| load.busy_per_mille >= 10 * slow.overload_percent)
    };
    let mut looks_left = LOOKS;
    let done = || {
        looks_left -= u32::from(is_overloaded());
        looks_left == 0
    };
    let busy = busy_until(&rig, [hot], drop, done);
    in_time("its thread is shown as busy", busy).await;
    assert_eq!((thread(&rig, hot), moves(&rig)), (before, Vec::new()));
}
