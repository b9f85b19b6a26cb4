//! The root fields of queries.

use serde_json::Value;

use super::{
    links::by_gid,
    node::{Found, Key, Node},
    picks::Pick,
    search::{Search, is_in},
};
use crate::sandbox::{ids::gid, order::Order, shop::Shop, subscriptions::slash_topic};

/// What a root field leads to.
pub(super) fn root(shop: &Shop, pick: &Pick) -> Found {
    let named = |kind: &str| {
        let text = pick.text("id").unwrap_or_default();
        let full = if text.starts_with("gid:") {
            text.to_owned()
        } else {
            gid(kind, text.parse().unwrap_or_default())
        };
        let node = by_gid(shop, &full);
        Found::One(node.filter(|node| kind.is_empty() || node.type_name() == kind))
    };
    match pick.name.as_str() {
        "shop" => Found::One(Some(Node::Shop)),
        "node" => named(""),
        "nodes" => {
            let ids = pick.arguments.get("ids").and_then(Value::as_array);
            let ids = ids.into_iter().flatten().filter_map(Value::as_str);
            Found::Many(ids.map(|id| by_gid(shop, id)).collect())
        }
        "inventoryItem" => named("InventoryItem"),
        "inventoryLevel" => named("InventoryLevel"),
        "productVariant" => named("ProductVariant"),
        "product" => named("Product"),
        "order" => named("Order"),
        "fulfillmentOrder" => named("FulfillmentOrder"),
        "location" => named("Location"),
        "webhookSubscription" => named("WebhookSubscription"),
        "bulkOperation" => named("BulkOperation"),
        "currentBulkOperation" => {
            let last = shop.bulk.last_key_value();
            Found::One(last.map(|(id, _)| Node::Bulk(*id)))
        }
        "inventoryItems" => items(shop, pick),
        "productVariants" => variants(shop, pick),
        "products" => products(shop, pick),
        "orders" => orders(shop, pick),
        "locations" => locations(shop, pick),
        _ => subscriptions(shop, pick),
    }
}

fn items(shop: &Shop, pick: &Pick) -> Found {
    let search = Search::parse(pick.text("query"));
    let items = shop.catalog.items.values().filter(|item| {
        search.admits(|field, value| match field {
            "id" => value == item.id.to_string(),
            "sku" => value == item.sku,
            "updated_at" => is_in(item.updated_at, value),
            _ => true,
        })
    });
    Found::Page(
        items
            .map(|item| ((item.id, 0), Node::Item(item.id)))
            .collect(),
    )
}

fn variants(shop: &Shop, pick: &Pick) -> Found {
    let search = Search::parse(pick.text("query"));
    let variants = shop.catalog.variants.values().filter(|variant| {
        search.admits(|field, value| match field {
            "id" => value == variant.id.to_string(),
            "sku" => value == variant.sku,
            "product_id" => value == variant.product.to_string(),
            "updated_at" => is_in(variant.updated_at, value),
            _ => true,
        })
    });
    Found::Page(
        variants
            .map(|variant| ((variant.id, 0), Node::Variant(variant.id)))
            .collect(),
    )
}

fn products(shop: &Shop, pick: &Pick) -> Found {
    let search = Search::parse(pick.text("query"));
    let live = shop
        .catalog
        .products
        .values()
        .filter(|found| !found.deleted);
    let products = live.filter(|product| {
        search.admits(|field, value| match field {
            "id" => value == product.id.to_string(),
            "updated_at" => is_in(product.updated_at, value),
            _ => true,
        })
    });
    Found::Page(
        products
            .map(|product| ((product.id, 0), Node::Product(product.id)))
            .collect(),
    )
}

fn orders(shop: &Shop, pick: &Pick) -> Found {
    let search = Search::parse(pick.text("query"));
    let live = shop.orders.values().filter(|order| !order.deleted);
    let orders = live.filter(|order| {
        search.admits(|field, value| match field {
            "id" => value == order.id.to_string(),
            "name" => value.trim_start_matches('#') == order.number.to_string(),
            "updated_at" => is_in(order.updated_at, value),
            "created_at" => is_in(order.created_at, value),
            "status" => match value {
                "open" => order.cancelled_at.is_none(),
                "cancelled" => order.cancelled_at.is_some(),
                _ => true,
            },
            _ => true,
        })
    });
    let by_update = pick.text("sortKey") == Some("UPDATED_AT");
    let reverse = pick.arguments.get("reverse").and_then(Value::as_bool);
    let key = |order: &Order| -> Key {
        let key = if by_update {
            (order.updated_at.whole_seconds().nanos(), order.id)
        } else {
            (order.id, 0)
        };
        if reverse == Some(true) {
            (-key.0, -key.1)
        } else {
            key
        }
    };
    let mut rows: Vec<(Key, Node)> = orders
        .map(|order| (key(order), Node::Order(order.id)))
        .collect();
    rows.sort_by_key(|(key, _)| *key);
    Found::Page(rows)
}

fn locations(shop: &Shop, pick: &Pick) -> Found {
    let include = pick
        .arguments
        .get("includeInactive")
        .and_then(Value::as_bool);
    let found = shop.catalog.locations.values();
    let shown = found.filter(|place| place.active || include == Some(true));
    Found::Page(
        shown
            .map(|place| ((place.id, 0), Node::Location(place.id)))
            .collect(),
    )
}

/// Those made through the API; `topics` and `uri` narrow them down.
fn subscriptions(shop: &Shop, pick: &Pick) -> Found {
    let topics = pick.arguments.get("topics").and_then(Value::as_array);
    let topics: Option<Vec<String>> = topics.map(|list| {
        let names = list.iter().filter_map(Value::as_str);
        names.map(slash_topic).collect()
    });
    let address = pick.text("uri").or(pick.text("callbackUrl"));
    let found = shop.subscriptions.values().filter(|found| {
        !found.app_config
            && topics
                .as_ref()
                .is_none_or(|topics| topics.contains(&found.topic))
            && address.is_none_or(|address| address == found.address)
    });
    Found::Page(
        found
            .map(|found| ((found.id, 0), Node::Subscription(found.id)))
            .collect(),
    )
}
