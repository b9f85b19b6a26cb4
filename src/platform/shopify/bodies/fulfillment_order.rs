//! Fulfillment orders: `fulfillment_orders/*`. Their bodies differ by topic, and only some name the order.

use serde::Deserialize;

use crate::domain::fact::Fact;
use crate::ids::{FulfillmentOrderId, OrderId};
use crate::platform::Malformed;
use crate::platform::shopify::scalar::{Id, Object, Scalar, read_object};

/// Comes for every order soon after it was made, which is asked about then anyway.
const ROUTED: &str = "fulfillment_orders/order_routing_complete";

/// Where the order's id may stand.
#[derive(Deserialize)]
struct FulfillmentOrderBody {
    #[serde(default)]
    order_id: Scalar<Id>,
    fulfillment_order: Option<Object<Part>>,
    original_fulfillment_order: Option<Object<Part>>,
    moved_fulfillment_order: Option<Object<Part>>,
}

#[derive(Clone, Copy, Deserialize)]
struct Part {
    #[serde(default)]
    id: Scalar<Id>,
    #[serde(default)]
    order_id: Scalar<Id>,
}

/// The order is to be read anew; when only a fulfillment order is named, whose it is must be asked first.
pub(super) fn parse(topic: &str, body: &[u8]) -> Result<Fact, Malformed> {
    let body = read_object::<FulfillmentOrderBody>(body)?;
    let parts = [
        body.fulfillment_order,
        body.original_fulfillment_order,
        body.moved_fulfillment_order,
    ];
    let parts = || parts.iter().flatten().map(|Object(part)| *part);
    let order = parts().find_map(|part| part.order_id.known());
    if let Some(Id(order)) = order.or(body.order_id.known()) {
        return Ok(Fact::OrderTouched(OrderId(order)));
    }
    let part = parts().find_map(|part| part.id.known());
    Ok(match part {
        Some(Id(part)) if topic != ROUTED => Fact::PartTouched(FulfillmentOrderId(part)),
        Some(_) | None => Fact::Unneeded,
    })
}
