//! Orders, refunds and fulfilment orders over REST.

use serde_json::{Value, json};

use super::{
    paging,
    route::{self, Answered, body, id_in, ids_in, moment_in},
};
use crate::sandbox::{
    bodies,
    gate::{Call, Reply},
    order::Order,
    orders::CancelRequest,
    shop::{Refused, Shop},
};

const IDS_MAX: usize = 250;

pub(super) fn list(shop: &Shop, call: &mut Call) -> Answered {
    let place = paging::resume(call)?;
    let orders = matching(shop, call)?;
    // Newest first, unless the caller walks up by id.
    let ascending = call.query.contains_key("since_id");
    let mut rows: Vec<(paging::Key, &Order)> = orders
        .into_iter()
        .map(|order| {
            let key = if ascending { order.id } else { -order.id };
            ((key, 0), order)
        })
        .collect();
    rows.sort_by_key(|(key, _)| *key);
    paging::page(call, place, "orders", &rows, |order| {
        bodies::order(shop, order)
    })
}

pub(super) fn count(shop: &Shop, call: &Call) -> Answered {
    Ok(route::count(matching(shop, call)?.len()))
}

fn matching<'a>(shop: &'a Shop, call: &Call) -> Result<Vec<&'a Order>, Refused> {
    let ids = ids_in(call, "ids", IDS_MAX)?;
    let status = call.query.get("status").map_or("open", String::as_str);
    if !["open", "any", "cancelled", "closed"].contains(&status) {
        return Err(Refused::field("status", "is invalid"));
    }
    let since_id: Option<i64> = call
        .query
        .get("since_id")
        .and_then(|text| text.parse().ok());
    let updated_min = moment_in(call, "updated_at_min")?;
    let updated_max = moment_in(call, "updated_at_max")?;
    let created_min = moment_in(call, "created_at_min")?;
    let wanted = |order: &&Order| {
        let (updated, created) = (
            order.updated_at.whole_seconds(),
            order.created_at.whole_seconds(),
        );
        !order.deleted
            && (ids.is_empty() || ids.contains(&order.id))
            && match status {
                "open" => order.cancelled_at.is_none(),
                "cancelled" => order.cancelled_at.is_some(),
                "closed" => false,
                _ => true,
            }
            && since_id.is_none_or(|since| order.id > since)
            && updated_min.is_none_or(|least| updated >= least)
            && updated_max.is_none_or(|most| updated <= most)
            && created_min.is_none_or(|least| created >= least)
    };
    Ok(shop.orders.values().filter(wanted).collect())
}

pub(super) fn one(shop: &Shop, call: &Call, id: i64) -> Answered {
    let order = live(shop, id)?;
    let body = paging::trimmed(call, bodies::order(shop, order));
    Ok(Reply::ok(json!({ "order": body })))
}

pub(super) fn refunds(shop: &Shop, id: i64) -> Answered {
    let order = live(shop, id)?;
    let refunds = order.refunds.iter();
    let bodies: Vec<Value> = refunds
        .map(|refund| bodies::refund(order, refund))
        .collect();
    Ok(Reply::ok(json!({ "refunds": bodies })))
}

pub(super) fn fulfilment_orders(shop: &Shop, id: i64) -> Answered {
    let order = live(shop, id)?;
    let parts = order.fulfilment_orders.iter();
    let bodies: Vec<Value> = parts
        .map(|part| bodies::fulfilment_order(shop, order, part))
        .collect();
    Ok(Reply::ok(json!({ "fulfillment_orders": bodies })))
}

pub(super) fn cancel(shop: &mut Shop, call: &Call, id: i64) -> Answered {
    let body: Value = serde_json::from_slice(&call.body).unwrap_or(Value::Null);
    let flag = body.get("restock").and_then(Value::as_bool);
    let reason = body.get("reason").and_then(Value::as_str);
    let request = CancelRequest {
        restock: flag.unwrap_or(false),
        reason: reason.unwrap_or("other").to_owned(),
    };
    shop.cancel_order(call.action, id, &request)?;
    let order = live(shop, id)?;
    Ok(Reply::ok(json!({ "order": bodies::order(shop, order) })))
}

/// Moves a fulfilment order.
pub(super) fn relocate(shop: &mut Shop, call: &Call, id: i64) -> Answered {
    let body = body(call)?;
    let wanted = body.get("fulfillment_order").unwrap_or(&body);
    let location = id_in(wanted, "new_location_id")?;
    let moved = shop.move_fulfilment(call.action, id, location)?;
    let order = live(shop, moved.order)?;
    let show = |id: i64| {
        let found = order.fulfilment_orders.iter().find(|part| part.id == id);
        found.map(|part| bodies::fulfilment_order(shop, order, part))
    };
    Ok(Reply::ok(json!({
        "original_fulfillment_order": show(moved.original),
        "moved_fulfillment_order": show(moved.moved),
        "remaining_fulfillment_order": null,
    })))
}

fn live(shop: &Shop, id: i64) -> Result<&Order, Refused> {
    let found = shop.orders.get(&id).filter(|order| !order.deleted);
    found.ok_or_else(Refused::not_found)
}
