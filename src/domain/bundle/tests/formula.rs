//! How many can be sold: the vectors of the platform facts, bounds, and the explanation.

use std::collections::BTreeMap;

use super::fixtures::*;
use crate::domain::bundle::*;
use crate::ids::ItemId;

#[test]
fn the_vectors_of_the_facts_hold() {
    let unlimited = None;
    for (parts, expected) in [
        (vec![(2, Some(200)), (1, Some(50))], Some(50)),
        (vec![(2, Some(198)), (1, Some(49))], Some(49)),
        (vec![(2, Some(1))], Some(0)),
        (
            vec![(2, Some(100)), (1, Some(30)), (5, Some(200))],
            Some(30),
        ),
        (vec![(1, Some(-3))], Some(0)),
        (vec![(1, unlimited), (2, Some(7))], Some(3)),
        (vec![(1, unlimited)], None),
    ] {
        let mut levels = Levels::new();
        let mut needs = BTreeMap::new();
        for (item, (need, units)) in (1..).map(ItemId).zip(parts) {
            needs.insert(item, need);
            levels.insert(
                (item, LOCATIONS[0]),
                units.map_or(Stock::Unlimited, Stock::Units),
            );
        }
        let expected = expected.map_or(Stock::Unlimited, Stock::Units);
        for mode in [Mode::ShipTogether, Mode::Pooled, Mode::SingleLocation] {
            let kit = Bundle {
                mode,
                ..bundle(11, Vec::new())
            };
            assert_eq!(
                availability(
                    &kit,
                    &needs,
                    &LOCATIONS,
                    &lookup(&levels),
                    &SafetyStock::default()
                ),
                expected
            );
        }
    }
}

#[test]
fn belts_and_wallets_ship_together_or_pooled() {
    for (shelves, pooled) in [
        ([(5, 0), (0, 10), (3, 7)], 8),
        ([(5, 0), (3, 2), (1, 5)], 7),
    ] {
        let mut levels = Levels::new();
        for ((belts, wallets), location) in shelves.into_iter().zip(LOCATIONS) {
            levels.insert((ItemId(1), location), Stock::Units(belts));
            levels.insert((ItemId(2), location), Stock::Units(wallets));
        }
        let needs = map(&[(1, 1), (2, 1)]);
        for (mode, expected) in [
            (Mode::ShipTogether, 3),
            (Mode::Pooled, pooled),
            (Mode::SingleLocation, 0),
        ] {
            let kit = Bundle {
                mode,
                ..bundle(11, Vec::new())
            };
            assert_eq!(
                availability(
                    &kit,
                    &needs,
                    &LOCATIONS,
                    &lookup(&levels),
                    &SafetyStock::default()
                ),
                Stock::Units(expected)
            );
        }
    }
}

#[test]
fn shared_leaves_of_nested_bundles_add_up() {
    let book = BundleBook::new(vec![
        simple(12, &[(11, 2), (1, 1)]),
        simple(11, &[(1, 1), (2, 3)]),
    ]);
    assert_eq!(book.needs(id(12)), Some(&map(&[(1, 3), (2, 6)])));
    assert_eq!(
        book.parents_of(ItemId(2)).collect::<Vec<_>>(),
        [id(11), id(12)]
    );
    assert_eq!(book.parents_of(ItemId(11)).count(), 0);
}

#[test]
fn a_cap_bounds_the_sum_in_the_order_of_the_locations() {
    let levels: Levels = LOCATIONS
        .into_iter()
        .map(|location| ((ItemId(1), location), Stock::Units(4)))
        .collect();
    let levels_of = |kit: &Bundle, needs: &BTreeMap<ItemId, i64>| match wanted_levels(
        kit,
        needs,
        &LOCATIONS,
        &lookup(&levels),
        &SafetyStock::default(),
    ) {
        Wanted::Unlimited => Vec::new(),
        Wanted::Levels(levels) => levels.into_iter().map(|(_, units)| units).collect(),
    };
    let kit = |mode| Bundle {
        mode,
        cap: Some(6),
        ..bundle(11, Vec::new())
    };
    assert_eq!(
        levels_of(&kit(Mode::ShipTogether), &map(&[(1, 1)])),
        [4, 2, 0]
    );
    assert_eq!(levels_of(&kit(Mode::Pooled), &map(&[(1, 1)])), [6, 0, 0]);
    assert_eq!(
        levels_of(&kit(Mode::SingleLocation), &map(&[(1, 1)])),
        [4, 0, 0]
    );
    assert_eq!(
        levels_of(&kit(Mode::ShipTogether), &BTreeMap::new()),
        [6, 0, 0]
    );
}

