//! The fields that lead from one object to others.

use serde_json::{Value, json};

use super::{
    node::{Found, Node},
    picks::Pick,
};
use crate::sandbox::{
    gate::Call,
    ids::{LevelKey, gid, parse_gid},
    levels::StockState,
    order::Order,
    shop::Shop,
};

/// What a field of an object leads to.
pub(super) fn of(shop: &Shop, call: &mut Call, node: &Node, pick: &Pick) -> Found {
    let nothing = Found::One(None);
    match node {
        Node::Item(id) => of_item(shop, *id, pick),
        Node::Variant(id) => {
            let variant = shop.catalog.variants.get(id);
            Found::One(variant.map(|found| match pick.name.as_str() {
                "product" => Node::Product(found.product),
                _ => Node::Item(found.item),
            }))
        }
        Node::Product(id) => {
            let product = shop.catalog.products.get(id);
            let variants = product.map(|found| found.variants.clone());
            let rows = variants.unwrap_or_default().into_iter();
            Found::Page(rows.map(|id| ((id, 0), Node::Variant(id))).collect())
        }
        Node::Level(key) => of_level(shop, call, *key, pick),
        Node::Order(id) => shop
            .orders
            .get(id)
            .map_or(nothing, |order| of_order(order, pick)),
        Node::Line { order, line } => {
            let sold = shop.orders.get(order).and_then(|found| found.line(*line));
            Found::One(sold.map(|found| match pick.name.as_str() {
                "product" => Node::Product(found.product),
                _ => Node::Variant(found.variant),
            }))
        }
        Node::Refund { order, refund } => of_refund(shop, (*order, *refund), pick),
        Node::RefundLine { .. } => of_refund_line(shop, node, pick),
        Node::FulfilmentOrder { order, part } => of_fulfilment(shop, (*order, *part), pick),
        Node::FulfilmentLine { .. } => of_fulfilment_line(shop, node, pick),
        Node::Subscription(id) => {
            let found = shop.subscriptions.get(id);
            Found::One(found.map(|found| match pick.name.as_str() {
                "apiVersion" => {
                    let handle = &found.api_version;
                    let scalars =
                        json!({ "handle": handle, "displayName": handle, "supported": true });
                    Node::made("ApiVersion", scalars, Vec::new())
                }
                _ => {
                    let scalars = json!({ "callbackUrl": found.address });
                    Node::made("WebhookHttpEndpoint", scalars, Vec::new())
                }
            }))
        }
        Node::Made(made) => {
            let mut links = made.links.iter();
            let found = links.find(|(name, _)| *name == pick.name);
            found.map_or(nothing, |(_, found)| found.clone())
        }
        Node::Shop | Node::Location(_) | Node::Bulk(_) => nothing,
    }
}

fn of_item(shop: &Shop, id: i64, pick: &Pick) -> Found {
    match pick.name.as_str() {
        "inventoryLevels" => {
            let levels = shop.levels_of(id);
            let rows = levels.map(|(key, _)| ((key.location, 0), Node::Level(key)));
            Found::Page(rows.collect())
        }
        "inventoryLevel" => {
            let location = pick.text("locationId");
            let location = location.and_then(|text| parse_gid("Location", text));
            let key = location.map(|location| LevelKey { item: id, location });
            let known = key.filter(|key| shop.levels.contains_key(key));
            Found::One(known.map(Node::Level))
        }
        _ => {
            let item = shop.catalog.items.get(&id);
            Found::One(item.map(|found| Node::Variant(found.variant)))
        }
    }
}

fn of_level(shop: &Shop, call: &mut Call, key: LevelKey, pick: &Pick) -> Found {
    match pick.name.as_str() {
        "item" => Found::One(Some(Node::Item(key.item))),
        "location" => Found::One(Some(Node::Location(key.location))),
        _ => {
            call.read.push(key);
            let names = pick.arguments.get("names").and_then(Value::as_array);
            let names = names.into_iter().flatten().filter_map(Value::as_str);
            Found::Many(
                names
                    .map(|name| quantity(shop, call.stale, key, name))
                    .collect(),
            )
        }
    }
}

fn quantity(shop: &Shop, stale: bool, key: LevelKey, name: &str) -> Option<Node> {
    let level = shop.levels.get(&key)?;
    let quantity = match (name, StockState::parse(name)) {
        ("on_hand", _) => level.on_hand(),
        (_, Some(StockState::Available)) => level.seen(stale),
        (_, Some(state)) => level.get(state),
        (_, None) => return None,
    };
    let scalars = json!({
        "id": format!(
            "gid://shopify/InventoryQuantity/{}?inventory_item_id={}&name={name}",
            key.location, key.item
        ),
        "name": name,
        "quantity": quantity,
        "updatedAt": level.updated_at.utc(),
    });
    Some(Node::made("InventoryQuantity", scalars, Vec::new()))
}

