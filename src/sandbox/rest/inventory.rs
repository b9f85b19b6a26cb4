//! Levels, items and locations over REST. There is no compare-and-set here.

use serde_json::{Value, json};

use super::{
    paging,
    route::{Answered, body, id_in, ids_in, moment_in},
};
use crate::sandbox::{
    bodies,
    gate::{Call, Reply},
    ids::LevelKey,
    levels::Shift,
    oracle::Cause,
    shop::{Refused, Shop, Subject},
};

/// Most ids in either list of a level read.
const LEVEL_IDS_MAX: usize = 50;
/// Most ids of an item read.
const ITEM_IDS_MAX: usize = 100;

pub(super) fn levels(shop: &Shop, call: &mut Call, at: Option<i64>) -> Answered {
    let place = paging::resume(call)?;
    let items = ids_in(call, "inventory_item_ids", LEVEL_IDS_MAX)?;
    let mut locations = ids_in(call, "location_ids", LEVEL_IDS_MAX)?;
    locations.extend(at);
    if items.is_empty() && locations.is_empty() {
        return Err(Refused::with(
            422,
            "Either inventory_item_ids or location_ids must be set",
        ));
    }
    let since = moment_in(call, "updated_at_min")?;
    let wanted = |key: &LevelKey| {
        (items.is_empty() || items.contains(&key.item))
            && (locations.is_empty() || locations.contains(&key.location))
    };
    let rows: Vec<(paging::Key, LevelKey)> = shop
        .levels
        .iter()
        .filter(|(key, _)| wanted(key))
        .filter(|(_, level)| since.is_none_or(|least| level.updated_at.whole_seconds() >= least))
        .map(|(key, _)| ((key.item, key.location), *key))
        .collect();
    call.read.extend(rows.iter().map(|(_, key)| *key));
    paging::page(call, place, "inventory_levels", &rows, |key| {
        bodies::level_seen(shop, *key, call.stale).unwrap_or(Value::Null)
    })
}

pub(super) fn set(shop: &mut Shop, call: &mut Call) -> Answered {
    let body = body(call)?;
    let key = writable(shop, &body)?;
    let Some(available) = body.get("available").and_then(Value::as_i64) else {
        return Err(Refused::field("available", "must be an integer"));
    };
    shop.connect(call.action, key);
    let before = shop.levels.get(&key).map_or(0, |level| level.available);
    write(shop, call, key, available - before);
    Ok(level_reply(shop, key, 200))
}

pub(super) fn adjust(shop: &mut Shop, call: &mut Call) -> Answered {
    let body = body(call)?;
    let key = writable(shop, &body)?;
    let Some(delta) = body.get("available_adjustment").and_then(Value::as_i64) else {
        return Err(Refused::field("available_adjustment", "must be an integer"));
    };
    if !shop.levels.contains_key(&key) {
        return Err(Refused::not_found());
    }
    write(shop, call, key, delta);
    Ok(level_reply(shop, key, 200))
}

pub(super) fn connect(shop: &mut Shop, call: &Call) -> Answered {
    let body = body(call)?;
    let key = known(shop, &body)?;
    shop.connect(call.action, key);
    Ok(level_reply(shop, key, 201))
}

pub(super) fn disconnect(shop: &mut Shop, call: &Call) -> Answered {
    let query = json!(call.query);
    let key = known(shop, &query)?;
    if shop.levels_of(key.item).count() < 2 {
        return Err(Refused::unprocessable(
            "products need to be stocked at a minimum of 1 location.",
        ));
    }
    if shop.levels.remove(&key).is_none() {
        return Err(Refused::not_found());
    }
    let body = json!({ "inventory_item_id": key.item, "location_id": key.location });
    let subject = Subject::Fixed(key.item, body);
    shop.emit(call.action, "inventory_levels/disconnect", subject);
    Ok(Reply::with(204, Value::Null))
}

pub(super) fn items(shop: &Shop, call: &mut Call) -> Answered {
    let place = paging::resume(call)?;
    let ids = ids_in(call, "ids", ITEM_IDS_MAX)?;
    if ids.is_empty() {
        return Err(Refused::field("ids", "can't be blank"));
    }
    let rows: Vec<_> = shop
        .catalog
        .items
        .values()
        .filter(|item| ids.contains(&item.id))
        .map(|item| ((item.id, 0), item))
        .collect();
    paging::page(call, place, "inventory_items", &rows, |item| {
        bodies::item(item)
    })
}

pub(super) fn item(shop: &Shop, id: i64) -> Answered {
    let found = shop.catalog.items.get(&id).ok_or_else(Refused::not_found)?;
    Ok(Reply::ok(json!({ "inventory_item": bodies::item(found) })))
}

pub(super) fn change_item(shop: &mut Shop, call: &Call, id: i64) -> Answered {
    let body = body(call)?;
    let tracked = body
        .pointer("/inventory_item/tracked")
        .and_then(Value::as_bool);
    if !shop.catalog.items.contains_key(&id) {
        return Err(Refused::not_found());
    }
    if let Some(tracked) = tracked {
        shop.set_tracked(call.action, id, tracked);
    }
    item(shop, id)
}

pub(super) fn locations(shop: &Shop) -> Reply {
    let found = shop.catalog.locations.values();
    let bodies: Vec<Value> = found.map(bodies::location).collect();
    Reply::ok(json!({ "locations": bodies }))
}

pub(super) fn location(shop: &Shop, id: i64) -> Answered {
    let found = shop.catalog.locations.get(&id);
    let found = found.ok_or_else(Refused::not_found)?;
    Ok(Reply::ok(json!({ "location": bodies::location(found) })))
}

fn known(shop: &Shop, body: &Value) -> Result<LevelKey, Refused> {
    let key = LevelKey {
        item: id_in(body, "inventory_item_id")?,
        location: id_in(body, "location_id")?,
    };
    let exists = shop.catalog.items.contains_key(&key.item)
        && shop.catalog.locations.contains_key(&key.location);
    if exists {
        Ok(key)
    } else {
        Err(Refused::not_found())
    }
}

fn writable(shop: &Shop, body: &Value) -> Result<LevelKey, Refused> {
    let key = known(shop, body)?;
    if !shop.is_tracked(key.item) {
        return Err(Refused::unprocessable(
            "Inventory item does not have inventory tracking enabled",
        ));
    }
    let native = shop.catalog.variant_of(key.item);
    if native.is_some_and(|variant| variant.native_bundle) {
        return Err(Refused::unprocessable(
            "The specified inventory item is not allowed to be adjusted via API.",
        ));
    }
    Ok(key)
}

fn write(shop: &mut Shop, call: &mut Call, key: LevelKey, delta: i64) {
    let cause = Cause::ApiWrite {
        key: None,
        request_id: call.request_id.clone(),
    };
    shop.shift(call.action, key, Shift::available(delta, cause));
    shop.announce_levels(call.action);
    call.wrote.push(key);
}

fn level_reply(shop: &Shop, key: LevelKey, status: u16) -> Reply {
    Reply::with(
        status,
        json!({ "inventory_level": bodies::level(shop, key) }),
    )
}
