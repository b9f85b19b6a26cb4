//! Which rows may be taken before others that came earlier.

use super::convergence::World;
use super::faults::{order, world};
use super::model::COMPONENTS;
use crate::domain::fact::*;
use crate::domain::store::command::Row;
use crate::ids::*;

fn may_overtake(world: &World, fact: Result<Fact, String>) -> bool {
    let row = Row {
        seq: 1_000,
        topic: "any".to_owned(),
        fact,
        triggered_at: None,
        from_lane: false,
    };
    world.state.may_overtake(&row, world.platform.now)
}

#[test]
fn what_tells_everything_of_something_may_and_what_changes_something_may_not() {
    let mut world = world();
    world.advance(60_000);
    let told = Fact::Order(order(5, &world));
    assert!(may_overtake(&world, Ok(told)));
    assert!(may_overtake(&world, Ok(Fact::Unneeded)));
    for keeps_order in [
        Fact::OrderTouched(OrderId(5)),
        Fact::OrderDeleted(OrderId(5)),
        Fact::ItemGone(COMPONENTS[0]),
        Fact::LocationsTouched,
        Fact::Uninstalled,
    ] {
        assert!(!may_overtake(&world, Ok(keeps_order)));
    }
    assert!(!may_overtake(
        &world,
        Err("nobody understands it".to_owned())
    ));
}

/// The webhook of its creation knows the instant, others only the second.
#[test]
fn an_order_of_the_second_in_which_a_recipe_came_keeps_its_order() {
    let mut world = world();
    world.advance(60_000);
    world.define(super::model::BUNDLES[0], &[(COMPONENTS[1], 1)], true);
    let within = order(5, &world);
    let mut before = within.clone();
    before.created_at = before.created_at.plus_millis(-10_000);
    assert!(!may_overtake(&world, Ok(Fact::Order(within))));
    assert!(may_overtake(&world, Ok(Fact::Order(before))));
}

/// Stamps from the future would win over whatever comes.
#[test]
fn a_stamp_from_the_future_keeps_its_order() {
    let mut world = world();
    world.advance(60_000);
    let mut absurd = order(5, &world);
    absurd.updated_at = absurd
        .updated_at
        .plus_millis(365 * 24 * super::faults::HOUR_MS);
    assert!(!may_overtake(&world, Ok(Fact::Order(absurd))));
}
