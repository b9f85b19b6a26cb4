//! Sales, refunds, edits, lost and repeated webhooks, calls without answers, restarts: in the end all levels are right.

use std::collections::BTreeMap;

use rand::RngExt;
use uuid::Uuid;

use super::model::{BUNDLES, COMPONENTS, Platform};
use crate::domain::bundle::Mode;
use crate::domain::call::CallError;
use crate::domain::call::{Answer, Request};
use crate::domain::order::OrderState;
use crate::domain::store::change::*;
use crate::domain::store::command::*;
use crate::domain::store::outcome::{Outcome, Reply};
use crate::domain::store::state::{Loaded, StoreState};
use crate::domain::store::{StorePolicy, StoreSettings};
use crate::ids::*;

const STORE: StoreId = StoreId(7);

/// The rows of a store, as a database would keep them, and the state over them.
pub(super) struct World {
    pub(super) platform: Platform,
    pub(super) state: StoreState,
    seq: i64,
    items: BTreeMap<ItemId, ItemRecord>,
    levels: BTreeMap<(ItemId, LocationId), LevelRecord>,
    bundles: BTreeMap<BundleId, crate::domain::bundle::Bundle>,
    policy: StorePolicy,
    orders: BTreeMap<OrderId, OrderState>,
    calls: BTreeMap<CallId, CallRecord>,
    pub(super) parked: BTreeMap<i64, ParkedRecord>,
    rows: BTreeMap<i64, Row>,
    pub(super) dead: BTreeMap<DeadLetterId, DeadLetterRecord>,
    pub(super) keeper: KeeperRecord,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let platform = Platform::new(seed);
        let keeper = KeeperRecord::default();
        let loaded = Loaded::default();
        let state = StoreState::restore(STORE, loaded, settings(), platform.now);
        Self {
            platform,
            state,
            seq: 0,
            items: BTreeMap::new(),
            levels: BTreeMap::new(),
            bundles: BTreeMap::new(),
            policy: StorePolicy::default(),
            orders: BTreeMap::new(),
            calls: BTreeMap::new(),
            parked: BTreeMap::new(),
            rows: BTreeMap::new(),
            dead: BTreeMap::new(),
            keeper,
        }
    }

    /// Throws the state away and loads it from its rows, as after a crash.
    pub(super) fn restart(&mut self) {
        let loaded = Loaded {
            keeper: self.keeper.clone(),
            installed_at: None,
            items: self.items.values().copied().collect(),
            levels: self.levels.values().copied().collect(),
            bundles: self.bundles.values().cloned().collect(),
            policy: self.policy.clone(),
            pending_orders: self
                .orders
                .values()
                .filter(|order| order.is_pending_since(self.keeper.memo.places_confirmed))
                .cloned()
                .collect(),
            known_orders: self.orders.keys().copied().collect(),
            calls: self.calls.values().cloned().collect(),
            parked: self.parked.values().copied().collect(),
        };
        self.state = StoreState::restore(STORE, loaded, settings(), self.platform.now);
    }

    pub(super) fn apply(&mut self, command: Command) -> Outcome {
        let needed = self.state.orders_needed(&command);
        self.state.admit(
            needed
                .iter()
                .map(|order| self.orders[order].clone())
                .collect(),
        );
        let outcome = self.state.apply(self.platform.now, command).unwrap();
        for change in outcome.changes.rows().cloned() {
            self.write(change);
        }
        self.keeper = self.state.record(self.platform.now);
        self.state.committed();
        outcome
    }

    fn write(&mut self, change: Change) {
        match change {
            Change::PutItem(record) => drop(self.items.insert(record.item, record)),
            Change::PutLevel(record) => {
                self.levels.insert((record.item, record.location), record);
            }
            Change::DeleteLevel(item, location) => drop(self.levels.remove(&(item, location))),
            Change::PutBundle(bundle) => drop(self.bundles.insert(bundle.id, bundle)),
            Change::PutPolicy(policy) => self.policy = policy,
            Change::PutOrder(order) => drop(self.orders.insert(order.order, order)),
            Change::PutCall(record) => drop(self.calls.insert(record.id, record)),
            Change::DeleteCall(id) => drop(self.calls.remove(&id)),
            Change::Park(record) | Change::ReviveDeadLetter { parked: record, .. } => {
                self.parked.insert(record.seq, record);
            }
            Change::Unpark(seq) => drop(self.parked.remove(&seq)),
            Change::PutDeadLetter(record) => {
                if let Some(seq) = record.seq {
                    self.parked.remove(&seq);
                }
                self.dead.insert(record.id, record);
            }
            Change::DeleteDeadLetter(id) => drop(self.dead.remove(&id)),
            Change::PutIdempotentReply(_) => {}
        }
    }

    /// One row arrives and is taken.
    pub(super) fn take(&mut self, topic: String, fact: crate::domain::fact::Fact) -> Outcome {
        self.seq += 1;
        self.state.saw_head(self.seq);
        let row = Row {
            seq: self.seq,
            topic,
            fact: Ok(fact),
            triggered_at: None,
            from_lane: false,
        };
        self.rows.insert(self.seq, row.clone());
        self.apply(Command::TakeRow(row))
    }

    pub(super) fn take_due_parked(&mut self) {
        for seq in self.state.due_parked(self.platform.now, 20) {
            let row = Row {
                from_lane: true,
                ..self.rows[&seq].clone()
            };
            self.apply(Command::TakeRow(row));
        }
    }

    /// Takes what has arrived, then makes calls until none is wanted; may crash between any two commits.
    pub(super) fn work(&mut self, crashes: bool) {
        for (topic, fact) in self.platform.arrived() {
            self.take(topic, fact);
        }
        self.take_due_parked();
        for _ in 0..50 {
            if crashes && self.platform.rng.random_bool(0.05) {
                self.restart();
            }
            if !self.call_once(crashes) {
                break;
            }
        }
    }

    /// Makes the next call; a crash may come before it is sent, or before its answer is committed.
    pub(super) fn call_once(&mut self, crashes: bool) -> bool {
        if !self.state.wants_call(self.platform.now) {
            return false;
        }
        let fresh = self.platform.fresh();
        let Some(call) = self.apply(Command::PlanCall { fresh }).call else {
            return false;
        };
        if crashes && self.platform.rng.random_bool(0.05) {
            self.restart();
            return true;
        }
        let answer = self.platform.answer(&call);
        if crashes && self.platform.rng.random_bool(0.05) {
            self.restart();
            return true;
        }
        self.apply(Command::CallAnswered {
            call: call.id,
            answer,
        });
        true
    }

    /// Makes the call that is wanted now, if any. `tamper` may change what the platform answers. What was asked, and
    /// what came of the answer.
    pub(super) fn call_with(
        &mut self,
        tamper: impl FnOnce(&Request, &mut Answer),
    ) -> Option<(Request, Outcome)> {
        let fresh = self.platform.fresh();
        let call = self.apply(Command::PlanCall { fresh }).call?;
        let mut answer = self.platform.answer(&call);
        tamper(&call.request, &mut answer);
        let outcome = self.apply(Command::CallAnswered {
            call: call.id,
            answer,
        });
        Some((call.request, outcome))
    }

    /// Makes every call that is wanted in so many steps of this length; what was asked.
    pub(super) fn calls_with(
        &mut self,
        (steps, step_ms): (usize, i64),
        mut tamper: impl FnMut(&Request, &mut Answer),
    ) -> Vec<Request> {
        let mut made = Vec::new();
        for _ in 0..steps {
            self.advance(step_ms);
            made.extend(self.call_with(&mut tamper).map(|(request, _)| request));
        }
        made
    }

    pub(super) fn define(&mut self, bundle: ItemId, needs: &[(ItemId, i64)], replaces: bool) {
        let draft = BundleDraft {
            id: BundleId(Uuid::from_u128(u128::try_from(bundle.0).unwrap())),
            replaces,
            title: "kit".to_owned(),
            item: bundle,
            mode: Mode::ShipTogether,
            cap: None,
            components: needs
                .iter()
                .map(|(item, quantity)| DraftComponent {
                    item: *item,
                    quantity: *quantity,
                    optional: false,
                })
                .collect(),
            seen: None,
            arrived_at: self.platform.now,
        };
        while self.apply(Command::PutBundle(draft.clone())).reply == Reply::Waiting {
            while !self.call_once(false) {
                self.advance(1_000);
            }
        }
        self.platform
            .needs
            .insert(bundle, needs.iter().copied().collect());
    }

    pub(super) fn advance(&mut self, millis: i64) {
        self.platform.now = self.platform.now.plus_millis(millis);
    }

    /// Lets everything arrive and come to rest, with one sweep at the end.
    pub(super) fn quiesce(&mut self) {
        self.platform.lossy = false;
        for _ in 0..60 {
            self.advance(1_000);
            self.work(false);
        }
        self.apply(Command::ReconcileNow);
        for _ in 0..600 {
            self.advance(1_000);
            self.work(false);
        }
        assert!(self.platform.webhooks.is_empty());
        assert!(self.calls.is_empty(), "{:?}", self.calls);
    }

    pub(super) fn assert_levels(&self, seed: u64) {
        for location in &self.platform.locations {
            for item in COMPONENTS {
                let key = (item, *location);
                assert_eq!(
                    self.platform.levels[&key].0, self.platform.expected[&key],
                    "seed {seed}: component {key:?}"
                );
            }
            for bundle in BUNDLES {
                let wanted = self.platform.bundle_expected(bundle, *location);
                assert_eq!(
                    self.platform.levels[&(bundle, *location)].0,
                    wanted,
                    "seed {seed}: bundle {bundle} at {location}"
                );
            }
        }
    }
}

