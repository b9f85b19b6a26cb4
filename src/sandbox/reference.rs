//! The drift reference: what every component and bundle level ought to be,
//! worked out from the oracle alone. It is kept apart from the engine it
//! judges: it knows the log, the recipes and the formula, and nothing else.
//!
//! Components are rebuilt from what happened to them directly (first stock,
//! outside edits as deltas, their own sales and restocks) and from the units
//! that orders took or gave back of bundles, by the recipe in force when the
//! order was made. Bundles are the formula over those. Writes of the app under
//! test never enter.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{
    clock::Moment,
    ids::LevelKey,
    levels::StockState,
    oracle::{Cause, Log},
};

/// Deepest nesting of bundles.
const DEPTH_MAX: usize = 8;

/// How a bundle's availability is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Each location by itself; a cap is used up in ascending order of location.
    ShipTogether,
    /// Over all locations together; only the sum of the bundle's levels counts.
    Pooled,
    /// Only the location with the lowest id.
    SingleLocation,
}

/// One component of a recipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Component {
    /// Inventory item id; may be a bundle itself.
    pub item: i64,
    /// Units per bundle, at least 1.
    pub quantity: i64,
    /// Consumed, but never limiting.
    pub optional: bool,
}

/// One version of a recipe, in force in `effective_from..effective_to`.
#[derive(Debug, Clone)]
pub struct Recipe {
    /// The bundle's inventory item id.
    pub item: i64,
    /// How its availability is computed.
    pub mode: Mode,
    /// Most units ever offered, over all locations.
    pub cap: Option<i64>,
    /// What it consists of.
    pub components: Vec<Component>,
    /// First platform moment at which it holds.
    pub effective_from: Moment,
    /// First platform moment at which it holds no more.
    pub effective_to: Option<Moment>,
}

impl Recipe {
    fn holds_at(&self, at: Moment) -> bool {
        self.effective_from <= at && self.effective_to.is_none_or(|end| at < end)
    }
}

/// What the platform shows now.
#[derive(Debug, Clone, Default)]
pub struct Standing {
    /// `available` of every level.
    pub available: BTreeMap<LevelKey, i64>,
    /// Items of which no stock is kept.
    pub untracked: BTreeSet<i64>,
    /// Items sold on when out of stock.
    pub continued: BTreeSet<i64>,
    /// Active locations.
    pub locations: BTreeSet<i64>,
}

/// A level that is not what it ought to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Drift {
    /// Which level; for a pooled bundle its lowest location stands for all.
    #[serde(flatten)]
    pub key: LevelKey,
    /// What it ought to be.
    pub expected: i64,
    /// What it is; none when there is no level.
    pub actual: Option<i64>,
}

/// Needs of one bundle: units per leaf, and which leaves limit it.
#[derive(Debug, Default)]
struct Needs {
    units: BTreeMap<i64, i64>,
    limiting: BTreeMap<i64, i64>,
}

/// Every level of a component or bundle that is not what it ought to be.
pub fn drift(log: &Log, standing: &Standing, recipes: &[Recipe]) -> Vec<Drift> {
    let expected = component_levels(log, recipes);
    let mut found = component_drift(&expected, standing, recipes);
    for recipe in recipes
        .iter()
        .filter(|recipe| recipe.effective_to.is_none())
    {
        if !standing.untracked.contains(&recipe.item) {
            found.extend(bundle_drift(&expected, standing, recipes, recipe));
        }
    }
    found
}

