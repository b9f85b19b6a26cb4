//! What is read from the platform instead of believed, and that such questions are neither forgotten nor piled up.

use super::convergence::World;
use super::faults::{HOUR_MS, failed, is_adjustment, order, plan_until, world};
use super::model::{COMPONENTS, variant_of};
use crate::domain::call::*;
use crate::domain::fact::*;
use crate::domain::store::command::Command;
use crate::domain::store::outcome::{Reply as Answered, RowEnd};
use crate::ids::*;

#[test]
fn a_touched_order_is_not_forgotten_over_a_restart() {
    let mut world = world();
    let end = world
        .take("orders/edited".to_owned(), Fact::OrderTouched(OrderId(903)))
        .reply;
    assert_eq!(end, Answered::Row(RowEnd::Parked));
    world.restart();
    let mut asked = false;
    for _ in 0..60 {
        world.advance(1_000);
        world.take_due_parked();
        let fresh = world.platform.fresh();
        let Some(call) = world.apply(Command::PlanCall { fresh }).call else {
            continue;
        };
        asked |= call.request == Request::Read(Read::Order(OrderId(903)));
        let answer = world.platform.answer(&call);
        world.apply(Command::CallAnswered {
            call: call.id,
            answer,
        });
    }
    assert!(asked);
    assert!(
        world.parked.is_empty(),
        "the order does not exist, so its row dies"
    );
}

#[test]
fn settings_told_by_a_late_webhook_are_read_instead_of_believed() {
    let mut world = world();
    let late = ProductSnapshot {
        product: ProductId(COMPONENTS[0].0 + 2_000),
        updated_at: None,
        variants: vec![VariantSnapshot {
            variant: variant_of(COMPONENTS[0]),
            sells_when_out: true,
        }],
    };
    world.take("products/update".to_owned(), Fact::Product(late));
    assert!(!world.state.leaf(COMPONENTS[0]).unwrap().unlimited);
    let call = plan_until(&mut world, |request| {
        matches!(request, Request::Read(Read::Items(_)))
    });
    assert_eq!(
        call.request,
        Request::Read(Read::Items(vec![COMPONENTS[0]]))
    );
}

#[test]
fn what_is_stamped_far_ahead_is_read_instead_of_believed() {
    let mut world = world();
    world.advance(5_000);
    let ahead = world.platform.now.plus_millis(48 * HOUR_MS);
    let level = LevelSnapshot {
        item: COMPONENTS[0],
        location: LocationId(1),
        available: Some(1_000_000),
        updated_at: ahead,
    };
    let taken = world.take("inventory_levels/update".to_owned(), Fact::Level(level));
    assert_eq!(taken.reply, Answered::Row(RowEnd::Hot));
    world.quiesce();
    world.assert_levels(0);

    let mut forged = order(903, &world);
    forged.updated_at = ahead;
    let taken = world.take("orders/updated".to_owned(), Fact::Order(forged));
    assert_eq!(taken.reply, Answered::Row(RowEnd::Parked));
    world.platform.sell();
    for (topic, fact) in world.platform.arrived() {
        world.take(topic, fact);
    }
    world.quiesce();
    world.assert_levels(0);
}

#[test]
fn settings_that_change_while_they_are_read_are_read_again() {
    let mut world = world();
    let is_settings = |request: &Request| matches!(request, Request::Read(Read::Items(_)));
    let told = ItemSnapshot {
        item: COMPONENTS[0],
        variant: None,
        product: None,
        tracked: Some(false),
        sells_when_out: None,
        composite: None,
    };
    world.take("inventory_items/update".to_owned(), Fact::Item(told));
    let call = plan_until(&mut world, is_settings);
    let answer = world.platform.answer(&call);
    world.take("inventory_items/update".to_owned(), Fact::Item(told));
    world.apply(Command::CallAnswered {
        call: call.id,
        answer,
    });
    plan_until(&mut world, is_settings);
}

