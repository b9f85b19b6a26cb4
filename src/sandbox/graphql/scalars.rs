//! The plain fields of every kind of object.

use serde_json::{Value, json};

use super::node::Node;
use crate::sandbox::{
    bodies,
    catalog::{Item, Location, Product, Variant},
    fulfilment::FulfilmentOrder,
    ids::{LevelKey, gid, level_gid},
    order::{Line, Order},
    refunds::{Refund, RestockType},
    shop::Shop,
    subscriptions::{Subscription, enum_topic},
};

/// All plain fields of an object; null when it is gone.
pub(super) fn of(shop: &Shop, node: &Node) -> Value {
    find(shop, node).unwrap_or(Value::Null)
}

fn find(shop: &Shop, node: &Node) -> Option<Value> {
    let catalog = &shop.catalog;
    let order_of = |order: &i64| shop.orders.get(order);
    Some(match node {
        Node::Shop => settings(shop),
        Node::Item(id) => item(catalog.items.get(id)?),
        Node::Variant(id) => variant(shop, catalog.variants.get(id)?),
        Node::Product(id) => product(shop, catalog.products.get(id)?),
        Node::Level(key) => level(shop, *key)?,
        Node::Location(id) => location(catalog.locations.get(id)?),
        Node::Order(id) => order(order_of(id)?),
        Node::Line { order, line } => {
            let order = order_of(order)?;
            line_item(order, order.line(*line)?)
        }
        Node::Refund { order, refund } => {
            let mut refunds = order_of(order)?.refunds.iter();
            refund_made(refunds.find(|made| made.id == *refund)?)
        }
        Node::RefundLine {
            order,
            refund,
            line,
        } => {
            let mut refunds = order_of(order)?.refunds.iter();
            let found = refunds.find(|made| made.id == *refund)?;
            let refunded = found.lines.iter().find(|made| made.id == *line)?;
            json!({
                "id": gid("RefundLineItem", refunded.id),
                "quantity": refunded.quantity,
                "restockType": refunded.restock_type.name().to_uppercase(),
                "restocked": refunded.restock_type != RestockType::NoRestock,
            })
        }
        Node::FulfilmentOrder { order, part } => {
            let order = order_of(order)?;
            let mut parts = order.fulfilment_orders.iter();
            fulfilment_order(order, parts.find(|found| found.id == *part)?)
        }
        Node::FulfilmentLine { order, part, line } => {
            let order = order_of(order)?;
            let mut parts = order.fulfilment_orders.iter();
            let found = parts.find(|found| found.id == *part)?;
            let waiting = found.lines.iter().find(|found| found.id == *line)?;
            let sold = order.line(waiting.line)?;
            json!({
                "id": gid("FulfillmentOrderLineItem", waiting.id),
                "totalQuantity": waiting.total,
                "remainingQuantity": waiting.remaining,
                "sku": sold.sku,
                "inventoryItemId": gid("InventoryItem", sold.item),
            })
        }
        Node::Subscription(id) => subscription(shop.subscriptions.get(id)?),
        Node::Bulk(id) => shop.bulk.get(id)?.scalars(),
        Node::Made(made) => made.scalars.clone(),
    })
}

fn settings(shop: &Shop) -> Value {
    json!({
        "id": gid("Shop", shop.id),
        "name": "Super Toys",
        "email": "super@supertoys.com",
        "myshopifyDomain": shop.domain,
        "currencyCode": "USD",
        "ianaTimezone": "America/New_York",
        "createdAt": shop.created_at.utc(),
    })
}

fn item(item: &Item) -> Value {
    json!({
        "id": gid("InventoryItem", item.id),
        "legacyResourceId": item.id.to_string(),
        "sku": item.sku,
        "tracked": item.tracked,
        "requiresShipping": true,
        "createdAt": item.created_at.utc(),
        "updatedAt": item.updated_at.utc(),
    })
}

fn level(shop: &Shop, key: LevelKey) -> Option<Value> {
    let level = shop.levels.get(&key)?;
    Some(json!({
        "id": level_gid(key),
        "isActive": true,
        "canDeactivate": true,
        "createdAt": level.updated_at.utc(),
        "updatedAt": level.updated_at.utc(),
    }))
}

fn location(location: &Location) -> Value {
    json!({
        "id": gid("Location", location.id),
        "legacyResourceId": location.id.to_string(),
        "name": location.name,
        "isActive": location.active,
        "fulfillsOnlineOrders": true,
        "createdAt": location.created_at.utc(),
    })
}

