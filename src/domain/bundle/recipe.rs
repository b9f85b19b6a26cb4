//! What a bundle is made of, over time.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::ids::{BundleId, ItemId, ProductId, VariantId};

/// A bundle with every recipe it ever had. Deleted bundles are kept: orders made under them still need the recipe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bundle {
    pub id: BundleId,
    pub title: String,
    /// The bundle's own inventory item: whose level we write.
    pub item: ItemId,
    pub variant: VariantId,
    pub product: ProductId,
    pub mode: Mode,
    /// The most units ever offered, over all locations together; `None`: no limit.
    pub cap: Option<i64>,
    /// Ascending by `effective_from`, not overlapping.
    pub recipes: Vec<Recipe>,
    pub deleted: bool,
}

/// A recipe and the time for which it is in force, `[effective_from, effective_to)`, platform time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipe {
    pub effective_from: Timestamp,
    pub effective_to: Option<Timestamp>,
    pub components: Vec<Component>,
}

/// A part of a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Component {
    pub item: ItemId,
    /// The item's variant and product, resolved on saving: webhooks name items by these.
    pub variant: VariantId,
    pub product: ProductId,
    /// Units in one bundle, at least 1.
    pub quantity: i64,
    /// Consumed when the bundle sells, but its absence does not stop the bundle from selling.
    pub optional: bool,
}

/// How the components' levels make the bundle's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// A bundle ships from one location: counted per location, and written per location.
    ShipTogether,
    /// Components may come from several locations: counted over their sums.
    Pooled,
    /// Only the location with the lowest id counts.
    SingleLocation,
}

/// Why a bundle cannot be defined so. Replaced by the real list.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BundleRefusal {
    #[error("a bundle needs at least one component")]
    NoComponents,
}

impl BundleRefusal {
    /// Its stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoComponents => "no_components",
        }
    }
}

impl Bundle {
    /// The recipe that was in force at `at`, of a deleted bundle too.
    #[must_use]
    pub fn recipe_at(&self, at: Timestamp) -> Option<&Recipe> {
        self.recipes
            .iter()
            .rev()
            .find(|recipe| recipe.is_in_force_at(at))
    }

    /// The recipe that is in force until further notice; none for a deleted bundle.
    #[must_use]
    pub fn current_recipe(&self) -> Option<&Recipe> {
        if self.deleted {
            return None;
        }
        self.recipes
            .last()
            .filter(|recipe| recipe.effective_to.is_none())
    }
}

impl Recipe {
    /// Whether `at` lies in `[effective_from, effective_to)`.
    #[must_use]
    pub fn is_in_force_at(&self, at: Timestamp) -> bool {
        self.effective_from <= at && self.effective_to.is_none_or(|end| at < end)
    }
}
