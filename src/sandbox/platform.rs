//! Owns the whole platform: its shops, its clock, its chance and its faults,
//! and the one way to change a shop: act under its lock, then schedule what
//! the action had to say.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};

use arc_swap::ArcSwap;
use serde::Serialize;
use serde_json::json;

use super::{
    chance::Chance,
    clock::PlatformClock,
    deliveries::{Delivery, Queue},
    faults::{Faults, Quirks},
    ids::LevelKey,
    options::{BodyBuiltAt, SandboxOptions, ShopRequest},
    oracle::{Answer, Cause, Outsider},
    shop::{Action, Emission, Refused, Secret, Shop},
};

/// Most shops of one platform.
const SHOPS_MAX: usize = 10_000;

/// What the maker of a shop is given.
#[derive(Clone, Serialize)]
pub struct ShopOpened {
    /// Domain, as asked for.
    pub domain: String,
    /// Token of the Admin API.
    pub access_token: String,
    /// Buys a new access token, where those expire.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
    /// Life of the access token in wall seconds, where it expires.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<u64>,
    /// Signs webhooks.
    pub webhook_secret: String,
    /// Location ids, ascending.
    pub locations: Vec<i64>,
    /// The generated catalog, in order.
    pub items: Vec<ItemMade>,
}

impl std::fmt::Debug for ShopOpened {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("ShopOpened")
            .field("domain", &self.domain)
            .field("locations", &self.locations)
            .field("items", &self.items.len())
            .finish_non_exhaustive()
    }
}

/// One sellable thing of a new shop.
#[derive(Debug, Clone, Serialize)]
pub struct ItemMade {
    /// Inventory item id.
    pub item: i64,
    /// Variant id.
    pub variant: i64,
    /// Product id.
    pub product: i64,
    /// Stock keeping unit.
    pub sku: String,
}

/// All state of the sandbox.
#[derive(Debug)]
pub(super) struct Platform {
    pub(super) clock: PlatformClock,
    pub(super) chance: Chance,
    pub(super) options: SandboxOptions,
    pub(super) queue: Queue,
    pub(super) client: reqwest::Client,
    faults: ArcSwap<Faults>,
    shops: RwLock<BTreeMap<String, Arc<Mutex<Shop>>>>,
}

impl Platform {
    pub(super) fn new(options: SandboxOptions, client: reqwest::Client) -> Self {
        Self {
            clock: PlatformClock::start(options.time_scale),
            chance: Chance::seeded(options.seed),
            queue: Queue::default(),
            client,
            faults: ArcSwap::from_pointee(options.faults.clone()),
            shops: RwLock::new(BTreeMap::new()),
            options,
        }
    }

    pub(super) fn faults(&self) -> Arc<Faults> {
        self.faults.load_full()
    }

    /// What the faults leave open is as the sandbox was started.
    fn quirks(&self) -> Quirks {
        let told = self.faults().quirks;
        Quirks {
            order_location_policy: told
                .order_location_policy
                .or(Some(self.options.order_location_policy)),
            body_built_at: told.body_built_at.or(Some(self.options.body_built_at)),
            ..told
        }
    }

    pub(super) fn set_faults(&self, mut faults: Faults) {
        let burst = std::mem::take(&mut faults.webhooks.replay_burst);
        self.faults.store(Arc::new(faults));
        if burst > 0 {
            for domain in self.domains() {
                self.replay(&domain, burst);
            }
        }
    }

    /// A new cause, at the present.
    pub(super) fn action(&self) -> Action {
        Action {
            now: self.clock.now(),
            event_id: self.chance.uuid(),
            quirks: self.quirks(),
        }
    }

    pub(super) fn domains(&self) -> Vec<String> {
        let shops = self.shops.read().unwrap_or_else(PoisonError::into_inner);
        shops.keys().cloned().collect()
    }

    /// Makes a shop with a generated catalog.
    pub(super) fn open_shop(&self, request: &ShopRequest) -> Result<ShopOpened, Refused> {
        let letters = |letter: char| letter.is_ascii_alphanumeric() || ".-:".contains(letter);
        let named = !request.domain.is_empty() && request.domain.chars().all(letters);
        if !named || request.domain.chars().any(char::is_uppercase) {
            return Err(Refused::field("domain", "must be a lower-case host name"));
        }
        let mut shops = self.shops.write().unwrap_or_else(PoisonError::into_inner);
        if shops.contains_key(&request.domain) {
            return Err(Refused::field("domain", "has already been taken"));
        }
        if shops.len() >= SHOPS_MAX {
            return Err(Refused::unprocessable("too many shops"));
        }
        let number = i64::try_from(shops.len()).unwrap_or(0) + 1;
        let now = self.clock.now();
        let mut shop = Shop::open(number, now, request);
        shop.stock_up(now, request, &self.chance);
        let opened = self.hand_over(&mut shop, request);
        shops.insert(request.domain.clone(), Arc::new(Mutex::new(shop)));
        Ok(opened)
    }

