//! A platform in a few lines: levels, orders, idempotency keys, and webhooks that go astray.
//!
//! What components should end up with is kept apart, at the moment of each sale and refund.

use std::collections::{BTreeMap, BTreeSet};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::domain::call::*;
use crate::domain::fact::*;
use crate::ids::*;

pub(super) const COMPONENTS: [ItemId; 3] = [ItemId(101), ItemId(102), ItemId(103)];
pub(super) const BUNDLES: [ItemId; 2] = [ItemId(201), ItemId(202)];

/// The variant of an item of the model.
pub(super) const fn variant_of(item: ItemId) -> VariantId {
    VariantId(item.0 + 1_000)
}

pub(super) struct Platform {
    pub(super) rng: StdRng,
    pub(super) now: Timestamp,
    pub(super) locations: Vec<LocationId>,
    pub(super) levels: BTreeMap<(ItemId, LocationId), (i64, Timestamp)>,
    /// What components should have: the initial level, outside edits, and what orders take.
    pub(super) expected: BTreeMap<(ItemId, LocationId), i64>,
    /// Units of each component in a bundle, as in force now.
    pub(super) needs: BTreeMap<ItemId, BTreeMap<ItemId, i64>>,
    orders: Vec<Order>,
    outcomes: BTreeMap<CallId, bool>,
    /// Webhooks on their way: when they arrive, and what they say.
    pub(super) webhooks: Vec<(Timestamp, String, Fact)>,
    pub(super) lossy: bool,
}

struct Order {
    snapshot: OrderSnapshot,
    location: LocationId,
    needs: BTreeMap<LineId, BTreeMap<ItemId, i64>>,
    items: BTreeMap<LineId, ItemId>,
}

