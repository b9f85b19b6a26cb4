//! Locations of which the store hears late: in the end every order is where the platform says.

use super::convergence::{World, settings};
use super::faults::{failed, plan_until};
use super::model::{BUNDLES, COMPONENTS, variant_of};
use crate::clock::Timestamp;
use crate::domain::call::*;
use crate::domain::fact::*;
use crate::domain::store::change::{Change, KeeperRecord};
use crate::domain::store::command::Command;
use crate::domain::store::state::{Loaded, Memo, Pause, StoreState};
use crate::ids::*;

pub(super) const FIRST: LocationId = LocationId(1);
pub(super) const UNHEARD: LocationId = LocationId(2);
const ORDER: OrderId = OrderId(900);
const LINE: LineId = LineId(900);

/// A store with one location.
pub(super) fn world() -> World {
    let mut world = World::new(41);
    world.platform.lossy = false;
    world.platform.locations = vec![FIRST];
    world.define(BUNDLES[0], &[(COMPONENTS[0], 1)], false);
    world.quiesce();
    world
}

pub(super) fn sell(world: &mut World) {
    sell_as(world, ORDER);
}

fn sell_as(world: &mut World, order: OrderId) {
    let snapshot = OrderSnapshot {
        order,
        created_at: world.platform.now,
        updated_at: world.platform.now,
        cancelled: false,
        paid: true,
        location: None,
        lines: vec![LineSnapshot {
            line: LINE,
            variant: Some(variant_of(BUNDLES[0])),
            product: None,
            quantity: 3,
        }],
        refunds: Vec::new(),
    };
    world.take("orders/create".to_owned(), Fact::Order(snapshot));
}

/// A second location opens, and the order ships from there; nobody tells.
pub(super) fn open(world: &mut World) {
    world.platform.locations.push(UNHEARD);
    let stamp = world.platform.now.floor_to_second();
    for item in [COMPONENTS[0], BUNDLES[0]] {
        world.platform.levels.insert((item, UNHEARD), (20, stamp));
    }
}

/// Makes every call that is wanted in so many seconds; the order ships from the new location.
pub(super) fn work(world: &mut World, seconds: usize) -> Vec<Request> {
    world.calls_with((seconds, 1_000), |request, answer| {
        if is_assignments(request) {
            let current = vec![Assignment {
                line: LINE,
                location: UNHEARD,
                quantity: 3,
            }];
            let former = Vec::new();
            answer.result = Ok(Reply::Assignments(Assignments { current, former }));
        }
    })
}

/// What was asked to be taken, by location.
pub(super) fn taken(made: &[Request]) -> Vec<(LocationId, i64)> {
    let adjusted = made.iter().filter_map(|request| match request {
        Request::Write(Write::Adjust(entries)) => Some(entries),
        Request::Read(_) | Request::Write(_) => None,
    });
    let entries = adjusted.flatten();
    entries.map(|entry| (entry.location, entry.delta)).collect()
}

#[test]
fn an_order_from_a_location_that_nobody_told_of_ends_where_the_platform_says() {
    for restarts in [false, true] {
        let mut world = world();
        open(&mut world);
        sell(&mut world);
        let mut made = work(&mut world, 1);
        assert_eq!(taken(&made), [(FIRST, -3)]);
        if restarts {
            world.restart();
        }
        made = work(&mut world, 120);
        assert!(made.contains(&Request::Read(Read::Locations)), "{made:?}");
        assert_eq!(taken(&made), [(FIRST, 3), (UNHEARD, -3)]);
    }
}

#[test]
fn a_place_is_confirmed_once() {
    let mut world = world();
    sell(&mut world);
    let reads = |made: &[Request]| {
        let reads = made
            .iter()
            .filter(|request| **request == Request::Read(Read::Locations));
        reads.count()
    };
    assert_eq!(reads(&work(&mut world, 58)), 0, "not for each order");
    assert_eq!(reads(&work(&mut world, 10)), 1);
    assert_eq!(reads(&work(&mut world, 600)), 0);
}

