//! Moving a fulfilment order to another location.

use serde_json::json;

use super::{
    error::UserError,
    node::{Found, Node, payload},
    picks::Pick,
};
use crate::sandbox::{gate::Call, ids::parse_gid, shop::Shop};

pub(super) fn relocate(shop: &mut Shop, call: &Call, pick: &Pick) -> Node {
    let id = |kind: &str, field: &str| {
        let text = pick.text(field);
        text.and_then(|text| parse_gid(kind, text))
            .unwrap_or_default()
    };
    let part = id("FulfillmentOrder", "id");
    let location = id("Location", "newLocationId");
    let moved = shop.move_fulfilment(call.action, part, location);
    let node = |order, part| Found::One(Some(Node::FulfilmentOrder { order, part }));
    let (links, errors) = match moved {
        Ok(moved) => (
            vec![
                (
                    "originalFulfillmentOrder",
                    node(moved.order, moved.original),
                ),
                ("movedFulfillmentOrder", node(moved.order, moved.moved)),
            ],
            Vec::new(),
        ),
        Err(refused) => {
            let error = UserError {
                code: None,
                field: json!(["id"]),
                message: refused.errors.to_string(),
            };
            (Vec::new(), vec![error])
        }
    };
    payload("FulfillmentOrderMovePayload", json!({}), links, &errors)
}
