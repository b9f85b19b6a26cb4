//! Levels: who changes them, and what that says in the reference.

use storekeeper::clock::Timestamp;
use storekeeper::ids::{ItemId, LocationId, OrderId};

use super::catalog::Shop;
use super::telling::Subject;
use crate::reference::Place;

/// A stock level.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Level {
    pub(super) available: i64,
    /// When it changed last, whole seconds.
    pub(super) stamp: Timestamp,
}

impl Shop {
    pub(crate) fn level(&self, place: Place) -> Option<i64> {
        self.levels.get(&place).map(|level| level.available)
    }

    /// Every place that has a level.
    pub(crate) fn places(&self) -> Vec<Place> {
        self.levels.keys().copied().collect()
    }

    /// Where an item can be sold.
    pub(super) fn stocked_at(&self, item: ItemId) -> Vec<LocationId> {
        let active = self.active_locations().into_iter();
        active
            .filter(|location| self.levels.contains_key(&(item, *location)))
            .collect()
    }

    /// Changes a level that exists, and tells subscribers.
    pub(super) fn shift(&mut self, place: Place, delta: i64) {
        let stamp = self.stamp();
        let Some(level) = self.levels.get_mut(&place) else {
            return;
        };
        level.available += delta;
        level.stamp = stamp;
        self.emit("inventory_levels/update", Subject::Level(place));
    }

    /// Units that an order takes (negative) or gives back.
    pub(super) fn move_units(&mut self, place: Place, delta: i64, order: (OrderId, Timestamp)) {
        self.reference.moved(place, delta, order);
        self.shift(place, delta);
    }

    /// A merchant, or another app, changes a level.
    pub(crate) fn edit_level(&mut self, place: Place, delta: i64) {
        if self.levels.contains_key(&place) {
            self.reference.stocked(place, delta);
            self.shift(place, delta);
        }
    }

    /// An item is stocked at a location from now on.
    pub(crate) fn connect(&mut self, place: Place, available: i64) {
        let is_live = self.items.get(&place.0).is_some_and(|item| !item.gone);
        if self.levels.contains_key(&place) || !is_live {
            return;
        }
        self.reference.stocked(place, available);
        // What was sold here before could not be taken.
        self.ever_unstocked = true;
        self.put_level(place, available);
    }

    pub(super) fn put_level(&mut self, place: Place, available: i64) {
        let stamp = self.stamp();
        self.levels.insert(place, Level { available, stamp });
        self.emit("inventory_levels/connect", Subject::Level(place));
    }

    /// An item is no longer stocked at a location; its count is lost. An item always keeps one level.
    pub(crate) fn disconnect(&mut self, place: Place) {
        let levels = self.levels.keys().filter(|other| other.0 == place.0);
        if levels.count() < 2 || self.levels.remove(&place).is_none() {
            return;
        }
        self.reference.leave_unjudged(place);
        self.emit("inventory_levels/disconnect", Subject::LevelGone(place));
    }
}

impl Shop {
    /// Whether the platform has, or had, a reason to refuse a write for good.
    pub(crate) fn may_refuse(&self) -> bool {
        let unstocked = |item: &ItemId| {
            self.locations
                .keys()
                .any(|location| !self.levels.contains_key(&(*item, *location)))
        };
        self.items.values().any(|item| item.gone || item.composite)
            || self.items.keys().any(unstocked)
            || self.ever_unstocked
    }
}
