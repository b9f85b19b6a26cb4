//! Rows taken ahead of others: what is counted and purged meanwhile, and what a crash leaves.

use std::sync::{Arc, Mutex};

use super::bench::{Bench, STORE, SilentPlatform};
use crate::clock::Timestamp;
use crate::db::inbox::InboxRow;
use crate::db::{fleet, inbox, keepers};
use crate::domain::backlog::{Manner, Selection, Taken};
use crate::domain::store::change::KeeperRecord;
use crate::domain::store::command::Row;
use crate::keeper::ahead::{Ahead, Front};
use crate::keeper::core::{KeeperCore, Next};
use crate::keeper::exit::{Aftermath, Exit};
use crate::keeper::settings::KeeperSettings;
use crate::keeper::slot::Slot;

/// Rows of a turn, and of a stretch.
const STRETCH: usize = 4;
const ROWS: u32 = 40;
/// Tells only that something is gone, so it keeps its order.
const KEEPS_ORDER: u32 = 30;

type Told = Arc<Mutex<Vec<i64>>>;

/// A backlog, and the rows as they are applied. `deadly` panics.
async fn backlog(selection: Selection, deadly: Option<i64>) -> (Bench, Told) {
    let told = Told::default();
    let applied = Arc::clone(&told);
    let adjust = |settings: &mut KeeperSettings| {
        (settings.selection, settings.turn_rows_max) = (selection, STRETCH);
        settings.turn_decide_us_max = 60_000_000;
        settings.before_apply = Some(Arc::new(move |row: &Row| {
            assert_ne!(Some(row.seq), deadly, "told to panic");
            applied.lock().unwrap().push(row.seq);
        }));
    };
    let bench = Bench::set_up_with(adjust).await;
    for number in 1..=ROWS {
        if number == KEEPS_ORDER {
            let gone = r#"{"inventory_item_id":1,"location_id":1}"#;
            let topic = "inventory_levels/disconnect";
            bench.accept_topic(topic, number, gone).await;
        } else {
            bench.accept(number).await;
        }
    }
    (bench, told)
}

async fn record(bench: &Bench) -> KeeperRecord {
    let record = keepers::find(&bench.shared.deps.db, STORE).await;
    record.unwrap().unwrap()
}

/// Takes steps until there is nothing to do.
async fn live(mut core: Box<KeeperCore>) -> Result<(), Exit> {
    loop {
        let (stepped, next) = core.step().await?;
        if matches!(next, Next::WaitUntil(_)) {
            return Ok(());
        }
        core = stepped;
    }
}

#[tokio::test]
async fn each_row_is_taken_once_and_one_that_keeps_its_order_after_all_before_it() {
    for selection in [Selection::NewestStateFirst, Selection::Spread] {
        let (bench, told) = backlog(selection, None).await;
        let deps = &bench.shared.deps;
        let mut core = bench.activate().await.unwrap();
        let mut segments = 0;
        for turn in 1.. {
            // Now and then the keeper is dropped, and rows behind its cursor are deleted.
            if turn % 3 == 0 {
                core = bench.activate().await.unwrap();
                deps.writer.purge(STORE, i64::MAX).await.unwrap();
            }
            let (stepped, next) = core.step().await.unwrap();
            core = stepped;
            let taken = *core.state.taken();
            segments = segments.max(taken.segments().count());
            let written = record(&bench).await;
            assert_eq!(Taken::restore(written.cursor, written.ahead), Some(taken));
            assert_eq!(written.applied + written.naked, taken.count());
            let totals = fleet::totals(&deps.db).await.unwrap();
            assert_eq!(totals.backlog, i64::from(ROWS) - taken.count());
            if matches!(next, Next::WaitUntil(_)) {
                break;
            }
        }
        assert_eq!(*core.state.taken(), Taken::up_to(i64::from(ROWS)));
        assert_eq!(segments, 3, "{selection:?}");
        let order = told.lock().unwrap().clone();
        let place = order.iter().position(|seq| *seq == i64::from(KEEPS_ORDER));
        let before = &order[..place.unwrap()];
        assert!(
            (1..i64::from(KEEPS_ORDER)).all(|seq| before.contains(&seq)),
            "{order:?}"
        );
        let mut once = order.clone();
        once.sort_unstable();
        assert_eq!(once, (1..=i64::from(ROWS)).collect::<Vec<_>>(), "{order:?}");
        assert_ne!(once, order, "{selection:?}");
    }
}

