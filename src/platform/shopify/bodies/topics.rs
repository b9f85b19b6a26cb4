//! From a topic to the shape of its body.

use serde::Deserialize;

use crate::domain::fact::Fact;
use crate::domain::interest::Mentions;
use crate::ids::{ItemId, OrderId, ProductId};
use crate::platform::Malformed;
use crate::platform::shopify::bodies::fulfillment_order;
use crate::platform::shopify::bodies::item::ItemBody;
use crate::platform::shopify::bodies::level::LevelBody;
use crate::platform::shopify::bodies::order::{OrderBody, OrderEditBody};
use crate::platform::shopify::bodies::product::ProductBody;
use crate::platform::shopify::bodies::refund::RefundBody;
use crate::platform::shopify::scalar::{Id, Scalar, read_object};

/// Every topic that a store must be subscribed to.
pub const NEEDED_TOPICS: [&str; 21] = [
    "orders/create",
    "orders/updated",
    "orders/edited",
    "orders/cancelled",
    "orders/delete",
    "refunds/create",
    "inventory_levels/connect",
    "inventory_levels/update",
    "inventory_levels/disconnect",
    "inventory_items/create",
    "inventory_items/update",
    "inventory_items/delete",
    "products/create",
    "products/update",
    "products/delete",
    "locations/create",
    "locations/update",
    "locations/delete",
    "locations/activate",
    "locations/deactivate",
    "app/uninstalled",
];

/// Topics that make stores with several locations follow faster; they need a scope that not every app has, and without
/// them the next change of the order tells.
pub const WANTED_TOPICS: [&str; 4] = [
    "fulfillment_orders/moved",
    "fulfillment_orders/order_routing_complete",
    "fulfillment_orders/cancelled",
    "fulfillment_orders/split",
];

/// The shapes of bodies that we read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Order,
    OrderEdit,
    OrderDeletion,
    Refund,
    Level,
    LevelDeletion,
    Item,
    ItemDeletion,
    Product,
    ProductDeletion,
    Location,
    FulfillmentOrder,
    Uninstallation,
    Unneeded,
}

fn shape_of(topic: &str) -> Shape {
    match topic {
        "orders/create"
        | "orders/updated"
        | "orders/paid"
        | "orders/cancelled"
        | "orders/fulfilled"
        | "orders/partially_fulfilled" => Shape::Order,
        "orders/edited" => Shape::OrderEdit,
        "orders/delete" => Shape::OrderDeletion,
        "refunds/create" => Shape::Refund,
        "inventory_levels/connect" | "inventory_levels/update" => Shape::Level,
        "inventory_levels/disconnect" => Shape::LevelDeletion,
        "inventory_items/create" | "inventory_items/update" => Shape::Item,
        "inventory_items/delete" => Shape::ItemDeletion,
        "products/create" | "products/update" => Shape::Product,
        "products/delete" => Shape::ProductDeletion,
        "app/uninstalled" => Shape::Uninstallation,
        other if other.starts_with("locations/") => Shape::Location,
        other if other.starts_with("fulfillment_orders/") => Shape::FulfillmentOrder,
        _ => Shape::Unneeded,
    }
}

/// Translates a webhook's body.
///
/// # Errors
/// The body is not what the topic promises; says where and why.
pub fn parse(topic: &str, body: &[u8]) -> Result<Fact, Malformed> {
    Ok(match shape_of(topic) {
        Shape::Order => Fact::Order(read_object::<OrderBody>(body)?.into_snapshot()?),
        Shape::OrderEdit => Fact::OrderTouched(read_object::<OrderEditBody>(body)?.order()?),
        Shape::OrderDeletion => Fact::OrderDeleted(OrderId(read_subject(body)?)),
        Shape::Refund => Fact::Refund(read_object::<RefundBody>(body)?.into_snapshot(None)?),
        Shape::Level => Fact::Level(read_object::<LevelBody>(body)?.into_snapshot()?),
        Shape::LevelDeletion => {
            let (item, location) = read_object::<LevelBody>(body)?.place()?;
            Fact::LevelGone { item, location }
        }
        Shape::Item => Fact::Item(read_object::<ItemBody>(body)?.into_snapshot()?),
        Shape::ItemDeletion => Fact::ItemGone(ItemId(read_subject(body)?)),
        Shape::Product => Fact::Product(read_object::<ProductBody>(body)?.into_snapshot()?),
        Shape::ProductDeletion => Fact::ProductGone(ProductId(read_subject(body)?)),
        Shape::Location => Fact::LocationsTouched,
        Shape::FulfillmentOrder => fulfillment_order::parse(topic, body)?,
        Shape::Uninstallation => Fact::Uninstalled,
        Shape::Unneeded => Fact::Unneeded,
    })
}

/// What a body is about, when it may be naked at all: its topic is on the closed list of D10, and it names all its
/// lines or items. `None` in every other case, a malformed body included, and the webhook is stored.
#[must_use]
pub fn mentions(topic: &str, body: &[u8]) -> Option<Mentions> {
    match shape_of(topic) {
        Shape::Order => read_object::<OrderBody>(body).ok()?.mentions(),
        Shape::Refund => read_object::<RefundBody>(body).ok()?.mentions(),
        Shape::Level | Shape::LevelDeletion => {
            let (item, _) = read_object::<LevelBody>(body).ok()?.place().ok()?;
            Some(Mentions {
                items: vec![item],
                ..Mentions::default()
            })
        }
        Shape::Item | Shape::ItemDeletion => {
            let item = ItemId(read_subject(body).ok()?);
            Some(Mentions {
                items: vec![item],
                ..Mentions::default()
            })
        }
        Shape::Product => read_object::<ProductBody>(body).ok()?.mentions(),
        Shape::ProductDeletion => {
            let product = ProductId(read_subject(body).ok()?);
            Some(Mentions {
                products: vec![product],
                ..Mentions::default()
            })
        }
        // An edit adds lines without saying of what, and a deletion may overtake the order that it deletes.
        Shape::OrderEdit | Shape::OrderDeletion => None,
        Shape::Location | Shape::FulfillmentOrder | Shape::Uninstallation | Shape::Unneeded => None,
    }
}

/// What a deletion's body says: who is gone.
#[derive(Deserialize)]
struct Subject {
    #[serde(default)]
    id: Scalar<Id>,
    #[serde(default)]
    admin_graphql_api_id: Scalar<Id>,
}

fn read_subject(body: &[u8]) -> Result<i64, Malformed> {
    let subject = read_object::<Subject>(body)?;
    let Id(id) = subject
        .id
        .or_global(subject.admin_graphql_api_id)
        .required("id")?;
    Ok(id)
}
