//! Owns what happens to orders: how placing, cancelling and deleting one moves
//! stock, and what subscribers are told of it.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::{
    ids::{Kind, LevelKey, text_or_number},
    levels::Shift,
    options::OrderLocationPolicy,
    oracle::{Cause, Movement, OrderLine},
    order::{Line, Order},
    refunds::{Refund, RefundLine, RestockType},
    shop::{Action, Refused, Shop, Subject},
};

/// Most lines of one order.
const LINES_MAX: usize = 500;
/// Most units of one line.
const QUANTITY_MAX: i64 = 1_000_000;

/// An order to be placed.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderRequest {
    /// What is bought.
    pub lines: Vec<LineRequest>,
    /// The till's location; none for an online order.
    #[serde(default, deserialize_with = "text_or_number::optional::deserialize")]
    pub location: Option<i64>,
    /// Whether it is paid at once.
    #[serde(default = "yes")]
    pub paid: bool,
    /// Whether it may be placed beyond what is available; otherwise it is
    /// refused with 422 unless every item continues selling.
    #[serde(default = "yes")]
    pub oversell: bool,
    /// Whether it is a test order.
    #[serde(default)]
    pub test: bool,
}

impl OrderRequest {
    /// A paid online order of `(item, quantity)` lines.
    pub fn online(lines: &[(i64, i64)]) -> Self {
        let lines = lines
            .iter()
            .map(|(item, quantity)| LineRequest {
                item: *item,
                quantity: *quantity,
            })
            .collect();
        Self {
            lines,
            location: None,
            paid: true,
            oversell: true,
            test: false,
        }
    }
}

const fn yes() -> bool {
    true
}

/// One line to be bought.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LineRequest {
    /// Inventory item id.
    #[serde(with = "text_or_number")]
    pub item: i64,
    /// Units, at least 1.
    pub quantity: i64,
}

/// How an order is cancelled.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CancelRequest {
    /// Whether the unsent units are for sale again.
    pub restock: bool,
    /// `customer`, `inventory`, `fraud`, `declined`, `staff` or `other`.
    pub reason: String,
}

impl Default for CancelRequest {
    fn default() -> Self {
        Self {
            restock: true,
            reason: "customer".to_owned(),
        }
    }
}

impl Shop {
    /// Places an order: takes stock and tells subscribers. Returns its id.
    pub(super) fn place_order(
        &mut self,
        action: Action,
        request: &OrderRequest,
    ) -> Result<i64, Refused> {
        self.check_order(request)?;
        let id = self.ids.next(Kind::Order);
        let mut order = Order {
            id,
            number: self.orders.len() + 1001,
            created_at: action.now,
            updated_at: action.now,
            cancelled_at: None,
            cancel_reason: None,
            location: request.location,
            paid: request.paid,
            test: request.test,
            deleted: false,
            lines: Vec::new(),
            refunds: Vec::new(),
            fulfilment_orders: Vec::new(),
            fulfilments: Vec::new(),
        };
        for line in &request.lines {
            self.add_line(action, &mut order, line);
        }
        self.orders.insert(id, order);
        self.emit(action, "orders/create", Subject::Order(id));
        if request.paid {
            self.emit(action, "orders/paid", Subject::Order(id));
        }
        self.emit(action, "orders/updated", Subject::Order(id));
        self.announce_levels(action);
        if action.quirks.product_updates_on_sale {
            self.announce_products(action, request);
        }
        Ok(id)
    }

    fn announce_products(&mut self, action: Action, request: &OrderRequest) {
        let bought = request.lines.iter();
        let variants = bought.filter_map(|line| self.catalog.variant_of(line.item));
        let products: BTreeSet<i64> = variants.map(|variant| variant.product).collect();
        for product in products {
            self.emit(action, "products/update", Subject::Product(product));
        }
    }

    fn check_order(&self, request: &OrderRequest) -> Result<(), Refused> {
        if request.lines.is_empty() || request.lines.len() > LINES_MAX {
            return Err(Refused::field("line_items", "must have 1 to 500 lines"));
        }
        let known = |location| self.catalog.locations.contains_key(&location);
        if !request.location.is_none_or(known) {
            return Err(Refused::field("location_id", "is unknown"));
        }
        request.lines.iter().try_for_each(|line| {
            self.check_line(line)?;
            if request.oversell {
                return Ok(());
            }
            self.check_stock(request, line.item)
        })
    }

