//! Shoppers, merchants and editors, drawn from the seed.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use storekeeper::sandbox::{
    CancelRequest, FulfilRequest, LevelKey, OrderRequest, RefundLineRequest, RefundRequest,
    RestockType, Sandbox, SandboxError,
};
use tokio::time::{Instant, interval, timeout_at};

use crate::shops::Shop;

/// Orders that may still be refunded, cancelled or sent, per shop.
const ORDERS_KEPT_MAX: usize = 40;
/// The longest time between two acts, milliseconds; about four webhooks follow from each.
const PACE_MS: u64 = 20;

/// Everyone who acts, and which orders they still think of.
#[derive(Debug)]
pub(crate) struct People {
    rng: StdRng,
    orders: Vec<Vec<i64>>,
}

impl People {
    pub(crate) fn new(seed: u64, shops: usize) -> Self {
        Self {
            rng: StdRng::seed_from_u64(seed),
            orders: vec![Vec::new(); shops],
        }
    }

    /// A length of time in this range of milliseconds.
    pub(crate) fn moment(&mut self, milliseconds: std::ops::Range<u64>) -> Duration {
        Duration::from_millis(self.rng.random_range(milliseconds))
    }

    /// True once in so many times.
    pub(crate) fn once_in(&mut self, times: u32) -> bool {
        self.rng.random_range(0..times) == 0
    }

    /// Lets everyone act for so long.
    pub(crate) async fn act_for(&mut self, sandbox: &Sandbox, shops: &[Shop], long: Duration) {
        let until = Instant::now() + long;
        let acting = async {
            let mut ticks = interval(Duration::from_millis(PACE_MS));
            loop {
                ticks.tick().await;
                self.act(sandbox, shops);
            }
        };
        let over: Result<(), _> = timeout_at(until, acting).await;
        assert!(over.is_err(), "people act until their time is over");
    }

    /// Somebody does something.
    pub(crate) fn act(&mut self, sandbox: &Sandbox, shops: &[Shop]) {
        let position = self.rng.random_range(0..shops.len());
        let shop = &shops[position];
        match self.rng.random_range(0..20) {
            0..=10 => self.buy(sandbox, shop, position),
            11..=13 => self.change_order(position, |people, order| {
                people.refund(sandbox, shop, order)
            }),
            14 => self.change_order(position, |people, order| {
                let how = CancelRequest {
                    restock: people.rng.random_bool(0.7),
                    ..CancelRequest::default()
                };
                sandbox.cancel_order(&shop.domain, order, &how)
            }),
            15..=17 => self.change_order(position, |_, order| {
                sandbox.fulfil_order(&shop.domain, order, &FulfilRequest::default())
            }),
            _ => self.count(sandbox, shop),
        }
    }

    pub(crate) fn buy(&mut self, sandbox: &Sandbox, shop: &Shop, position: usize) {
        let lines = self.rng.random_range(1..=2);
        let lines: Vec<(i64, i64)> = (0..lines).map(|_| self.line(shop)).collect();
        let order = OrderRequest::online(&lines);
        let placed = sandbox.place_order(&shop.domain, &order).unwrap();
        let orders = &mut self.orders[position];
        orders.push(placed);
        if orders.len() > ORDERS_KEPT_MAX {
            orders.remove(0);
        }
    }

    fn line(&mut self, shop: &Shop) -> (i64, i64) {
        let of = if self.rng.random_bool(0.7) {
            shop.bundles()
        } else {
            &shop.items
        };
        let item = of[self.rng.random_range(0..of.len())];
        (item, self.rng.random_range(1..=3))
    }

    fn change_order(
        &mut self,
        position: usize,
        change: impl FnOnce(&mut Self, i64) -> Result<(), SandboxError>,
    ) {
        let of_shop = self.orders[position].len();
        if of_shop > 0 {
            let chosen = self.rng.random_range(0..of_shop);
            let order = self.orders[position][chosen];
            allowed(change(self, order));
        }
    }

    fn refund(&mut self, sandbox: &Sandbox, shop: &Shop, order: i64) -> Result<(), SandboxError> {
        let kinds = [
            RestockType::NoRestock,
            RestockType::Cancel,
            RestockType::Return,
        ];
        let line = RefundLineRequest {
            line: sandbox.line_ids(&shop.domain, order)[0],
            quantity: 1,
            restock_type: kinds[self.rng.random_range(0..kinds.len())],
            location: None,
        };
        let refund = RefundRequest {
            lines: vec![line],
            note: None,
        };
        sandbox.refund_order(&shop.domain, order, &refund).map(drop)
    }

    /// Somebody counts the shelf.
    fn count(&mut self, sandbox: &Sandbox, shop: &Shop) {
        let item = shop.items[self.rng.random_range(0..shop.items.len())];
        let location = shop.locations[self.rng.random_range(0..shop.locations.len())];
        let key = LevelKey { item, location };
        let available = self.rng.random_range(50_000..90_000);
        allowed(sandbox.edit_level(&shop.domain, key, available));
    }
}

/// People try what the platform refuses, such as sending an order that was cancelled.
fn allowed(done: Result<(), SandboxError>) {
    match done {
        Ok(()) | Err(SandboxError::Refused { .. }) => {}
        Err(error) => panic!("{error}"),
    }
}