fn of_order(order: &Order, pick: &Pick) -> Found {
    let id = order.id;
    match pick.name.as_str() {
        "lineItems" => {
            let lines = order.lines.iter().map(|line| line.id);
            Found::Page(
                lines
                    .map(|line| ((line, 0), Node::Line { order: id, line }))
                    .collect(),
            )
        }
        "fulfillmentOrders" => {
            let parts = order.fulfilment_orders.iter().map(|part| part.id);
            let node = |part| Node::FulfilmentOrder { order: id, part };
            Found::Page(parts.map(|part| ((part, 0), node(part))).collect())
        }
        "refunds" => {
            let most = pick.size("first").unwrap_or(usize::MAX);
            let refunds = order.refunds.iter().take(most);
            let node = |refund| Node::Refund { order: id, refund };
            Found::Many(refunds.map(|made| Some(node(made.id))).collect())
        }
        _ => Found::One(order.location.map(Node::Location)),
    }
}

fn of_refund(shop: &Shop, (order, refund): (i64, i64), pick: &Pick) -> Found {
    if pick.name == "order" {
        return Found::One(Some(Node::Order(order)));
    }
    let refunds = shop.orders.get(&order).map(|found| &found.refunds);
    let found = refunds.and_then(|made| made.iter().find(|made| made.id == refund));
    let lines = found.into_iter().flat_map(|made| &made.lines);
    let node = |line| Node::RefundLine {
        order,
        refund,
        line,
    };
    Found::Page(lines.map(|line| ((line.id, 0), node(line.id))).collect())
}

fn of_refund_line(shop: &Shop, node: &Node, pick: &Pick) -> Found {
    let Node::RefundLine {
        order,
        refund,
        line,
    } = node
    else {
        return Found::One(None);
    };
    let refunds = shop.orders.get(order).map(|found| &found.refunds);
    let made = refunds.and_then(|made| made.iter().find(|made| made.id == *refund));
    let found = made.and_then(|made| made.lines.iter().find(|found| found.id == *line));
    Found::One(found.and_then(|found| match pick.name.as_str() {
        "location" => found.location.map(Node::Location),
        _ => Some(Node::Line {
            order: *order,
            line: found.line,
        }),
    }))
}

fn of_fulfilment(shop: &Shop, (order, id): (i64, i64), pick: &Pick) -> Found {
    let parts = shop
        .orders
        .get(&order)
        .map(|found| &found.fulfilment_orders);
    let Some(part) = parts.and_then(|parts| parts.iter().find(|part| part.id == id)) else {
        return Found::One(None);
    };
    match pick.name.as_str() {
        "order" => Found::One(Some(Node::Order(order))),
        "assignedLocation" => {
            let place = shop.catalog.locations.get(&part.location);
            let scalars = json!({ "name": place.map(|found| &found.name) });
            let location = Found::One(Some(Node::Location(part.location)));
            let links = vec![("location", location)];
            let type_name = "FulfillmentOrderAssignedLocation";
            Found::One(Some(Node::made(type_name, scalars, links)))
        }
        _ => {
            let lines = part.lines.iter().map(|line| line.id);
            let node = |line| Node::FulfilmentLine {
                order,
                part: id,
                line,
            };
            Found::Page(lines.map(|line| ((line, 0), node(line))).collect())
        }
    }
}

fn of_fulfilment_line(shop: &Shop, node: &Node, pick: &Pick) -> Found {
    let Node::FulfilmentLine { order, part, line } = node else {
        return Found::One(None);
    };
    let found = shop.orders.get(order).and_then(|found| {
        let mut parts = found.fulfilment_orders.iter();
        let part = parts.find(|known| known.id == *part)?;
        let waiting = part.lines.iter().find(|known| known.id == *line)?;
        found.line(waiting.line)
    });
    Found::One(found.map(|sold| match pick.name.as_str() {
        "variant" => Node::Variant(sold.variant),
        _ => Node::Line {
            order: *order,
            line: sold.id,
        },
    }))
}

/// The object a global id names, if it is there.
pub(super) fn by_gid(shop: &Shop, text: &str) -> Option<Node> {
    let kind = crate::sandbox::ids::gid_kind(text)?;
    let id = parse_gid(kind, text)?;
    let catalog = &shop.catalog;
    let live_order = || shop.orders.get(&id).filter(|order| !order.deleted);
    match kind {
        "InventoryItem" => catalog.items.get(&id).map(|found| Node::Item(found.id)),
        "ProductVariant" => catalog
            .variants
            .get(&id)
            .map(|found| Node::Variant(found.id)),
        "Product" => {
            let product = catalog.products.get(&id).filter(|found| !found.deleted);
            product.map(|found| Node::Product(found.id))
        }
        "Location" => catalog
            .locations
            .get(&id)
            .map(|found| Node::Location(found.id)),
        "Order" => live_order().map(|order| Node::Order(order.id)),
        "FulfillmentOrder" => {
            let order = shop.order_of(id);
            order.map(|order| Node::FulfilmentOrder { order, part: id })
        }
        "WebhookSubscription" => {
            let found = shop.subscriptions.get(&id);
            found.map(|found| Node::Subscription(found.id))
        }
        "BulkOperation" => shop.bulk.get(&id).map(|found| Node::Bulk(found.id)),
        "InventoryLevel" => {
            let item = text.split_once("inventory_item_id=")?.1.parse().ok()?;
            let key = LevelKey { item, location: id };
            shop.levels.get(&key).map(|_| Node::Level(key))
        }
        "Shop" => (gid("Shop", shop.id) == text).then_some(Node::Shop),
        _ => None,
    }
}
