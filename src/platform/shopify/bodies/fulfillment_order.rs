//! Fulfillment orders: `fulfillment_orders/*`. Their bodies differ by topic, and only some name the order.

use serde::Deserialize;

use crate::domain::fact::Fact;
use crate::ids::OrderId;
use crate::platform::Malformed;
use crate::platform::shopify::scalar::{Id, Object, Scalar, read_object};

/// Where the order's id may stand.
#[derive(Deserialize)]
struct FulfillmentOrderBody {
    #[serde(default)]
    order_id: Scalar<Id>,
    fulfillment_order: Option<Object<OfOrder>>,
    original_fulfillment_order: Option<Object<OfOrder>>,
    moved_fulfillment_order: Option<Object<OfOrder>>,
}

#[derive(Deserialize)]
struct OfOrder {
    #[serde(default)]
    order_id: Scalar<Id>,
}

/// The order is to be read anew; without its name nothing can be, and the next change of the order will tell.
pub(super) fn parse(body: &[u8]) -> Result<Fact, Malformed> {
    let body = read_object::<FulfillmentOrderBody>(body)?;
    let nested = [
        body.fulfillment_order,
        body.original_fulfillment_order,
        body.moved_fulfillment_order,
    ];
    let order = nested
        .into_iter()
        .flatten()
        .find_map(|Object(part)| part.order_id.known())
        .or(body.order_id.known());
    Ok(order.map_or(Fact::Unneeded, |Id(id)| Fact::OrderTouched(OrderId(id))))
}
