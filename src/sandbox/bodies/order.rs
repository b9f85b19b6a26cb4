//! Bodies of orders, their lines and fulfilment orders.

use rust_decimal::Decimal;
use serde_json::{Map, Value, json};

use crate::sandbox::{
    bodies::{money, person, refund},
    fulfilment::{Fulfilment, FulfilmentOrder},
    ids::gid,
    order::{Line, Order},
    shop::Shop,
};

/// What sending an order costs, in cents.
const SHIPPING_CENTS: i64 = 1_000;

/// An order with its lines, parcels and refunds. Who it was and what happened
/// to it is the same body whatever the topic.
pub(in crate::sandbox) fn order(shop: &Shop, order: &Order) -> Value {
    let mut body = Map::new();
    for part in [
        identity(shop, order),
        circumstances(),
        terms(order),
        totals(order),
        parts(order),
    ] {
        if let Value::Object(fields) = part {
            body.extend(fields);
        }
    }
    Value::Object(body)
}

fn identity(shop: &Shop, order: &Order) -> Value {
    let token = format!("{:016x}", order.id);
    json!({
        "id": order.id,
        "admin_graphql_api_id": gid("Order", order.id),
        "name": format!("#{}", order.number),
        "number": order.number - 1000,
        "order_number": order.number,
        "order_status_url": format!(
            "https://{}/{}/orders/{token}/authenticate?key=sandbox", shop.domain, shop.id
        ),
        "token": token,
        "test": order.test,
        "confirmed": true,
        "confirmation_number": null,
        "created_at": order.created_at.local(),
        "processed_at": order.created_at.local(),
        "updated_at": order.updated_at.local(),
        "cancelled_at": order.cancelled_at.map(|at| at.local()),
        "cancel_reason": order.cancel_reason,
        "closed_at": null,
        "financial_status": financial_status(order),
        "fulfillment_status": fulfilment_status(order),
        "location_id": order.location,
        "source_name": if order.location.is_some() { "pos" } else { "web" },
    })
}

fn circumstances() -> Value {
    json!({
        "app_id": null, "browser_ip": null, "buyer_accepts_marketing": false,
        "cart_token": null, "checkout_id": null, "checkout_token": null,
        "client_details": null, "contact_email": "jon@example.com",
        "customer_locale": "en", "device_id": null, "discount_codes": [],
        "discount_applications": [], "email": "jon@example.com", "estimated_taxes": false,
        "landing_site": null, "landing_site_ref": null, "merchant_of_record_app_id": null,
        "note": null, "note_attributes": [], "payment_gateway_names": ["bogus"],
        "payment_terms": null, "phone": null, "po_number": null, "reference": null,
        "referring_site": null, "source_identifier": null, "source_url": null,
    })
}

fn terms(order: &Order) -> Value {
    json!({
        "tags": "", "tax_exempt": false, "tax_lines": [], "taxes_included": false,
        "total_weight": 0, "user_id": null, "currency": "USD",
        "presentment_currency": "USD",
        "original_total_additional_fees_set": null, "original_total_duties_set": null,
        "current_total_additional_fees_set": null, "current_total_duties_set": null,
        "billing_address": person::address(),
        "shipping_address": person::address(),
        "customer": person::customer(),
        "total_tip_received": money::text(Decimal::ZERO),
        "total_outstanding": money::text(if order.paid { Decimal::ZERO } else { total(order) }),
    })
}

fn totals(order: &Order) -> Value {
    let mut body = Map::new();
    let subtotal = sum(order, |line| line.quantity);
    let current = sum(order, |line| line.current);
    let (shipping, nothing) = (Decimal::new(SHIPPING_CENTS, 2), Decimal::ZERO);
    for (name, amount) in [
        ("subtotal_price", subtotal),
        ("total_price", subtotal + shipping),
        ("total_tax", nothing),
        ("total_discounts", nothing),
        ("total_line_items_price", subtotal),
        ("current_subtotal_price", current),
        ("current_total_price", current + shipping),
        ("current_total_tax", nothing),
        ("current_total_discounts", nothing),
    ] {
        body.insert(name.to_owned(), json!(money::text(amount)));
        body.insert(format!("{name}_set"), money::set(amount));
    }
    body.insert("total_shipping_price_set".to_owned(), money::set(shipping));
    Value::Object(body)
}

fn parts(order: &Order) -> Value {
    let lines: Vec<Value> = order
        .lines
        .iter()
        .map(|line| full_line(order, line))
        .collect();
    let refunds: Vec<Value> = order
        .refunds
        .iter()
        .map(|found| refund::refund(order, found))
        .collect();
    let parcels: Vec<Value> = order
        .fulfilments
        .iter()
        .map(|parcel| fulfilment(order, parcel))
        .collect();
    json!({
        "line_items": lines,
        "refunds": refunds,
        "fulfillments": parcels,
        "shipping_lines": [shipping_line(order)],
    })
}

fn shipping_line(order: &Order) -> Value {
    let price = Decimal::new(SHIPPING_CENTS, 2);
    json!({
        "id": order.id + 1, "carrier_identifier": null, "code": null,
        "discounted_price": money::text(price), "discounted_price_set": money::set(price),
        "is_removed": false, "phone": null,
        "price": money::text(price), "price_set": money::set(price),
        "requested_fulfillment_service_id": null, "source": "shopify",
        "title": "Generic Shipping", "tax_lines": [], "discount_allocations": [],
    })
}