    fn hand_over(&self, shop: &mut Shop, request: &ShopRequest) -> ShopOpened {
        let (access, refresh) = self.issue_tokens(shop);
        let secret = match &request.webhook_secret {
            Some(given) => given.clone(),
            None => self.chance.secret("shpss_"),
        };
        shop.secrets.push(Secret {
            text: secret.clone(),
            revoked: false,
        });
        let variants = shop.catalog.variants.values();
        let items = variants
            .map(|variant| ItemMade {
                item: variant.item,
                variant: variant.id,
                product: variant.product,
                sku: variant.sku.clone(),
            })
            .collect();
        ShopOpened {
            domain: shop.domain.clone(),
            access_token: access,
            refresh_token: shop.tokens.ttl_s().map(|_| refresh),
            expires_in: shop.tokens.ttl_s(),
            webhook_secret: secret,
            locations: shop.catalog.locations.keys().copied().collect(),
            items,
        }
    }

    /// A new good pair of tokens: `(access, refresh)`.
    pub(super) fn issue_tokens(&self, shop: &mut Shop) -> (String, String) {
        let pair = (self.chance.secret("shpat_"), self.chance.secret("shprt_"));
        shop.tokens.issue(self.clock.wall_ns(), &pair.0, &pair.1);
        pair
    }

    /// Runs `change` on a shop as one action and schedules what it emitted.
    pub(super) fn act<T>(
        &self,
        domain: &str,
        change: impl FnOnce(&mut Shop, Action) -> Result<T, Refused>,
    ) -> Result<T, Refused> {
        let found = self.shop(domain).ok_or_else(Refused::not_found)?;
        let mut shop = lock(&found);
        let outcome = change(&mut shop, self.action());
        self.schedule_emissions(&mut shop);
        outcome
    }

    /// Reads a shop.
    pub(super) fn look<T>(&self, domain: &str, read: impl FnOnce(&mut Shop) -> T) -> Option<T> {
        let found = self.shop(domain)?;
        let mut shop = lock(&found);
        Some(read(&mut shop))
    }

    fn shop(&self, domain: &str) -> Option<Arc<Mutex<Shop>>> {
        let shops = self.shops.read().unwrap_or_else(PoisonError::into_inner);
        shops.get(domain).map(Arc::clone)
    }

    fn schedule_emissions(&self, shop: &mut Shop) {
        let faults = self.faults();
        for emission in std::mem::take(&mut shop.emissions) {
            for delivery in self.deliveries_of(shop, &emission) {
                if self.chance.per_mille(faults.webhooks.drop_per_mille) {
                    delivery.log(shop, self.clock.now(), (Answer::Dropped, 0));
                    continue;
                }
                let webhooks = &faults.webhooks;
                let least = webhooks.delay_min_ms;
                let spread = webhooks.delay_max_ms.saturating_sub(least);
                let delay_ms = least
                    + self.chance.up_to(spread)
                    + self.chance.up_to(webhooks.reorder_window_ms);
                self.schedule(delivery, delay_ms);
            }
        }
    }

    fn deliveries_of(&self, shop: &Shop, emission: &Emission) -> Vec<Delivery> {
        let subscriptions = shop.subscriptions.values();
        subscriptions
            .filter(|subscription| subscription.topic == emission.topic)
            .map(|subscription| {
                let mut delivery = Delivery::new(
                    &shop.domain,
                    self.chance.uuid(),
                    emission.clone(),
                    subscription,
                );
                if self.quirks().body_built_at == Some(BodyBuiltAt::Trigger) {
                    delivery.freeze(shop);
                }
                delivery
            })
            .collect()
    }

    /// Sends a delivery after so many milliseconds of platform time.
    pub(super) fn schedule(&self, delivery: Delivery, delay_ms: u64) {
        let delay = u64::try_from(self.clock.wall_delay(delay_ms).as_nanos()).unwrap_or(0);
        let due_ns = self.clock.wall_ns().saturating_add(delay);
        if !self.queue.push(due_ns, delivery) {
            tracing::error!("delivery queue full, webhook lost");
        }
    }

    /// Sends the last deliveries of a shop again.
    pub(super) fn replay(&self, domain: &str, count: u32) {
        let wanted = usize::try_from(count).unwrap_or(0);
        let again: Vec<Delivery> = self
            .look(domain, |shop| {
                let last = shop.delivered.iter().rev().take(wanted);
                last.map(Delivery::again).collect()
            })
            .unwrap_or_default();
        for delivery in again.into_iter().rev() {
            self.schedule(delivery, 0);
        }
    }

    /// Sets `available` from outside.
    pub(super) fn edit_level(
        &self,
        domain: &str,
        key: LevelKey,
        available: i64,
    ) -> Result<(), Refused> {
        self.act(domain, |shop, action| {
            let known = shop.catalog.items.contains_key(&key.item)
                && shop.catalog.locations.contains_key(&key.location);
            if !known {
                return Err(Refused::not_found());
            }
            if !shop.is_tracked(key.item) {
                return Err(Refused {
                    status: 422,
                    errors: json!(["Inventory item does not have inventory tracking enabled"]),
                });
            }
            let by = Outsider::Merchant;
            shop.edit_from_outside(action, key, available, Cause::OutsideEdit { by });
            Ok(())
        })
    }
}

fn lock(shop: &Mutex<Shop>) -> MutexGuard<'_, Shop> {
    shop.lock().unwrap_or_else(PoisonError::into_inner)
}
