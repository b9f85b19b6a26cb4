//! Orders: sold, sent, moved, refunded, edited, cancelled, deleted; and where each unit of them is taken.

use storekeeper::clock::Timestamp;
use storekeeper::domain::fact::{
    Assignment, Assignments, LineSnapshot, OrderSnapshot, RefundLine, RefundSnapshot, Restock,
};
use storekeeper::domain::store::ConsumeOn;
use storekeeper::ids::{ItemId, LineId, LocationId, OrderId, RefundId};

use super::catalog::Shop;
use super::telling::Subject;

/// Longer than any run, milliseconds.
const NEVER_MS: i64 = 10_000 * 3_600 * 1_000;

/// An order.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent traits, as a platform has them"
)]
pub(super) struct Order {
    id: OrderId,
    created_at: Timestamp,
    updated_at: Timestamp,
    cancelled: bool,
    paid: bool,
    deleted: bool,
    till: Option<LocationId>,
    /// Where it ships from is told from then on.
    routed_at: Timestamp,
    routed: bool,
    lines: Vec<Line>,
    refunds: Vec<RefundSnapshot>,
    parcels: Vec<Parcel>,
}

#[derive(Clone, Copy, Debug)]
struct Line {
    id: LineId,
    item: ItemId,
    quantity: i64,
    sent: i64,
    returned: i64,
}

/// A fulfillment order's part of one line.
#[derive(Clone, Copy, Debug)]
struct Parcel {
    location: LocationId,
    line: LineId,
    total: i64,
    remaining: i64,
    cancelled: bool,
}

impl Order {
    /// As the reference knows it.
    const fn name(&self) -> (OrderId, Timestamp) {
        (self.id, self.created_at)
    }

    fn refunded(&self, line: LineId) -> i64 {
        let lines = self.refunds.iter().flat_map(|refund| &refund.lines);
        let of_line = lines.filter(|refund| refund.line == line);
        of_line.map(|refund| refund.quantity).sum()
    }

    fn is_partly_sent(&self) -> bool {
        self.lines.iter().any(|line| line.sent > 0)
    }

    fn unsent(&self, line: LineId) -> i64 {
        let open = self.parcels.iter().filter(|parcel| parcel.line == line);
        open.map(|parcel| parcel.remaining).sum()
    }

    /// Takes units of a line out of what is to be sent; says from where.
    fn release(&mut self, line: LineId, units: i64) -> Vec<(LocationId, i64)> {
        let mut left = units;
        let mut released = Vec::new();
        for parcel in self.parcels.iter_mut().filter(|parcel| parcel.line == line) {
            let taken = left.min(parcel.remaining);
            parcel.remaining -= taken;
            left -= taken;
            if taken > 0 {
                released.push((parcel.location, taken));
            }
        }
        released
    }
}

impl Shop {
    pub(crate) fn order_ids(&self) -> Vec<OrderId> {
        let live = self.orders.iter().filter(|(_, order)| !order.deleted);
        live.map(|(id, _)| *id).collect()
    }

    pub(crate) fn was_order_deleted(&self, order: OrderId) -> bool {
        self.orders.get(&order).is_none_or(|order| order.deleted)
    }

    /// The lines of an order, with what is left of each to refund.
    pub(crate) fn lines_of(&self, order: OrderId) -> Vec<(LineId, i64)> {
        let Some(order) = self.orders.get(&order) else {
            return Vec::new();
        };
        let left = |line: &Line| (line.id, line.quantity - order.refunded(line.id));
        order.lines.iter().map(left).collect()
    }

    /// A shopper buys; `till`: at this location, which sells what it has. Nothing when no item can be sold there.
    pub(crate) fn sell(
        &mut self,
        wanted: &[(ItemId, i64, usize)],
        till: Option<LocationId>,
        (routing_ms, paid): (i64, bool),
    ) -> Option<OrderId> {
        let id = OrderId(self.fresh_id());
        let mut order = Order {
            id,
            created_at: self.now,
            updated_at: self.now,
            cancelled: false,
            paid,
            deleted: false,
            till,
            routed_at: self.now.plus_millis(routing_ms),
            routed: routing_ms == 0,
            lines: Vec::new(),
            refunds: Vec::new(),
            parcels: Vec::new(),
        };
        for (item, quantity, place) in wanted {
            self.add_line(&mut order, *item, *quantity, *place);
        }
        if order.lines.is_empty() {
            return None;
        }
        self.last_sale = self.now;
        if !paid && self.consumes_on == ConsumeOn::Paid {
            self.reference.await_payment(id);
        }
        self.orders.insert(id, order);
        self.emit("orders/create", Subject::Order(id));
        Some(id)
    }