#[test]
fn numbers_stay_within_the_platforms_bound() {
    let levels: Levels = LOCATIONS
        .into_iter()
        .map(|location| ((ItemId(1), location), Stock::Units(i64::MAX)))
        .collect();
    for mode in [Mode::ShipTogether, Mode::Pooled] {
        let kit = Bundle {
            mode,
            ..bundle(11, Vec::new())
        };
        assert_eq!(
            availability(
                &kit,
                &map(&[(1, 1)]),
                &LOCATIONS,
                &lookup(&levels),
                &SafetyStock::default()
            ),
            Stock::Units(1_000_000_000)
        );
    }
}

#[test]
fn an_explanation_names_the_component_that_limits() {
    let levels = Levels::from([
        ((ItemId(1), LOCATIONS[0]), Stock::Units(9)),
        ((ItemId(2), LOCATIONS[0]), Stock::Units(4)),
        ((ItemId(1), LOCATIONS[1]), Stock::Units(-2)),
        ((ItemId(3), LOCATIONS[0]), Stock::Unlimited),
    ]);
    let kit = bundle(11, Vec::new());
    let told = explain(
        &kit,
        &map(&[(1, 2), (2, 1), (3, 1)]),
        &LOCATIONS[..2],
        &lookup(&levels),
        &SafetyStock::default(),
    );
    assert_eq!(
        (told.availability, told.pooled_limiting),
        (Stock::Units(4), None)
    );
    let [here, there] = &told.locations[..] else {
        panic!("two locations")
    };
    assert_eq!(
        (here.availability, here.limiting, here.wanted),
        (Stock::Units(4), Some(ItemId(1)), Some(4))
    );
    assert_eq!(
        (there.availability, there.limiting, there.wanted),
        (Stock::Units(0), Some(ItemId(1)), Some(0))
    );
    let raw: Vec<_> = there.leaves.iter().map(|leaf| leaf.level).collect();
    assert_eq!(raw, [Some(Stock::Units(-2)), None, None]);
    let pooled = Bundle {
        mode: Mode::Pooled,
        ..kit
    };
    assert_eq!(
        explain(
            &pooled,
            &map(&[(1, 4), (2, 1)]),
            &LOCATIONS,
            &lookup(&levels),
            &SafetyStock::default()
        )
        .pooled_limiting,
        Some(ItemId(1))
    );
}

#[test]
fn no_bundle_is_made_of_the_safety_stock_which_is_kept_at_each_location() {
    let levels = Levels::from([
        ((ItemId(1), LOCATIONS[0]), Stock::Units(10)),
        ((ItemId(1), LOCATIONS[1]), Stock::Units(2)),
        ((ItemId(2), LOCATIONS[0]), Stock::Units(7)),
        ((ItemId(2), LOCATIONS[1]), Stock::Units(7)),
    ]);
    let safety = SafetyStock {
        usual: 3,
        items: map(&[(2, 6)]),
    };
    let needs = map(&[(1, 2), (2, 1)]);
    let told = |mode| {
        let kit = Bundle {
            mode,
            ..bundle(11, Vec::new())
        };
        explain(&kit, &needs, &LOCATIONS, &lookup(&levels), &safety)
    };
    let together = told(Mode::ShipTogether);
    assert_eq!(together.availability, Stock::Units(1));
    let limiting: Vec<_> = together.locations.iter().map(|at| at.limiting).collect();
    assert_eq!(limiting[..2], [Some(ItemId(2)), Some(ItemId(1))]);
    let shown = together.locations[1].leaves[0];
    assert_eq!(
        (shown.level, shown.safety_stock),
        (Some(Stock::Units(2)), 3)
    );
    // 7 and 0 of the first, of which two make one; 1 and 1 of the second.
    assert_eq!(told(Mode::Pooled).availability, Stock::Units(2));
}

#[test]
fn a_safety_stock_is_bounded() {
    let named = |units, items: i64| SafetyStock {
        usual: 0,
        items: (1..=items).map(|item| (ItemId(item), units)).collect(),
    };
    assert_eq!(named(1_000_000_000, 5_000).check(), Ok(()));
    assert!(named(1_000_000_001, 1).check().is_err());
    assert!(named(-1, 1).check().is_err());
    assert!(named(0, 5_001).check().is_err());
}
