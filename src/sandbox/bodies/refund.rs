//! Bodies of refunds.

use rust_decimal::Decimal;
use serde_json::{Value, json};

use crate::sandbox::{
    bodies::{money, order::sold_line},
    ids::gid,
    order::Order,
    refunds::{Refund, RefundLine, RestockType},
};

/// A refund of an order.
pub(in crate::sandbox) fn refund(order: &Order, refund: &Refund) -> Value {
    let lines: Vec<Value> = refund
        .lines
        .iter()
        .filter_map(|line| refund_line(order, line))
        .collect();
    let restocked = |line: &RefundLine| line.restock_type != RestockType::NoRestock;
    json!({
        "id": refund.id,
        "order_id": order.id,
        "created_at": refund.created_at.local(),
        "note": refund.note,
        "user_id": null,
        "processed_at": refund.created_at.local(),
        "restock": refund.lines.iter().any(restocked),
        "duties": [],
        "total_duties_set": money::set(Decimal::ZERO),
        "return": null,
        "refund_shipping_lines": [],
        "admin_graphql_api_id": gid("Refund", refund.id),
        "order_adjustments": [],
        "refund_line_items": lines,
        "transactions": [],
    })
}

fn refund_line(order: &Order, refunded: &RefundLine) -> Option<Value> {
    let line = order.line(refunded.line)?;
    let subtotal = line.price * Decimal::from(refunded.quantity);
    Some(json!({
        "id": refunded.id,
        "quantity": refunded.quantity,
        "line_item_id": refunded.line,
        "location_id": refunded.location,
        "restock_type": refunded.restock_type.name(),
        "subtotal": money::number(subtotal),
        "total_tax": 0,
        "subtotal_set": money::set(subtotal),
        "total_tax_set": money::set(Decimal::ZERO),
        "line_item": sold_line(order, line),
    }))
}
