//! Bundles against a naive model, the vectors of the platform facts, and what is refused.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use uuid::Uuid;

use super::availability::at_location;
use super::flatten::DEPTH_MAX;
use super::validate::{COMPONENTS_MAX, QUANTITY_MAX};
use super::*;
use crate::clock::Timestamp;
use crate::ids::{BundleId, ItemId, LocationId, ProductId, VariantId};

const START: Timestamp = Timestamp::from_millis(1_000_000);
const LOCATIONS: [LocationId; 3] = [LocationId(1), LocationId(2), LocationId(3)];

type Levels = BTreeMap<(ItemId, LocationId), Stock>;

fn id(number: i64) -> BundleId {
    BundleId(Uuid::from_u128(u128::try_from(number).unwrap()))
}

fn component(item: i64, quantity: i64) -> Component {
    Component {
        item: ItemId(item),
        variant: VariantId(item),
        product: ProductId(item),
        quantity,
        optional: false,
    }
}

/// A live bundle whose id, item and variant have the same number.
fn bundle(number: i64, components: Vec<Component>) -> Bundle {
    Bundle {
        id: id(number),
        title: "kit".to_owned(),
        item: ItemId(number),
        variant: VariantId(number),
        product: ProductId(number),
        mode: Mode::ShipTogether,
        cap: None,
        recipes: vec![Recipe {
            effective_from: START,
            effective_to: None,
            components,
        }],
        deleted: false,
    }
}

fn simple(number: i64, components: &[(i64, i64)]) -> Bundle {
    bundle(
        number,
        components
            .iter()
            .map(|(item, quantity)| component(*item, *quantity))
            .collect(),
    )
}

fn map(entries: &[(i64, i64)]) -> BTreeMap<ItemId, i64> {
    entries
        .iter()
        .map(|(item, units)| (ItemId(*item), *units))
        .collect()
}

fn lookup(levels: &Levels) -> impl Fn(ItemId, LocationId) -> Option<Stock> + '_ {
    |item, location| levels.get(&(item, location)).copied()
}

fn deleted_at(mut bundle: Bundle, at: Timestamp) -> Bundle {
    bundle.deleted = true;
    bundle.recipes.last_mut().unwrap().effective_to = Some(at);
    bundle
}

/// A chain of bundles, each in the next; the last number is the outermost.
fn chain(length: usize) -> Vec<Bundle> {
    (0..i64::try_from(length).unwrap())
        .map(|step| simple(100 + step, &[(99 + step, 2)]))
        .collect()
}

// --- The naive model: no cache, no map arithmetic, no division. ---

fn model_leaves(bundles: &[Bundle], number: ItemId, required_only: bool) -> Vec<ItemId> {
    let Some(bundle) = bundles
        .iter()
        .find(|bundle| bundle.item == number && !bundle.deleted)
    else {
        return vec![number];
    };
    let mut leaves = Vec::new();
    for component in &bundle.recipes.last().unwrap().components {
        for _ in 0..component.quantity {
            if !(required_only && component.optional) {
                leaves.extend(model_leaves(bundles, component.item, required_only));
            }
        }
    }
    leaves
}

/// Packs one bundle after the other until a leaf runs out; `None`: none ever does.
fn model_pack(leaves: &[ItemId], shelves: &[LocationId], levels: &Levels) -> Option<i64> {
    let mut stock = BTreeMap::new();
    for leaf in leaves {
        if LOCATIONS
            .iter()
            .any(|place| levels.get(&(*leaf, *place)) == Some(&Stock::Unlimited))
        {
            continue;
        }
        let units = |place: &LocationId| match levels.get(&(*leaf, *place)) {
            Some(Stock::Units(units)) => (*units).max(0),
            _ => 0,
        };
        stock.insert(*leaf, shelves.iter().map(units).sum::<i64>());
    }
    if stock.is_empty() {
        return None;
    }
    let mut packed = 0;
    loop {
        for leaf in leaves {
            match stock.get_mut(leaf) {
                Some(0) => return Some(packed),
                Some(units) => *units -= 1,
                None => {}
            }
        }
        packed += 1;
    }
}

fn model_wanted(bundle: &Bundle, leaves: &[ItemId], levels: &Levels) -> Option<Vec<i64>> {
    let mut left = bundle.cap;
    let mut wanted = Vec::new();
    for (place, shelf) in LOCATIONS.iter().enumerate() {
        let units = match bundle.mode {
            Mode::ShipTogether => model_pack(leaves, &[*shelf], levels),
            Mode::Pooled if place == 0 => model_pack(leaves, &LOCATIONS, levels),
            Mode::SingleLocation if place == 0 => model_pack(leaves, &[*shelf], levels),
            Mode::Pooled | Mode::SingleLocation => Some(0),
        };
        let units = match (units, left) {
            (None, None) => return None,
            (Some(units), None) => units,
            (None, Some(left)) => left,
            (Some(units), Some(left)) => units.min(left),
        };
        left = left.map(|left| left - units);
        wanted.push(units);
    }
    Some(wanted)
}

