//! Placing, refunding and sending orders over REST, in the platform's words,
//! mapped onto what shoppers and merchants of the sandbox do.

use std::collections::BTreeMap;

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::route::{Answered, body};
use crate::sandbox::{
    bodies,
    fulfilment::{FulfilLineRequest, FulfilRequest, FulfilmentOrder, FulfilmentStatus},
    gate::{Call, Reply},
    ids::text_or_number,
    order::Order,
    orders::{LineRequest, OrderRequest},
    refunds::{RefundLineRequest, RefundRequest, RestockType},
    shop::{Refused, Shop},
};

/// The fields of `order` that mean something here; others are let pass.
#[derive(Deserialize)]
struct NewOrder {
    #[serde(default)]
    line_items: Vec<NewLine>,
    #[serde(default, deserialize_with = "text_or_number::optional::deserialize")]
    location_id: Option<i64>,
    financial_status: Option<String>,
    inventory_behaviour: Option<String>,
    #[serde(default)]
    test: bool,
}

#[derive(Deserialize)]
struct NewLine {
    #[serde(with = "text_or_number")]
    variant_id: i64,
    quantity: i64,
}

/// `POST orders.json`.
pub(super) fn place(shop: &mut Shop, call: &Call) -> Answered {
    let new: NewOrder = wrapped(call, "order")?;
    let request = OrderRequest {
        lines: lines_of(shop, &new.line_items)?,
        location: new.location_id,
        paid: is_paid(new.financial_status.as_deref())?,
        oversell: may_oversell(new.inventory_behaviour.as_deref())?,
        test: new.test,
    };
    let id = shop.place_order(call.action, &request)?;
    let order = shop.orders.get(&id).ok_or_else(Refused::not_found)?;
    let body = json!({ "order": bodies::order(shop, order) });
    Ok(Reply::with(201, body))
}

fn lines_of(shop: &Shop, lines: &[NewLine]) -> Result<Vec<LineRequest>, Refused> {
    let known = |line: &NewLine| {
        let variant = shop.catalog.variants.get(&line.variant_id);
        variant.map(|variant| LineRequest {
            item: variant.item,
            quantity: line.quantity,
        })
    };
    let found: Option<Vec<LineRequest>> = lines.iter().map(known).collect();
    found.ok_or_else(|| Refused::field("line_items", "variant_id is unknown"))
}

fn is_paid(status: Option<&str>) -> Result<bool, Refused> {
    match status {
        None | Some("paid") => Ok(true),
        Some("pending") => Ok(false),
        Some(_) => Err(Refused::field("financial_status", "is not emulated")),
    }
}

/// Orders of the sandbox always take stock, as a shopper's do; so does one that
/// says nothing, though the platform would leave stock alone. `bypass` is
/// refused rather than done wrongly.
fn may_oversell(behaviour: Option<&str>) -> Result<bool, Refused> {
    match behaviour {
        None | Some("decrement_ignoring_policy") => Ok(true),
        Some("decrement_obeying_policy") => Ok(false),
        Some("bypass") => Err(Refused::field(
            "inventory_behaviour",
            "bypass is not emulated: \
             name decrement_ignoring_policy or decrement_obeying_policy",
        )),
        Some(_) => Err(Refused::field("inventory_behaviour", "is invalid")),
    }
}

/// The fields of `refund` that mean something here.
#[derive(Deserialize)]
struct NewRefund {
    #[serde(default)]
    refund_line_items: Vec<NewRefundLine>,
    note: Option<String>,
}

#[derive(Deserialize)]
struct NewRefundLine {
    #[serde(with = "text_or_number")]
    line_item_id: i64,
    quantity: i64,
    #[serde(default = "no_restock")]
    restock_type: RestockType,
    #[serde(default, deserialize_with = "text_or_number::optional::deserialize")]
    location_id: Option<i64>,
}

const fn no_restock() -> RestockType {
    RestockType::NoRestock
}

/// `POST orders/{id}/refunds.json`.
pub(super) fn refund(shop: &mut Shop, call: &Call, id: i64) -> Answered {
    let new: NewRefund = wrapped(call, "refund")?;
    let line = |line: NewRefundLine| RefundLineRequest {
        line: line.line_item_id,
        quantity: line.quantity,
        restock_type: line.restock_type,
        location: line.location_id,
    };
    let request = RefundRequest {
        lines: new.refund_line_items.into_iter().map(line).collect(),
        note: new.note,
    };
    let made = shop.refund_order(call.action, id, &request)?;
    let order = shop.orders.get(&id).ok_or_else(Refused::not_found)?;
    let refund = order.refunds.iter().find(|refund| refund.id == made);
    let body = json!({ "refund": refund.map(|refund| bodies::refund(order, refund)) });
    Ok(Reply::with(201, body))
}