pub(super) fn settings() -> StoreSettings {
    // Sweeps come by command only, so that what they repair is known.
    StoreSettings {
        sweep_interval_ms: i64::from(i32::MAX),
        ..StoreSettings::default()
    }
}

fn run(seed: u64) {
    let mut world = World::new(seed);
    world.define(BUNDLES[0], &[(COMPONENTS[0], 2), (COMPONENTS[1], 1)], false);
    world.define(BUNDLES[1], &[(COMPONENTS[1], 3), (COMPONENTS[2], 1)], false);
    for _ in 0..40 {
        let step = world.platform.rng.random_range(1..3_000);
        world.advance(step);
        match world.platform.rng.random_range(0..10) {
            0..=4 => world.platform.sell(),
            5..=7 => world.platform.refund(),
            _ => world.platform.edit(),
        }
        world.work(true);
    }
    world.quiesce();
    world.assert_levels(seed);
    let parked = world.parked.len();
    assert_eq!(parked, 0, "seed {seed}");
}

#[test]
fn levels_converge_whatever_happens() {
    for seed in 0..300 {
        run(seed);
    }
}

#[test]
fn a_recipe_edit_between_order_and_webhook_does_not_rewrite_history() {
    let mut world = World::new(1);
    world.platform.lossy = false;
    world.define(BUNDLES[0], &[(COMPONENTS[0], 2)], false);
    world.define(BUNDLES[1], &[(COMPONENTS[2], 1)], false);
    for _ in 0..5 {
        world.advance(2_000);
        world.platform.sell();
    }
    world.advance(2_000);
    world.define(BUNDLES[0], &[(COMPONENTS[0], 1), (COMPONENTS[1], 4)], true);
    for _ in 0..5 {
        world.advance(2_000);
        world.platform.sell();
        world.platform.refund();
    }
    world.quiesce();
    world.assert_levels(1);
}

