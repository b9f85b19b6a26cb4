//! Owns refunds: what each restock type gives back, and where.

use serde::{Deserialize, Serialize};

use super::{
    clock::Moment,
    ids::{Kind, LevelKey, text_or_number},
    levels::Shift,
    oracle::Cause,
    order::Order,
    shop::{Action, Refused, Shop, Subject},
};

/// What a refund line says about stock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RestockType {
    /// Nothing comes back.
    NoRestock,
    /// Unsent units are for sale again and will not be sent.
    Cancel,
    /// Sent units came back.
    Return,
    /// Given back under an old API; read only.
    LegacyRestock,
}

impl RestockType {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::NoRestock => "no_restock",
            Self::Cancel => "cancel",
            Self::Return => "return",
            Self::LegacyRestock => "legacy_restock",
        }
    }
}

/// A refund to be made.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefundRequest {
    /// What is refunded.
    pub lines: Vec<RefundLineRequest>,
    /// Why, in words.
    #[serde(default)]
    pub note: Option<String>,
}

/// One line to be refunded.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefundLineRequest {
    /// Line item id.
    #[serde(with = "text_or_number")]
    pub line: i64,
    /// Units, at least 1.
    pub quantity: i64,
    /// What happens to the stock.
    pub restock_type: RestockType,
    /// Where the units come back; the line's own location when absent.
    #[serde(default, deserialize_with = "text_or_number::optional::deserialize")]
    pub location: Option<i64>,
}

/// One refund of one order.
#[derive(Debug, Clone)]
pub(super) struct Refund {
    pub(super) id: i64,
    pub(super) created_at: Moment,
    pub(super) note: Option<String>,
    pub(super) lines: Vec<RefundLine>,
}

/// One refunded line.
#[derive(Debug, Clone)]
pub(super) struct RefundLine {
    pub(super) id: i64,
    pub(super) line: i64,
    pub(super) quantity: i64,
    pub(super) restock_type: RestockType,
    pub(super) location: Option<i64>,
}

impl Shop {
    /// Refunds lines of an order; returns the refund's id.
    pub(super) fn refund_order(
        &mut self,
        action: Action,
        id: i64,
        request: &RefundRequest,
    ) -> Result<i64, Refused> {
        let refund = self.with_order(action, id, |shop, order| {
            shop.check_refund(order, request)?;
            Ok(shop.book_refund(action, order, request))
        })?;
        self.emit(
            action,
            "refunds/create",
            Subject::Refund { order: id, refund },
        );
        self.emit(action, "orders/updated", Subject::Order(id));
        self.announce_levels(action);
        Ok(refund)
    }

    fn check_refund(&self, order: &Order, request: &RefundRequest) -> Result<(), Refused> {
        if request.lines.is_empty() {
            return Err(Refused::field("refund_line_items", "can't be blank"));
        }
        request.lines.iter().try_for_each(|wanted| {
            let same = request
                .lines
                .iter()
                .filter(|other| other.line == wanted.line);
            let together = same.clone().map(|other| other.quantity).sum();
            let of_type = same
                .filter(|other| other.restock_type == wanted.restock_type)
                .map(|other| other.quantity)
                .sum();
            self.check_refund_line(order, wanted, (together, of_type))
        })
    }

    /// `together` are the units of the line in the whole request, `of_type`
    /// those with the same restock type.
    fn check_refund_line(
        &self,
        order: &Order,
        wanted: &RefundLineRequest,
        (together, of_type): (i64, i64),
    ) -> Result<(), Refused> {
        let Some(line) = order.line(wanted.line) else {
            return Err(Refused::field("line_item_id", "is unknown"));
        };
        let left = line.quantity - order.refunded(line.id);
        if wanted.quantity < 1 || together > left {
            let text = "Quantity cannot refund more items than were purchased";
            return Err(Refused::unprocessable(text));
        }
        let known = |place| self.catalog.locations.contains_key(&place);
        if !wanted.location.is_none_or(known) {
            return Err(Refused::field("location_id", "is unknown"));
        }
        let (possible, text) = match wanted.restock_type {
            RestockType::NoRestock => return Ok(()),
            RestockType::Cancel => (
                order.fulfillable(line.id),
                "Quantity cannot cancel more items than are unfulfilled",
            ),
            RestockType::Return => (
                line.fulfilled - line.returned,
                "Quantity cannot return more items than were fulfilled",
            ),
            RestockType::LegacyRestock => (0, "Restock type legacy_restock is read-only"),
        };
        if of_type > possible {
            return Err(Refused::unprocessable(text));
        }
        Ok(())
    }

    fn book_refund(&mut self, action: Action, order: &mut Order, request: &RefundRequest) -> i64 {
        let refund = self.ids.next(Kind::Refund);
        let lines = request
            .lines
            .iter()
            .map(|wanted| self.book_refund_line(action, order, (refund, wanted)))
            .collect();
        order.refunds.push(Refund {
            id: refund,
            created_at: action.now,
            note: request.note.clone(),
            lines,
        });
        refund
    }

    fn book_refund_line(
        &mut self,
        action: Action,
        order: &mut Order,
        (refund, wanted): (i64, &RefundLineRequest),
    ) -> RefundLine {
        let item = order.line(wanted.line).map_or(0, |line| line.item);
        let cause = Cause::Refund {
            line: order.line_ref(wanted.line),
            refund,
            restock_type: wanted.restock_type,
        };
        let own = order.location_of(wanted.line);
        let location = match wanted.restock_type {
            RestockType::NoRestock | RestockType::LegacyRestock => None,
            RestockType::Cancel => wanted.location.or(own),
            RestockType::Return => wanted.location.or(own),
        };
        let to = |from: i64| LevelKey {
            item,
            location: location.unwrap_or(from),
        };
        match wanted.restock_type {
            RestockType::NoRestock | RestockType::LegacyRestock => {}
            RestockType::Cancel => {
                for (place, units) in order.release(wanted.line, wanted.quantity) {
                    let from = LevelKey {
                        item,
                        location: place,
                    };
                    self.give_back(action, (from, to(place)), units, cause.clone());
                }
            }
            RestockType::Return => {
                let key = to(own.unwrap_or_default());
                let line = order.line_ref(wanted.line);
                self.move_units(action, key, wanted.quantity, line);
                self.shift(action, key, Shift::available(wanted.quantity, cause));
            }
        }
        if let Some(line) = order.line_mut(wanted.line) {
            line.current -= wanted.quantity;
            if wanted.restock_type == RestockType::Return {
                line.returned += wanted.quantity;
            }
        }
        RefundLine {
            id: self.ids.next(Kind::RefundLine),
            line: wanted.line,
            quantity: wanted.quantity,
            restock_type: wanted.restock_type,
            location,
        }
    }

    /// Unsent units go from committed at one place to available at another
    /// (mostly the same).
    pub(super) fn give_back(
        &mut self,
        action: Action,
        (from, to): (LevelKey, LevelKey),
        units: i64,
        cause: Cause,
    ) {
        if let Cause::Refund { line, .. } = &cause {
            self.move_units(action, to, units, *line);
        }
        self.shift(action, from, Shift::committed(-units, cause.clone()));
        self.shift(action, to, Shift::available(units, cause));
    }
}
