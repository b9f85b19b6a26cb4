//! Charges the bucket and finds who answers a path.

use serde_json::{Value, json};

use super::{inventory, orders, products, selling, webhooks};
use crate::sandbox::{
    bodies,
    clock::Moment,
    gate::{Call, Fault, Reply},
    shop::{Refused, Shop},
};

/// What a handler has to say.
pub(super) type Answered = Result<Reply, Refused>;

/// Answers a REST call, limit first.
pub(in crate::sandbox) fn answer(shop: &mut Shop, call: &mut Call) -> Reply {
    let taken = shop.rest_bucket.take(call.wall_ns, 1);
    let injected = call.fault == Some(Fault::Throttle);
    call.throttled = taken.is_err();
    if taken.is_err() || injected {
        let wait_tenths = taken.err().unwrap_or(10).max(10);
        return limited(shop, wait_tenths);
    }
    let mut reply =
        route(shop, call).unwrap_or_else(|refused| Reply::errors(refused.status, &refused.errors));
    let used = shop.rest_bucket.used(call.wall_ns);
    let size = shop.rest_bucket.size();
    reply.headers.push((LIMIT_HEADER, format!("{used}/{size}")));
    reply
}

const LIMIT_HEADER: &str = "X-Shopify-Shop-Api-Call-Limit";

fn limited(shop: &Shop, wait_tenths: u64) -> Reply {
    let (size, leak) = (shop.rest_bucket.size(), shop.rest_bucket.leak_per_s());
    let text = format!(
        "Exceeded {leak} calls per second for api client. Reduce request rates to resume uninterrupted service."
    );
    let mut reply = Reply::errors(429, &json!(text));
    let wait = format!("{}.{}", wait_tenths / 10, wait_tenths % 10);
    reply.headers.push(("Retry-After", wait));
    reply.headers.push((LIMIT_HEADER, format!("{size}/{size}")));
    reply
}

fn route(shop: &mut Shop, call: &mut Call) -> Answered {
    let path = call.path.trim_end_matches(".json").to_owned();
    let segments: Vec<&str> = path.split('/').collect();
    match (call.method.as_str(), segments.as_slice()) {
        ("GET", ["inventory_levels"]) => inventory::levels(shop, call, None),
        ("GET", ["locations", id, "inventory_levels"]) => {
            inventory::levels(shop, call, Some(number(id)?))
        }
        ("POST", ["inventory_levels", "set"]) => inventory::set(shop, call),
        ("POST", ["inventory_levels", "adjust"]) => inventory::adjust(shop, call),
        ("POST", ["inventory_levels", "connect"]) => inventory::connect(shop, call),
        ("DELETE", ["inventory_levels"]) => inventory::disconnect(shop, call),
        ("GET", ["inventory_items"]) => inventory::items(shop, call),
        ("GET", ["inventory_items", id]) => inventory::item(shop, number(id)?),
        ("PUT", ["inventory_items", id]) => inventory::change_item(shop, call, number(id)?),
        ("GET", ["locations"]) => Ok(inventory::locations(shop)),
        ("GET", ["locations", "count"]) => Ok(count(shop.catalog.locations.len())),
        ("GET", ["locations", id]) => inventory::location(shop, number(id)?),
        ("GET", ["products"]) => products::list(shop, call),
        ("GET", ["products", "count"]) => Ok(count(shop.live_products().count())),
        ("GET", ["products", id]) => products::one(shop, number(id)?),
        ("GET", ["products", id, "variants"]) => products::variants(shop, number(id)?),
        ("GET", ["variants", id]) => products::variant(shop, number(id)?),
        ("GET", ["orders"]) => orders::list(shop, call),
        ("GET", ["orders", "count"]) => orders::count(shop, call),
        ("GET", ["orders", id]) => orders::one(shop, call, number(id)?),
        ("GET", ["orders", id, "refunds"]) => orders::refunds(shop, number(id)?),
        ("GET", ["orders", id, "fulfillment_orders"]) => {
            orders::fulfilment_orders(shop, number(id)?)
        }
        ("POST", ["orders"]) => selling::place(shop, call),
        ("POST", ["orders", id, "refunds"]) => selling::refund(shop, call, number(id)?),
        ("POST", ["fulfillments"]) => selling::fulfil(shop, call),
        ("POST", ["orders", id, "cancel"]) => orders::cancel(shop, call, number(id)?),
        ("POST", ["fulfillment_orders", id, "move"]) => orders::relocate(shop, call, number(id)?),
        ("GET", ["webhooks"]) => webhooks::list(shop, call),
        ("GET", ["webhooks", "count"]) => Ok(webhooks::count(shop, call)),
        ("POST", ["webhooks"]) => webhooks::create(shop, call),
        ("GET", ["webhooks", id]) => webhooks::one(shop, number(id)?),
        ("PUT", ["webhooks", id]) => webhooks::change(shop, call, number(id)?),
        ("DELETE", ["webhooks", id]) => webhooks::delete(shop, number(id)?),
        ("GET", ["shop"]) => Ok(Reply::ok(json!({ "shop": bodies::settings(shop) }))),
        (_, _) => Err(Refused::not_found()),
    }
}

fn number(text: &str) -> Result<i64, Refused> {
    text.parse().map_err(|_not_a_number| Refused::not_found())
}

pub(super) fn count(number: usize) -> Reply {
    Reply::ok(json!({ "count": number }))
}

/// The JSON body of a write.
pub(super) fn body(call: &Call) -> Result<Value, Refused> {
    serde_json::from_slice(&call.body)
        .map_err(|_malformed| Refused::with(400, "Bad Request: malformed JSON"))
}

/// An id in a body, written as a number or as a string.
pub(super) fn id_in(body: &Value, name: &str) -> Result<i64, Refused> {
    let found = body.get(name);
    let number = found.and_then(Value::as_i64);
    let text = || found.and_then(Value::as_str)?.parse().ok();
    number.or_else(text).ok_or_else(|| {
        Refused::with(
            400,
            &format!("Required parameter missing or invalid: {name}"),
        )
    })
}

/// A moment in the query, in any offset; none when absent.
pub(super) fn moment_in(call: &Call, name: &str) -> Result<Option<Moment>, Refused> {
    let Some(text) = call.query.get(name) else {
        return Ok(None);
    };
    // An offset's plus sign arrives as a blank when it was not escaped.
    let moment = Moment::parse(&text.replace(' ', "+"));
    let moment = moment.ok_or_else(|| Refused::field(name, "is not a time"))?;
    Ok(Some(moment))
}

/// A comma-separated list of ids in the query; empty when absent.
pub(super) fn ids_in(call: &Call, name: &str, most: usize) -> Result<Vec<i64>, Refused> {
    let Some(text) = call.query.get(name).filter(|text| !text.is_empty()) else {
        return Ok(Vec::new());
    };
    let ids: Result<Vec<i64>, _> = text.split(',').map(|part| part.trim().parse()).collect();
    let ids = ids.map_err(|_not_numbers| Refused::field(name, "is invalid"))?;
    if ids.len() > most {
        let text = format!("too many ids: at most {most}");
        return Err(Refused::field(name, &text));
    }
    Ok(ids)
}
