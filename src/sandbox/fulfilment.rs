//! Owns fulfilment: which location sends which units of an order, sending
//! them, and moving them elsewhere.

use serde::Deserialize;
use serde_json::json;

use super::{
    clock::Moment,
    ids::{Kind, LevelKey, gid, text_or_number},
    levels::Shift,
    oracle::Cause,
    order::Order,
    shop::{Action, Refused, Shop, Subject},
};

/// What is to be sent.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FulfilRequest {
    /// Lines and units; empty means everything that waits.
    pub lines: Vec<FulfilLineRequest>,
}

/// One line to be sent.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FulfilLineRequest {
    /// Line item id.
    #[serde(with = "text_or_number")]
    pub line: i64,
    /// Units, at least 1.
    pub quantity: i64,
}

/// How far a fulfilment order is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FulfilmentStatus {
    Open,
    Closed,
    Cancelled,
}

impl FulfilmentStatus {
    /// As REST writes it; GraphQL writes it in capitals.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// The units of one order that one location is to send.
#[derive(Debug, Clone)]
pub(super) struct FulfilmentOrder {
    pub(super) id: i64,
    pub(super) location: i64,
    pub(super) status: FulfilmentStatus,
    pub(super) created_at: Moment,
    pub(super) updated_at: Moment,
    pub(super) lines: Vec<FulfilmentLine>,
}

/// The units of one line in a fulfilment order.
#[derive(Debug, Clone)]
pub(super) struct FulfilmentLine {
    pub(super) id: i64,
    pub(super) line: i64,
    pub(super) total: i64,
    pub(super) remaining: i64,
}

/// What one parcel held.
#[derive(Debug, Clone)]
pub(super) struct Fulfilment {
    pub(super) id: i64,
    pub(super) location: i64,
    pub(super) created_at: Moment,
    /// `(line, units)`.
    pub(super) lines: Vec<(i64, i64)>,
}

impl FulfilmentOrder {
    /// Nothing waits any more: it is closed.
    pub(super) fn close_if_done(&mut self) {
        if self.lines.iter().all(|line| line.remaining == 0) {
            self.status = FulfilmentStatus::Closed;
        }
    }
}

impl Order {
    /// Nothing of the order is to be sent any more, and nothing was.
    pub(super) fn cancel_sending(&mut self) {
        if self.fulfilments.is_empty() {
            for part in &mut self.fulfilment_orders {
                part.status = FulfilmentStatus::Cancelled;
            }
        }
    }
}

/// The two sides of a move.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moved {
    pub(super) order: i64,
    pub(super) original: i64,
    pub(super) moved: i64,
}

impl Shop {
    /// Lets a location send `(line, units)` of an order.
    pub(super) fn assign(
        &mut self,
        action: Action,
        order: &mut Order,
        location: i64,
        (line, units): (i64, i64),
    ) {
        let assigned = FulfilmentLine {
            id: self.ids.next(Kind::FulfilmentLine),
            line,
            total: units,
            remaining: units,
        };
        let open = |part: &&mut FulfilmentOrder| {
            part.location == location && part.status == FulfilmentStatus::Open
        };
        if let Some(part) = order.fulfilment_orders.iter_mut().find(open) {
            part.lines.push(assigned);
            part.updated_at = action.now;
            return;
        }
        order.fulfilment_orders.push(FulfilmentOrder {
            id: self.ids.next(Kind::FulfilmentOrder),
            location,
            status: FulfilmentStatus::Open,
            created_at: action.now,
            updated_at: action.now,
            lines: vec![assigned],
        });
    }

    /// Sends units: committed and on hand fall, available stays.
    pub(super) fn fulfil_order(
        &mut self,
        action: Action,
        id: i64,
        request: &FulfilRequest,
    ) -> Result<(), Refused> {
        let complete = self.with_order(action, id, |shop, order| {
            let wanted = wanted_units(order, request)?;
            let before = order.fulfilments.len();
            for (line, units) in wanted {
                shop.send_units(action, order, before, (line, units));
            }
            Ok(order
                .lines
                .iter()
                .all(|line| order.fulfillable(line.id) == 0))
        })?;
        let topic = if complete {
            "orders/fulfilled"
        } else {
            "orders/partially_fulfilled"
        };
        self.emit(action, topic, Subject::Order(id));
        self.emit(action, "orders/updated", Subject::Order(id));
        Ok(())
    }

    /// Sends `(line, units)`; what leaves one location is one parcel, among
    /// those behind the first `before`.
    fn send_units(
        &mut self,
        action: Action,
        order: &mut Order,
        before: usize,
        (line, units): (i64, i64),
    ) {
        let item = order.line(line).map_or(0, |found| found.item);
        let cause = Cause::Fulfil(order.line_ref(line));
        for (location, part) in order.release(line, units) {
            let key = LevelKey { item, location };
            self.shift(action, key, Shift::committed(-part, cause.clone()));
            let mut parcels = order.fulfilments.iter_mut().skip(before);
            if let Some(parcel) = parcels.find(|parcel| parcel.location == location) {
                parcel.lines.push((line, part));
                continue;
            }
            order.fulfilments.push(Fulfilment {
                id: self.ids.next(Kind::Fulfilment),
                location,
                created_at: action.now,
                lines: vec![(line, part)],
            });
        }
        if let Some(found) = order.line_mut(line) {
            found.fulfilled += units;
        }
    }