    pub(super) fn check_line(&self, line: &LineRequest) -> Result<(), Refused> {
        if self.catalog.variant_of(line.item).is_none() {
            return Err(Refused::field("item", "is unknown"));
        }
        if !(1..=QUANTITY_MAX).contains(&line.quantity) {
            return Err(Refused::field("quantity", "must be from 1 to 1000000"));
        }
        Ok(())
    }

    /// Whether the whole order's demand for an item is there, as a checkout
    /// sees it: at the till's location, or summed over all.
    fn check_stock(&self, request: &OrderRequest, item: i64) -> Result<(), Refused> {
        let continues = |variant: &super::catalog::Variant| variant.continue_selling;
        if !self.is_tracked(item) || self.catalog.variant_of(item).is_some_and(continues) {
            return Ok(());
        }
        let lines = request.lines.iter().filter(|line| line.item == item);
        let wanted: i64 = lines.map(|line| line.quantity).sum();
        let here = |key: &LevelKey| request.location.is_none_or(|place| place == key.location);
        let levels = self.levels_of(item).filter(|(key, _)| here(key));
        let available: i64 = levels.map(|(_, level)| level.available).sum();
        if available < wanted {
            return Err(Refused::unprocessable("Unable to reserve inventory"));
        }
        Ok(())
    }

    /// Adds a line: chooses its location, takes its stock, assigns its sending.
    pub(super) fn add_line(&mut self, action: Action, order: &mut Order, request: &LineRequest) {
        let Some(variant) = self.catalog.variant_of(request.item).cloned() else {
            return;
        };
        let title = self.catalog.products.get(&variant.product);
        let line = Line {
            id: self.ids.next(Kind::Line),
            item: request.item,
            variant: variant.id,
            product: variant.product,
            sku: variant.sku,
            title: title.map_or_else(String::new, |product| product.title.clone()),
            price: variant.price,
            tracked: self.is_tracked(request.item),
            quantity: request.quantity,
            current: request.quantity,
            fulfilled: 0,
            returned: 0,
        };
        let policy = action.quirks.order_location_policy.unwrap_or_default();
        let location = self.location_for(order.location, request, policy);
        let key = LevelKey {
            item: request.item,
            location,
        };
        self.sell(action, key, request.quantity, order.line_ref(line.id));
        self.assign(action, order, location, (line.id, request.quantity));
        order.lines.push(line);
    }

    fn location_for(
        &self,
        till: Option<i64>,
        line: &LineRequest,
        policy: OrderLocationPolicy,
    ) -> i64 {
        let active = |location: i64| {
            let found = self.catalog.locations.get(&location);
            found.is_some_and(|place| place.active)
        };
        let mut stocked = self
            .levels_of(line.item)
            .filter(|(key, _)| active(key.location));
        let lowest = stocked.next();
        let enough = match policy {
            OrderLocationPolicy::LowestId => None,
            OrderLocationPolicy::FirstStocked => lowest
                .into_iter()
                .chain(stocked)
                .find(|(_, level)| level.available >= line.quantity),
        };
        let fallback = || self.catalog.locations.keys().next().copied();
        let chosen = enough.or(lowest).map(|(key, _)| key.location);
        till.or(chosen).or_else(fallback).unwrap_or_default()
    }

    /// Units go from available to committed.
    fn sell(&mut self, action: Action, key: LevelKey, units: i64, line: OrderLine) {
        self.move_units(action, key, -units, line);
        self.shift(action, key, Shift::available(-units, Cause::Sale(line)));
        self.shift(action, key, Shift::committed(units, Cause::Sale(line)));
    }

    /// Notes units taken or given back, for the drift reference.
    pub(super) fn move_units(
        &mut self,
        action: Action,
        key: LevelKey,
        delta: i64,
        line: OrderLine,
    ) {
        self.log.movement(Movement {
            at: action.now,
            key,
            delta,
            line,
        });
    }

