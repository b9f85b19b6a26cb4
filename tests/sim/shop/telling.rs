//! What a shop tells subscribers, and when it makes the words for it.

use storekeeper::clock::Timestamp;
use storekeeper::domain::fact::{
    Fact, ItemSnapshot, LevelSnapshot, ProductSnapshot, VariantSnapshot,
};
use storekeeper::ids::{FulfillmentOrderId, ItemId, OrderId, ProductId, RefundId};

use super::catalog::Shop;
use crate::reference::Place;

/// What a webhook is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    Order(OrderId),
    OrderTouched(OrderId),
    /// A fulfillment order of the order, which is not named.
    PartTouched(OrderId),
    OrderGone(OrderId),
    Refund(OrderId, RefundId),
    Level(Place),
    LevelGone(Place),
    Item(ItemId),
    ItemGone(ItemId),
    Product(ProductId),
    Locations,
    Uninstalled,
    /// Nothing that anybody needs; brings the keeper down that takes it.
    Deadly,
}

/// A webhook that is to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Emission {
    pub(crate) topic: &'static str,
    pub(crate) subject: Subject,
    /// Its body as it was when it happened.
    pub(crate) early: Option<Fact>,
    /// Platform time.
    pub(crate) triggered_at: Timestamp,
}

impl Shop {
    pub(super) fn emit(&mut self, topic: &'static str, subject: Subject) {
        if !self.subscribed || !self.installed {
            return;
        }
        let emission = Emission {
            topic,
            subject,
            early: self.body_of(subject),
            triggered_at: self.now,
        };
        self.outbox.push(emission);
    }

    /// What has happened since this was asked last.
    pub(crate) fn take_outbox(&mut self) -> Vec<Emission> {
        std::mem::take(&mut self.outbox)
    }

    /// A webhook that brings a keeper down.
    pub(crate) fn emit_deadly(&mut self) {
        self.emit("deadly", Subject::Deadly);
    }

    /// The merchant removes the app; the subscriptions go with it.
    pub(crate) fn uninstall(&mut self) {
        self.emit("app/uninstalled", Subject::Uninstalled);
        self.installed = false;
        self.subscribed = false;
    }

    /// The body of a webhook about this, as things are now; `None` when there is nothing to tell any more.
    pub(crate) fn body_of(&self, subject: Subject) -> Option<Fact> {
        Some(match subject {
            Subject::Order(order) => Fact::Order(self.order_snapshot(order)?),
            Subject::OrderTouched(order) => Fact::OrderTouched(order),
            // One stands for all of the order's.
            Subject::PartTouched(order) => Fact::PartTouched(FulfillmentOrderId(order.0)),
            Subject::OrderGone(order) => Fact::OrderDeleted(order),
            Subject::Refund(order, refund) => {
                let refunds = self.order_snapshot(order)?.refunds;
                Fact::Refund(refunds.into_iter().find(|found| found.refund == refund)?)
            }
            Subject::Level(place) => Fact::Level(self.level_snapshot(place)?),
            Subject::LevelGone((item, location)) => Fact::LevelGone { item, location },
            Subject::Item(item) => Fact::Item(ItemSnapshot {
                tracked: Some(self.items.get(&item).filter(|item| !item.gone)?.tracked),
                variant: None,
                product: None,
                sells_when_out: None,
                composite: None,
                item,
            }),
            Subject::ItemGone(item) => Fact::ItemGone(item),
            Subject::Product(product) => Fact::Product(self.product_snapshot(product)),
            Subject::Locations => Fact::LocationsTouched,
            Subject::Uninstalled => Fact::Uninstalled,
            Subject::Deadly => Fact::Unneeded,
        })
    }

    pub(super) fn level_snapshot(&self, place: Place) -> Option<LevelSnapshot> {
        let level = self.levels.get(&place)?;
        let tracked = self.items.get(&place.0)?.tracked;
        Some(LevelSnapshot {
            item: place.0,
            location: place.1,
            available: tracked.then_some(level.available),
            updated_at: level.stamp,
        })
    }

    fn product_snapshot(&self, product: ProductId) -> ProductSnapshot {
        let of_product = self
            .items
            .iter()
            .filter(|(id, item)| !item.gone && self.product_of(**id) == product);
        let variants = of_product.filter_map(|(id, item)| {
            Some(VariantSnapshot {
                variant: self.variant_of(*id)?,
                sells_when_out: item.sells_when_out,
            })
        });
        ProductSnapshot {
            product,
            updated_at: Some(self.stamp()),
            variants: variants.collect(),
        }
    }

    pub(super) fn item_snapshot(&self, id: ItemId) -> Option<ItemSnapshot> {
        let item = self.items.get(&id).filter(|item| !item.gone)?;
        Some(ItemSnapshot {
            item: id,
            variant: self.variant_of(id),
            product: Some(self.product_of(id)),
            tracked: Some(item.tracked),
            sells_when_out: Some(item.sells_when_out),
            composite: Some(item.composite),
        })
    }
}
