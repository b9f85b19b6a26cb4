//! A shop's items and locations, and how it is set up.

use std::collections::BTreeMap;

use storekeeper::clock::Timestamp;
use storekeeper::domain::call::Write;
use storekeeper::domain::store::ConsumeOn;
use storekeeper::ids::{CallId, ItemId, LocationId, OrderId, ProductId, VariantId};

use super::orders::Order;
use super::rates::Rates;
use super::stock::Level;
use super::telling::{Emission, Subject};
use crate::reference::{Place, Reference, Shown};

/// Ids of different stores lie so far apart.
const IDS_PER_STORE: i64 = 1_000_000;
/// From an item's id to its variant's, and to its product's.
const VARIANT_OFFSET: i64 = 100_000;
const PRODUCT_OFFSET: i64 = 200_000;
/// Items per product.
const VARIANTS_PER_PRODUCT: i64 = 2;

/// An inventory item with its variant.
#[derive(Clone, Copy, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent settings of the platform"
)]
pub(crate) struct Item {
    pub(super) tracked: bool,
    pub(super) sells_when_out: bool,
    pub(super) composite: bool,
    pub(super) gone: bool,
}

/// How a shop begins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fresh {
    pub(crate) number: i64,
    pub(crate) items: i64,
    pub(crate) locations: i64,
    /// Milliseconds that the platform's clock is ahead.
    pub(crate) ahead_ms: i64,
    pub(crate) start: Timestamp,
}

/// What became of a key.
#[derive(Clone, Debug)]
pub(super) struct KeyUse {
    pub(super) at: Timestamp,
    pub(super) write: Write,
    pub(super) took_effect: bool,
}

/// One shop.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent traits, as a platform has them"
)]
pub(crate) struct Shop {
    pub(super) base: i64,
    pub(super) ahead_ms: i64,
    /// The platform's own time, as of the last action.
    pub(super) now: Timestamp,
    pub(super) items: BTreeMap<ItemId, Item>,
    /// `true`: active.
    pub(super) locations: BTreeMap<LocationId, bool>,
    pub(super) levels: BTreeMap<Place, Level>,
    pub(super) orders: BTreeMap<OrderId, Order>,
    pub(super) keys: BTreeMap<CallId, KeyUse>,
    /// Some item lacked a level once.
    pub(super) ever_unstocked: bool,
    /// Writes that took effect.
    pub(super) effects: u64,
    pub(super) rates: Rates,
    pub(super) outbox: Vec<Emission>,
    pub(super) last_id: i64,
    pub(crate) installed: bool,
    pub(crate) subscribed: bool,
    /// A move is told of a fulfillment order alone, not of the order as well.
    pub(crate) tells_moves_once: bool,
    /// When its orders take what bundles are made of.
    pub(crate) consumes_on: ConsumeOn,
    /// When the last order was made, platform time.
    pub(crate) last_sale: Timestamp,
    pub(crate) reference: Reference,
}

impl Shop {
    pub(crate) fn open(fresh: Fresh) -> Self {
        let mut shop = Self {
            base: fresh.number * IDS_PER_STORE,
            ahead_ms: fresh.ahead_ms,
            now: fresh.start.plus_millis(fresh.ahead_ms),
            items: BTreeMap::new(),
            locations: BTreeMap::new(),
            levels: BTreeMap::new(),
            orders: BTreeMap::new(),
            keys: BTreeMap::new(),
            ever_unstocked: false,
            effects: 0,
            rates: Rates::full(),
            outbox: Vec::new(),
            last_id: fresh.number * IDS_PER_STORE + 300_000,
            installed: true,
            subscribed: false,
            tells_moves_once: false,
            consumes_on: ConsumeOn::default(),
            last_sale: Timestamp::EPOCH,
            reference: Reference::default(),
        };
        for location in 1..=fresh.locations {
            let location = LocationId(shop.base + location);
            shop.locations.insert(location, true);
        }
        for item in 1..=fresh.items {
            let settings = Item {
                tracked: true,
                sells_when_out: false,
                composite: false,
                gone: false,
            };
            shop.items.insert(ItemId(shop.base + 100 + item), settings);
        }
        shop
    }

