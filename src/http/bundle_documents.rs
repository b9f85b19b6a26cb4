//! Bundles as merchants write and read them.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::domain::bundle::availability::{LeafExplanation, LocationExplanation};
use crate::domain::bundle::{Bundle, Component, Mode, Stock, explain};
use crate::domain::store::BundleView;
use crate::domain::store::command::{BundleDraft, DraftComponent};
use crate::http::extract::{OnlyObject, WireItem};
use crate::ids::{BundleId, ItemId, LocationId};
use crate::keeper::Board;

/// A bundle as a merchant defines it.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BundleBody {
    title: String,
    /// The inventory item on the platform whose stock is the bundle's.
    #[schema(value_type = String)]
    item: WireItem,
    mode: WireMode,
    /// The most units ever offered.
    #[serde(default)]
    cap: Option<i64>,
    #[schema(value_type = Vec<ComponentBody>)]
    components: Vec<OnlyObject<ComponentBody>>,
}

/// A part of a bundle.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ComponentBody {
    #[schema(value_type = String)]
    item: WireItem,
    /// Units in one bundle, at least 1.
    quantity: i64,
    /// Its absence does not stop the bundle from selling.
    #[serde(default)]
    optional: bool,
}

/// How the components' levels make the bundle's.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum WireMode {
    /// Ships from one location; counted at each.
    ShipTogether,
    /// Components may come from several locations.
    Pooled,
    /// Only the location with the lowest id counts.
    SingleLocation,
}

impl From<WireMode> for Mode {
    fn from(mode: WireMode) -> Self {
        match mode {
            WireMode::ShipTogether => Self::ShipTogether,
            WireMode::Pooled => Self::Pooled,
            WireMode::SingleLocation => Self::SingleLocation,
        }
    }
}

impl From<Mode> for WireMode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::ShipTogether => Self::ShipTogether,
            Mode::Pooled => Self::Pooled,
            Mode::SingleLocation => Self::SingleLocation,
        }
    }
}

impl BundleBody {
    /// As the keeper takes it.
    pub(crate) fn into_draft(self, id: BundleId, replaces: bool, now: Timestamp) -> BundleDraft {
        let component = |OnlyObject(component): OnlyObject<ComponentBody>| DraftComponent {
            item: component.item.0,
            quantity: component.quantity,
            optional: component.optional,
        };
        BundleDraft {
            id,
            replaces,
            title: self.title,
            item: self.item.0,
            mode: self.mode.into(),
            cap: self.cap,
            components: self.components.into_iter().map(component).collect(),
            seen: None,
            arrived_at: now,
        }
    }
}

/// A bundle as a merchant reads it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct BundleDocument {
    id: String,
    title: String,
    item: String,
    variant: String,
    product: String,
    mode: WireMode,
    cap: Option<i64>,
    components: Vec<ComponentDocument>,
    /// Orders made from then on use this recipe.
    effective_from: Option<String>,
}

/// A part of a bundle, with what the platform knows it by.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct ComponentDocument {
    item: String,
    variant: String,
    product: String,
    quantity: i64,
    optional: bool,
}

impl BundleDocument {
    pub(crate) fn of(bundle: &Bundle) -> Self {
        let recipe = bundle.recipes.last();
        Self {
            id: bundle.id.to_string(),
            title: bundle.title.clone(),
            item: bundle.item.to_string(),
            variant: bundle.variant.to_string(),
            product: bundle.product.to_string(),
            mode: bundle.mode.into(),
            cap: bundle.cap,
            components: recipe
                .map(|recipe| {
                    recipe
                        .components
                        .iter()
                        .map(ComponentDocument::of)
                        .collect()
                })
                .unwrap_or_default(),
            effective_from: recipe.map(|recipe| recipe.effective_from.to_rfc3339()),
        }
    }
}

impl ComponentDocument {
    fn of(component: &Component) -> Self {
        Self {
            item: component.item.to_string(),
            variant: component.variant.to_string(),
            product: component.product.to_string(),
            quantity: component.quantity,
            optional: component.optional,
        }
    }
}

/// Why a bundle has the stock it has.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct WhyDocument {
    bundle: String,
    item: String,
    mode: WireMode,
    cap: Option<i64>,
    /// Over all locations, after mode and cap; `null`: nothing limits it.
    available: Option<i64>,
    unlimited: bool,
    /// Pooled only: the component that limits the sum.
    limiting: Option<String>,
    locations: Vec<WhyLocation>,
    /// The instant of the numbers.
    at: String,
}

/// One location's part in it.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct WhyLocation {
    location: String,
    /// What could ship from here alone, before mode and cap; `null`: nothing limits it.
    available: Option<i64>,
    unlimited: bool,
    /// The component that allows the fewest here.
    limiting: Option<String>,
    /// The level that the bundle should have here on the platform; `null`: none is written.
    wanted: Option<i64>,
    components: Vec<WhyComponent>,
}

/// A component's raw level at a location.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct WhyComponent {
    item: String,
    /// Units in one bundle, nested bundles resolved.
    quantity: i64,
    /// As the platform has it, possibly negative; `null`: not stocked here, or not counted.
    level: Option<i64>,
    unlimited: bool,
    /// Units of the level that no bundle is made of.
    safety_stock: i64,
    /// So many were sold that are not there.
    oversold: i64,
}

impl WhyDocument {
    pub(crate) fn of(board: &Board, view: &BundleView) -> Self {
        let level = |item, location| stock_at(board, item, location);
        let explanation = explain(
            &view.bundle,
            &view.limiting_needs,
            board.active_locations(),
            &level,
            &board.policy().safety_stock,
        );
        Self {
            bundle: view.bundle.id.to_string(),
            item: view.bundle.item.to_string(),
            mode: view.bundle.mode.into(),
            cap: view.bundle.cap,
            available: units(explanation.availability),
            unlimited: explanation.availability == Stock::Unlimited,
            limiting: explanation.pooled_limiting.map(|item| item.to_string()),
            locations: explanation.locations.iter().map(WhyLocation::of).collect(),
            at: board.at.to_rfc3339(),
        }
    }
}

impl WhyLocation {
    fn of(explanation: &LocationExplanation) -> Self {
        Self {
            location: explanation.location.to_string(),
            available: units(explanation.availability),
            unlimited: explanation.availability == Stock::Unlimited,
            limiting: explanation.limiting.map(|item| item.to_string()),
            wanted: explanation.wanted,
            components: explanation.leaves.iter().map(WhyComponent::of).collect(),
        }
    }
}

impl WhyComponent {
    fn of(leaf: &LeafExplanation) -> Self {
        Self {
            item: leaf.item.to_string(),
            quantity: leaf.need,
            level: leaf.level.and_then(units),
            unlimited: leaf.level == Some(Stock::Unlimited),
            safety_stock: leaf.safety_stock,
            oversold: leaf
                .level
                .and_then(units)
                .map_or(0, |units| units.min(0).saturating_neg()),
        }
    }
}

/// An item's stock at a location, as the board has it.
pub(crate) fn stock_at(board: &Board, item: ItemId, location: LocationId) -> Option<Stock> {
    let leaf = board.leaf(item)?;
    if leaf.unlimited {
        return Some(Stock::Unlimited);
    }
    leaf.levels
        .get(&location)
        .map(|level| level.map_or(Stock::Unlimited, Stock::Units))
}

/// A number where there is one.
pub(crate) const fn units(stock: Stock) -> Option<i64> {
    match stock {
        Stock::Unlimited => None,
        Stock::Units(units) => Some(units),
    }
}