#[test]
fn one_read_confirms_every_order_and_writes_none() {
    let mut world = world();
    for order in 0..600 {
        sell_as(&mut world, OrderId(1_000 + order));
    }
    let mut confirming = None;
    for _ in 0..120 {
        world.advance(1_000);
        if let Some((Request::Read(Read::Locations), outcome)) = world.call_with(|_, _| {}) {
            assert_eq!(confirming.replace(outcome.changes.rows().count()), None);
        }
    }
    assert_eq!(confirming, Some(0), "rows written by the one read");
    // What was confirmed stays so: another location that opens now moves none of them.
    world.restart();
    open(&mut world);
    let made = work(&mut world, 120);
    assert!(made.contains(&Request::Read(Read::Locations)), "{made:?}");
    assert!(!made.iter().any(is_assignments), "{made:?}");
}

#[test]
fn a_confirmed_place_is_no_guess_any_more() {
    let mut world = world();
    sell(&mut world);
    let made = work(&mut world, 120);
    assert_eq!(taken(&made), [(FIRST, -3)]);
    open(&mut world);
    world.take("locations/create".to_owned(), Fact::LocationsTouched);
    work(&mut world, 30);
    // News of the order, which has left the ledger's memory; it was fulfilled, so nothing is assigned any more.
    sell(&mut world);
    let made = world.calls_with((600, 1_000), |request, answer| {
        if is_assignments(request) {
            answer.result = Ok(Reply::Assignments(Assignments::default()));
        }
    });
    let asked = made
        .iter()
        .filter(|request| is_assignments(request))
        .count();
    assert_eq!(
        (asked, taken(&made)),
        (1, Vec::new()),
        "it was taken at the first location"
    );
}

pub(super) const fn is_assignments(request: &Request) -> bool {
    matches!(request, Request::Read(Read::Assignments(_)))
}

#[test]
fn nothing_is_placed_while_an_unknown_location_is_asked_about() {
    let level = |world: &World| {
        Fact::Level(LevelSnapshot {
            item: COMPONENTS[0],
            location: UNHEARD,
            available: Some(20),
            updated_at: world.platform.now.floor_to_second(),
        })
    };
    for restarts in [false, true] {
        for touched in [false, true] {
            let mut world = world();
            open(&mut world);
            let told = if touched {
                Fact::LocationsTouched
            } else {
                level(&world)
            };
            world.take("told".to_owned(), told);
            if restarts {
                world.restart();
            }
            sell(&mut world);
            let made = work(&mut world, 30);
            assert_eq!(taken(&made), [(UNHEARD, -3)]);
        }
    }
}

#[test]
fn orders_that_waited_for_the_locations_are_placed_some_at_a_time() {
    const ORDERS: i64 = 600;
    let mut world = world();
    world.take("locations/update".to_owned(), Fact::LocationsTouched);
    for order in 0..ORDERS {
        sell_as(&mut world, OrderId(1_000 + order));
    }
    let mut made = Vec::new();
    for _ in 0..3_000 {
        world.advance(1_000);
        let Some((request, outcome)) = world.call_with(|_, _| {}) else {
            continue;
        };
        let is_order = |change: &&Change| matches!(change, Change::PutOrder(_));
        let orders = outcome.changes.rows().filter(is_order).count();
        assert!(orders <= 500, "{orders} orders in one commit");
        made.push(request);
    }
    let units: i64 = taken(&made).into_iter().map(|(_, delta)| delta).sum();
    assert_eq!(units, -3 * ORDERS);
}

#[test]
fn an_id_that_the_platform_does_not_list_is_asked_about_once() {
    let mut world = world();
    let mut reads = 0;
    for _ in 0..10 {
        let level = LevelSnapshot {
            item: COMPONENTS[0],
            location: LocationId(77),
            available: Some(1),
            updated_at: world.platform.now.floor_to_second(),
        };
        world.take("inventory_levels/update".to_owned(), Fact::Level(level));
        let made = work(&mut world, 20);
        reads += made
            .iter()
            .filter(|request| **request == Request::Read(Read::Locations))
            .count();
    }
    assert_eq!(reads, 1);
}

#[test]
fn locations_that_could_not_be_read_are_read_again() {
    let mut world = world();
    world.take("locations/create".to_owned(), Fact::LocationsTouched);
    world.advance(1_000);
    let fresh = world.platform.fresh();
    let call = world.apply(Command::PlanCall { fresh }).call.unwrap();
    assert_eq!(call.request, Request::Read(Read::Locations));
    let reason = "503".to_owned();
    world.apply(Command::CallAnswered {
        call: call.id,
        answer: Answer {
            result: Err(CallError::Unavailable { reason }),
            rate: None,
            platform_time: None,
        },
    });
    let made = work(&mut world, 60);
    assert_eq!(made, [Request::Read(Read::Locations)]);
}

