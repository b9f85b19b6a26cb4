//! The engine against a naive model.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::fixtures::*;
use crate::domain::bundle::availability::at_location;
use crate::domain::bundle::*;
use crate::ids::{ItemId, LocationId};

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
fn model_pack(
    leaves: &[ItemId],
    shelves: &[LocationId],
    (levels, kept): (&Levels, &[i64]),
) -> Option<i64> {
    let mut stock = BTreeMap::new();
    for leaf in leaves {
        if LOCATIONS
            .iter()
            .any(|place| levels.get(&(*leaf, *place)) == Some(&Stock::Unlimited))
        {
            continue;
        }
        let units = |place: &LocationId| match levels.get(&(*leaf, *place)) {
            Some(Stock::Units(units)) => (*units - kept_of(kept, *leaf)).max(0),
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

/// Units of leaf n are kept back as the n-th number says.
fn kept_of(kept: &[i64], leaf: ItemId) -> i64 {
    kept[usize::try_from(leaf.0 - 1).unwrap()]
}

fn model_wanted(bundle: &Bundle, leaves: &[ItemId], levels: (&Levels, &[i64])) -> Option<Vec<i64>> {
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
    fn needs_and_levels_are_those_of_the_model(
        bundles in bundles(), levels in levels(), usual in 0_i64..9, named in prop::option::of((0_usize..5, 0_i64..30)),
    ) {
        let mut kept = [usual; 5];
        let mut safety = SafetyStock { usual, ..SafetyStock::default() };
        if let Some((leaf, units)) = named {
            kept[leaf] = units;
            safety.items.insert(ItemId(i64::try_from(leaf).unwrap() + 1), units);
        }
        let book = BundleBook::new(bundles.clone());
        for bundle in &bundles {
            let needs = book.needs(bundle.id).unwrap();
            prop_assert_eq!(needs, &counts(&model_leaves(&bundles, bundle.item, false)));
            prop_assert_eq!(&book.needs_at(bundle.id, START), needs);
            let required = model_leaves(&bundles, bundle.item, true);
            let limiting = book.limiting_needs(bundle.id).unwrap();
            prop_assert_eq!(limiting, &counts(&required));
            let wanted = match wanted_levels(bundle, limiting, &LOCATIONS, &lookup(&levels), &safety) {
                Wanted::Unlimited => None,
                Wanted::Levels(levels) => Some(levels.into_iter().map(|(_, units)| units).collect::<Vec<_>>()),
            };
            prop_assert_eq!(wanted, model_wanted(bundle, &required, (&levels, &kept)));
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
        let Stock::Units(before) = at_location(needs, LOCATIONS[0], &lookup(&levels), &SafetyStock::default()) else { return Ok(()) };
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
        prop_assert_eq!(at_location(needs, LOCATIONS[0], &lookup(&after), &SafetyStock::default()), Stock::Units(before - sold));
    }
}
