//! What every level ought to be, worked out from what happened at the platform alone. It shares no rule with the
//! server: it knows the recipes, the moments of sale and the formula, and nothing of webhooks, calls or ledgers.

use std::collections::{BTreeMap, BTreeSet};

use storekeeper::clock::Timestamp;
use storekeeper::ids::{BundleId, ItemId, LocationId, OrderId};

/// A level's place.
pub(crate) type Place = (ItemId, LocationId);

/// How a bundle is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counted {
    /// At each location by itself.
    PerLocation,
    /// Over all locations, shown at the first.
    Pooled,
    /// At the first location only.
    FirstOnly,
}

/// A part of a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) item: ItemId,
    pub(crate) units: i64,
    pub(crate) optional: bool,
}

/// A bundle as it was from one moment to another, platform time.
#[derive(Clone, Debug)]
pub(crate) struct Version {
    pub(crate) bundle: BundleId,
    pub(crate) item: ItemId,
    pub(crate) counted: Counted,
    pub(crate) cap: Option<i64>,
    pub(crate) parts: Vec<Part>,
    pub(crate) from: Timestamp,
    pub(crate) to: Option<Timestamp>,
}

/// Units of an item that an order took, or gave back.
#[derive(Clone, Copy, Debug)]
struct Movement {
    order: OrderId,
    item: ItemId,
    location: LocationId,
    delta: i64,
    ordered_at: Timestamp,
}

/// What the platform shows of an item, as far as the formula needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// Counted by its levels.
    Counted,
    /// Not tracked, or sold on when out.
    Unlimited,
    /// Deleted.
    Gone,
}

/// Units of each leaf at each location of which no bundle is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct KeptBack {
    pub(crate) usual: i64,
    /// An item of which another number is kept back.
    pub(crate) but: Option<(ItemId, i64)>,
}

impl KeptBack {
    const fn of(self, leaf: ItemId) -> i64 {
        match self.but {
            Some((item, units)) if item.0 == leaf.0 => units,
            _ => self.usual,
        }
    }
}

/// Everything that happened to the levels of a store, but for the server's own writes.
#[derive(Debug, Default)]
pub(crate) struct Reference {
    versions: Vec<Version>,
    /// Stock that items got, and units of themselves that they lost and got back.
    own: BTreeMap<Place, i64>,
    movements: Vec<Movement>,
    /// Orders that take no leaves before they are paid.
    unpaid: BTreeSet<OrderId>,
    kept_back: KeptBack,
    /// Levels of which nobody can say what they ought to be.
    unjudged: BTreeSet<Place>,
    unjudged_items: BTreeSet<ItemId>,
}

impl Reference {
    /// A bundle is saved, or saved anew.
    pub(crate) fn define(&mut self, version: Version) {
        self.end(version.bundle, version.from);
        self.versions.push(version);
    }

    /// A bundle is deleted.
    pub(crate) fn end(&mut self, bundle: BundleId, at: Timestamp) {
        let open = |version: &&mut Version| version.bundle == bundle && version.to.is_none();
        for version in self.versions.iter_mut().filter(open) {
            version.to = Some(at);
        }
    }

    /// Stock came or went by itself: a first count, a merchant's edit.
    pub(crate) fn stocked(&mut self, place: Place, delta: i64) {
        *self.own.entry(place).or_default() += delta;
    }

    /// An order took units of an item at a location (negative), or gave them back.
    pub(crate) fn moved(
        &mut self,
        place: Place,
        delta: i64,
        (order, ordered_at): (OrderId, Timestamp),
    ) {
        self.stocked(place, delta);
        self.movements.push(Movement {
            order,
            item: place.0,
            location: place.1,
            delta,
            ordered_at,
        });
    }

    /// An order is made that takes no leaves before it is paid.
    pub(crate) fn await_payment(&mut self, order: OrderId) {
        self.unpaid.insert(order);
    }

    pub(crate) fn paid(&mut self, order: OrderId) {
        self.unpaid.remove(&order);
    }

    /// The merchant decides what is kept back.
    pub(crate) const fn keep_back(&mut self, kept_back: KeptBack) {
        self.kept_back = kept_back;
    }

    pub(crate) fn leave_unjudged(&mut self, place: Place) {
        self.unjudged.insert(place);
    }

    /// The same of an item, wherever it is.
    pub(crate) fn leave_item_unjudged(&mut self, item: ItemId) {
        self.unjudged_items.insert(item);
    }

    pub(crate) fn is_judged(&self, place: Place) -> bool {
        !self.unjudged.contains(&place) && !self.unjudged_items.contains(&place.0)
    }

    /// Every item that ever was a bundle.
    pub(crate) fn bundle_items(&self) -> BTreeSet<ItemId> {
        self.versions.iter().map(|version| version.item).collect()
    }

    /// Bundles in force now.
    pub(crate) fn current(&self) -> impl Iterator<Item = &Version> {
        self.versions.iter().filter(|version| version.to.is_none())
    }

