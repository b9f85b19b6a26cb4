//! Recipes: which one is in force, nesting, what is refused, and the book that keeps them.

use std::collections::BTreeSet;

use super::fixtures::*;
use crate::domain::bundle::flatten::DEPTH_MAX;
use crate::domain::bundle::validate::{COMPONENTS_MAX, QUANTITY_MAX};
use crate::domain::bundle::*;
use crate::ids::{ItemId, VariantId};

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
        Err(BundleRefusal::TooDeep { item: ItemId(200) })
    );
    assert_eq!(
        validate(&book, &simple(99, &[(1, 1)])),
        Err(BundleRefusal::TooDeep { item: ItemId(107) })
    );
    let nine = chain(DEPTH_MAX + 1);
    let (middle, rest): (Vec<_>, Vec<_>) =
        nine.into_iter().partition(|bundle| bundle.id == id(104));
    assert_eq!(
        validate(&BundleBook::new(rest), &middle[0]),
        Err(BundleRefusal::TooDeep { item: ItemId(108) })
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
