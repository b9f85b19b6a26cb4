//! Owns the catalog of a shop: locations, products, variants and inventory
//! items, and how a new shop's catalog is generated from the seed.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::{
    chance::Chance,
    clock::Moment,
    ids::{Kind, LevelKey},
    levels::Level,
    levels::StockState,
    options::{ProductRequest, Products, ShopRequest},
    oracle::{Cause, LevelChange},
    shop::{Action, Shop, Subject},
};

/// Most generated products of one shop.
const PRODUCTS_MAX: u32 = 100_000;
/// Most locations of one shop, as on the platform.
const LOCATIONS_MAX: u32 = 200;

/// A place that keeps stock.
#[derive(Debug, Clone)]
pub(super) struct Location {
    pub(super) id: i64,
    pub(super) name: String,
    pub(super) active: bool,
    pub(super) created_at: Moment,
}

/// A product with its variants' ids.
#[derive(Debug, Clone)]
pub(super) struct Product {
    pub(super) id: i64,
    pub(super) title: String,
    pub(super) variants: Vec<i64>,
    pub(super) created_at: Moment,
    pub(super) updated_at: Moment,
    pub(super) deleted: bool,
}

/// A variant, one to one with its inventory item.
#[derive(Debug, Clone)]
pub(super) struct Variant {
    pub(super) id: i64,
    pub(super) product: i64,
    pub(super) item: i64,
    pub(super) sku: String,
    pub(super) title: String,
    pub(super) price: Decimal,
    pub(super) continue_selling: bool,
    pub(super) native_bundle: bool,
    pub(super) position: usize,
    pub(super) created_at: Moment,
    pub(super) updated_at: Moment,
}

/// What stock is kept of.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) id: i64,
    pub(super) variant: i64,
    pub(super) sku: String,
    pub(super) tracked: bool,
    pub(super) cost: Option<Decimal>,
    pub(super) created_at: Moment,
    pub(super) updated_at: Moment,
}

/// Everything that can be sold, and where from.
#[derive(Debug, Default)]
pub(super) struct Catalog {
    pub(super) locations: BTreeMap<i64, Location>,
    pub(super) products: BTreeMap<i64, Product>,
    pub(super) variants: BTreeMap<i64, Variant>,
    pub(super) items: BTreeMap<i64, Item>,
}

impl Catalog {
    /// The variant of an item.
    pub(super) fn variant_of(&self, item: i64) -> Option<&Variant> {
        self.variants.get(&self.items.get(&item)?.variant)
    }

    /// The variants of a product, in their order.
    pub(super) fn variants_of<'a>(
        &'a self,
        product: &'a Product,
    ) -> impl Iterator<Item = &'a Variant> {
        product
            .variants
            .iter()
            .filter_map(|variant| self.variants.get(variant))
    }
}

impl Shop {
    /// Fills a new shop. Announces nothing: nobody listens yet.
    pub(super) fn stock_up(&mut self, now: Moment, request: &ShopRequest, chance: &Chance) {
        for number in 1..=request.locations.clamp(1, LOCATIONS_MAX) {
            self.add_location(now, number);
        }
        match &request.products {
            Products::Generated(count) => {
                for _ in 0..(*count).min(PRODUCTS_MAX) {
                    self.add_product(now, &ProductRequest::default(), chance);
                }
            }
            Products::Listed(listed) => {
                for product in listed {
                    self.add_product(now, product, chance);
                }
            }
        }
    }

    fn add_location(&mut self, now: Moment, number: u32) {
        let id = self.ids.next(Kind::Location);
        let location = Location {
            id,
            name: format!("Warehouse {number}"),
            active: true,
            created_at: now,
        };
        self.catalog.locations.insert(id, location);
    }

    /// Adds one product with one variant and its levels; returns its id.
    pub(super) fn add_product(
        &mut self,
        now: Moment,
        request: &ProductRequest,
        chance: &Chance,
    ) -> i64 {
        let number = self.catalog.products.len();
        // Every third item has an id past 2^53.
        let item_kind = if number % 3 == 2 {
            Kind::LargeItem
        } else {
            Kind::Item
        };
        let (product, variant, item) = (
            self.ids.next(Kind::Product),
            self.ids.next(Kind::Variant),
            self.ids.next(item_kind),
        );
        let sku = or_made_up(&request.sku, || format!("SKU-{number:05}"));
        let cents = chance.between(500, 20_000);
        self.catalog.products.insert(
            product,
            Product {
                id: product,
                title: or_made_up(&request.title, || format!("Product {number}")),
                variants: vec![variant],
                created_at: now,
                updated_at: now,
                deleted: false,
            },
        );
        self.catalog.variants.insert(
            variant,
            Variant {
                id: variant,
                product,
                item,
                sku: sku.clone(),
                title: "Default Title".to_owned(),
                price: Decimal::new(cents, 2),
                continue_selling: request.continue_selling,
                native_bundle: request.native_bundle,
                position: 1,
                created_at: now,
                updated_at: now,
            },
        );
        self.catalog.items.insert(
            item,
            Item {
                id: item,
                variant,
                sku,
                tracked: !request.untracked,
                cost: Some(Decimal::new(cents / 2, 2)),
                created_at: now,
                updated_at: now,
            },
        );
        self.first_levels(now, item, &request.available, chance);
        product
    }

