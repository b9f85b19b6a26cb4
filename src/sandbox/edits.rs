//! Owns order edits: lines added and units removed after the sale.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    ids::{Kind, LevelKey, text_or_number},
    levels::Shift,
    oracle::Cause,
    order::Order,
    orders::LineRequest,
    refunds::{Refund, RefundLine, RestockType},
    shop::{Action, Refused, Shop, Subject},
};

/// A committed edit of an order.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EditRequest {
    /// New lines.
    pub add: Vec<LineRequest>,
    /// Units to take off lines.
    pub remove: Vec<RemoveRequest>,
}

/// Units to be taken off one line.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoveRequest {
    /// Line item id.
    #[serde(with = "text_or_number")]
    pub line: i64,
    /// Units, at least 1, at most what waits to be sent.
    pub quantity: i64,
    /// Whether they are for sale again.
    #[serde(default)]
    pub restock: bool,
}

impl Shop {
    /// Edits an order: additions take stock, removals give it back only when
    /// they are restocked, and a refund object says which.
    pub(super) fn edit_order(
        &mut self,
        action: Action,
        id: i64,
        request: &EditRequest,
    ) -> Result<(), Refused> {
        let (refund, body) = self.with_order(action, id, |shop, order| {
            shop.check_edit(order, request)?;
            let before = order.lines.len();
            for line in &request.add {
                shop.add_line(action, order, line);
            }
            let added: Vec<Value> = order
                .lines
                .iter()
                .skip(before)
                .map(|line| json!({ "id": line.id, "delta": line.quantity }))
                .collect();
            let refund = shop.remove_units(action, order, &request.remove);
            Ok((refund, shop.edit_body(action, order, &added, request)))
        })?;
        self.emit(action, "orders/edited", Subject::Fixed(id, body));
        if let Some(refund) = refund {
            self.emit(
                action,
                "refunds/create",
                Subject::Refund { order: id, refund },
            );
        }
        self.emit(action, "orders/updated", Subject::Order(id));
        self.announce_levels(action);
        Ok(())
    }

    fn check_edit(&self, order: &Order, request: &EditRequest) -> Result<(), Refused> {
        if order.cancelled_at.is_some() {
            return Err(Refused::unprocessable("Cannot edit a cancelled order"));
        }
        if request.add.is_empty() && request.remove.is_empty() {
            return Err(Refused::unprocessable("There must be at least one change"));
        }
        request
            .add
            .iter()
            .try_for_each(|line| self.check_line(line))?;
        request.remove.iter().try_for_each(|wanted| {
            let same = request
                .remove
                .iter()
                .filter(|other| other.line == wanted.line);
            let together: i64 = same.map(|other| other.quantity).sum();
            let unrefunded = order
                .line(wanted.line)
                .map_or(0, |line| line.quantity - order.refunded(line.id));
            let possible = order.fulfillable(wanted.line).min(unrefunded);
            if wanted.quantity < 1 || together > possible {
                return Err(Refused::unprocessable(
                    "Cannot remove more items than are unfulfilled",
                ));
            }
            Ok(())
        })
    }

    fn remove_units(
        &mut self,
        action: Action,
        order: &mut Order,
        removals: &[RemoveRequest],
    ) -> Option<i64> {
        if removals.is_empty() {
            return None;
        }
        let refund = self.ids.next(Kind::Refund);
        let lines = removals
            .iter()
            .map(|removal| self.remove_line_units(action, order, (refund, removal)))
            .collect();
        order.refunds.push(Refund {
            id: refund,
            created_at: action.now,
            note: None,
            lines,
        });
        Some(refund)
    }

    fn remove_line_units(
        &mut self,
        action: Action,
        order: &mut Order,
        (refund, removal): (i64, &RemoveRequest),
    ) -> RefundLine {
        let item = order.line(removal.line).map_or(0, |line| line.item);
        let line = order.line_ref(removal.line);
        let restock_type = if removal.restock {
            RestockType::Cancel
        } else {
            RestockType::NoRestock
        };
        let mut last = None;
        for (location, units) in order.release(removal.line, removal.quantity) {
            let key = LevelKey { item, location };
            let cause = Cause::Refund {
                line,
                refund,
                restock_type,
            };
            if removal.restock {
                self.give_back(action, (key, key), units, cause);
                last = Some(location);
            } else {
                self.shift(action, key, Shift::committed(-units, cause));
            }
        }
        if let Some(found) = order.line_mut(removal.line) {
            found.current -= removal.quantity;
        }
        RefundLine {
            id: self.ids.next(Kind::RefundLine),
            line: removal.line,
            quantity: removal.quantity,
            restock_type,
            location: last,
        }
    }

    fn edit_body(
        &mut self,
        action: Action,
        order: &Order,
        additions: &[Value],
        request: &EditRequest,
    ) -> Value {
        let removals: Vec<Value> = request
            .remove
            .iter()
            .map(|removal| json!({ "id": removal.line, "delta": removal.quantity }))
            .collect();
        json!({ "order_edit": {
            "id": self.ids.next(Kind::OrderEdit),
            "app_id": null,
            "created_at": action.now.local(),
            "committed_at": action.now.local(),
            "notify_customer": false,
            "order_id": order.id,
            "staff_note": "",
            "user_id": null,
            "line_items": { "additions": additions, "removals": removals },
            "discounts": { "line_item": { "additions": [], "removals": [] } },
            "shipping_lines": { "additions": [], "removals": [] },
        }})
    }
}
