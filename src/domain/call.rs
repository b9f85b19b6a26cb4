//! Calls to the platform, as data: what is asked, and what came back.
//!
//! A write is a row before it is sent and immutable from then on (INV-C); its id is its idempotency key (INV-K). A
//! read is never stored: after a crash it is simply wanted again.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::domain::fact::{
    Assignments, ItemSnapshot, LevelSnapshot, LocationSnapshot, OrderSnapshot,
};
use crate::ids::{CallId, FulfillmentOrderId, ItemId, LineId, LocationId, OrderId};

/// The most entries one write carries (the platform's limit for input arrays).
pub const WRITE_ENTRIES_MAX: usize = 250;
/// The most items one read of levels or items names (the platform's limit for `inventory_item_ids`).
pub const READ_ITEMS_MAX: usize = 50;

/// A call, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    pub id: CallId,
    pub request: Request,
}

/// What is asked of the platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    Write(Write),
    Read(Read),
}

impl Request {
    /// Its stable name, for logs.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Write(Write::Adjust(_)) => "adjust",
            Self::Write(Write::Set(_)) => "set",
            Self::Write(Write::Activate { .. }) => "activate",
            Self::Read(Read::Levels(_)) => "read_levels",
            Self::Read(Read::Items(_)) => "read_items",
            Self::Read(Read::Order(_)) => "read_order",
            Self::Read(Read::OrdersSince { .. }) => "read_orders",
            Self::Read(Read::Assignments(_)) => "read_assignments",
            Self::Read(Read::OrderOf(_)) => "read_order_of",
            Self::Read(Read::Locations) => "read_locations",
            Self::Read(Read::Subscriptions) => "ensure_subscriptions",
        }
    }

    /// The rate limit it is charged to: orders, levels and locations are read by REST, all else is GraphQL.
    #[must_use]
    pub const fn meter(&self) -> Meter {
        match self {
            Self::Write(_) => Meter::Graphql,
            Self::Read(read) => read.meter(),
        }
    }

    /// Requests or points that are surely enough for it.
    #[must_use]
    pub const fn cost_max(&self) -> i64 {
        match self {
            Self::Write(_) => WRITE_POINTS_MAX,
            Self::Read(read) => read.cost_max(),
        }
    }
}

/// Points that a write is surely done with: a mutation costs 10, its result a few more, however long its input
/// (recorded: 13).
pub const WRITE_POINTS_MAX: i64 = 20;
/// Points that a read by GraphQL is surely done with: well below the platform's bound of 1,000 for one query.
pub const READ_POINTS_MAX: i64 = 500;

/// Points that asking for one object's parent is surely done with.
pub const ORDER_OF_POINTS_MAX: i64 = 10;

/// Points that looking up so many items is surely done with: each item, its variant and its product are an object
/// of one point.
#[must_use]
pub const fn items_points_max(items: usize) -> i64 {
    let mut points = ITEMS_POINTS_BASE;
    let mut counted = 0;
    while counted < items {
        points += ITEM_POINTS;
        counted += 1;
    }
    points
}

const ITEMS_POINTS_BASE: i64 = 10;
const ITEM_POINTS: i64 = 4;

/// A change of stock on the platform. At most [`WRITE_ENTRIES_MAX`] entries, each (item, location) at most once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Write {
    /// Components, by delta: commutes with other writers.
    Adjust(Vec<Adjustment>),
    /// Bundles, by compare-and-set.
    Set(Vec<Setting>),
    /// Stock an item at a location where it has no level yet.
    Activate {
        item: ItemId,
        location: LocationId,
        available: i64,
    },
}

/// One component's change, and the ledger cells that it settles.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adjustment {
    pub item: ItemId,
    pub location: LocationId,
    /// Never zero; equals the sum over `cells`.
    pub delta: i64,
    pub cells: Vec<SettledCell>,
}

/// A ledger cell's part of an adjustment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettledCell {
    pub order: OrderId,
    pub line: LineId,
    pub delta: i64,
}

/// One bundle's new level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    pub item: ItemId,
    pub location: LocationId,
    /// In ±1,000,000,000, the platform's bound.
    pub quantity: i64,
    /// The level this was computed against: compare-and-set.
    pub change_from: i64,
}

/// A question to the platform. Changes nothing there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Read {
    /// All levels of these items, everywhere. At most [`READ_ITEMS_MAX`].
    Levels(Vec<ItemId>),
    /// Settings of these items. At most [`READ_ITEMS_MAX`].
    Items(Vec<ItemId>),
    /// One order, whole.
    Order(OrderId),
    /// Orders in any state updated at or after `since`, oldest id first; `page` is the platform's cursor.
    OrdersSince {
        since: Timestamp,
        page: Option<String>,
    },
    /// Which location ships which units of an order.
    Assignments(OrderId),
    /// The order that a fulfillment order belongs to.
    OrderOf(FulfillmentOrderId),
    /// All locations.
    Locations,
    /// Make sure that a webhook subscription exists for every topic we need; creates what lacks.
    Subscriptions,
}

impl Read {
    /// The rate limit it is charged to.
    #[must_use]
    pub const fn meter(&self) -> Meter {
        match self {
            Self::Levels(_) | Self::Order(_) | Self::OrdersSince { .. } | Self::Locations => {
                Meter::Rest
            }
            Self::Items(_) | Self::Assignments(_) | Self::OrderOf(_) | Self::Subscriptions => {
                Meter::Graphql
            }
        }
    }

