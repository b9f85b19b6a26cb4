//! Naked rows: what is swept out would have changed nothing, and a sweep counts what it takes until it is over.

use proptest::prelude::*;

use super::convergence::World;
use super::faults::{order, world};
use super::model::{BUNDLES, COMPONENTS, variant_of};
use crate::domain::fact::*;
use crate::domain::interest::Mentions;
use crate::domain::standing::{Beyond, Terms};
use crate::domain::store::command::Command;
use crate::domain::store::outcome::{Reply, RowEnd};
use crate::ids::*;

/// What a body mentions, as the platform reads it.
fn mentions(fact: &Fact) -> Option<Mentions> {
    let mut mentions = Mentions::default();
    match fact {
        Fact::Order(order) => {
            mentions.orders.push(order.order);
            for line in &order.lines {
                mentions.variants.push(line.variant?);
            }
        }
        Fact::Refund(refund) => {
            mentions.orders.push(refund.order);
            for line in &refund.lines {
                mentions.variants.push(line.variant?);
            }
        }
        Fact::Level(level) => mentions.items.push(level.item),
        Fact::Item(item) => mentions.items.push(item.item),
        Fact::ItemGone(item) => mentions.items.push(*item),
        Fact::Product(product) => mentions.products.push(product.product),
        Fact::ProductGone(product) => mentions.products.push(*product),
        Fact::LevelGone { item, .. } => mentions.items.push(*item),
        Fact::OrderTouched(_)
        | Fact::PartTouched(_)
        | Fact::OrderDeleted(_)
        | Fact::LocationsTouched
        | Fact::Uninstalled
        | Fact::Unneeded
        | Fact::Naked => return None,
    }
    Some(mentions)
}

fn is_naked(world: &World, fact: &Fact) -> bool {
    let interest = world.state.interest();
    mentions(fact).is_some_and(|told| world.state.is_naked(&interest, "any", &told))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_naked_would_have_changed_nothing(seed in any::<u64>()) {
        let mut world = World::new(seed);
        // The other component, and the other bundle, concern nobody.
        world.define(BUNDLES[0], &[(COMPONENTS[0], 2), (COMPONENTS[1], 1)], false);
        let mut naked = 0;
        for step in 0..60 {
            world.platform.sell();
            if step % 3 == 0 {
                world.platform.refund();
            }
            if step % 5 == 0 {
                world.platform.edit();
            }
            world.advance(2_000);
            for (topic, fact) in world.platform.arrived() {
                let is_naked = is_naked(&world, &fact);
                let outcome = world.take(topic, fact.clone());
                if is_naked {
                    naked += 1;
                    prop_assert!(outcome.changes.is_empty(), "{fact:?}: {:?}", outcome.changes);
                    let ends = [RowEnd::Naked, RowEnd::Cold].map(Reply::Row);
                    prop_assert!(ends.contains(&outcome.reply), "{fact:?}: {:?}", outcome.reply);
                }
            }
            world.take_due_parked();
            for _call in 0..50 {
                if !world.call_once(false) {
                    break;
                }
            }
        }
        prop_assert!(naked > 0, "nothing was naked");
    }
}

#[test]
fn what_the_store_knows_of_is_not_naked_whatever_it_mentions() {
    let mut world = world();
    world.advance(60_000);
    let other_lines = |number: i64, world: &World| {
        let mut order = order(number, world);
        order.lines[0].variant = Some(variant_of(COMPONENTS[2]));
        Fact::Order(order)
    };
    assert!(is_naked(&world, &other_lines(5, &world)));
    let ours = order(5, &world);
    assert!(!is_naked(&world, &Fact::Order(ours.clone())), "a bundle");
    world.take("orders/create".to_owned(), Fact::Order(ours));
    assert!(!is_naked(&world, &other_lines(5, &world)), "a known order");
    world.take("orders/edited".to_owned(), Fact::OrderTouched(OrderId(6)));
    assert!(!is_naked(&world, &other_lines(6, &world)), "rows wait");
    let level = |item: ItemId, world: &World| {
        Fact::Level(LevelSnapshot {
            item,
            location: LocationId(1),
            available: Some(1),
            updated_at: world.platform.now,
        })
    };
    assert!(!is_naked(&world, &level(COMPONENTS[0], &world)));
    assert!(is_naked(&world, &level(ItemId(9_999), &world)));
}

#[test]
fn a_sweep_counts_what_it_takes_and_ends_with_its_last_row() {
    let mut world = world();
    let from = world.state.taken().cursor();
    let now = world.platform.now;
    assert!(!world.state.sweeps_naked(now));
    world.apply(Command::SweepNaked { until: from + 3 });
    assert!(world.state.sweeps_naked(now));
    world.take("any".to_owned(), Fact::Naked);
    // A successor goes on with it.
    world.restart();
    world.take("any".to_owned(), Fact::Unneeded);
    assert!(world.state.sweeps_naked(now));
    world.take("any".to_owned(), Fact::Naked);
    let sweep = *world.state.naked_sweep().unwrap();
    assert_eq!((sweep.from, sweep.until, sweep.naked), (from, from + 3, 2));
    assert_eq!(sweep.finished_at, Some(now));
    assert!(!world.state.sweeps_naked(now));
    world.take("any".to_owned(), Fact::Naked);
    assert_eq!(world.state.naked_sweep(), Some(&sweep), "it is over");
    world.apply(Command::SweepNaked { until: 0 });
    let sweep = world.state.naked_sweep().unwrap();
    assert_eq!(sweep.finished_at, Some(now), "nothing was left to sweep");
}

#[test]
fn beyond_the_allowance_naked_rows_are_dropped_and_counted_for_the_day() {
    let mut world = world();
    let (now, cursor) = (world.platform.now, world.state.taken().cursor());
    world.state.agree(Terms {
        allowance: Some(2),
        beyond: Beyond::DropNaked,
        ..Terms::default()
    });
    let head = |rows: i64| cursor + rows;
    let last = world.state.count_day(now, [(cursor + 1, now)], head(2));
    assert_eq!((last, world.state.drops_naked(now)), (head(2), false));
    world.state.count_naked(now, 1);
    assert_eq!(world.state.dropped_today(now), 0, "within the allowance");
    let last = world.state.count_day(now, [], head(5));
    assert_eq!(last, head(5), "nothing is held");
    assert!(world.state.drops_naked(now) && world.state.sweeps_naked(now));
    world.state.count_naked(now, 4);
    world.take("any".to_owned(), Fact::Naked);
    assert_eq!(world.state.dropped_today(now), 5);
    world.restart();
    assert_eq!(world.state.dropped_today(now), 5, "it is written down");
    let tomorrow = now.plus_millis(crate::domain::standing::DAY_MS);
    assert_eq!(world.state.dropped_today(tomorrow), 0);
}