    /// Runs `change` on a live order; its stamp moves when that succeeds.
    pub(super) fn with_order<T>(
        &mut self,
        action: Action,
        id: i64,
        change: impl FnOnce(&mut Self, &mut Order) -> Result<T, Refused>,
    ) -> Result<T, Refused> {
        let live = self.orders.get(&id).is_some_and(|order| !order.deleted);
        let Some(mut order) = live.then(|| self.orders.remove(&id)).flatten() else {
            return Err(Refused::not_found());
        };
        let outcome = change(self, &mut order);
        if outcome.is_ok() {
            order.updated_at = action.now;
        }
        self.orders.insert(id, order);
        outcome
    }

    /// What is open of an order is paid.
    pub(super) fn pay_order(&mut self, action: Action, id: i64) -> Result<(), Refused> {
        self.with_order(action, id, |_, order| {
            if order.paid {
                return Err(Refused::unprocessable("Order has already been paid"));
            }
            if order.cancelled_at.is_some() {
                return Err(Refused::unprocessable("Order has been cancelled"));
            }
            order.paid = true;
            Ok(())
        })?;
        self.emit(action, "orders/paid", Subject::Order(id));
        self.emit(action, "orders/updated", Subject::Order(id));
        Ok(())
    }

    /// Cancels an order. With restock its unsent units are for sale again, and
    /// a refund object says so.
    pub(super) fn cancel_order(
        &mut self,
        action: Action,
        id: i64,
        request: &CancelRequest,
    ) -> Result<(), Refused> {
        let refund = self.with_order(action, id, |shop, order| {
            if order.cancelled_at.is_some() {
                return Err(Refused::unprocessable("Order has already been cancelled"));
            }
            if order
                .lines
                .iter()
                .any(|line| line.fulfilled > line.returned)
            {
                return Err(Refused::unprocessable("Cannot cancel a fulfilled order"));
            }
            let refund = shop.release_all(action, order, request.restock);
            order.cancelled_at = Some(action.now);
            order.cancel_reason = Some(request.reason.clone());
            Ok(refund)
        })?;
        self.emit(action, "orders/cancelled", Subject::Order(id));
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

    /// Takes every unsent unit of the order out of sending; the id of the
    /// refund object, when units were given back.
    fn release_all(&mut self, action: Action, order: &mut Order, restock: bool) -> Option<i64> {
        let refund = self.ids.next(Kind::Refund);
        let mut lines = Vec::new();
        let ids: Vec<i64> = order.lines.iter().map(|line| line.id).collect();
        for line in ids {
            let Some((item, unrefunded)) = order
                .line(line)
                .map(|found| (found.item, found.quantity - order.refunded(line)))
            else {
                continue;
            };
            let open = order.fulfillable(line);
            let back = if restock { open.min(unrefunded) } else { 0 };
            let cause = |reference| Cause::Refund {
                line: reference,
                refund,
                restock_type: RestockType::Cancel,
            };
            let reference = order.line_ref(line);
            let mut last = None;
            for (location, units) in order.release(line, back) {
                let key = LevelKey { item, location };
                self.give_back(action, (key, key), units, cause(reference));
                last = Some(location);
            }
            self.let_go(action, order, line, item);
            if let Some(found) = order.line_mut(line) {
                found.current = 0;
            }
            if back > 0 {
                lines.push(RefundLine {
                    id: self.ids.next(Kind::RefundLine),
                    line,
                    quantity: back,
                    restock_type: RestockType::Cancel,
                    location: last,
                });
            }
        }
        order.cancel_sending();
        if lines.is_empty() {
            return None;
        }
        order.refunds.push(Refund {
            id: refund,
            created_at: action.now,
            note: None,
            lines,
        });
        Some(refund)
    }

    /// What is left unsent of a line is written off: committed falls, nothing
    /// is for sale again.
    fn let_go(&mut self, action: Action, order: &mut Order, line: i64, item: i64) {
        let reference = order.line_ref(line);
        for (location, units) in order.release(line, i64::MAX) {
            let key = LevelKey { item, location };
            self.shift(
                action,
                key,
                Shift::committed(-units, Cause::Cancel(reference)),
            );
        }
    }

    /// Deletes an order; what it took stays taken.
    pub(super) fn delete_order(&mut self, action: Action, id: i64) -> Result<(), Refused> {
        self.with_order(action, id, |_, order| {
            order.deleted = true;
            Ok(())
        })?;
        let body = serde_json::json!({ "id": id });
        self.emit(action, "orders/delete", Subject::Fixed(id, body));
        Ok(())
    }
}