fn variant(shop: &Shop, variant: &Variant) -> Value {
    let levels = shop.levels_of(variant.item);
    let quantity: i64 = levels.map(|(_, level)| level.available).sum();
    json!({
        "id": gid("ProductVariant", variant.id),
        "legacyResourceId": variant.id.to_string(),
        "title": variant.title,
        "displayName": variant.title,
        "sku": variant.sku,
        "price": variant.price.to_string(),
        "position": variant.position,
        "inventoryPolicy": if variant.continue_selling { "CONTINUE" } else { "DENY" },
        "inventoryQuantity": quantity,
        "sellableOnlineQuantity": quantity,
        "requiresComponents": variant.native_bundle,
        "createdAt": variant.created_at.utc(),
        "updatedAt": variant.updated_at.utc(),
    })
}

fn product(shop: &Shop, product: &Product) -> Value {
    let native = |found: &Variant| found.native_bundle;
    let items = shop.catalog.variants_of(product).map(|found| found.item);
    let levels = items.flat_map(|item| shop.levels_of(item));
    let total: i64 = levels.map(|(_, level)| level.available).sum();
    json!({
        "id": gid("Product", product.id),
        "legacyResourceId": product.id.to_string(),
        "title": product.title,
        "handle": product.title.to_lowercase().replace(' ', "-"),
        "status": "ACTIVE",
        "vendor": "Acme",
        "productType": "Example",
        "totalInventory": total,
        "hasVariantsThatRequiresComponents": shop.catalog.variants_of(product).any(native),
        "createdAt": product.created_at.utc(),
        "updatedAt": product.updated_at.utc(),
    })
}

fn order(order: &Order) -> Value {
    let reason = order.cancel_reason.as_ref();
    let open = order
        .lines
        .iter()
        .any(|line| order.fulfillable(line.id) > 0);
    let sent = match (order.fulfilments.is_empty(), open) {
        (true, _) => "UNFULFILLED",
        (false, true) => "PARTIALLY_FULFILLED",
        (false, false) => "FULFILLED",
    };
    json!({
        "id": gid("Order", order.id),
        "legacyResourceId": order.id.to_string(),
        "name": format!("#{}", order.number),
        "number": order.number,
        "createdAt": order.created_at.utc(),
        "updatedAt": order.updated_at.utc(),
        "processedAt": order.created_at.utc(),
        "cancelledAt": order.cancelled_at.map(|at| at.utc()),
        "cancelReason": reason.map(|reason| reason.to_uppercase()),
        "closedAt": null,
        "displayFinancialStatus": bodies::financial_status(order).to_uppercase(),
        "displayFulfillmentStatus": sent,
        "test": order.test,
        "confirmed": true,
        "currencyCode": "USD",
        "sourceName": if order.location.is_some() { "pos" } else { "web" },
    })
}

fn line_item(order: &Order, line: &Line) -> Value {
    json!({
        "id": gid("LineItem", line.id),
        "sku": line.sku,
        "title": line.title,
        "name": line.title,
        "quantity": line.quantity,
        "currentQuantity": line.current,
        "unfulfilledQuantity": order.fulfillable(line.id),
        "refundableQuantity": line.quantity - order.refunded(line.id),
        "requiresShipping": true,
    })
}

fn refund_made(refund: &Refund) -> Value {
    json!({
        "id": gid("Refund", refund.id),
        "legacyResourceId": refund.id.to_string(),
        "createdAt": refund.created_at.utc(),
        "updatedAt": refund.created_at.utc(),
        "note": refund.note,
    })
}

fn fulfilment_order(order: &Order, part: &FulfilmentOrder) -> Value {
    json!({
        "id": gid("FulfillmentOrder", part.id),
        "status": part.status.name().to_uppercase(),
        "requestStatus": "UNSUBMITTED",
        "orderId": gid("Order", order.id),
        "createdAt": part.created_at.utc(),
        "updatedAt": part.updated_at.utc(),
    })
}

fn subscription(found: &Subscription) -> Value {
    json!({
        "id": gid("WebhookSubscription", found.id),
        "legacyResourceId": found.id.to_string(),
        "topic": enum_topic(&found.topic),
        "format": found.format.to_uppercase(),
        "uri": found.address,
        "callbackUrl": found.address,
        "filter": if found.filter.is_empty() { None } else { Some(&found.filter) },
        "includeFields": found.fields,
        "metafieldNamespaces": [],
        "name": found.name,
        "createdAt": found.created_at.utc(),
        "updatedAt": found.updated_at.utc(),
    })
}