    /// Moves what a fulfilment order still has to send to another location;
    /// the stock it took moves along.
    pub(super) fn move_fulfilment(
        &mut self,
        action: Action,
        fulfilment_order: i64,
        location: i64,
    ) -> Result<Moved, Refused> {
        let Some(order) = self.order_of(fulfilment_order) else {
            return Err(Refused::not_found());
        };
        let place = self.catalog.locations.get(&location);
        if !place.is_some_and(|found| found.active) {
            return Err(Refused::unprocessable("Location is not available"));
        }
        let moved = self.with_order(action, order, |shop, order| {
            shop.reassign(action, order, (fulfilment_order, location))
        })?;
        self.announce_move(action, moved, location);
        Ok(moved)
    }

    /// The order a fulfilment order belongs to.
    pub(super) fn order_of(&self, fulfilment_order: i64) -> Option<i64> {
        let mut orders = self.orders.values();
        let holds = |order: &&Order| {
            let mut parts = order.fulfilment_orders.iter();
            parts.any(|part| part.id == fulfilment_order)
        };
        orders.rfind(holds).map(|order| order.id)
    }

    fn reassign(
        &mut self,
        action: Action,
        order: &mut Order,
        (fulfilment_order, location): (i64, i64),
    ) -> Result<Moved, Refused> {
        let found = order
            .fulfilment_orders
            .iter_mut()
            .find(|part| part.id == fulfilment_order);
        let Some(part) = found.filter(|part| part.status == FulfilmentStatus::Open) else {
            return Err(Refused::unprocessable("Fulfillment order is not open"));
        };
        let from = part.location;
        if from == location {
            return Err(Refused::unprocessable(
                "Fulfillment order is already at this location",
            ));
        }
        let waiting: Vec<FulfilmentLine> = part
            .lines
            .iter()
            .filter(|line| line.remaining > 0)
            .cloned()
            .collect();
        part.updated_at = action.now;
        let untouched = part.lines.iter().all(|line| line.remaining == line.total);
        let moved = if untouched {
            part.location = location;
            part.id
        } else {
            for line in &mut part.lines {
                line.total -= line.remaining;
                line.remaining = 0;
            }
            part.status = FulfilmentStatus::Closed;
            self.split_off(action, order, location, &waiting)
        };
        for line in &waiting {
            self.move_stock(action, order, line, (from, location));
        }
        Ok(Moved {
            order: order.id,
            original: fulfilment_order,
            moved,
        })
    }

    fn split_off(
        &mut self,
        action: Action,
        order: &mut Order,
        location: i64,
        waiting: &[FulfilmentLine],
    ) -> i64 {
        let id = self.ids.next(Kind::FulfilmentOrder);
        let lines = waiting
            .iter()
            .map(|line| FulfilmentLine {
                id: self.ids.next(Kind::FulfilmentLine),
                line: line.line,
                total: line.remaining,
                remaining: line.remaining,
            })
            .collect();
        order.fulfilment_orders.push(FulfilmentOrder {
            id,
            location,
            status: FulfilmentStatus::Open,
            created_at: action.now,
            updated_at: action.now,
            lines,
        });
        id
    }

    fn move_stock(
        &mut self,
        action: Action,
        order: &Order,
        waiting: &FulfilmentLine,
        (from, to): (i64, i64),
    ) {
        let item = order.line(waiting.line).map_or(0, |line| line.item);
        let line = order.line_ref(waiting.line);
        for (location, units) in [(from, waiting.remaining), (to, -waiting.remaining)] {
            let key = LevelKey { item, location };
            self.connect(action, key);
            self.move_units(action, key, units, line);
            self.shift(action, key, Shift::available(units, Cause::Move(line)));
            self.shift(action, key, Shift::committed(-units, Cause::Move(line)));
        }
    }

    fn announce_move(&mut self, action: Action, moved: Moved, location: i64) {
        let name = |id| gid("FulfillmentOrder", id);
        let body = json!({
            "original_fulfillment_order": { "id": name(moved.original), "status": "open" },
            "moved_fulfillment_order": { "id": name(moved.moved), "status": "open" },
            "destination_location_id": gid("Location", location),
            "fulfillment_order_line_items_requested": [],
        });
        let subject = Subject::Fixed(moved.order, body);
        self.emit(action, "fulfillment_orders/moved", subject);
        if !action.quirks.silent_moves {
            self.emit(action, "orders/updated", Subject::Order(moved.order));
        }
        self.announce_levels(action);
    }
}

fn wanted_units(order: &Order, request: &FulfilRequest) -> Result<Vec<(i64, i64)>, Refused> {
    let wanted: Vec<(i64, i64)> = if request.lines.is_empty() {
        let lines = order.lines.iter();
        let open = lines.map(|line| (line.id, order.fulfillable(line.id)));
        open.filter(|(_, units)| *units > 0).collect()
    } else {
        let lines = request.lines.iter();
        lines.map(|line| (line.line, line.quantity)).collect()
    };
    let possible = |(line, units): &(i64, i64)| *units >= 1 && *units <= order.fulfillable(*line);
    if wanted.is_empty() || !wanted.iter().all(possible) {
        return Err(Refused::unprocessable(
            "Fulfillment line items are invalid or already fulfilled",
        ));
    }
    Ok(wanted)
}