/// What `available` of every item ought to be, our own writes left out.
pub fn component_levels(log: &Log, recipes: &[Recipe]) -> BTreeMap<LevelKey, i64> {
    let mut expected = BTreeMap::new();
    for change in &log.levels {
        let ours = matches!(change.cause, Cause::ApiWrite { .. });
        if change.state == StockState::Available && !ours {
            *expected.entry(change.key).or_insert(0) += change.delta;
        }
    }
    for movement in &log.movements {
        let ordered_at = movement.line.ordered_at;
        let in_force = recipe_at(recipes, movement.key.item, Some(ordered_at));
        let Some(recipe) = in_force else {
            continue;
        };
        let book = Book {
            recipes,
            at: Some(ordered_at),
        };
        for (leaf, units) in book.needs(recipe).units {
            let key = LevelKey {
                item: leaf,
                location: movement.key.location,
            };
            *expected.entry(key).or_insert(0) += movement.delta * units;
        }
    }
    expected
}

/// The version in force at a moment; without one, the version still open.
fn recipe_at(recipes: &[Recipe], item: i64, at: Option<Moment>) -> Option<&Recipe> {
    recipes.iter().find(|recipe| {
        recipe.item == item
            && match at {
                Some(at) => recipe.holds_at(at),
                None => recipe.effective_to.is_none(),
            }
    })
}

/// The recipes as they stand at a moment (without one: as they stand now).
#[derive(Clone, Copy)]
struct Book<'a> {
    recipes: &'a [Recipe],
    at: Option<Moment>,
}

impl Book<'_> {
    /// What one bundle needs, nested bundles taken apart.
    fn needs(self, recipe: &Recipe) -> Needs {
        let mut needs = Needs::default();
        self.take_apart(recipe, (1, true), &mut needs, 0);
        needs
    }

    /// Adds what `times` bundles need, shared leaves added up. `limits` is
    /// false below an optional component.
    fn take_apart(
        self,
        recipe: &Recipe,
        (times, limits): (i64, bool),
        needs: &mut Needs,
        depth: usize,
    ) {
        if depth > DEPTH_MAX {
            return;
        }
        for component in &recipe.components {
            let units = times * component.quantity;
            let limits = limits && !component.optional;
            if let Some(inner) = recipe_at(self.recipes, component.item, self.at) {
                self.take_apart(inner, (units, limits), needs, depth + 1);
                continue;
            }
            *needs.units.entry(component.item).or_insert(0) += units;
            if limits {
                *needs.limiting.entry(component.item).or_insert(0) += units;
            }
        }
    }
}

fn component_drift(
    expected: &BTreeMap<LevelKey, i64>,
    standing: &Standing,
    recipes: &[Recipe],
) -> Vec<Drift> {
    let bundles: BTreeSet<i64> = recipes.iter().map(|recipe| recipe.item).collect();
    let parts = recipes.iter().flat_map(|recipe| &recipe.components);
    let components: BTreeSet<i64> = parts
        .map(|component| component.item)
        .filter(|item| !bundles.contains(item) && !standing.untracked.contains(item))
        .collect();
    let concerned = |key: &&LevelKey| components.contains(&key.item);
    let keys: BTreeSet<LevelKey> = expected
        .keys()
        .chain(standing.available.keys())
        .filter(concerned)
        .copied()
        .collect();
    keys.into_iter()
        .filter_map(|key| {
            let wanted = expected.get(&key).copied().unwrap_or(0);
            differing(key, wanted, standing.available.get(&key).copied())
        })
        .collect()
}

fn differing(key: LevelKey, expected: i64, actual: Option<i64>) -> Option<Drift> {
    let equal = actual.unwrap_or(0) == expected;
    (!equal).then_some(Drift {
        key,
        expected,
        actual,
    })
}