    fn first_levels(&mut self, now: Moment, item: i64, wanted: &[i64], chance: &Chance) {
        let locations: Vec<i64> = self.catalog.locations.keys().copied().collect();
        for (position, location) in locations.into_iter().enumerate() {
            let given = wanted.get(position).or(wanted.last()).copied();
            let available = given.unwrap_or_else(|| chance.between(20, 200));
            let key = LevelKey { item, location };
            let mut level = Level::empty(now);
            if self.is_tracked(item) {
                level.available = available;
                level.available_before = available;
                self.log.level(LevelChange {
                    at: now,
                    key,
                    state: StockState::Available,
                    delta: available,
                    after: available,
                    cause: Cause::Initial,
                });
            }
            self.levels.insert(key, level);
        }
    }

    /// Touches `count` products, oldest first and round again, as an import
    /// does: one `products/update` each.
    pub(super) fn import(&mut self, action: Action, count: u32) {
        let products: Vec<i64> = self.live_products().collect();
        let wanted = usize::try_from(count.min(PRODUCTS_MAX)).unwrap_or(0);
        for id in products.iter().cycle().take(wanted) {
            if let Some(product) = self.catalog.products.get_mut(id) {
                product.updated_at = action.now;
            }
            self.emit(action, "products/update", Subject::Product(*id));
        }
    }

    /// Ids of the products that are not deleted, ascending.
    pub(super) fn live_products(&self) -> impl Iterator<Item = i64> {
        self.catalog
            .products
            .values()
            .filter(|product| !product.deleted)
            .map(|product| product.id)
    }

    /// Turns stock keeping of an item on or off.
    pub(super) fn set_tracked(&mut self, action: Action, item: i64, tracked: bool) {
        let Some(found) = self.catalog.items.get_mut(&item) else {
            return;
        };
        found.tracked = tracked;
        found.updated_at = action.now;
        self.emit(action, "inventory_items/update", Subject::Item(item));
        let keys: Vec<LevelKey> = self.levels_of(item).map(|(key, _)| key).collect();
        for key in keys {
            self.emit(action, "inventory_levels/update", Subject::Level(key));
        }
    }

    /// Adds a product and tells subscribers of it and its item.
    pub(super) fn publish_product(
        &mut self,
        action: Action,
        request: &ProductRequest,
        chance: &Chance,
    ) -> i64 {
        let product = self.add_product(action.now, request, chance);
        self.emit(action, "products/create", Subject::Product(product));
        let made = self.catalog.products.get(&product);
        let variant = made.and_then(|made| made.variants.first());
        let item = variant.and_then(|id| self.catalog.variants.get(id));
        if let Some(item) = item.map(|found| found.item) {
            self.emit(action, "inventory_items/create", Subject::Item(item));
        }
        product
    }

    /// Sells an item on when it is out of stock, or stops doing so.
    pub(super) fn set_continue_selling(&mut self, action: Action, item: i64, continues: bool) {
        let Some(variant) = self.catalog.items.get(&item).map(|found| found.variant) else {
            return;
        };
        if let Some(found) = self.catalog.variants.get_mut(&variant) {
            found.continue_selling = continues;
            found.updated_at = action.now;
            let product = found.product;
            self.emit(action, "products/update", Subject::Product(product));
        }
    }

    /// Turns an item into a native bundle, or back: apps may not write its stock then.
    pub(super) fn set_native_bundle(&mut self, action: Action, item: i64, native: bool) {
        let Some(variant) = self.catalog.items.get(&item).map(|found| found.variant) else {
            return;
        };
        if let Some(found) = self.catalog.variants.get_mut(&variant) {
            found.native_bundle = native;
            found.updated_at = action.now;
            let product = found.product;
            self.emit(action, "products/update", Subject::Product(product));
        }
    }

    /// Opens or closes a location. False when there is none.
    pub(super) fn set_location_active(&mut self, action: Action, id: i64, active: bool) -> bool {
        let Some(location) = self.catalog.locations.get_mut(&id) else {
            return false;
        };
        location.active = active;
        let body = super::bodies::location(location);
        let topic = if active {
            "locations/activate"
        } else {
            "locations/deactivate"
        };
        self.emit(action, topic, Subject::Fixed(id, body));
        true
    }

    /// Deletes a product; its stock is no longer shown.
    pub(super) fn delete_product(&mut self, action: Action, id: i64) -> bool {
        let Some(product) = self.catalog.products.get_mut(&id) else {
            return false;
        };
        product.deleted = true;
        let variants = product.variants.clone();
        for variant in variants {
            let Some(item) = self.catalog.variants.get(&variant).map(|found| found.item) else {
                continue;
            };
            let fixed = super::bodies::item_deleted(item);
            self.emit(
                action,
                "inventory_items/delete",
                Subject::Fixed(item, fixed),
            );
        }
        let fixed = serde_json::json!({ "id": id });
        self.emit(action, "products/delete", Subject::Fixed(id, fixed));
        true
    }
}

fn or_made_up(given: &str, made_up: impl FnOnce() -> String) -> String {
    if given.is_empty() {
        made_up()
    } else {
        given.to_owned()
    }
}
