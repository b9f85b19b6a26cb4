//! Owns stock levels: the eight quantities of one item at one location and how
//! a change of one of them is applied, stamped, logged and made known.

use serde::Serialize;

use super::{
    clock::Moment,
    ids::LevelKey,
    oracle::{Cause, LevelChange},
    shop::{Action, Shop, Subject},
};

/// The kept quantities. `on_hand` is derived from them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StockState {
    /// For sale. May be negative.
    Available,
    /// Sold and not yet sent.
    Committed,
    /// Set aside.
    Reserved,
    /// Damaged.
    Damaged,
    /// Held back for safety.
    SafetyStock,
    /// Being inspected.
    QualityControl,
    /// On its way; not part of `on_hand`.
    Incoming,
}

impl StockState {
    pub(super) const ALL: [Self; 7] = [
        Self::Available,
        Self::Committed,
        Self::Reserved,
        Self::Damaged,
        Self::SafetyStock,
        Self::QualityControl,
        Self::Incoming,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Available => "available",
            Self::Committed => "committed",
            Self::Reserved => "reserved",
            Self::Damaged => "damaged",
            Self::SafetyStock => "safety_stock",
            Self::QualityControl => "quality_control",
            Self::Incoming => "incoming",
        }
    }

    pub(super) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// Whether a change of it is also one of `on_hand`.
    pub(super) const fn is_on_hand(self) -> bool {
        !matches!(self, Self::Incoming)
    }
}

/// The quantities of one item at one location.
#[derive(Debug, Clone, Serialize)]
pub struct Level {
    /// For sale.
    pub available: i64,
    /// Sold and not yet sent.
    pub committed: i64,
    /// Set aside.
    pub reserved: i64,
    /// Damaged.
    pub damaged: i64,
    /// Held back for safety.
    pub safety_stock: i64,
    /// Being inspected.
    pub quality_control: i64,
    /// On its way.
    pub incoming: i64,
    /// Last change of any of them.
    pub updated_at: Moment,
    /// `available` before its last change: what a stale read shows.
    #[serde(skip)]
    pub(super) available_before: i64,
}

impl Level {
    pub(super) const fn empty(now: Moment) -> Self {
        Self {
            available: 0,
            committed: 0,
            reserved: 0,
            damaged: 0,
            safety_stock: 0,
            quality_control: 0,
            incoming: 0,
            updated_at: now,
            available_before: 0,
        }
    }

    pub(super) const fn get(&self, state: StockState) -> i64 {
        match state {
            StockState::Available => self.available,
            StockState::Committed => self.committed,
            StockState::Reserved => self.reserved,
            StockState::Damaged => self.damaged,
            StockState::SafetyStock => self.safety_stock,
            StockState::QualityControl => self.quality_control,
            StockState::Incoming => self.incoming,
        }
    }

    const fn get_mut(&mut self, state: StockState) -> &mut i64 {
        match state {
            StockState::Available => &mut self.available,
            StockState::Committed => &mut self.committed,
            StockState::Reserved => &mut self.reserved,
            StockState::Damaged => &mut self.damaged,
            StockState::SafetyStock => &mut self.safety_stock,
            StockState::QualityControl => &mut self.quality_control,
            StockState::Incoming => &mut self.incoming,
        }
    }

    /// All units in the building.
    pub fn on_hand(&self) -> i64 {
        StockState::ALL
            .into_iter()
            .filter(|state| state.is_on_hand())
            .map(|state| self.get(state))
            .sum()
    }

    /// `available`, as it is or as a stale read shows it.
    pub(super) const fn seen(&self, stale: bool) -> i64 {
        if stale {
            self.available_before
        } else {
            self.available
        }
    }
}

impl Shop {
    /// Changes one quantity of a tracked item's level. Says nothing to
    /// subscribers yet: [`Shop::announce_levels`] does so once per action.
    pub(super) fn shift(&mut self, action: Action, key: LevelKey, shift: Shift) {
        if shift.delta == 0 || !self.is_tracked(key.item) {
            return;
        }
        let level = self
            .levels
            .entry(key)
            .or_insert_with(|| Level::empty(action.now));
        if shift.state == StockState::Available {
            level.available_before = level.available;
            self.touched.insert(key);
        }
        let quantity = level.get_mut(shift.state);
        *quantity += shift.delta;
        let after = *quantity;
        level.updated_at = action.now;
        self.log.level(LevelChange {
            at: action.now,
            key,
            state: shift.state,
            delta: shift.delta,
            after,
            cause: shift.cause,
        });
    }

    /// Makes a level of nothing, unless there is one. True when it was made.
    pub(super) fn connect(&mut self, action: Action, key: LevelKey) -> bool {
        if self.levels.contains_key(&key) {
            return false;
        }
        self.levels.insert(key, Level::empty(action.now));
        self.emit(action, "inventory_levels/connect", Subject::Level(key));
        true
    }

    /// Tells subscribers of every level whose `available` changed.
    pub(super) fn announce_levels(&mut self, action: Action) {
        for key in std::mem::take(&mut self.touched) {
            self.emit(action, "inventory_levels/update", Subject::Level(key));
        }
    }

    /// Sets `available` of a level from outside, logged as the delta it is.
    pub(super) fn edit_from_outside(
        &mut self,
        action: Action,
        key: LevelKey,
        available: i64,
        cause: Cause,
    ) {
        self.connect(action, key);
        let before = self.levels.get(&key).map_or(0, |level| level.available);
        let shift = Shift {
            state: StockState::Available,
            delta: available - before,
            cause,
        };
        self.shift(action, key, shift);
        self.announce_levels(action);
    }

    /// The levels of one item, in ascending order of location.
    pub(super) fn levels_of(&self, item: i64) -> impl Iterator<Item = (LevelKey, &Level)> {
        let from = LevelKey {
            item,
            location: i64::MIN,
        };
        let to = LevelKey {
            item,
            location: i64::MAX,
        };
        self.levels
            .range(from..=to)
            .map(|(key, level)| (*key, level))
    }
}

/// A change to be made to one quantity.
#[derive(Debug, Clone)]
pub(super) struct Shift {
    pub(super) state: StockState,
    pub(super) delta: i64,
    pub(super) cause: Cause,
}

impl Shift {
    pub(super) const fn available(delta: i64, cause: Cause) -> Self {
        Self {
            state: StockState::Available,
            delta,
            cause,
        }
    }

    pub(super) const fn committed(delta: i64, cause: Cause) -> Self {
        Self {
            state: StockState::Committed,
            delta,
            cause,
        }
    }
}