fn bundle_drift(
    expected: &BTreeMap<LevelKey, i64>,
    standing: &Standing,
    recipes: &[Recipe],
    recipe: &Recipe,
) -> Vec<Drift> {
    let book = Book { recipes, at: None };
    let mut needs = book.needs(recipe);
    needs
        .limiting
        .retain(|leaf, _| !standing.untracked.contains(leaf) && !standing.continued.contains(leaf));
    if needs.limiting.is_empty() {
        return Vec::new();
    }
    let stock = |leaf: i64, location: i64| {
        let key = LevelKey {
            item: leaf,
            location,
        };
        expected.get(&key).copied().unwrap_or(0).max(0)
    };
    let key = |location| LevelKey {
        item: recipe.item,
        location,
    };
    let at = |location: i64| {
        let limits = needs.limiting.iter();
        let each = limits.map(|(leaf, need)| stock(*leaf, location) / need);
        each.min().unwrap_or(0)
    };
    let actual = |location| standing.available.get(&key(location)).copied();
    let mut locations = standing.locations.iter().copied();
    let mut left = recipe.cap.unwrap_or(i64::MAX);
    match recipe.mode {
        Mode::ShipTogether => locations
            .filter_map(|location| {
                let wanted = at(location).min(left);
                left -= wanted;
                differing(key(location), wanted, actual(location))
            })
            .collect(),
        Mode::SingleLocation => locations
            .next()
            .and_then(|first| differing(key(first), at(first).min(left), actual(first)))
            .into_iter()
            .collect(),
        Mode::Pooled => {
            let pooled = needs.limiting.iter().map(|(leaf, need)| {
                let everywhere = standing.locations.iter();
                let units: i64 = everywhere.map(|location| stock(*leaf, *location)).sum();
                units / need
            });
            let wanted = pooled.min().unwrap_or(0).min(left);
            let shown: i64 = standing
                .locations
                .iter()
                .filter_map(|place| actual(*place))
                .sum();
            let first = locations.next();
            first
                .and_then(|first| differing(key(first), wanted, Some(shown)))
                .into_iter()
                .collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::oracle::{LevelChange, Movement, OrderLine, Outsider};

    const START: Moment = Moment::from_nanos(0);
    const KIT: i64 = 100;

    fn key(item: i64, location: i64) -> LevelKey {
        LevelKey { item, location }
    }

    fn recipe(item: i64, components: &[(i64, i64)]) -> Recipe {
        let components = components.iter().map(|(item, quantity)| Component {
            item: *item,
            quantity: *quantity,
            optional: false,
        });
        Recipe {
            item,
            mode: Mode::ShipTogether,
            cap: None,
            components: components.collect(),
            effective_from: START,
            effective_to: None,
        }
    }

    fn level(key: LevelKey, delta: i64, cause: Cause) -> LevelChange {
        LevelChange {
            at: START,
            key,
            state: StockState::Available,
            delta,
            after: 0,
            cause,
        }
    }

    fn moved(key: LevelKey, delta: i64, ordered_at: Moment) -> Movement {
        let line = OrderLine {
            order: 1,
            line: 1,
            ordered_at,
        };
        Movement {
            at: ordered_at,
            key,
            delta,
            line,
        }
    }

    /// A log of first stock, and what it shows.
    fn stocked(stock: &[(i64, i64, i64)]) -> (Log, Standing) {
        let (mut log, mut standing) = (Log::default(), Standing::default());
        for (item, location, units) in stock {
            let key = key(*item, *location);
            log.levels.push(level(key, *units, Cause::Initial));
            standing.available.insert(key, *units);
            standing.locations.insert(*location);
        }
        (log, standing)
    }

    /// What the kit ought to show at each location.
    fn kit_levels(stock: &[(i64, i64, i64)], recipes: &[Recipe]) -> Vec<i64> {
        let (log, mut standing) = stocked(stock);
        for location in standing.locations.clone() {
            standing.available.insert(key(KIT, location), -1_000_000);
        }
        let found = drift(&log, &standing, recipes);
        let kits = found.iter().filter(|drift| drift.key.item == KIT);
        kits.map(|drift| drift.expected).collect()
    }

    #[test]
    fn the_vectors_of_the_formula() {
        let two = [recipe(KIT, &[(1, 2), (2, 1)])];
        assert_eq!(kit_levels(&[(1, 7, 200), (2, 7, 50)], &two), [50]);
        assert_eq!(kit_levels(&[(1, 7, 198), (2, 7, 49)], &two), [49]);
        assert_eq!(kit_levels(&[(1, 7, 1), (2, 7, 9)], &two), [0]);
        assert_eq!(kit_levels(&[(1, 7, -3), (2, 7, 9)], &two), [0]);
        let three = [recipe(KIT, &[(1, 2), (2, 1), (3, 5)])];
        let stock = [(1, 7, 100), (2, 7, 30), (3, 7, 200)];
        assert_eq!(kit_levels(&stock, &three), [30]);
    }

    #[test]
    fn locations_apart_and_pooled() {
        let stock = [
            (1, 7, 5),
            (2, 7, 0),
            (1, 8, 0),
            (2, 8, 10),
            (1, 9, 3),
            (2, 9, 7),
        ];
        let mut pair = recipe(KIT, &[(1, 1), (2, 1)]);
        assert_eq!(kit_levels(&stock, &[pair.clone()]), [0, 0, 3]);
        pair.mode = Mode::Pooled;
        assert_eq!(kit_levels(&stock, &[pair.clone()]), [8]);
        pair.cap = Some(2);
        assert_eq!(kit_levels(&stock, &[pair]), [2]);
    }

    #[test]
    fn nested_bundles_add_shared_leaves_up() {
        let inner = recipe(101, &[(1, 1), (2, 3)]);
        let outer = recipe(KIT, &[(101, 2), (1, 1)]);
        let stock = [(1, 7, 9), (2, 7, 12)];
        assert_eq!(kit_levels(&stock, &[outer, inner]), [2]);
    }

    #[test]
    fn untracked_and_continued_leaves_do_not_limit() {
        let (log, mut standing) = stocked(&[(1, 7, 7), (2, 7, 0)]);
        standing.available.insert(key(KIT, 7), 3);
        standing.continued.insert(2);
        let kit = [recipe(KIT, &[(1, 2), (2, 1)])];
        assert_eq!(drift(&log, &standing, &kit), []);
        standing.untracked.insert(1);
        standing.available.insert(key(KIT, 7), 12345);
        assert_eq!(drift(&log, &standing, &kit), [], "unlimited is not judged");
    }

    #[test]
    fn sales_restocks_and_outside_edits_reach_components_and_our_writes_do_not() {
        let (mut log, mut standing) = stocked(&[(1, 7, 20)]);
        let by = Outsider::Merchant;
        log.levels
            .push(level(key(1, 7), -4, Cause::OutsideEdit { by }));
        let ours = Cause::ApiWrite {
            key: None,
            request_id: String::new(),
        };
        log.levels.push(level(key(1, 7), -6, ours));
        log.movements.push(moved(key(KIT, 7), -3, START));
        log.movements.push(moved(key(KIT, 7), 1, START));
        standing.available.insert(key(KIT, 7), 6);
        standing.available.insert(key(1, 7), 12);
        let kit = [recipe(KIT, &[(1, 2)])];
        assert_eq!(drift(&log, &standing, &kit), []);
        standing.available.insert(key(1, 7), 11);
        let found = Drift {
            key: key(1, 7),
            expected: 12,
            actual: Some(11),
        };
        assert_eq!(drift(&log, &standing, &kit), [found]);
    }

    #[test]
    fn the_recipe_of_the_order_s_moment_counts() {
        let (mut log, _) = stocked(&[(1, 7, 100)]);
        let later = START.plus_ms(10_000);
        let mut old = recipe(KIT, &[(1, 2)]);
        (old.effective_from, old.effective_to) = (START.plus_ms(5_000), Some(later));
        let mut new = recipe(KIT, &[(1, 5)]);
        new.effective_from = later;
        log.movements.push(moved(key(KIT, 7), -1, START));
        log.movements
            .push(moved(key(KIT, 7), -1, START.plus_ms(5_000)));
        log.movements.push(moved(key(KIT, 7), -1, later));
        let levels = component_levels(&log, &[old, new]);
        assert_eq!(levels[&key(1, 7)], 100 - 2 - 5);
    }
}
