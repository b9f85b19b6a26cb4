//! Global ids, as GraphQL writes them.

use std::fmt;

use serde::{Serialize, Serializer};

/// `gid://shopify/{kind}/{id}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gid {
    pub(super) kind: &'static str,
    pub(super) id: i64,
}

impl Gid {
    pub(super) const fn item(id: crate::ids::ItemId) -> Self {
        Self {
            kind: "InventoryItem",
            id: id.0,
        }
    }

    pub(super) const fn location(id: crate::ids::LocationId) -> Self {
        Self {
            kind: "Location",
            id: id.0,
        }
    }

    pub(super) const fn fulfillment_order(id: crate::ids::FulfillmentOrderId) -> Self {
        Self {
            kind: "FulfillmentOrder",
            id: id.0,
        }
    }

    pub(super) const fn order(id: crate::ids::OrderId) -> Self {
        Self {
            kind: "Order",
            id: id.0,
        }
    }
}

impl fmt::Display for Gid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "gid://shopify/{}/{}", self.kind, self.id)
    }
}

impl Serialize for Gid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