#[tokio::test]
async fn the_newest_are_taken_as_soon_as_the_backlog_is_known() {
    let (bench, told) = backlog(Selection::NewestStateFirst, None).await;
    live(bench.activate().await.unwrap()).await.unwrap();
    let order = told.lock().unwrap().clone();
    assert_eq!(order[..12], [1, 2, 3, 4, 37, 38, 39, 40, 33, 34, 35, 36]);
}

#[tokio::test]
async fn a_row_that_panics_ahead_of_others_dies_in_its_turn_and_takes_none_with_it() {
    let deadly = 39;
    let (bench, _told) = backlog(Selection::NewestStateFirst, Some(deadly)).await;
    let (mut aftermath, mut crashes) = (Aftermath::default(), 0);
    loop {
        let core = bench.succeed(&mut aftermath).await.unwrap();
        let Err(exit) = live(core).await else {
            break;
        };
        assert!(
            matches!(exit, Exit::RowPanicked { seq, .. } if seq == deadly),
            "{exit:?}"
        );
        aftermath.learn(&exit, STRETCH);
        crashes += 1;
    }
    let record = record(&bench).await;
    assert_eq!((crashes, record.dead, record.parked), (3, 1, 0));
    assert_eq!(record.applied + record.naked, i64::from(ROWS) - 1);
    let taken = Taken::restore(record.cursor, record.ahead);
    assert_eq!(taken, Some(Taken::up_to(i64::from(ROWS))));
}

/// A body whose parser hangs brings its keeper down before the row is taken.
#[tokio::test]
async fn what_stands_before_a_suspect_is_committed_before_it_is_parsed() {
    let (bench, _told) = backlog(Selection::Oldest, None).await;
    let mut aftermath = Aftermath {
        crash: Some((3, "its parser hung".to_owned())),
        ..Aftermath::default()
    };
    let core = bench.succeed(&mut aftermath).await.unwrap();
    let parsed = || bench.platform.parsed();
    let (core, _next) = core.step().await.unwrap();
    assert_eq!((core.state.taken().cursor(), parsed()), (2, 2));
    let (core, _next) = core.step().await.unwrap();
    assert_eq!((core.state.taken().cursor(), parsed()), (3, 3));
}

#[tokio::test]
async fn rows_that_somebody_deleted_are_passed_when_their_turn_comes() {
    for selection in [
        Selection::Oldest,
        Selection::NewestStateFirst,
        Selection::Spread,
    ] {
        let (bench, told) = backlog(selection, None).await;
        // What was accepted a moment ago is not read back, unless it is passed.
        let db = &bench.shared.deps.db;
        let passed = inbox::look_ahead(db, STORE, i64::from(ROWS), 1, 1).await;
        assert!(passed.unwrap().rows.is_empty());
        bench
            .sql("DELETE FROM inbox WHERE store = 1 AND seq IN (1, 2, 9, 38, 39)")
            .await;
        live(bench.activate().await.unwrap()).await.unwrap();
        let record = record(&bench).await;
        assert_eq!(
            Taken::restore(record.cursor, record.ahead),
            Some(Taken::up_to(40))
        );
        assert_eq!(told.lock().unwrap().len(), 35, "{selection:?}");
    }
}

#[test]
fn what_is_put_back_stands_before_others_still() {
    let row = |seq| InboxRow {
        store: STORE,
        seq,
        topic: "inventory_levels/update".to_owned(),
        delivery_id: String::new(),
        event_id: None,
        triggered_at: None,
        api_version: None,
        received_at: Timestamp::from_millis(0),
        body: "{}".into(),
    };
    let (platform, slot) = (SilentPlatform::default(), Slot::new(STORE));
    let mut ahead = Ahead::new(Manner::Opening, vec![row(7), row(8)]);
    let first = ahead.peek(&platform, &slot, |_| true);
    assert!(matches!(first, Front::Row(Row { seq: 7, .. })), "{first:?}");
    let taken = ahead.pop().unwrap();
    let ended = ahead.peek(&platform, &slot, |_| false);
    assert!(matches!(ended, Front::Ended(Some(8))), "{ended:?}");
    ahead.put_back(taken);
    let ended = ahead.peek(&platform, &slot, |_| false);
    assert!(matches!(ended, Front::Ended(Some(7))), "{ended:?}");
}
