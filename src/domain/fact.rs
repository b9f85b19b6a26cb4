//! What the platform tells, by webhook or by read, translated into our words by `platform`.
//!
//! A fact is a snapshot or a signal, never a command: it may be late, repeated, out of order or missing.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::ids::{
    FulfillmentOrderId, ItemId, LineId, LocationId, OrderId, ProductId, RefundId, VariantId,
};

/// What one webhook says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// The full state of an order as of its `updated_at`.
    Order(OrderSnapshot),
    /// A refund, complete in itself; refunds are never changed afterwards.
    Refund(RefundSnapshot),
    /// An order changed in a way that the webhook does not describe: read it.
    OrderTouched(OrderId),
    /// A fulfillment order changed, and the webhook does not name its order.
    PartTouched(FulfillmentOrderId),
    /// The order was deleted; goods stay consumed.
    OrderDeleted(OrderId),
    /// The level of an item at a location.
    Level(LevelSnapshot),
    /// The item is no longer stocked at the location.
    LevelGone { item: ItemId, location: LocationId },
    /// The item's own settings.
    Item(ItemSnapshot),
    /// The item was deleted.
    ItemGone(ItemId),
    /// A product with its variants' settings.
    Product(ProductSnapshot),
    /// The product was deleted, with all its variants.
    ProductGone(ProductId),
    /// A location appeared, went, or was switched on or off: read them all.
    LocationsTouched,
    /// The merchant uninstalled the app.
    Uninstalled,
    /// A topic that no part of the store needs.
    Unneeded,
    /// No part of the store is interested: its keeper found that by what it mentions, and did not read it whole.
    Naked,
}

impl Fact {
    /// The order that it is about.
    #[must_use]
    pub const fn order(&self) -> Option<OrderId> {
        match self {
            Self::Order(snapshot) => Some(snapshot.order),
            Self::Refund(refund) => Some(refund.order),
            Self::OrderTouched(order) | Self::OrderDeleted(order) => Some(*order),
            Self::PartTouched(_)
            | Self::Level(_)
            | Self::LevelGone { .. }
            | Self::Item(_)
            | Self::ItemGone(_)
            | Self::Product(_)
            | Self::ProductGone(_)
            | Self::LocationsTouched
            | Self::Uninstalled
            | Self::Unneeded
            | Self::Naked => None,
        }
    }
}

/// An order as the platform describes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderSnapshot {
    pub order: OrderId,
    /// Platform time, resolution one second.
    pub created_at: Timestamp,
    /// Platform time, resolution one second.
    pub updated_at: Timestamp,
    pub cancelled: bool,
    /// Payment was received in full, whatever was given back since.
    #[serde(default)]
    pub paid: bool,
    /// Set for a point-of-sale order; online orders have none.
    pub location: Option<LocationId>,
    pub lines: Vec<LineSnapshot>,
    pub refunds: Vec<RefundSnapshot>,
}

/// A line of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineSnapshot {
    pub line: LineId,
    /// `None` for a custom line or a deleted variant.
    pub variant: Option<VariantId>,
    pub product: Option<ProductId>,
    /// Units as ordered, before refunds and removals; never negative.
    pub quantity: i64,
}

/// A refund of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefundSnapshot {
    pub refund: RefundId,
    pub order: OrderId,
    pub lines: Vec<RefundLine>,
}

/// What a refund gives back of one order line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefundLine {
    pub line: LineId,
    /// Known from the embedded line item; tells whether a refund of an unknown order concerns us.
    pub variant: Option<VariantId>,
    /// Units, never negative.
    pub quantity: i64,
    pub restock: Restock,
    /// Where the goods went back to, when they did.
    pub location: Option<LocationId>,
}

/// What happens to refunded goods (`restock_type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Restock {
    /// `no_restock` and unknown values: the goods are gone.
    None,
    /// `cancel`: not yet fulfilled, back on the shelf.
    Cancel,
    /// `return`: delivered and returned to the shelf.
    Return,
    /// `legacy_restock`: back on the shelf, by an older interface.
    Legacy,
}

impl Restock {
    /// Whether stock comes back.
    #[must_use]
    pub const fn gives_back(self) -> bool {
        match self {
            Self::None => false,
            Self::Cancel | Self::Return | Self::Legacy => true,
        }
    }
}

/// A stock level as the platform reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LevelSnapshot {
    pub item: ItemId,
    pub location: LocationId,
    /// `None`: the item is not tracked, stock is unlimited. May be negative.
    pub available: Option<i64>,
    /// Platform time, resolution one second.
    pub updated_at: Timestamp,
}

/// An inventory item's settings. What a source does not tell is `None` and leaves the known value alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemSnapshot {
    pub item: ItemId,
    pub variant: Option<VariantId>,
    pub product: Option<ProductId>,
    pub tracked: Option<bool>,
    /// Continue selling when out of stock.
    pub sells_when_out: Option<bool>,
    /// A native bundle of the platform: its stock cannot be written.
    pub composite: Option<bool>,
}

/// A product's variants and their settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProductSnapshot {
    pub product: ProductId,
    pub updated_at: Option<Timestamp>,
    pub variants: Vec<VariantSnapshot>,
}

/// A variant's settings as a product webhook tells them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VariantSnapshot {
    pub variant: VariantId,
    /// Continue selling when out of stock (`inventory_policy: continue`).
    pub sells_when_out: bool,
}

/// A location.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LocationSnapshot {
    pub location: LocationId,
    pub active: bool,
}

/// How many units of an order line a location is to ship.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    pub line: LineId,
    pub location: LocationId,
    /// Units, positive.
    pub quantity: i64,
}

/// What the platform tells of where an order's units are taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assignments {
    pub current: Vec<Assignment>,
    /// Of fulfillment orders that were cancelled, newest first. They place units that no current one tells of, such as
    /// those of an order that was cancelled without restock; of units that moved on they are history.
    pub former: Vec<Assignment>,
}