// --- Generators: leaves 1..=5; bundle 11 of leaves, 12 of leaves and 11, and so on. ---

fn bundles() -> impl Strategy<Value = Vec<Bundle>> {
    let one = |number: i64| {
        let items: Vec<i64> = (1..=5).chain(11..number).collect();
        let chosen = prop::sample::subsequence(items, 1..=3);
        let parts = prop::collection::vec((1_i64..4, prop::bool::weighted(0.2)), 3);
        let mode =
            prop::sample::select(vec![Mode::ShipTogether, Mode::Pooled, Mode::SingleLocation]);
        (chosen, parts, mode, prop::option::weighted(0.3, 0_i64..12)).prop_map(
            move |(chosen, parts, mode, cap)| {
                let part = |(item, (quantity, optional))| Component {
                    optional,
                    ..component(item, quantity)
                };
                let components = chosen.into_iter().zip(parts).map(part).collect();
                Bundle {
                    mode,
                    cap,
                    ..bundle(number, components)
                }
            },
        )
    };
    (11_i64..=14).map(one).collect::<Vec<_>>()
}

fn levels() -> impl Strategy<Value = Levels> {
    let stock = prop_oneof![
        1 => Just(None),
        1 => Just(Some(Stock::Unlimited)),
        12 => (-5_i64..60).prop_map(|units| Some(Stock::Units(units))),
    ];
    prop::collection::vec(stock, 15).prop_map(|stocks| {
        let places = (1..=5).flat_map(|item| LOCATIONS.map(|location| (ItemId(item), location)));
        places
            .zip(stocks)
            .filter_map(|(place, stock)| Some((place, stock?)))
            .collect()
    })
}

fn counts(leaves: &[ItemId]) -> BTreeMap<ItemId, i64> {
    leaves.iter().fold(BTreeMap::new(), |mut counts, leaf| {
        *counts.entry(*leaf).or_default() += 1;
        counts
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn needs_and_levels_are_those_of_the_model(bundles in bundles(), levels in levels()) {
        let book = BundleBook::new(bundles.clone());
        for bundle in &bundles {
            let needs = book.needs(bundle.id).unwrap();
            prop_assert_eq!(needs, &counts(&model_leaves(&bundles, bundle.item, false)));
            prop_assert_eq!(&book.needs_at(bundle.id, START), needs);
            let required = model_leaves(&bundles, bundle.item, true);
            let limiting = book.limiting_needs(bundle.id).unwrap();
            prop_assert_eq!(limiting, &counts(&required));
            let wanted = match wanted_levels(bundle, limiting, &LOCATIONS, &lookup(&levels)) {
                Wanted::Unlimited => None,
                Wanted::Levels(levels) => Some(levels.into_iter().map(|(_, units)| units).collect::<Vec<_>>()),
            };
            prop_assert_eq!(wanted, model_wanted(bundle, &required, &levels));
        }
    }

    #[test]
    fn a_book_built_row_by_row_equals_one_built_at_once(bundles in bundles(), order in Just(()).prop_perturb(|(), mut rng| {
        let mut order: Vec<usize> = (0..8).map(|place| place % 4).collect();
        for place in 0..order.len() {
            order.swap(place, rng.random_range(0..8));
        }
        order
    }), gone in 0_usize..4) {
        let mut rows = BundleBook::default();
        for place in order {
            rows.put(deleted_at(bundles[place].clone(), START));
            rows.put(bundles[place].clone());
        }
        let mut last = bundles.clone();
        last[gone] = deleted_at(last[gone].clone(), START);
        rows.put(last[gone].clone());
        let whole = BundleBook::new(last.clone());
        for number in 1..=14 {
            let item = ItemId(number);
            prop_assert_eq!(rows.parents_of(item).collect::<Vec<_>>(), whole.parents_of(item).collect::<Vec<_>>());
            prop_assert_eq!(rows.needs(id(number)), whole.needs(id(number)));
            let expected: BTreeSet<_> = last.iter().filter(|bundle| !bundle.deleted).filter(|bundle| {
                item != bundle.item && model_leaves(&last, bundle.item, false).contains(&item)
            }).map(|bundle| bundle.id).collect();
            prop_assert_eq!(rows.parents_of(item).collect::<BTreeSet<_>>(), expected);
        }
    }

    #[test]
    fn no_component_falls_short_and_a_sale_lowers_the_number_by_as_many(
        bundles in bundles(), levels in levels(), sold in 0_i64..5,
    ) {
        let book = BundleBook::new(bundles.clone());
        let bundle = Bundle { mode: Mode::SingleLocation, cap: None, ..bundles[3].clone() };
        let needs = book.limiting_needs(bundle.id).unwrap();
        let Stock::Units(before) = at_location(needs, LOCATIONS[0], &lookup(&levels)) else { return Ok(()) };
        for (item, need) in needs {
            if let Some(Stock::Units(units)) = levels.get(&(*item, LOCATIONS[0])) {
                prop_assert!(before <= (*units).max(0) / need);
            }
        }
        let sold = sold.min(before);
        let mut after = levels.clone();
        for (item, need) in needs {
            if let Some(Stock::Units(units)) = after.get_mut(&(*item, LOCATIONS[0])) {
                *units -= need * sold;
            }
        }
        prop_assert_eq!(at_location(needs, LOCATIONS[0], &lookup(&after)), Stock::Units(before - sold));
    }
}

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
                availability(&kit, &needs, &LOCATIONS, &lookup(&levels)),
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
                availability(&kit, &needs, &LOCATIONS, &lookup(&levels)),
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
            availability(&kit, &map(&[(1, 1)]), &LOCATIONS, &lookup(&levels)),
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
            &lookup(&levels)
        )
        .pooled_limiting,
        Some(ItemId(1))
    );
}

