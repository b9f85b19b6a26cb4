//! How many bundles there are, from the levels of their leaves.
//!
//! Callers pass the needs that limit ([`BundleBook::limiting_needs`](super::BundleBook::limiting_needs)), the active
//! locations in ascending order, and a lookup of levels: `None` where an item has no level, which counts as zero;
//! [`Stock::Unlimited`] for an item that is not tracked or sells when out of stock. An item that is unlimited at one
//! location is unlimited. Of each leaf's level at each location the safety stock is left out.

use std::collections::BTreeMap;

use crate::domain::bundle::{Bundle, Mode, SafetyStock};
use crate::ids::{ItemId, LocationId};

/// The largest level that is ever written: the platform's bound.
pub const LEVEL_MAX: i64 = 1_000_000_000;

/// An amount of stock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stock {
    /// Nothing limits it: never written as a number.
    Unlimited,
    /// Of a component: as the platform has it, possibly negative. Of a bundle: in `0..=LEVEL_MAX`.
    Units(i64),
}

/// The levels that a bundle should have on the platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// No component limits it and it has no cap: no number is written.
    Unlimited,
    /// One entry for each location asked for, in the same order, each in `0..=LEVEL_MAX`.
    Levels(Vec<(LocationId, i64)>),
}

/// Why a bundle has the stock it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The bundle's stock over all locations, after the cap.
    pub availability: Stock,
    /// Pooled only: the leaf that limits the sum.
    pub pooled_limiting: Option<ItemId>,
    pub locations: Vec<LocationExplanation>,
}

/// One location's part in an [`Explanation`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocationExplanation {
    pub location: LocationId,
    /// How many bundles could ship from here alone, before mode and cap.
    pub availability: Stock,
    /// The leaf that allows the fewest bundles here; the lowest id of several.
    pub limiting: Option<ItemId>,
    /// The level the bundle should have here, after mode and cap; `None`: no number is written.
    pub wanted: Option<i64>,
    pub leaves: Vec<LeafExplanation>,
}

/// A leaf's raw level at a location.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeafExplanation {
    pub item: ItemId,
    /// Units in one bundle.
    pub need: i64,
    /// As the platform has it, possibly negative; `None`: not stocked here.
    pub level: Option<Stock>,
    /// Units of it that no bundle is made of.
    pub safety_stock: i64,
}

/// How many bundles could ship from `location` alone.
pub fn at_location(
    needs: &BTreeMap<ItemId, i64>,
    location: LocationId,
    level: &impl Fn(ItemId, LocationId) -> Option<Stock>,
    safety: &SafetyStock,
) -> Stock {
    scarcest(&limits(needs, &[location], level, safety)).1
}

/// How many of the bundle there are over all locations, after its cap.
pub fn availability(
    bundle: &Bundle,
    needs: &BTreeMap<ItemId, i64>,
    locations: &[LocationId],
    level: &impl Fn(ItemId, LocationId) -> Option<Stock>,
    safety: &SafetyStock,
) -> Stock {
    match wanted_levels(bundle, needs, locations, level, safety) {
        Wanted::Unlimited => Stock::Unlimited,
        Wanted::Levels(levels) => Stock::Units(clamp(levels.iter().map(|(_, units)| units).sum())),
    }
}

/// The level that the bundle should have at each of `locations`.
///
/// Ship-together: what could ship from each. Pooled: the whole number at the first location, as the platform ships
/// from one. Single location: what could ship from the first. The cap bounds the sum and is used up in the order of
/// the locations; it also bounds what nothing else does.
pub fn wanted_levels(
    bundle: &Bundle,
    needs: &BTreeMap<ItemId, i64>,
    locations: &[LocationId],
    level: &impl Fn(ItemId, LocationId) -> Option<Stock>,
    safety: &SafetyStock,
) -> Wanted {
    let limited = without_unlimited(needs, locations, level);
    if limited.is_empty() && bundle.cap.is_none() {
        return Wanted::Unlimited;
    }
    let mut left = bundle.cap.map_or(i64::MAX, clamp);
    let levels = locations.iter().enumerate().map(|(position, location)| {
        let counted: &[LocationId] = match (bundle.mode, position) {
            (Mode::ShipTogether, _) | (Mode::SingleLocation, 0) => std::slice::from_ref(location),
            (Mode::Pooled, 0) => locations,
            (Mode::Pooled | Mode::SingleLocation, _) => &[],
        };
        let units = match counted {
            [] => 0,
            counted => units_of(scarcest(&limits(&limited, counted, level, safety)).1).min(left),
        };
        left -= units;
        (*location, units)
    });
    Wanted::Levels(levels.collect())
}