    /// A shopper buys, and nobody ever tells where it ships from: what is left of its goods nobody can say either.
    pub(crate) fn sell_unrouted(&mut self, wanted: &[(ItemId, i64, usize)], paid: bool) {
        if self.sell(wanted, None, (NEVER_MS, paid)).is_none() {
            return;
        }
        for (item, _, _) in wanted {
            for leaf in self.reference.parts_ever(*item) {
                self.reference.leave_item_unjudged(leaf);
            }
        }
    }

    fn add_line(&mut self, order: &mut Order, item: ItemId, quantity: i64, place: usize) {
        let stocked = self.stocked_at(item);
        let location = match order.till {
            Some(till) => stocked.contains(&till).then_some(till),
            None => stocked.get(place % stocked.len().max(1)).copied(),
        };
        let Some(location) = location else { return };
        let id = LineId(self.fresh_id());
        order.lines.push(Line {
            id,
            item,
            quantity,
            sent: 0,
            returned: 0,
        });
        order.parcels.push(Parcel {
            location,
            line: id,
            total: quantity,
            remaining: quantity,
            cancelled: false,
        });
        self.move_units((item, location), -quantity, order.name());
    }

    /// Changes a live order, and stamps it when it was changed. The platform takes a moment to route an order; nobody
    /// changes it that fast.
    fn change(
        &mut self,
        id: OrderId,
        change: impl FnOnce(&mut Self, &mut Order) -> Option<()>,
    ) -> bool {
        let order = self.orders.get(&id);
        let live = order.is_some_and(|order| !order.deleted && order.routed);
        let Some(mut order) = live.then(|| self.orders.remove(&id)).flatten() else {
            return false;
        };
        let changed = change(self, &mut order).is_some();
        if changed {
            order.updated_at = self.now;
        }
        self.orders.insert(id, order);
        changed
    }

    /// What was open is paid.
    pub(crate) fn pay(&mut self, id: OrderId) {
        let paid = self.change(id, |shop, order| {
            let is_open = !std::mem::replace(&mut order.paid, true);
            shop.reference.paid(id);
            is_open.then_some(())
        });
        if paid {
            self.emit("orders/paid", Subject::Order(id));
            self.emit("orders/updated", Subject::Order(id));
        }
    }

    /// Part of a line is sent.
    pub(crate) fn send(&mut self, id: OrderId, line: LineId, units: i64) {
        let sent = self.change(id, |_, order| {
            let units = units.min(order.unsent(line));
            if units < 1 {
                return None;
            }
            order.release(line, units);
            let line = order.lines.iter_mut().find(|found| found.id == line)?;
            line.sent += units;
            Some(())
        });
        if sent {
            self.emit("orders/updated", Subject::Order(id));
        }
    }

    /// What is unsent of a line ships from elsewhere from now on; its stock moves along.
    pub(crate) fn reroute(&mut self, id: OrderId, line: LineId, units: i64, to: LocationId) {
        let moved = self.change(id, |shop, order| {
            let item = order.lines.iter().find(|found| found.id == line)?.item;
            let is_open = |parcel: &&mut Parcel| {
                parcel.line == line && parcel.remaining > 0 && parcel.location != to
            };
            let parcel = order.parcels.iter_mut().find(is_open)?;
            if order.till.is_some() || !shop.levels.contains_key(&(item, to)) {
                return None;
            }
            let (from, units) = (parcel.location, units.clamp(1, parcel.remaining));
            if units == parcel.total {
                parcel.location = to;
            } else {
                parcel.total -= units;
                parcel.remaining -= units;
                order.parcels.push(Parcel {
                    location: to,
                    line,
                    total: units,
                    remaining: units,
                    cancelled: false,
                });
            }
            shop.move_units((item, from), units, order.name());
            shop.move_units((item, to), -units, order.name());
            Some(())
        });
        if moved {
            self.emit("fulfillment_orders/moved", Subject::PartTouched(id));
            if !self.tells_moves_once {
                self.emit("orders/updated", Subject::Order(id));
            }
        }
    }