    /// Whether an id of the platform is one of this shop's.
    pub(crate) const fn owns(&self, id: i64) -> bool {
        id > self.base && id < self.base + IDS_PER_STORE
    }

    /// Lets time pass.
    pub(crate) fn live_until(&mut self, now: Timestamp) {
        self.now = now.plus_millis(self.ahead_ms);
        self.route_orders();
    }

    /// The platform's time.
    pub(crate) const fn time(&self) -> Timestamp {
        self.now
    }

    pub(super) fn fresh_id(&mut self) -> i64 {
        self.last_id += 1;
        self.last_id
    }

    pub(super) const fn stamp(&self) -> Timestamp {
        self.now.floor_to_second()
    }

    pub(crate) fn item_ids(&self) -> Vec<ItemId> {
        let live = self.items.iter().filter(|(_, item)| !item.gone);
        live.map(|(id, _)| *id).collect()
    }

    pub(crate) fn active_locations(&self) -> Vec<LocationId> {
        let active = self.locations.iter().filter(|(_, active)| **active);
        active.map(|(id, _)| *id).collect()
    }

    pub(crate) fn shown(&self, item: ItemId) -> Shown {
        match self.items.get(&item) {
            Some(item) if !item.gone && (!item.tracked || item.sells_when_out) => Shown::Unlimited,
            Some(item) if !item.gone => Shown::Counted,
            Some(_) | None => Shown::Gone,
        }
    }

    /// Whether a number can be written for an item.
    pub(crate) fn is_writable(&self, item: ItemId) -> bool {
        self.items
            .get(&item)
            .is_some_and(|item| item.tracked && !item.composite && !item.gone)
    }

    pub(crate) fn variant_of(&self, item: ItemId) -> Option<VariantId> {
        let live = self.items.get(&item).is_some_and(|item| !item.gone);
        live.then_some(VariantId(item.0 + VARIANT_OFFSET))
    }

    pub(super) const fn product_of(&self, item: ItemId) -> ProductId {
        let position = item.0 - self.base - 100;
        ProductId(self.base + PRODUCT_OFFSET + position / VARIANTS_PER_PRODUCT)
    }

    /// One more location; the store may have had one only.
    pub(crate) fn open_location(&mut self) {
        let last = self
            .locations
            .keys()
            .last()
            .map_or(self.base, |last| last.0);
        self.locations.insert(LocationId(last + 1), true);
        self.emit("locations/create", Subject::Locations);
    }

    /// Whether an item is tracked changes; what its level ought to be afterwards nobody can say.
    pub(crate) fn toggle_tracking(&mut self, item: ItemId) {
        self.reference.leave_item_unjudged(item);
        let Some(found) = self.items.get_mut(&item).filter(|item| !item.gone) else {
            return;
        };
        found.tracked = !found.tracked;
        self.emit("inventory_items/update", Subject::Item(item));
    }

    /// Whether an item is sold on when out changes.
    pub(crate) fn toggle_selling_on(&mut self, item: ItemId) {
        let Some(found) = self.items.get_mut(&item).filter(|item| !item.gone) else {
            return;
        };
        found.sells_when_out = !found.sells_when_out;
        self.emit("products/update", Subject::Product(self.product_of(item)));
    }

    /// An item is deleted, with its levels. Of orders that name it nobody tells any more what it was.
    pub(crate) fn delete_item(&mut self, item: ItemId) {
        let Some(found) = self.items.get_mut(&item).filter(|item| !item.gone) else {
            return;
        };
        found.gone = true;
        self.levels.retain(|place, _| place.0 != item);
        for leaf in self.reference.parts_ever(item) {
            self.reference.leave_item_unjudged(leaf);
        }
        self.emit("inventory_items/delete", Subject::ItemGone(item));
    }
}
