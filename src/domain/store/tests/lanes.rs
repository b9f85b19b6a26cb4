//! Rows that come before what they need.

use super::convergence::World;
use super::model::{BUNDLES, COMPONENTS, variant_of};
use crate::domain::fact::*;
use crate::domain::store::outcome::{Reply, RowEnd};
use crate::ids::*;

fn refund_of(order: i64) -> Fact {
    let line = RefundLine {
        line: LineId(1),
        variant: Some(variant_of(BUNDLES[0])),
        quantity: 1,
        restock: Restock::Return,
        location: Some(LocationId(1)),
    };
    Fact::Refund(RefundSnapshot {
        refund: RefundId(order),
        order: OrderId(order),
        lines: vec![line],
    })
}

fn world() -> World {
    let mut world = World::new(11);
    world.platform.lossy = false;
    world.define(BUNDLES[0], &[(COMPONENTS[0], 1)], false);
    world.define(BUNDLES[1], &[(COMPONENTS[1], 1)], false);
    world.quiesce();
    world
}

#[test]
fn a_refund_without_its_order_waits_and_dies_only_after_the_platform_was_asked() {
    let mut world = world();
    assert_eq!(
        world.take("refunds/create".to_owned(), refund_of(77)).reply,
        Reply::Row(RowEnd::Parked)
    );
    assert_eq!(world.parked.len(), 1);
    for _ in 0..17 {
        world.advance(1_000);
        world.take_due_parked();
        assert!(world.dead.is_empty());
    }
    world.advance(2_000);
    world.take_due_parked();
    while world.call_once(false) {}
    assert!(world.parked.is_empty());
    let letter = world.dead.values().next().unwrap();
    assert_eq!(letter.class.name(), "entity_missing");
}

#[test]
fn the_order_wakes_its_lane() {
    let mut world = world();
    world.take("refunds/create".to_owned(), refund_of(78));
    let order = OrderSnapshot {
        order: OrderId(78),
        created_at: world.platform.now,
        updated_at: world.platform.now,
        cancelled: false,
        paid: true,
        location: None,
        lines: vec![LineSnapshot {
            line: LineId(1),
            variant: Some(variant_of(BUNDLES[0])),
            product: None,
            quantity: 2,
        }],
        refunds: Vec::new(),
    };
    world.take("orders/create".to_owned(), Fact::Order(order));
    world.take_due_parked();
    assert!(world.parked.is_empty());
    assert!(world.dead.is_empty());
}

#[test]
fn a_row_that_crashes_three_times_dies_and_the_next_one_is_taken() {
    use crate::domain::store::command::Command;
    let mut world = world();
    let cursor = world.state.record(world.platform.now).cursor;
    for strike in 1..=3 {
        world.apply(Command::RowCrashed {
            seq: cursor + 1,
            reason: "boom".to_owned(),
        });
        let suspect = world.state.suspect().map(|suspect| suspect.crashes);
        assert_eq!(suspect, (strike < 3).then_some(strike));
    }
    assert_eq!(world.dead.values().next().unwrap().class.name(), "poison");
    assert_eq!(world.state.record(world.platform.now).cursor, cursor + 1);
}