    /// Refunds units of a line; goods that come back do so at `to`, when that stocks them.
    pub(crate) fn refund(
        &mut self,
        id: OrderId,
        (line, units): (LineId, i64),
        restock: Restock,
        to: LocationId,
    ) {
        let mut refund = None;
        let refunded = self.change(id, |shop, order| {
            let refunded = order.refunded(line);
            let found = order.lines.iter().find(|found| found.id == line).copied()?;
            let possible = match restock {
                Restock::None => i64::MAX,
                Restock::Cancel => order.unsent(line),
                Restock::Return => found.sent - found.returned,
                Restock::Legacy => 0,
            };
            let units = units.min(possible).min(found.quantity - refunded);
            let to = if restock.gives_back() {
                let stocked = shop.stocked_at(found.item);
                Some(
                    stocked
                        .contains(&to)
                        .then_some(to)
                        .or(stocked.first().copied())?,
                )
            } else {
                None
            };
            if units < 1 {
                return None;
            }
            if restock == Restock::Cancel {
                order.release(line, units);
            }
            if restock == Restock::Return {
                let found = order.lines.iter_mut().find(|found| found.id == line)?;
                found.returned += units;
            }
            if let Some(to) = to {
                shop.move_units((found.item, to), units, order.name());
            }
            let lines = vec![shop.refund_line(found, units, restock, to)];
            refund = Some(shop.book_refund(id, order, lines));
            Some(())
        });
        if refunded {
            self.tell_refund(id, refund);
            self.emit("orders/updated", Subject::Order(id));
        }
    }

    fn refund_line(
        &self,
        line: Line,
        quantity: i64,
        restock: Restock,
        location: Option<LocationId>,
    ) -> RefundLine {
        RefundLine {
            line: line.id,
            variant: self.variant_of(line.item),
            quantity,
            restock,
            location,
        }
    }

    fn book_refund(&mut self, id: OrderId, order: &mut Order, lines: Vec<RefundLine>) -> RefundId {
        let refund = RefundId(self.fresh_id());
        order.refunds.push(RefundSnapshot {
            refund,
            order: id,
            lines,
        });
        refund
    }

    fn tell_refund(&mut self, order: OrderId, refund: Option<RefundId>) {
        if let Some(refund) = refund {
            self.emit("refunds/create", Subject::Refund(order, refund));
        }
    }

    /// An edit: a line more, more units of a line, or fewer of one.
    pub(crate) fn edit_adding(&mut self, id: OrderId, item: ItemId, quantity: i64, place: usize) {
        let edited = self.change(id, |shop, order| {
            if order.cancelled {
                return None;
            }
            let lines = order.lines.len();
            shop.add_line(order, item, quantity, place);
            (order.lines.len() > lines).then_some(())
        });
        if edited {
            self.emit("orders/edited", Subject::OrderTouched(id));
            self.emit("orders/updated", Subject::Order(id));
        }
    }

    /// More units of a line, from where the line was first to ship from.
    pub(crate) fn edit_growing(&mut self, id: OrderId, line: LineId, units: i64) {
        let edited = self.change(id, |shop, order| {
            let found = order.lines.iter_mut().find(|found| found.id == line)?;
            let location = order
                .parcels
                .iter()
                .find(|parcel| parcel.line == line)?
                .location;
            if order.cancelled || !shop.levels.contains_key(&(found.item, location)) {
                return None;
            }
            found.quantity += units;
            let item = found.item;
            order.parcels.push(Parcel {
                location,
                line,
                total: units,
                remaining: units,
                cancelled: false,
            });
            shop.move_units((item, location), -units, order.name());
            Some(())
        });
        if edited {
            self.emit("orders/edited", Subject::OrderTouched(id));
            self.emit("orders/updated", Subject::Order(id));
        }
    }

    /// Fewer units of a line; those removed are for sale again, or not.
    pub(crate) fn edit_removing(&mut self, id: OrderId, line: LineId, units: i64, restock: bool) {
        let mut refund = None;
        let edited = self.change(id, |shop, order| {
            let found = order.lines.iter().find(|found| found.id == line).copied()?;
            let possible = order
                .unsent(line)
                .min(found.quantity - order.refunded(line));
            let units = units.min(possible);
            if order.cancelled || units < 1 {
                return None;
            }
            let lines = shop.let_go(order, found, units, restock);
            refund = Some(shop.book_refund(id, order, lines));
            Some(())
        });
        if edited {
            self.emit("orders/edited", Subject::OrderTouched(id));
            self.tell_refund(id, refund);
            self.emit("orders/updated", Subject::Order(id));
        }
    }