/// The same numbers with their reasons. `needs` as for [`wanted_levels`].
pub fn explain(
    bundle: &Bundle,
    needs: &BTreeMap<ItemId, i64>,
    locations: &[LocationId],
    level: &impl Fn(ItemId, LocationId) -> Option<Stock>,
    safety: &SafetyStock,
) -> Explanation {
    let wanted = match wanted_levels(bundle, needs, locations, level, safety) {
        Wanted::Unlimited => BTreeMap::new(),
        Wanted::Levels(levels) => levels.into_iter().collect(),
    };
    let limited = without_unlimited(needs, locations, level);
    let explain_at = |location: &LocationId| {
        let (limiting, availability) = scarcest(&limits(
            &limited,
            std::slice::from_ref(location),
            level,
            safety,
        ));
        let leaf = |(item, need): (&ItemId, &i64)| LeafExplanation {
            item: *item,
            need: *need,
            level: level(*item, *location),
            safety_stock: safety.of(*item),
        };
        LocationExplanation {
            location: *location,
            availability,
            limiting,
            wanted: wanted.get(location).copied(),
            leaves: needs.iter().map(leaf).collect(),
        }
    };
    Explanation {
        availability: availability(bundle, needs, locations, level, safety),
        pooled_limiting: match bundle.mode {
            Mode::Pooled => scarcest(&limits(&limited, locations, level, safety)).0,
            Mode::ShipTogether | Mode::SingleLocation => None,
        },
        locations: locations.iter().map(explain_at).collect(),
    }
}

/// How many bundles each leaf allows, from its stock at `locations` together.
fn limits(
    needs: &BTreeMap<ItemId, i64>,
    locations: &[LocationId],
    level: &impl Fn(ItemId, LocationId) -> Option<Stock>,
    safety: &SafetyStock,
) -> Vec<(ItemId, Stock)> {
    let limit = |item: ItemId, need: i64| {
        let (mut total, kept_back) = (0_i64, safety.of(item));
        for location in locations {
            match level(item, *location) {
                Some(Stock::Unlimited) => return Stock::Unlimited,
                Some(Stock::Units(units)) => {
                    total = total.saturating_add(units.saturating_sub(kept_back).max(0));
                }
                None => {}
            }
        }
        total
            .checked_div(need)
            .map_or(Stock::Unlimited, |bundles| Stock::Units(clamp(bundles)))
    };
    needs
        .iter()
        .map(|(item, need)| (*item, limit(*item, *need)))
        .collect()
}

fn without_unlimited(
    needs: &BTreeMap<ItemId, i64>,
    locations: &[LocationId],
    level: &impl Fn(ItemId, LocationId) -> Option<Stock>,
) -> BTreeMap<ItemId, i64> {
    let is_limited = |item: ItemId| {
        !locations
            .iter()
            .any(|location| level(item, *location) == Some(Stock::Unlimited))
    };
    needs
        .iter()
        .filter(|(item, _)| is_limited(**item))
        .map(|(item, need)| (*item, *need))
        .collect()
}

fn scarcest(limits: &[(ItemId, Stock)]) -> (Option<ItemId>, Stock) {
    let units = |(item, stock): &(ItemId, Stock)| match stock {
        Stock::Unlimited => None,
        Stock::Units(units) => Some((*units, *item)),
    };
    match limits.iter().filter_map(units).min() {
        Some((units, item)) => (Some(item), Stock::Units(units)),
        None => (None, Stock::Unlimited),
    }
}

fn units_of(stock: Stock) -> i64 {
    match stock {
        Stock::Unlimited => LEVEL_MAX,
        Stock::Units(units) => units,
    }
}

fn clamp(units: i64) -> i64 {
    units.clamp(0, LEVEL_MAX)
}