impl Platform {
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let now = Timestamp::from_millis(1_700_000_000_000);
        let locations = (1..=rng.random_range(1..=2))
            .map(LocationId)
            .collect::<Vec<_>>();
        let mut levels = BTreeMap::new();
        for location in &locations {
            for item in COMPONENTS.iter().chain(&BUNDLES) {
                levels.insert(
                    (*item, *location),
                    (rng.random_range(0..60), now.floor_to_second()),
                );
            }
        }
        let expected = levels.iter().map(|(key, level)| (*key, level.0)).collect();
        Self {
            rng,
            now,
            locations,
            levels,
            expected,
            needs: BTreeMap::new(),
            orders: Vec::new(),
            outcomes: BTreeMap::new(),
            webhooks: Vec::new(),
            lossy: true,
        }
    }

    fn stamp(&self) -> Timestamp {
        self.now.floor_to_second()
    }

    fn emit(&mut self, topic: &str, fact: &Fact) {
        let copies = match self.rng.random_range(0..10) {
            0 if self.lossy => 0,
            1..=3 => 2,
            _ => 1,
        };
        for _ in 0..copies {
            let at = self.now.plus_millis(self.rng.random_range(0..20_000));
            self.webhooks.push((at, topic.to_owned(), fact.clone()));
        }
    }

    fn change_level(&mut self, item: ItemId, location: LocationId, delta: i64) {
        let stamp = self.stamp();
        let level = self.levels.entry((item, location)).or_insert((0, stamp));
        *level = (level.0 + delta, stamp);
        let available = Some(level.0);
        let fact = Fact::Level(LevelSnapshot {
            item,
            location,
            available,
            updated_at: stamp,
        });
        self.emit("inventory_levels/update", &fact);
    }

    fn expect(&mut self, item: ItemId, location: LocationId, delta: i64) {
        *self.expected.entry((item, location)).or_default() += delta;
    }

    fn emit_order(&mut self, position: usize, topic: &str) {
        let fact = Fact::Order(self.orders[position].snapshot.clone());
        self.emit(topic, &fact);
    }

    /// A shopper buys some of everything.
    pub(super) fn sell(&mut self) {
        let number = i64::try_from(self.orders.len()).unwrap() + 1;
        let location = self.locations[self.rng.random_range(0..self.locations.len())];
        let mut order = Order {
            snapshot: OrderSnapshot {
                order: OrderId(number),
                created_at: self.stamp(),
                updated_at: self.stamp(),
                cancelled: false,
                paid: true,
                location: None,
                lines: Vec::new(),
                refunds: Vec::new(),
            },
            location,
            needs: BTreeMap::new(),
            items: BTreeMap::new(),
        };
        for position in 0..self.rng.random_range(1..=3) {
            let items = COMPONENTS
                .iter()
                .chain(&BUNDLES)
                .copied()
                .collect::<Vec<_>>();
            let item = items[self.rng.random_range(0..items.len())];
            let quantity = self.rng.random_range(1..=3);
            let line = LineId(number * 10 + position);
            let variant = Some(variant_of(item));
            order.snapshot.lines.push(LineSnapshot {
                line,
                variant,
                product: None,
                quantity,
            });
            order.items.insert(line, item);
            if let Some(needs) = self.needs.get(&item).cloned() {
                order.needs.insert(line, needs);
            }
            self.change_level(item, location, -quantity);
            self.consume(&order, line, location, quantity);
        }
        self.orders.push(order);
        self.emit_order(self.orders.len() - 1, "orders/create");
    }

    /// What a line's units take of the components; a plain line takes of its own item, which has happened already.
    fn consume(&mut self, order: &Order, line: LineId, location: LocationId, units: i64) {
        match order.needs.get(&line) {
            Some(needs) => {
                for (item, need) in needs {
                    self.expect(*item, location, -units * need);
                }
            }
            None => self.expect(order.items[&line], location, -units),
        }
    }

    /// A merchant refunds part of an order, with or without taking goods back, at any location.
    pub(super) fn refund(&mut self) {
        if self.orders.is_empty() {
            return;
        }
        let position = self.rng.random_range(0..self.orders.len());
        let mut order = self.orders.swap_remove(position);
        let line =
            order.snapshot.lines[self.rng.random_range(0..order.snapshot.lines.len())].clone();
        let refunded = order
            .snapshot
            .refunds
            .iter()
            .flat_map(|refund| &refund.lines);
        let gone: i64 = refunded
            .filter(|it| it.line == line.line)
            .map(|it| it.quantity)
            .sum();
        if gone < line.quantity {
            let quantity = self.rng.random_range(1..=line.quantity - gone);
            let restock = if self.rng.random_bool(0.6) {
                Restock::Return
            } else {
                Restock::None
            };
            let back_at = self.locations[self.rng.random_range(0..self.locations.len())];
            let refund = RefundSnapshot {
                refund: RefundId(
                    order.snapshot.order.0 * 100
                        + i64::try_from(order.snapshot.refunds.len()).unwrap(),
                ),
                order: order.snapshot.order,
                lines: vec![RefundLine {
                    line: line.line,
                    variant: line.variant,
                    quantity,
                    restock,
                    location: restock.gives_back().then_some(back_at),
                }],
            };
            if restock.gives_back() {
                self.change_level(order.items[&line.line], back_at, quantity);
                self.consume(&order, line.line, back_at, -quantity);
            }
            order.snapshot.refunds.push(refund.clone());
            order.snapshot.updated_at = self.stamp();
            self.emit("refunds/create", &Fact::Refund(refund));
        }
        self.orders.push(order);
        self.emit_order(self.orders.len() - 1, "orders/updated");
    }

    /// The merchant, or another app, changes a level by hand.
    pub(super) fn edit(&mut self) {
        let keys = self.levels.keys().copied().collect::<Vec<_>>();
        let (item, location) = keys[self.rng.random_range(0..keys.len())];
        let delta = self.rng.random_range(-5..=5);
        self.change_level(item, location, delta);
        self.expect(item, location, delta);
    }

    /// Webhooks that have arrived by now, in any order.
    pub(super) fn arrived(&mut self) -> Vec<(String, Fact)> {
        let now = self.now;
        let mut arrived = Vec::new();
        self.webhooks.retain(|(at, topic, fact)| {
            if *at <= now {
                arrived.push((topic.clone(), fact.clone()));
            }
            *at > now
        });
        arrived
    }

    /// Executes a call. Now and then it is refused, or executed without an answer.
    pub(super) fn answer(&mut self, call: &Call) -> Answer {
        let trouble = if self.lossy {
            self.rng.random_range(0..10)
        } else {
            9
        };
        let result = match trouble {
            0 => Err(CallError::Throttled { wait_ms: Some(500) }),
            1 => Err(CallError::Unavailable {
                reason: "down".to_owned(),
            }),
            2 => {
                let _lost = self.execute(call);
                Err(CallError::Ambiguous {
                    reason: "timeout".to_owned(),
                })
            }
            _ => self.execute(call),
        };
        Answer {
            result,
            rate: None,
            platform_time: None,
        }
    }

    fn execute(&mut self, call: &Call) -> Result<Reply, CallError> {
        match &call.request {
            Request::Write(write) => self.write(call.id, write),
            Request::Read(read) => Ok(self.read(read)),
        }
    }

    fn write(&mut self, key: CallId, write: &Write) -> Result<Reply, CallError> {
        let done = Ok(Reply::Written { at: Some(self.now) });
        match self.outcomes.get(&key) {
            Some(true) => return done,
            Some(false) => {
                let code = UserErrorCode::PreviousAttemptFailed;
                let errors = vec![UserError {
                    entry: None,
                    code,
                    message: String::new(),
                }];
                return Err(CallError::Rejected { errors });
            }
            None => {}
        }
        let stale = match write {
            Write::Set(entries) => entries
                .iter()
                .position(|it| self.levels[&(it.item, it.location)].0 != it.change_from),
            Write::Adjust(_) | Write::Activate { .. } => None,
        };
        self.outcomes.insert(key, stale.is_none());
        if let Some(entry) = stale {
            let error = UserError {
                entry: Some(entry),
                code: UserErrorCode::Stale,
                message: "stale".to_owned(),
            };
            return Err(CallError::Rejected {
                errors: vec![error],
            });
        }
        match write.clone() {
            Write::Adjust(entries) => entries
                .into_iter()
                .for_each(|it| self.change_level(it.item, it.location, it.delta)),
            Write::Set(entries) => {
                entries.into_iter().for_each(|it| {
                    self.change_level(it.item, it.location, it.quantity - it.change_from);
                });
            }
            Write::Activate {
                item,
                location,
                available,
            } => self.change_level(item, location, available),
        }
        done
    }

    fn read(&self, read: &Read) -> Reply {
        match read {
            Read::Levels(items) => {
                let of_items = self
                    .levels
                    .iter()
                    .filter(|((item, _), _)| items.contains(item));
                let level =
                    |(key, level): (&(ItemId, LocationId), &(i64, Timestamp))| LevelSnapshot {
                        item: key.0,
                        location: key.1,
                        available: Some(level.0),
                        updated_at: level.1,
                    };
                Reply::Levels(of_items.map(level).collect())
            }
            Read::Items(items) => Reply::Items(items.iter().map(|item| settings(*item)).collect()),
            Read::Order(order) => {
                let found = self.orders.iter().find(|it| it.snapshot.order == *order);
                Reply::Order(found.map(|it| Box::new(it.snapshot.clone())))
            }
            Read::OrdersSince { since, .. } => {
                let orders = self.orders.iter().map(|it| it.snapshot.clone());
                Reply::OrdersPage {
                    orders: orders.filter(|it| it.updated_at >= *since).collect(),
                    next: None,
                }
            }
            Read::Assignments(order) => {
                let found = self.orders.iter().filter(|it| it.snapshot.order == *order);
                let mut told = Assignments::default();
                for order in found {
                    // As on the platform: of a cancelled order only its past is told.
                    let assignments = if order.snapshot.cancelled {
                        &mut told.former
                    } else {
                        &mut told.current
                    };
                    let lines = order.snapshot.lines.iter();
                    assignments.extend(lines.map(|line| Assignment {
                        line: line.line,
                        location: order.location,
                        quantity: line.quantity,
                    }));
                }
                Reply::Assignments(told)
            }
            Read::Locations => {
                let location = |it: &LocationId| LocationSnapshot {
                    location: *it,
                    active: true,
                };
                Reply::Locations(self.locations.iter().map(location).collect())
            }
            Read::OrderOf(_) => Reply::OrderOf(None),
            Read::Subscriptions => Reply::Subscriptions { created: 0 },
        }
    }

    /// What a bundle's level should be, by the formula.
    pub(super) fn bundle_expected(&self, bundle: ItemId, location: LocationId) -> i64 {
        let limits = self.needs[&bundle]
            .iter()
            .map(|(item, need)| self.levels[&(*item, location)].0.max(0) / need);
        limits.min().unwrap()
    }

    pub(super) fn fresh(&mut self) -> CallId {
        CallId(Uuid::from_u128(self.rng.random()))
    }

    /// How many writes took effect or were refused, by key.
    pub(super) fn keys_seen(&self) -> BTreeSet<CallId> {
        self.outcomes.keys().copied().collect()
    }
}

/// An item of the model as the platform describes it.
pub(super) fn settings(item: ItemId) -> ItemSnapshot {
    ItemSnapshot {
        item,
        variant: Some(variant_of(item)),
        product: Some(ProductId(item.0 + 2_000)),
        tracked: Some(true),
        sells_when_out: Some(false),
        composite: Some(false),
    }
}