    /// Every item that was ever in a bundle of this item, at any depth.
    pub(crate) fn parts_ever(&self, item: ItemId) -> BTreeSet<ItemId> {
        let mut found = BTreeSet::from([item]);
        let mut open = vec![item];
        while let Some(item) = open.pop() {
            let of_item = self.versions.iter().filter(|version| version.item == item);
            for part in of_item.flat_map(|version| &version.parts) {
                if found.insert(part.item) {
                    open.push(part.item);
                }
            }
        }
        found
    }

    /// What each item that is no bundle ought to have.
    pub(crate) fn expected(&self) -> BTreeMap<Place, i64> {
        let mut expected = self.own.clone();
        for (_, place, units) in self.leaf_movements() {
            *expected.entry(place).or_default() += units;
        }
        expected
    }

    /// What each order took of a leaf at a place.
    pub(crate) fn taken_by_order(&self, place: Place) -> BTreeMap<OrderId, i64> {
        let mut taken = BTreeMap::new();
        for (order, _, units) in self.leaf_movements().filter(|moved| moved.1 == place) {
            *taken.entry(order).or_default() -= units;
        }
        taken
    }

    /// Leaves that orders took as parts of bundles (negative), or gave back.
    fn leaf_movements(&self) -> impl Iterator<Item = (OrderId, Place, i64)> {
        let paid = |movement: &&Movement| !self.unpaid.contains(&movement.order);
        self.movements.iter().filter(paid).flat_map(|movement| {
            let version = self.version_of(movement.item, Some(movement.ordered_at));
            let needs = version.map(|version| self.needs(version, Some(movement.ordered_at)));
            needs.into_iter().flatten().map(|(leaf, units)| {
                let place = (leaf, movement.location);
                (movement.order, place, movement.delta * units.0)
            })
        })
    }

    /// What a bundle ought to show at each of `locations` (ascending), given what its leaves show; `None`: no number.
    pub(crate) fn wanted(
        &self,
        version: &Version,
        locations: &[LocationId],
        shown: impl Fn(ItemId) -> Shown,
        level: impl Fn(Place) -> i64,
    ) -> Option<Vec<(LocationId, i64)>> {
        let needs = self.needs(version, None);
        let limiting: Vec<(ItemId, i64)> = needs
            .into_iter()
            .filter(|(leaf, units)| units.1 > 0 && shown(*leaf) != Shown::Unlimited)
            .map(|(leaf, units)| (leaf, units.1))
            .collect();
        if limiting.is_empty() && version.cap.is_none() {
            return None;
        }
        let stock = |leaf: ItemId, places: &[LocationId]| -> i64 {
            if shown(leaf) == Shown::Gone {
                return 0;
            }
            places
                .iter()
                .map(|place| (level((leaf, *place)) - self.kept_back.of(leaf)).max(0))
                .sum()
        };
        let count = |places: &[LocationId]| -> i64 {
            let each = limiting
                .iter()
                .map(|(leaf, units)| stock(*leaf, places) / units);
            each.min().unwrap_or(1_000_000_000)
        };
        let mut left = version.cap.unwrap_or(i64::MAX);
        let mut wanted = Vec::new();
        for (position, location) in locations.iter().enumerate() {
            let units = match version.counted {
                Counted::PerLocation => count(&[*location]),
                Counted::Pooled if position == 0 => count(locations),
                Counted::FirstOnly if position == 0 => count(&[*location]),
                Counted::Pooled | Counted::FirstOnly => 0,
            };
            let units = units.min(left);
            left -= units;
            wanted.push((*location, units));
        }
        Some(wanted)
    }

    /// The version of an item in force at a moment; without one, the version still open.
    fn version_of(&self, item: ItemId, at: Option<Timestamp>) -> Option<&Version> {
        let holds = |version: &&Version| match at {
            Some(at) => version.from <= at && version.to.is_none_or(|to| at < to),
            None => version.to.is_none(),
        };
        let of_item = |version: &&Version| version.item == item;
        self.versions.iter().filter(of_item).rfind(holds)
    }

    /// Units of each leaf in one bundle: all of them, and those that limit.
    fn needs(&self, version: &Version, at: Option<Timestamp>) -> BTreeMap<ItemId, (i64, i64)> {
        let mut needs = BTreeMap::new();
        self.take_apart(version, at, (1, true), &mut needs);
        needs
    }

    fn take_apart(
        &self,
        version: &Version,
        at: Option<Timestamp>,
        (times, limits): (i64, bool),
        needs: &mut BTreeMap<ItemId, (i64, i64)>,
    ) {
        for part in &version.parts {
            let (units, limits) = (times * part.units, limits && !part.optional);
            if let Some(inner) = self.version_of(part.item, at) {
                self.take_apart(inner, at, (units, limits), needs);
                continue;
            }
            let need = needs.entry(part.item).or_default();
            need.0 += units;
            if limits {
                need.1 += units;
            }
        }
    }
}