#[test]
fn an_order_finds_the_recipe_of_its_time() {
    let (edited, deleted) = (START.plus_millis(1_000), START.plus_millis(2_000));
    let mut kit = simple(11, &[(1, 1)]);
    kit.recipes[0].effective_to = Some(edited);
    kit.recipes.push(Recipe {
        effective_from: edited,
        effective_to: None,
        components: vec![component(2, 5)],
    });
    let outer = simple(12, &[(11, 2)]);
    let mut book = BundleBook::new(vec![deleted_at(kit, deleted), outer]);
    let mut reborn = simple(13, &[(3, 1)]);
    (reborn.variant, reborn.item) = (VariantId(11), ItemId(11));
    reborn.recipes[0].effective_from = deleted;
    book.put(reborn);
    for (at, expected) in [
        (START.plus_millis(-1), None),
        (START, Some((11, map(&[(1, 1)])))),
        (edited.plus_millis(-1), Some((11, map(&[(1, 1)])))),
        (edited, Some((11, map(&[(2, 5)])))),
        (deleted, Some((13, map(&[(3, 1)])))),
    ] {
        let sold = book
            .recipe_for(VariantId(11), at)
            .map(|sold| (sold.bundle, sold.needs));
        assert_eq!(sold, expected.map(|(number, needs)| (id(number), needs)));
    }
    assert_eq!(book.needs_at(id(12), edited), map(&[(2, 10)]));
    assert_eq!(book.needs(id(12)), Some(&map(&[(3, 2)])));
    assert_eq!(book.needs(id(11)), None);
    let ever: BTreeSet<_> = book.components_ever().map(|(item, _, _)| item.0).collect();
    assert_eq!(ever, BTreeSet::from([1, 2, 3, 11, 12]));
}

#[test]
fn eight_levels_of_nesting_are_saved_and_nine_refused_from_either_end() {
    let mut book = BundleBook::default();
    for bundle in chain(DEPTH_MAX) {
        assert_eq!(validate(&book, &bundle), Ok(()));
        book.put(bundle);
    }
    assert_eq!(book.needs(id(107)), Some(&map(&[(99, 256)])));
    assert_eq!(
        validate(&book, &simple(200, &[(107, 1)])),
        Err(BundleRefusal::TooDeep)
    );
    assert_eq!(
        validate(&book, &simple(99, &[(1, 1)])),
        Err(BundleRefusal::TooDeep)
    );
    let nine = chain(DEPTH_MAX + 1);
    let (middle, rest): (Vec<_>, Vec<_>) =
        nine.into_iter().partition(|bundle| bundle.id == id(104));
    assert_eq!(
        validate(&BundleBook::new(rest), &middle[0]),
        Err(BundleRefusal::TooDeep)
    );
}

#[test]
fn a_cycle_is_refused_and_a_stored_one_does_no_harm() {
    let book = BundleBook::new(chain(DEPTH_MAX));
    for length in 0..8 {
        let closing = simple(100, &[(100 + length, 1), (1, 1)]);
        let refusal = validate(&book, &closing).unwrap_err();
        let expected = if length == 0 {
            "self_component"
        } else {
            "component_cycle"
        };
        assert_eq!(refusal.code(), expected);
    }
    let circle = BundleBook::new(vec![simple(11, &[(12, 1), (1, 1)]), simple(12, &[(11, 1)])]);
    assert!(circle.needs(id(11)).unwrap().contains_key(&ItemId(1)));
}

