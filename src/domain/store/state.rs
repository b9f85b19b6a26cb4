//! The state of one store, and what of it has no row of its own.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::domain::bundle::Bundle;
use crate::domain::call::Bar;
use crate::domain::fact::LocationSnapshot;
use crate::domain::interest::Interest;
use crate::domain::order::OrderState;
use crate::domain::store::change::{
    CallRecord, ItemRecord, KeeperRecord, LevelRecord, ParkedRecord,
};
use crate::domain::store::command::Command;
use crate::domain::store::observation::Observation;
use crate::domain::store::outcome::{Outcome, Refusal};
use crate::ids::{ItemId, LocationId, OrderId, StoreId};

/// Everything a keeper reads when it is activated.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub keeper: KeeperRecord,
    pub items: Vec<ItemRecord>,
    pub levels: Vec<LevelRecord>,
    pub bundles: Vec<Bundle>,
    /// Orders whose ledger is not settled: something to take, to give back or to read.
    pub unsettled_orders: Vec<OrderState>,
    /// The ids of every order in the ledger.
    pub known_orders: Vec<OrderId>,
    /// Writes without a definite answer.
    pub calls: Vec<CallRecord>,
    pub parked: Vec<ParkedRecord>,
}

/// What a store remembers between activations apart from its rows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memo {
    /// Serialised rate state, by meter.
    pub buckets: BTreeMap<String, BucketMemo>,
    pub locations: Option<Vec<LocationSnapshot>>,
    pub paused: Option<Pause>,
    pub sweep: SweepMemo,
    /// The inbox row that crashed the keeper last, and how often.
    pub suspect: Option<Suspect>,
    /// Milliseconds that the platform's clock is ahead of ours.
    pub platform_ahead_ms: i64,
}

/// A bucket at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BucketMemo {
    /// Thousandths of a request or point in use.
    pub used_milli: i64,
    pub size: i64,
    pub restore_per_s: i64,
    pub at: Timestamp,
}

/// Why a store makes no calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Pause {
    /// An admin paused it.
    ByAdmin { reason: String },
    /// The platform refuses every call.
    Barred(Bar),
    /// The merchant uninstalled the app.
    Uninstalled,
}

/// How far the sweep is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SweepMemo {
    /// Orders updated before this have been read; platform time.
    pub orders_until: Option<Timestamp>,
    /// When the last sweep ended.
    pub finished_at: Option<Timestamp>,
}

/// An inbox row that crashed the keeper.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suspect {
    pub seq: i64,
    pub crashes: u32,
    pub reason: String,
}

/// What the rules of a store may be told to do differently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreSettings {
    pub retry: crate::domain::retry::RetryPolicy,
    /// Milliseconds between the end of a sweep and the start of the next.
    pub sweep_interval_ms: i64,
    /// How far before the watermark a sweep of orders begins, milliseconds.
    pub sweep_overlap_ms: i64,
    /// Share of a bucket left to others of the same app, percent.
    pub bucket_headroom_percent: i64,
    /// First delay after a call that brought no definite answer, milliseconds; doubles up to a minute.
    pub call_retry_base_ms: i64,
    /// More writes than this to one (item, location) with alternating values within `breaker_window_ms` open the
    /// loop breaker.
    pub breaker_writes_max: u32,
    pub breaker_window_ms: i64,
}

/// Everything of one store that its rules need.
#[derive(Debug)]
pub struct StoreState {
    settings: StoreSettings,
}

impl StoreState {
    /// Rebuilds the state from its rows. Deterministic; `now` is when unanswered calls count as made.
    #[must_use]
    pub fn restore(
        store: StoreId,
        loaded: Loaded,
        settings: StoreSettings,
        now: Timestamp,
    ) -> Self {
        let _ = (store, loaded, now);
        Self { settings }
    }

    /// Orders of the ledger that must be in memory before `command` is applied.
    #[must_use]
    pub fn orders_needed(&self, command: &Command) -> Vec<OrderId> {
        let _ = command;
        Vec::new()
    }

    /// Takes orders of the ledger into memory. Those already there are kept.
    pub fn admit(&mut self, orders: Vec<OrderState>) {
        let _ = orders;
    }

    /// Carries out a command.
    ///
    /// # Errors
    /// A [`Refusal`] when the rules say no; the state is unchanged then.
    pub fn apply(&mut self, now: Timestamp, command: Command) -> Result<Outcome, Refusal> {
        let _ = (now, command);
        Ok(Outcome::default())
    }

    /// The inbox head as the keeper last read it (the highest number given out); parked rows wait until the cursor
    /// has passed the head as it stood.
    pub fn saw_head(&mut self, head: i64) {
        let _ = head;
    }

    /// Parked rows that are due, in the order in which they are to be applied; at most `limit`.
    #[must_use]
    pub fn due_parked(&self, now: Timestamp, limit: usize) -> Vec<i64> {
        let _ = (now, limit);
        Vec::new()
    }

    /// The row that crashed the keeper last and is to be taken alone, if any.
    #[must_use]
    pub fn suspect(&self) -> Option<&Suspect> {
        None
    }

    /// Whether a call can be planned now: something is wanted, none is under way, and the tokens are there.
    #[must_use]
    pub fn wants_call(&self, now: Timestamp) -> bool {
        let _ = now;
        false
    }

    /// The one instant at which the store wants to be woken without being asked; `None`: only a webhook or a command
    /// can bring work.
    #[must_use]
    pub fn next_deadline(&self, now: Timestamp) -> Option<Timestamp> {
        let _ = now;
        None
    }

    /// The keeper's row as it is to be written with the next commit.
    #[must_use]
    pub fn record(&self, now: Timestamp) -> KeeperRecord {
        let _ = now;
        KeeperRecord {
            cursor: 0,
            applied: 0,
            naked: 0,
            parked: 0,
            dead: 0,
            wake_at: None,
            memo: Memo::default(),
        }
    }

    /// Forgets settled orders; to be called after a successful commit.
    pub fn committed(&mut self) {}

    /// Which ids concern this store (D10).
    #[must_use]
    pub fn interest(&self) -> Interest {
        Interest::default()
    }

    /// Counts naked webhooks that intake answered, so that they are flushed with the next commit.
    pub fn count_naked(&mut self, naked: i64) {
        let _ = naked;
    }

    /// What the keeper shows of itself.
    #[must_use]
    pub fn observation(&self, now: Timestamp) -> Observation {
        let _ = now;
        unreachable!()
    }

    /// What readers see of an item: its own levels and settings.
    #[must_use]
    pub fn leaf(&self, item: ItemId) -> Option<LeafView> {
        let _ = item;
        None
    }

    /// The live bundles, with what limits them.
    pub fn bundle_views(&self) -> Vec<BundleView> {
        Vec::new()
    }

    /// Active locations, ascending.
    #[must_use]
    pub fn active_locations(&self) -> Vec<LocationId> {
        Vec::new()
    }
}

/// An item as readers see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeafView {
    pub item: ItemId,
    /// Not tracked, or sold on when out: limits nothing.
    pub unlimited: bool,
    /// `None`: not tracked.
    pub levels: BTreeMap<LocationId, Option<i64>>,
}

/// A bundle as readers see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BundleView {
    pub bundle: Bundle,
    /// Leaf components that limit it, with units in one bundle.
    pub limiting_needs: BTreeMap<ItemId, i64>,
}
