//! Bundles and levels in a few words.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::clock::Timestamp;
use crate::domain::bundle::*;
use crate::ids::{BundleId, ItemId, LocationId, ProductId, VariantId};

pub(super) const START: Timestamp = Timestamp::from_millis(1_000_000);
pub(super) const LOCATIONS: [LocationId; 3] = [LocationId(1), LocationId(2), LocationId(3)];

pub(super) type Levels = BTreeMap<(ItemId, LocationId), Stock>;

pub(super) fn id(number: i64) -> BundleId {
    BundleId(Uuid::from_u128(u128::try_from(number).unwrap()))
}

pub(super) fn component(item: i64, quantity: i64) -> Component {
    Component {
        item: ItemId(item),
        variant: VariantId(item),
        product: ProductId(item),
        quantity,
        optional: false,
    }
}

/// A live bundle whose id, item and variant have the same number.
pub(super) fn bundle(number: i64, components: Vec<Component>) -> Bundle {
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

pub(super) fn simple(number: i64, components: &[(i64, i64)]) -> Bundle {
    bundle(
        number,
        components
            .iter()
            .map(|(item, quantity)| component(*item, *quantity))
            .collect(),
    )
}

pub(super) fn map(entries: &[(i64, i64)]) -> BTreeMap<ItemId, i64> {
    entries
        .iter()
        .map(|(item, units)| (ItemId(*item), *units))
        .collect()
}

pub(super) fn lookup(levels: &Levels) -> impl Fn(ItemId, LocationId) -> Option<Stock> + '_ {
    |item, location| levels.get(&(item, location)).copied()
}

pub(super) fn deleted_at(mut bundle: Bundle, at: Timestamp) -> Bundle {
    bundle.deleted = true;
    bundle.recipes.last_mut().unwrap().effective_to = Some(at);
    bundle
}

/// A chain of bundles, each in the next; the last number is the outermost.
pub(super) fn chain(length: usize) -> Vec<Bundle> {
    (0..i64::try_from(length).unwrap())
        .map(|step| simple(100 + step, &[(99 + step, 2)]))
        .collect()
}

// --- The naive model: no cache, no map arithmetic, no division. ---
