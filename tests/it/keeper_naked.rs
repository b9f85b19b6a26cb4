//! Naked rows of a standing backlog: counted beside the keeper, swept out in few turns, and dropped beyond the allowance.
//! What may concern a bundle is applied as ever.

use std::sync::Arc;

use storekeeper::db::{keepers, orders};
use storekeeper::domain::standing::Beyond;
use storekeeper::domain::store::change::KeeperRecord;
use storekeeper::domain::store::command::Command;
use storekeeper::ids::{OrderId, StoreId};
use storekeeper::keeper::{CountState, Envelope, KeeperSettings};

use crate::support::keepers::{Rig, STORE, TurnHold, draft, eventually};

const NEIGHBOUR: StoreId = StoreId(2);
/// What the bundle of [`draft`] is sold as.
const BUNDLE_VARIANT: i64 = 1_100;
const OTHER_VARIANT: i64 = 9_999;
/// So many would fill fifteen turns.
const NAKED: i64 = 300;
const OURS: i64 = 5_000;

fn order(number: i64, variant: i64) -> String {
    format!(
        r#"{{"id":{number},"created_at":"2027-01-15T08:00:05Z","updated_at":"2027-01-15T08:00:05Z","location_id":1,
        "line_items":[{{"id":{number},"variant_id":{variant},"quantity":1}}],"refunds":[]}}"#
    )
}

fn refund(number: i64, order: i64, variant: i64) -> String {
    format!(
        r#"{{"id":{number},"order_id":{order},"refund_line_items":[{{"line_item_id":77,"quantity":1,
        "restock_type":"no_restock","line_item":{{"id":77,"variant_id":{variant}}}}}]}}"#
    )
}

/// A store with a bundle and a backlog that no turn is free for. Half of the naked orders, one that sold the bundle with
/// a refund of another of its lines, a level of a component, and the other half.
async fn with_a_backlog(adjust: impl FnOnce(&mut KeeperSettings)) -> (Rig, Arc<TurnHold>, i64) {
    let mut hold = None;
    let rig = Rig::start(|settings| {
        (settings.arbiters, settings.turns_in_flight_max) = (1, 1);
        hold = Some(TurnHold::over(settings, |store| store == NEIGHBOUR));
        adjust(settings);
    })
    .await;
    let hold = hold.expect("it started");
    rig.accept_level(NEIGHBOUR, 1).await;
    rig.directory.ring(NEIGHBOUR);
    eventually("the neighbour's turn", || hold.held() == 1).await;
    command(&rig, draft(1)).await;
    for number in 1..=NAKED / 2 {
        accept_order(&rig, number, OTHER_VARIANT).await;
    }
    accept_order(&rig, OURS, BUNDLE_VARIANT).await;
    let told = refund(1, OURS, OTHER_VARIANT);
    rig.accept(STORE, "refunds/create", told).await;
    rig.accept_level(STORE, 1).await;
    for number in NAKED / 2 + 1..=NAKED {
        accept_order(&rig, number, OTHER_VARIANT).await;
    }
    rig.directory.ring(STORE);
    let rows = NAKED + 3;
    (rig, hold, rows)
}

async fn accept_order(rig: &Rig, number: i64, variant: i64) {
    let topic = "orders/create";
    rig.accept(STORE, topic, order(number, variant)).await;
}

async fn command(rig: &Rig, command: Command) {
    let carried_out = rig.directory.command(STORE, Envelope::plain(command));
    carried_out.await.expect("carried out");
}

async fn record(rig: &Rig) -> KeeperRecord {
    let record = keepers::find(&rig.db, STORE).await.expect("read");
    record.expect("there")
}

fn turns(rig: &Rig) -> u64 {
    rig.directory.status(STORE).map_or(0, |status| status.turns)
}

/// Lets the turns go on, and waits until all rows are taken. The last turn is counted a moment later.
async fn work_off(rig: &Rig, hold: &TurnHold, rows: i64) {
    hold.let_go();
    eventually("all rows", || rig.cursor(STORE) == rows).await;
}

async fn ours_is_in_the_ledger(rig: &Rig) {
    let known = orders::load(&rig.db, STORE, &[OrderId(OURS)]).await;
    let known = known.expect("read");
    assert_eq!(known.len(), 1, "the order that sold a bundle is known");
    assert_eq!(known[0].refunds.len(), 1, "and so is its refund");
}