/// A line as orders show it.
fn full_line(order: &Order, line: &Line) -> Value {
    let mut body = sold_line(order, line);
    if let Value::Object(fields) = &mut body {
        fields.insert("current_quantity".to_owned(), json!(line.current));
        fields.insert("attributed_staffs".to_owned(), json!([]));
    }
    body
}

/// A line as refunds show it: without what is current.
pub(super) fn sold_line(order: &Order, line: &Line) -> Value {
    let status = match (line.fulfilled, order.fulfillable(line.id)) {
        (0, _) => None,
        (_, 0) => Some("fulfilled"),
        (_, _) => Some("partial"),
    };
    json!({
        "id": line.id,
        "admin_graphql_api_id": gid("LineItem", line.id),
        "fulfillable_quantity": order.fulfillable(line.id),
        "fulfillment_service": "manual",
        "fulfillment_status": status,
        "gift_card": false,
        "grams": 567,
        "name": line.title,
        "price": money::text(line.price),
        "price_set": money::set(line.price),
        "product_exists": true,
        "product_id": line.product,
        "properties": [],
        "quantity": line.quantity,
        "requires_shipping": true,
        "sku": line.sku,
        "taxable": true,
        "title": line.title,
        "total_discount": money::text(Decimal::ZERO),
        "total_discount_set": money::set(Decimal::ZERO),
        "variant_id": line.variant,
        "variant_inventory_management": line.tracked.then_some("shopify"),
        "variant_title": null,
        "vendor": null,
        "tax_lines": [],
        "duties": [],
        "discount_allocations": [],
    })
}

/// One parcel as it was sent.
pub(in crate::sandbox) fn fulfilment(order: &Order, parcel: &Fulfilment) -> Value {
    let lines: Vec<Value> = parcel
        .lines
        .iter()
        .filter_map(|(line, units)| {
            let mut body = full_line(order, order.line(*line)?);
            if let Value::Object(fields) = &mut body {
                fields.insert("quantity".to_owned(), json!(units));
            }
            Some(body)
        })
        .collect();
    json!({
        "id": parcel.id,
        "admin_graphql_api_id": gid("Fulfillment", parcel.id),
        "order_id": order.id,
        "status": "success",
        "created_at": parcel.created_at.local(),
        "updated_at": parcel.created_at.local(),
        "location_id": parcel.location,
        "service": "manual",
        "shipment_status": null,
        "tracking_company": null,
        "tracking_number": null,
        "tracking_numbers": [],
        "tracking_url": null,
        "tracking_urls": [],
        "receipt": {},
        "name": format!("#{}.1", order.number),
        "line_items": lines,
    })
}

/// A fulfilment order as REST shows it.
pub(in crate::sandbox) fn fulfilment_order(
    shop: &Shop,
    order: &Order,
    part: &FulfilmentOrder,
) -> Value {
    let lines: Vec<Value> = part
        .lines
        .iter()
        .filter_map(|found| {
            let line = order.line(found.line)?;
            Some(json!({
                "id": found.id,
                "shop_id": shop.id,
                "fulfillment_order_id": part.id,
                "quantity": found.total,
                "line_item_id": found.line,
                "inventory_item_id": line.item,
                "fulfillable_quantity": found.remaining,
                "variant_id": line.variant,
            }))
        })
        .collect();
    json!({
        "id": part.id,
        "shop_id": shop.id,
        "order_id": order.id,
        "assigned_location_id": part.location,
        "request_status": "unsubmitted",
        "status": part.status.name(),
        "created_at": part.created_at.local(),
        "updated_at": part.updated_at.local(),
        "line_items": lines,
    })
}

fn sum(order: &Order, units: impl Fn(&Line) -> i64) -> Decimal {
    let lines = order.lines.iter();
    lines
        .map(|line| line.price * Decimal::from(units(line)))
        .sum()
}

fn total(order: &Order) -> Decimal {
    sum(order, |line| line.quantity) + Decimal::new(SHIPPING_CENTS, 2)
}

/// `pending`, `paid`, `partially_refunded`, `refunded` or `voided`.
pub(in crate::sandbox) fn financial_status(order: &Order) -> &'static str {
    let refunded: i64 = order.lines.iter().map(|line| order.refunded(line.id)).sum();
    let bought: i64 = order.lines.iter().map(|line| line.quantity).sum();
    match (order.paid, order.cancelled_at.is_some()) {
        (false, true) => "voided",
        (false, false) => "pending",
        (true, true) => "refunded",
        (true, false) if refunded == 0 => "paid",
        (true, false) if refunded < bought => "partially_refunded",
        (true, false) => "refunded",
    }
}

/// Null, `partial` or `fulfilled`.
fn fulfilment_status(order: &Order) -> Option<&'static str> {
    if order.fulfilments.is_empty() {
        return None;
    }
    let open = order
        .lines
        .iter()
        .any(|line| order.fulfillable(line.id) > 0);
    Some(if open { "partial" } else { "fulfilled" })
}