#[test]
fn what_is_refused() {
    let book = BundleBook::new(vec![simple(11, &[(1, 1)])]);
    let many = |count: usize| {
        bundle(
            12,
            (0..i64::try_from(count).unwrap())
                .map(|item| component(500 + item, 1))
                .collect(),
        )
    };
    let good = simple(12, &[(1, 1)]);
    for (candidate, code) in [
        (
            Bundle {
                title: " ".to_owned(),
                ..good.clone()
            },
            "title_length",
        ),
        (
            Bundle {
                title: "x".repeat(256),
                ..good.clone()
            },
            "title_length",
        ),
        (
            Bundle {
                cap: Some(-1),
                ..good.clone()
            },
            "cap_out_of_range",
        ),
        (simple(12, &[]), "no_components"),
        (many(COMPONENTS_MAX + 1), "too_many_components"),
        (simple(12, &[(1, 0)]), "quantity_out_of_range"),
        (
            simple(12, &[(1, QUANTITY_MAX + 1)]),
            "quantity_out_of_range",
        ),
        (simple(12, &[(1, 1), (1, 1)]), "duplicate_component"),
        (simple(12, &[(12, 1)]), "self_component"),
        (
            Bundle {
                item: ItemId(11),
                ..good.clone()
            },
            "item_taken",
        ),
    ] {
        assert_eq!(validate(&book, &candidate).unwrap_err().code(), code);
    }
    assert_eq!(validate(&book, &good), Ok(()));
    assert_eq!(validate(&book, &many(COMPONENTS_MAX)), Ok(()));
    assert_eq!(validate(&book, &simple(11, &[(2, QUANTITY_MAX)])), Ok(()));
}

#[test]
fn multiplied_needs_and_leaves_are_bounded_in_the_bundles_above_too() {
    let deep: Vec<_> = (0..2)
        .map(|step| simple(100 + step, &[(99 + step, QUANTITY_MAX)]))
        .collect();
    let book = BundleBook::new(deep);
    assert_eq!(
        validate(&book, &simple(102, &[(101, 251)]))
            .unwrap_err()
            .code(),
        "need_too_large"
    );
    assert_eq!(validate(&book, &simple(102, &[(101, 250)])), Ok(()));
    assert_eq!(
        validate(&book, &simple(99, &[(1, 251)]))
            .unwrap_err()
            .code(),
        "need_too_large"
    );

    let wide = |number: i64| {
        bundle(
            number,
            (0..100)
                .map(|item| component(number * 1_000 + item, 1))
                .collect(),
        )
    };
    let book = BundleBook::new((1..=11).map(wide).collect());
    let of = |count: i64| {
        simple(
            12,
            &(1..=count).map(|number| (number, 1)).collect::<Vec<_>>(),
        )
    };
    assert_eq!(validate(&book, &of(10)), Ok(()));
    assert_eq!(
        validate(&book, &of(11)).unwrap_err().code(),
        "too_many_leaves"
    );
}

#[test]
fn an_item_that_a_bundle_gives_up_is_a_leaf_again() {
    let mut book = BundleBook::new(vec![simple(11, &[(1, 1)]), simple(12, &[(11, 2)])]);
    book.put(Bundle {
        item: ItemId(21),
        ..simple(11, &[(1, 1)])
    });
    assert_eq!(book.needs(id(12)), Some(&map(&[(11, 2)])));
    assert_eq!(book.parents_of(ItemId(1)).collect::<Vec<_>>(), [id(11)]);
}

#[test]
fn a_recipe_ends_before_its_end() {
    let end = START.plus_millis(1_000);
    let book = BundleBook::new(vec![deleted_at(simple(11, &[(1, 1)]), end)]);
    assert!(
        book.recipe_for(VariantId(11), end.plus_millis(-1))
            .is_some()
    );
    assert_eq!(book.recipe_for(VariantId(11), end), None);
}

#[test]
fn a_component_of_ten_thousand_bundles_is_found_and_updated_in_place() {
    let mut book = BundleBook::new(
        (0..10_000)
            .map(|number| simple(100_000 + number, &[(1, 1), (2, 1)]))
            .collect(),
    );
    for number in 0..1_000 {
        book.put(simple(100_000 + number, &[(2, 1)]));
    }
    assert_eq!(book.parents_of(ItemId(1)).count(), 9_000);
    assert_eq!(book.parents_of(ItemId(2)).count(), 10_000);
}