#[tokio::test]
async fn a_backlog_of_naked_orders_is_swept_in_few_turns_and_what_concerns_a_bundle_is_applied() {
    let (rig, hold, rows) = with_a_backlog(|_| {}).await;
    command(&rig, Command::SweepNaked { until: rows }).await;
    work_off(&rig, &hold, rows).await;
    let record = record(&rig).await;
    let sweep = record.memo.naked_sweep.expect("it was ordered");
    assert_eq!((sweep.from, sweep.until, sweep.naked), (0, rows, NAKED));
    assert!(sweep.finished_at.is_some());
    assert_eq!((record.naked, record.cursor), (NAKED, rows));
    assert_eq!(record.applied, 3, "the order, its refund, and a level");
    ours_is_in_the_ledger(&rig).await;
    let turns = turns(&rig);
    assert!(turns <= 3, "{turns} turns");
}

#[tokio::test]
async fn counting_tells_what_a_sweep_would_take_and_changes_nothing() {
    let (rig, hold, rows) = with_a_backlog(|_| {}).await;
    let begun = rig.directory.count_naked_rows(STORE).await;
    assert_eq!(begun.map(|count| count.looked), Ok(0));
    let count = || rig.directory.naked_rows(STORE).expect("it began");
    eventually("the count", || count().state != CountState::Running).await;
    let count = count();
    assert_eq!(count.state, CountState::Finished);
    assert_eq!((count.waiting, count.looked), (rows, rows));
    // Its order is not in the ledger yet, so its refund counts as a naked one.
    assert_eq!((count.naked, count.naked_orders), (NAKED + 1, NAKED + 1));
    assert!(count.naked_bytes > NAKED * 100, "{count:?}");
    assert_eq!((rig.cursor(STORE), turns(&rig)), (0, 0));
    work_off(&rig, &hold, rows).await;
    assert_eq!(record(&rig).await.memo.naked_sweep, None);
    eventually("many turns without a sweep", || turns(&rig) > 10).await;
}

#[tokio::test]
async fn beyond_the_allowance_naked_webhooks_are_dropped_and_all_others_applied() {
    let (rig, hold, rows) = with_a_backlog(|settings| {
        settings.quota.daily_default = Some(3);
        settings.quota.beyond_good = Beyond::DropNaked;
        settings.quota.ladder.automatic = false;
    })
    .await;
    hold.let_go();
    eventually("all rows", || rig.cursor(STORE) == rows).await;
    let dropped = || {
        let today = rig.directory.status(STORE).and_then(|status| status.today);
        today.map(|today| (today.dropped, today.held_until))
    };
    eventually("what was dropped", || dropped() == Some((NAKED, None))).await;
    let kept = record(&rig).await;
    assert_eq!((kept.naked, kept.applied), (NAKED, 3));
    ours_is_in_the_ledger(&rig).await;
    // What intake answers from now on is dropped too.
    (0..5).for_each(|_| rig.directory.count_naked(STORE));
    command(&rig, Command::ReconcileNow).await;
    eventually("five more", || dropped() == Some((NAKED + 5, None))).await;
    let turns = turns(&rig);
    assert!(turns <= 3, "{turns} turns");
}

/// A sweep that is under way when its keeper ends, goes on with the next.
#[tokio::test]
async fn a_sweep_outlives_the_keeper_that_began_it() {
    let (rig, hold, rows) = with_a_backlog(|settings| settings.naked_rows_max = 50).await;
    command(&rig, Command::SweepNaked { until: rows }).await;
    let again = storekeeper::keeper::Control::Restart;
    let activations = rig.activations(STORE);
    let reason = "to see".to_owned();
    let told = rig.directory.control(STORE, again, reason).await;
    told.expect("told");
    eventually("a successor", || rig.activations(STORE) > activations).await;
    work_off(&rig, &hold, rows).await;
    let record = record(&rig).await;
    let sweep = record.memo.naked_sweep.expect("it was ordered");
    assert_eq!(sweep.naked, NAKED);
    assert!(sweep.finished_at.is_some());
    ours_is_in_the_ledger(&rig).await;
}