#[test]
fn settings_to_be_read_are_not_forgotten_over_a_restart() {
    let mut world = world();
    let told = Fact::Product(ProductSnapshot {
        product: ProductId(COMPONENTS[0].0 + 2_000),
        updated_at: None,
        variants: vec![VariantSnapshot {
            variant: variant_of(COMPONENTS[0]),
            sells_when_out: true,
        }],
    });
    world.take("products/update".to_owned(), told);
    world.restart();
    plan_until(
        &mut world,
        |request| matches!(request, Request::Read(Read::Items(items)) if items == &[COMPONENTS[0]]),
    );
}

fn read_order(world: &mut World, found: Option<OrderSnapshot>) {
    let call = plan_until(world, |request| {
        matches!(request, Request::Read(Read::Order(_)))
    });
    world.apply(Command::CallAnswered {
        call: call.id,
        answer: Answer {
            result: Ok(Reply::Order(found.map(Box::new))),
            rate: None,
            platform_time: None,
        },
    });
}

#[test]
fn a_told_deletion_is_believed_only_when_the_platform_has_no_such_order() {
    for is_gone in [false, true] {
        let mut world = world();
        world.advance(5_000);
        let told = order(905, &world);
        world.take("orders/create".to_owned(), Fact::Order(told.clone()));
        let taken = plan_until(&mut world, is_adjustment);
        let answer = world.platform.answer(&taken);
        world.apply(Command::CallAnswered {
            call: taken.id,
            answer,
        });
        let id = told.order;
        world.take("orders/delete".to_owned(), Fact::OrderDeleted(id));
        read_order(&mut world, (!is_gone).then(|| told.clone()));
        world.advance(5_000);
        let mut grown = OrderSnapshot {
            updated_at: world.platform.now,
            ..told
        };
        if let Some(line) = grown.lines.first_mut() {
            line.quantity = 4;
        }
        let end = world.take("orders/updated".to_owned(), Fact::Order(grown));
        assert_eq!(end.reply, Answered::Row(RowEnd::Hot));
        world.take("orders/edited".to_owned(), Fact::OrderTouched(id));
        let state = world.state.ledger.get(id);
        let is_read = state.is_some_and(|order| order.needs_read);
        assert_eq!(is_read, !is_gone, "a deleted order is not asked about");
    }
}

#[test]
fn a_store_says_that_it_waits_to_ask_about_an_order_again() {
    let mut world = world();
    world.take("orders/edited".to_owned(), Fact::OrderTouched(OrderId(906)));
    let call = plan_until(&mut world, |request| {
        matches!(request, Request::Read(Read::Order(_)))
    });
    let reason = "500".to_owned();
    world.apply(Command::CallAnswered {
        call: call.id,
        answer: failed(CallError::Unavailable { reason }),
    });
    world.advance(1_000);
    let seen = world.state.observation(world.platform.now);
    let wait = seen.waits_for.unwrap();
    assert_eq!(wait.reason, "an order, to be asked about again");
}

#[test]
fn items_looked_up_are_not_remembered_for_ever() {
    let mut world = world();
    let now = world.platform.now;
    for number in 0..30_000 {
        let at = now.plus_millis(number);
        world.state.note_checked(ItemId(number), at);
    }
    assert!(world.state.items_checked.len() <= 10_000);
    assert!(world.state.items_checked.contains_key(&ItemId(29_999)));
    let later = now.plus_millis(1_000_000);
    world.state.note_checked(ItemId(1_000_000), later);
    assert_eq!(world.state.items_checked.len(), 1);
}

#[test]
fn an_order_that_was_found_after_its_deletion_was_told_is_not_taken_for_deleted_later() {
    let mut world = world();
    let told = order(907, &world);
    let id = told.order;
    world.take("orders/create".to_owned(), Fact::Order(told.clone()));
    world.take("orders/delete".to_owned(), Fact::OrderDeleted(id));
    read_order(&mut world, Some(told));
    world.take("orders/edited".to_owned(), Fact::OrderTouched(id));
    // Too old to be told of, say.
    read_order(&mut world, None);
    let state = world.state.ledger.get(id).unwrap();
    assert!(!state.deleted);
}