/// The fields of `fulfillment` that mean something here.
#[derive(Deserialize)]
struct NewFulfilment {
    #[serde(default)]
    line_items_by_fulfillment_order: Vec<NewParcel>,
}

#[derive(Deserialize)]
struct NewParcel {
    #[serde(with = "text_or_number")]
    fulfillment_order_id: i64,
    /// Empty means everything that waits in it.
    #[serde(default)]
    fulfillment_order_line_items: Vec<NewParcelLine>,
}

#[derive(Deserialize)]
struct NewParcelLine {
    #[serde(with = "text_or_number")]
    id: i64,
    quantity: i64,
}

/// `POST fulfillments.json`: sends what fulfilment orders of one order at one
/// location hold.
pub(super) fn fulfil(shop: &mut Shop, call: &Call) -> Answered {
    let new: NewFulfilment = wrapped(call, "fulfillment")?;
    let parcels = &new.line_items_by_fulfillment_order;
    let first = parcels
        .first()
        .ok_or_else(|| Refused::field("line_items_by_fulfillment_order", "can't be blank"))?;
    let id = shop.order_of(first.fulfillment_order_id);
    let id = id.ok_or_else(Refused::not_found)?;
    let order = shop.orders.get(&id).ok_or_else(Refused::not_found)?;
    let request = FulfilRequest {
        lines: parcel_lines(order, parcels)?,
    };
    shop.fulfil_order(call.action, id, &request)?;
    let order = shop.orders.get(&id).ok_or_else(Refused::not_found)?;
    let sent = order.fulfilments.last();
    let body = json!({ "fulfillment": sent.map(|parcel| bodies::fulfilment(order, parcel)) });
    Ok(Reply::with(201, body))
}

/// What is to be sent of each line. The units of a line wait in at most one
/// open fulfilment order, so that the line alone says whose they are.
fn parcel_lines(order: &Order, parcels: &[NewParcel]) -> Result<Vec<FulfilLineRequest>, Refused> {
    let mut wanted = BTreeMap::<i64, i64>::new();
    let mut place = None;
    for parcel in parcels {
        let part = open_part(order, parcel.fulfillment_order_id)?;
        if *place.get_or_insert(part.location) != part.location {
            return Err(Refused::unprocessable(
                "All fulfillment orders must be assigned to the same location.",
            ));
        }
        for (line, units) in units_of(part, &parcel.fulfillment_order_line_items)? {
            let sum = wanted.entry(line).or_default();
            *sum = sum.saturating_add(units);
        }
    }
    let lines = wanted.into_iter();
    Ok(lines
        .map(|(line, quantity)| FulfilLineRequest { line, quantity })
        .collect())
}

fn open_part(order: &Order, id: i64) -> Result<&FulfilmentOrder, Refused> {
    let part = order.fulfilment_orders.iter().find(|part| part.id == id);
    let part = part.ok_or_else(Refused::not_found)?;
    if part.status == FulfilmentStatus::Open {
        return Ok(part);
    }
    Err(Refused::unprocessable(&format!(
        "Fulfillment order {id} has an unfulfillable status= {}.",
        part.status.name()
    )))
}

/// `(line, units)`: those named, or all that wait.
fn units_of(part: &FulfilmentOrder, named: &[NewParcelLine]) -> Result<Vec<(i64, i64)>, Refused> {
    if named.is_empty() {
        let lines = part.lines.iter().filter(|line| line.remaining > 0);
        return Ok(lines.map(|line| (line.line, line.remaining)).collect());
    }
    let possible = |wanted: &NewParcelLine| {
        let found = part.lines.iter().find(|line| line.id == wanted.id)?;
        let fits = (1..=found.remaining).contains(&wanted.quantity);
        fits.then_some((found.line, wanted.quantity))
    };
    let units: Option<Vec<(i64, i64)>> = named.iter().map(possible).collect();
    units.ok_or_else(|| {
        Refused::unprocessable("Invalid fulfillment order line item quantity requested.")
    })
}

/// The object a body holds under `name`.
fn wrapped<T: DeserializeOwned>(call: &Call, name: &str) -> Result<T, Refused> {
    let mut body = body(call)?;
    let found = body.get_mut(name).map(Value::take);
    let found = found.filter(Value::is_object).ok_or_else(|| Refused {
        status: 400,
        errors: json!({ name: "Required parameter missing or invalid" }),
    })?;
    serde_json::from_value(found).map_err(|error| Refused::field(name, &error.to_string()))
}
