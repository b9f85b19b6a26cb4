//! Bodies of levels, items and locations.

use serde_json::{Value, json};

use crate::sandbox::{
    bodies::money,
    catalog::{Item, Location},
    ids::{LevelKey, gid, level_gid},
    shop::Shop,
};

/// A level as subscribers and REST readers see it; `available` is null when
/// the item is not tracked.
pub(in crate::sandbox) fn level(shop: &Shop, key: LevelKey) -> Option<Value> {
    level_seen(shop, key, false)
}

/// The same, or as it was before its last change.
pub(in crate::sandbox) fn level_seen(shop: &Shop, key: LevelKey, stale: bool) -> Option<Value> {
    let level = shop.levels.get(&key)?;
    let tracked = shop.is_tracked(key.item);
    Some(json!({
        "inventory_item_id": key.item,
        "location_id": key.location,
        "available": tracked.then(|| level.seen(stale)),
        "updated_at": level.updated_at.local(),
        "admin_graphql_api_id": level_gid(key),
    }))
}

/// An inventory item.
pub(in crate::sandbox) fn item(item: &Item) -> Value {
    json!({
        "id": item.id,
        "sku": item.sku,
        "created_at": item.created_at.local(),
        "updated_at": item.updated_at.local(),
        "requires_shipping": true,
        "cost": item.cost.map(money::text),
        "country_code_of_origin": null,
        "province_code_of_origin": null,
        "harmonized_system_code": null,
        "tracked": item.tracked,
        "country_harmonized_system_codes": [],
        "admin_graphql_api_id": gid("InventoryItem", item.id),
    })
}

/// What is said of a deleted inventory item.
pub(in crate::sandbox) fn item_deleted(id: i64) -> Value {
    json!({
        "id": id,
        "country_code_of_origin": null,
        "province_code_of_origin": null,
        "harmonized_system_code": null,
        "country_harmonized_system_codes": [],
        "admin_graphql_api_id": gid("InventoryItem", id),
    })
}

/// A location.
pub(in crate::sandbox) fn location(location: &Location) -> Value {
    json!({
        "id": location.id,
        "name": location.name,
        "address1": "190 MacLaren Street",
        "address2": null,
        "city": "Houston",
        "zip": "37178",
        "province": "Tennessee",
        "country": "US",
        "phone": null,
        "created_at": location.created_at.local(),
        "updated_at": location.created_at.local(),
        "country_code": "US",
        "country_name": "United States",
        "province_code": "TN",
        "legacy": false,
        "active": location.active,
        "admin_graphql_api_id": gid("Location", location.id),
    })
}
