//! Units of components that bundles are not made of: kept for those who buy the component alone.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::bundle::availability::LEVEL_MAX;
use crate::ids::ItemId;

/// How many units of each component are kept back, at each location.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SafetyStock {
    /// Of every component that is not named.
    pub usual: i64,
    pub items: BTreeMap<ItemId, i64>,
}

/// Why a safety stock is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SafetyStockRefusal {
    #[error("a safety stock is from 0 to {LEVEL_MAX}, and not {0}")]
    OutOfRange(i64),
    #[error("safety stock is given for {0} items, more than {max}", max = SafetyStock::ITEMS_MAX)]
    TooManyItems(usize),
}

impl SafetyStock {
    /// Components that may have one of their own.
    pub const ITEMS_MAX: usize = 5_000;

    /// Units of a component kept back at each location.
    #[must_use]
    pub fn of(&self, item: ItemId) -> i64 {
        self.items.get(&item).copied().unwrap_or(self.usual)
    }

    /// Whether it may be kept.
    ///
    /// # Errors
    /// A number is negative or above what the platform counts, or there are too many.
    pub fn check(&self) -> Result<(), SafetyStockRefusal> {
        if self.items.len() > Self::ITEMS_MAX {
            return Err(SafetyStockRefusal::TooManyItems(self.items.len()));
        }
        let mut all = self.items.values().chain([&self.usual]);
        match all.find(|units| !(0..=LEVEL_MAX).contains(*units)) {
            Some(units) => Err(SafetyStockRefusal::OutOfRange(*units)),
            None => Ok(()),
        }
    }
}