    /// The one order it is about.
    #[must_use]
    pub const fn order(&self) -> Option<OrderId> {
        match self {
            Self::Order(order) | Self::Assignments(order) => Some(*order),
            Self::Levels(_)
            | Self::Items(_)
            | Self::OrdersSince { .. }
            | Self::OrderOf(_)
            | Self::Locations
            | Self::Subscriptions => None,
        }
    }

    /// Requests or points that are surely enough for it.
    #[must_use]
    pub const fn cost_max(&self) -> i64 {
        match self {
            Self::Levels(_) | Self::Order(_) | Self::OrdersSince { .. } | Self::Locations => 1,
            Self::Items(items) => items_points_max(items.len()),
            Self::OrderOf(_) => ORDER_OF_POINTS_MAX,
            Self::Assignments(_) | Self::Subscriptions => READ_POINTS_MAX,
        }
    }
}

/// Which of the platform's rate limits a call is charged to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Meter {
    /// Requests: a leaky bucket of 40 that leaks 2/s.
    Rest,
    /// GraphQL cost points.
    Graphql,
}

impl Meter {
    /// Its stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rest => "rest",
            Self::Graphql => "graphql",
        }
    }
}

/// What came back of a call, with what the reply told on the side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub result: Result<Reply, CallError>,
    pub rate: Option<RateReport>,
    /// The platform's clock (`Date` header).
    pub platform_time: Option<Timestamp>,
}

/// What a successful call returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// A write took effect, or had already under this key. `at` is the platform's stamp of it, when told.
    Written {
        at: Option<Timestamp>,
    },
    /// Every level that exists of the items asked for.
    Levels(Vec<LevelSnapshot>),
    /// Those of the items asked for that exist.
    Items(Vec<ItemSnapshot>),
    /// `None`: there is no such order.
    Order(Option<Box<OrderSnapshot>>),
    OrdersPage {
        orders: Vec<OrderSnapshot>,
        next: Option<String>,
    },
    Assignments(Assignments),
    /// `None`: there is no such fulfillment order.
    OrderOf(Option<OrderId>),
    Locations(Vec<LocationSnapshot>),
    /// How many subscriptions lacked and were created; not those that only moved to another address of ours.
    Subscriptions {
        created: u32,
    },
}

/// Why a call brought nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallError {
    /// The rate limit refused it; nothing is promised about execution, so a write is repeated under the same key.
    Throttled { wait_ms: Option<i64> },
    /// Not reachable, or 5xx before the request can have had an effect.
    Unavailable { reason: String },
    /// Sent, but no definite answer: it may have been executed. Repeat a write under the same key.
    Ambiguous { reason: String },
    /// Still running, or to be tried again, under the same key.
    Busy,
    /// Understood and refused; nothing of the batch took effect.
    Rejected { errors: Vec<UserError> },
    /// The store cannot be called until a person acts.
    Barred(Bar),
}

impl CallError {
    /// Its stable name, for logs and metrics.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Throttled { .. } => "throttled",
            Self::Unavailable { .. } => "unavailable",
            Self::Ambiguous { .. } => "ambiguous",
            Self::Busy => "busy",
            Self::Rejected { .. } => "rejected",
            Self::Barred(_) => "barred",
        }
    }
}

/// Why no call of a store can succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Bar {
    /// 402: the shop does not pay the platform.
    Frozen,
    /// 401: the access token is dead.
    TokenDead,
    /// 403: the token lacks a scope.
    ScopeMissing,
    /// 423, 430: locked by the platform.
    Locked,
}

impl Bar {
    /// What it means for a person.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Frozen => "the shop is frozen",
            Self::TokenDead => "the access token is dead",
            Self::ScopeMissing => "the access token lacks a scope",
            Self::Locked => "the shop is locked",
        }
    }
}

/// One reason for a refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserError {
    /// Which entry of the batch, when the platform names one.
    pub entry: Option<usize>,
    pub code: UserErrorCode,
    pub message: String,
}

/// The refusals that we act upon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserErrorCode {
    /// `CHANGE_FROM_QUANTITY_STALE`: the level is not what we believed.
    Stale,
    /// `ITEM_NOT_STOCKED_AT_LOCATION`.
    NotStocked,
    /// The level exists already (activation).
    AlreadyStocked,
    /// `INVALID_INVENTORY_ITEM`, `NON_MUTABLE_INVENTORY_ITEM`: never writable.
    ItemUnusable,
    /// `INVALID_LOCATION`.
    LocationUnusable,
    /// `IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED`: needs a new key.
    PreviousAttemptFailed,
    /// Anything else, by its code.
    Other(String),
}

/// What a reply told about the rate limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateReport {
    pub meter: Meter,
    /// Requests or points in use at the time of the reply.
    pub used: i64,
    pub size: i64,
    /// Per second, when told.
    pub restore_per_s: Option<i64>,
    /// What this call was charged before execution, and after; GraphQL only.
    pub cost: Option<Cost>,
}

/// Points of a GraphQL call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    pub requested: i64,
    pub actual: Option<i64>,
}
