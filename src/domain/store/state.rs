//! The state of one store, and what of it has no row of its own.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::domain::bundle::Bundle;
use crate::domain::call::Bar;
use crate::domain::fact::LocationSnapshot;
use crate::domain::order::OrderState;
use crate::domain::store::change::{CallRecord, ItemRecord, KeeperRecord, LevelRecord, ParkedRecord};
use crate::ids::OrderId;

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