    /// Units that are not to be sent any more; gives the lines of the refund that says so.
    fn let_go(
        &mut self,
        order: &mut Order,
        line: Line,
        units: i64,
        restock: bool,
    ) -> Vec<RefundLine> {
        let restock_type = if restock {
            Restock::Cancel
        } else {
            Restock::None
        };
        let mut lines = Vec::new();
        for (location, units) in order.release(line.id, units) {
            let back_at = restock.then_some(location);
            if restock {
                self.move_units((line.item, location), units, order.name());
            }
            lines.push(self.refund_line(line, units, restock_type, back_at));
        }
        lines
    }

    /// Cancels an order of which nothing was sent; its units are for sale again, or lost.
    pub(crate) fn cancel(&mut self, id: OrderId, restock: bool) {
        let mut refund = None;
        let cancelled = self.change(id, |shop, order| {
            if order.cancelled || order.is_partly_sent() {
                return None;
            }
            let mut lines = Vec::new();
            for line in order.lines.clone() {
                let unrefunded = line.quantity - order.refunded(line.id);
                let back = if restock {
                    order.unsent(line.id).min(unrefunded)
                } else {
                    0
                };
                lines.extend(shop.let_go(order, line, back, true));
                order.release(line.id, i64::MAX);
            }
            for parcel in &mut order.parcels {
                parcel.cancelled = true;
            }
            order.cancelled = true;
            if !lines.is_empty() {
                refund = Some(shop.book_refund(id, order, lines));
            }
            Some(())
        });
        if cancelled {
            self.emit("orders/cancelled", Subject::Order(id));
            self.tell_refund(id, refund);
            self.emit("orders/updated", Subject::Order(id));
        }
    }

    /// Deletes an order; its goods stay where they went. Who has not heard of it by now never will.
    pub(crate) fn delete_order(&mut self, id: OrderId) {
        let mut items = Vec::new();
        let deleted = self.change(id, |_, order| {
            order.deleted = true;
            items.extend(order.lines.iter().map(|line| line.item));
            Some(())
        });
        if !deleted {
            return;
        }
        for item in items {
            for leaf in self.reference.parts_ever(item) {
                self.reference.leave_item_unjudged(leaf);
            }
        }
        self.emit("orders/delete", Subject::OrderGone(id));
    }

    /// Tells where orders ship from whose time for that has come.
    pub(super) fn route_orders(&mut self) {
        let now = self.now;
        let due = self
            .orders
            .iter_mut()
            .filter(|(_, order)| !order.routed && order.routed_at <= now);
        let routed: Vec<OrderId> = due
            .map(|(id, order)| {
                order.routed = true;
                *id
            })
            .collect();
        for id in routed {
            let topic = "fulfillment_orders/order_routing_complete";
            self.emit(topic, Subject::OrderTouched(id));
        }
    }

    pub(super) fn order_snapshot(&self, id: OrderId) -> Option<OrderSnapshot> {
        let order = self.orders.get(&id).filter(|order| !order.deleted)?;
        let line = |line: &Line| LineSnapshot {
            line: line.id,
            variant: self.variant_of(line.item),
            product: Some(self.product_of(line.item)),
            quantity: line.quantity,
        };
        Some(OrderSnapshot {
            order: id,
            created_at: order.created_at.floor_to_second(),
            updated_at: order.updated_at.floor_to_second(),
            cancelled: order.cancelled,
            paid: order.paid,
            location: order.till,
            lines: order.lines.iter().map(line).collect(),
            refunds: order.refunds.clone(),
        })
    }

    /// Orders changed at or after `since`, ascending, those after `after`.
    pub(super) fn orders_since(
        &self,
        since: Timestamp,
        after: OrderId,
        limit: usize,
    ) -> Vec<OrderSnapshot> {
        let changed = self
            .orders
            .range((std::ops::Bound::Excluded(after), std::ops::Bound::Unbounded))
            .filter(|(_, order)| order.updated_at.floor_to_second() >= since);
        changed
            .filter_map(|(id, _)| self.order_snapshot(*id))
            .take(limit)
            .collect()
    }

    pub(super) fn assignments(&self, id: OrderId) -> Assignments {
        let mut told = Assignments::default();
        let Some(order) = self.orders.get(&id).filter(|order| !order.deleted) else {
            return told;
        };
        if !order.routed {
            return told;
        }
        for parcel in &order.parcels {
            let assignment = |quantity| Assignment {
                line: parcel.line,
                location: parcel.location,
                quantity,
            };
            if parcel.cancelled {
                told.former.insert(0, assignment(parcel.total));
            } else if parcel.total > 0 {
                told.current.push(assignment(parcel.total));
            }
        }
        told.former.retain(|entry| entry.quantity > 0);
        told
    }
}
