//! No question stands before all others, however often it must be asked, and however often the keeper ends.

use std::collections::BTreeSet;

use super::convergence::World;
use super::model::{BUNDLES, COMPONENTS, variant_of};
use super::places::is_assignments;
use crate::domain::call::*;
use crate::domain::fact::*;
use crate::domain::store::command::Command;
use crate::ids::*;

/// A store with two locations, where only the platform can tell where an order ships from.
fn world() -> World {
    let mut world = World::new(31);
    world.platform.lossy = false;
    world.platform.locations = vec![LocationId(1), LocationId(2)];
    world.define(BUNDLES[0], &[(COMPONENTS[0], 1)], false);
    world.quiesce();
    world
}

fn sell(world: &mut World, number: i64) {
    let snapshot = OrderSnapshot {
        order: OrderId(number),
        created_at: world.platform.now,
        updated_at: world.platform.now,
        cancelled: false,
        paid: true,
        location: None,
        lines: vec![LineSnapshot {
            line: LineId(number),
            variant: Some(variant_of(BUNDLES[0])),
            product: None,
            quantity: 1,
        }],
        refunds: Vec::new(),
    };
    world.take("orders/create".to_owned(), Fact::Order(snapshot));
}

/// Makes the call that is wanted now, if any; of no order the platform tells where it ships from.
fn call_once(world: &mut World) -> Option<Request> {
    let made = world.call_with(|request, answer| {
        if is_assignments(request) {
            answer.result = Ok(Reply::Assignments(Assignments::default()));
        }
    });
    made.map(|(request, _)| request)
}

#[test]
fn an_order_that_is_never_placed_is_asked_about_ever_less_often_over_restarts() {
    let mut world = world();
    sell(&mut world, 900);
    let mut asked = 0;
    for _ in 0..600 {
        world.advance(1_000);
        world.restart();
        asked += usize::from(call_once(&mut world).as_ref().is_some_and(is_assignments));
    }
    // After 2, 4, 8 … seconds.
    assert!((5..=10).contains(&asked), "asked {asked} times in 600 s");
    for _ in 0..200 {
        world.advance(60_000);
        world.restart();
        asked += usize::from(call_once(&mut world).as_ref().is_some_and(is_assignments));
    }
    assert_eq!(asked, 12, "in the end it is left unplaced");
}

#[test]
fn news_of_an_order_that_is_asked_about_rarely_has_it_asked_about_at_once() {
    let mut world = world();
    sell(&mut world, 900);
    for _ in 0..600 {
        world.advance(1_000);
        call_once(&mut world);
    }
    assert_eq!(call_once(&mut world), None);
    sell(&mut world, 900);
    assert!(call_once(&mut world).as_ref().is_some_and(is_assignments));
}

#[test]
fn a_flood_of_orders_lets_other_calls_through_over_restarts() {
    let mut world = world();
    for number in 900..1_000 {
        sell(&mut world, number);
    }
    world.apply(Command::ReconcileNow);
    let mut made = Vec::new();
    while made.len() < 12 {
        world.advance(30_000);
        world.restart();
        made.extend(call_once(&mut world));
    }
    let sweeps = Request::Read(Read::Subscriptions);
    assert!(made.contains(&sweeps), "{made:?}");
    assert!(made.iter().any(is_assignments), "{made:?}");
}

#[test]
fn who_waits_longest_is_asked_about_first() {
    let mut world = world();
    sell(&mut world, 900);
    world.advance(30_000);
    assert!(call_once(&mut world).as_ref().is_some_and(is_assignments));
    // The first is due again before the second comes.
    world.advance(30_000);
    sell(&mut world, 901);
    world.restart();
    let mut made = std::iter::from_fn(|| call_once(&mut world));
    let next = made.find(is_assignments);
    assert_eq!(next, Some(Request::Read(Read::Assignments(OrderId(900)))));
    let next = made.find(is_assignments);
    assert_eq!(next, Some(Request::Read(Read::Assignments(OrderId(901)))));
}

#[test]
fn news_of_an_order_that_stands_in_line_costs_it_no_place() {
    let mut world = world();
    sell(&mut world, 901);
    world.advance(1_000);
    sell(&mut world, 900);
    for _ in 0..5 {
        world.advance(1_000);
        sell(&mut world, 901);
    }
    let next = call_once(&mut world);
    assert_eq!(next, Some(Request::Read(Read::Assignments(OrderId(901)))));
}

#[test]
fn a_flood_of_new_orders_does_not_keep_one_that_is_due_again_waiting() {
    let mut world = world();
    sell(&mut world, 900);
    world.advance(30_000);
    assert!(call_once(&mut world).as_ref().is_some_and(is_assignments));
    // It is due again 2 s later; whoever comes after that is behind it.
    let mut behind = BTreeSet::new();
    for number in 901..1_000 {
        world.advance(500);
        sell(&mut world, number);
        if number > 904 {
            behind.insert(OrderId(number));
        }
        if let Some(Request::Read(Read::Assignments(asked))) = call_once(&mut world) {
            assert!(!behind.contains(&asked), "{asked} went first");
            if asked == OrderId(900) {
                return;
            }
        }
    }
    panic!("never asked about again");
}