#[test]
fn settled_stock_makes_no_calls() {
    let mut world = World::new(3);
    world.platform.lossy = false;
    world.define(BUNDLES[0], &[(COMPONENTS[0], 2), (COMPONENTS[1], 1)], false);
    world.define(BUNDLES[1], &[(COMPONENTS[1], 3)], false);
    world.quiesce();
    let writes = world.platform.keys_seen();
    world.apply(Command::ReconcileNow);
    for _ in 0..100 {
        world.advance(1_000);
        world.work(false);
    }
    assert_eq!(world.platform.keys_seen(), writes);
}

#[test]
fn one_component_in_many_bundles_costs_one_set_for_each_250() {
    let mut world = World::new(5);
    world.platform.lossy = false;
    world.platform.locations.truncate(1);
    for number in 0..400 {
        let bundle = ItemId(10_000 + number);
        world.platform.levels.insert(
            (bundle, LocationId(1)),
            (0, world.platform.now.floor_to_second()),
        );
        world.define(bundle, &[(COMPONENTS[0], 1)], false);
    }
    world.quiesce();
    let before = world.platform.keys_seen().len();
    let level = world.platform.levels[&(COMPONENTS[0], LocationId(1))].0;
    world.advance(5_000);
    let fact = crate::domain::fact::Fact::Level(crate::domain::fact::LevelSnapshot {
        item: COMPONENTS[0],
        location: LocationId(1),
        available: Some(level + 7),
        updated_at: world.platform.now.floor_to_second(),
    });
    world.platform.levels.insert(
        (COMPONENTS[0], LocationId(1)),
        (level + 7, world.platform.now.floor_to_second()),
    );
    world.take("inventory_levels/update".to_owned(), fact);
    for _ in 0..60 {
        world.advance(1_000);
        world.work(false);
    }
    assert_eq!(world.platform.keys_seen().len() - before, 2);
    assert_eq!(
        world.platform.levels[&(ItemId(10_399), LocationId(1))].0,
        level + 7
    );
}

#[test]
fn a_dead_token_pauses_the_store_and_a_new_one_resumes_it() {
    let mut world = World::new(9);
    world.platform.lossy = false;
    world.define(BUNDLES[0], &[(COMPONENTS[0], 2)], false);
    let fresh = world.platform.fresh();
    world.advance(5_000);
    let call = world.apply(Command::PlanCall { fresh }).call.unwrap();
    let result = Err(CallError::Barred(crate::domain::call::Bar::TokenDead));
    let answer = crate::domain::call::Answer {
        result,
        rate: None,
        platform_time: None,
    };
    world.apply(Command::CallAnswered {
        call: call.id,
        answer,
    });
    world.advance(60_000);
    assert!(!world.state.wants_call(world.platform.now));
    let observation = world.state.observation(world.platform.now);
    assert!(
        observation
            .waits_for
            .unwrap()
            .reason
            .contains("token is dead")
    );
    world.apply(Command::TokenRenewed);
    assert!(world.state.wants_call(world.platform.now));
}