#[test]
fn an_installation_of_which_the_keeper_was_never_told_ends_its_pause() {
    let (before, after) = (Timestamp::from_millis(1_000), Timestamp::from_millis(2_000));
    let by_admin = Pause::ByAdmin {
        reason: "holidays".to_owned(),
    };
    let dead = Pause::Barred(Bar::TokenDead);
    for (pause, known, expected) in [
        (Pause::Uninstalled, Some(before), None),
        (dead.clone(), Some(before), None),
        (by_admin.clone(), Some(before), Some(by_admin)),
        (Pause::Uninstalled, Some(after), Some(Pause::Uninstalled)),
        (dead.clone(), Some(after), Some(dead.clone())),
        (dead.clone(), None, Some(dead)),
    ] {
        let keeper = KeeperRecord {
            installation: known,
            memo: Memo {
                paused: Some(pause),
                ..Memo::default()
            },
            ..KeeperRecord::default()
        };
        let loaded = Loaded {
            keeper,
            installed_at: Some(after),
            ..Loaded::default()
        };
        let now = Timestamp::from_millis(3_000);
        let state = StoreState::restore(StoreId(1), loaded, settings(), now);
        let record = state.record(now);
        assert_eq!(record.memo.paused, expected);
        assert_eq!(record.installation, Some(after));
    }
}

#[test]
fn a_clock_that_is_set_back_delays_no_confirmation_for_long() {
    const YEAR_MS: i64 = 365 * 24 * 3_600 * 1_000;
    let mut world = world();
    world.advance(YEAR_MS);
    sell_as(&mut world, OrderId(1));
    work(&mut world, 120);
    world.advance(-YEAR_MS);
    sell(&mut world);
    let made = work(&mut world, 120);
    let read = Request::Read(Read::Locations);
    assert_eq!(made.iter().filter(|request| **request == read).count(), 1);
}

#[test]
fn an_order_that_changes_while_the_locations_are_read_is_confirmed_by_the_next_reading() {
    let mut world = world();
    sell(&mut world);
    work(&mut world, 120);
    world.take("locations/update".to_owned(), Fact::LocationsTouched);
    world.advance(1_000);
    let fresh = world.platform.fresh();
    let call = world.apply(Command::PlanCall { fresh }).call.unwrap();
    assert_eq!(call.request, Request::Read(Read::Locations));
    let answer = world.platform.answer(&call);
    // Another location opens and the order moves there, just after the platform has told.
    open(&mut world);
    sell(&mut world);
    world.apply(Command::CallAnswered {
        call: call.id,
        answer,
    });
    let made = work(&mut world, 120);
    assert!(
        taken(&made).ends_with(&[(FIRST, 3), (UNHEARD, -3)]),
        "{made:?}"
    );
}

#[test]
fn a_fulfillment_order_without_a_name_is_asked_whose_it_is() {
    let mut world = world();
    let part = FulfillmentOrderId(77);
    let moved = "fulfillment_orders/moved";
    world.take(moved.to_owned(), Fact::PartTouched(part));
    world.restart();
    let ask = Request::Read(Read::OrderOf(part));
    let call = plan_until(&mut world, |request| *request == ask);
    let scopeless = CallError::Barred(Bar::ScopeMissing);
    world.apply(Command::CallAnswered {
        call: call.id,
        answer: failed(scopeless),
    });
    let shown = world.state.observation(world.platform.now);
    assert_eq!(shown.paused, None, "no store is barred for that");
}

#[test]
fn a_fulfillment_order_that_nobody_answers_for_lets_others_go_first() {
    let mut world = world();
    for number in [1, 2] {
        let part = Fact::PartTouched(FulfillmentOrderId(number));
        world.take("fulfillment_orders/moved".to_owned(), part);
    }
    let ask = |number| Request::Read(Read::OrderOf(FulfillmentOrderId(number)));
    let first = plan_until(&mut world, |request| *request == ask(1));
    let reason = "timeout".to_owned();
    world.apply(Command::CallAnswered {
        call: first.id,
        answer: failed(CallError::Ambiguous { reason }),
    });
    let next = plan_until(&mut world, |request| {
        *request == ask(1) || *request == ask(2)
    });
    assert_eq!(next.request, ask(2));
    let answer = world.platform.answer(&next);
    world.apply(Command::CallAnswered {
        call: next.id,
        answer,
    });
    plan_until(&mut world, |request| *request == ask(1));
}
