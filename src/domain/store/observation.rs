//! What a keeper shows of itself: tests assert it, metrics read it, the dashboard displays it.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::clock::Timestamp;
use crate::domain::store::state::Pause;
use crate::ids::StoreId;

/// A keeper's state at an instant, published after each commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Observation {
    pub store: StoreId,
    pub at: Timestamp,
    /// The keeper is done with every inbox row up to this number, and not with the next.
    pub cursor: i64,
    /// How many inbox rows it is done with: those up to the cursor, and what it took ahead of it.
    pub taken: i64,
    pub applied: i64,
    pub naked: i64,
    pub parked: i64,
    pub dead: i64,
    pub bundles: usize,
    /// Bundles whose wanted level has yet to be compared with the platform's; a bound from above, at most `bundles`.
    pub dirty_bundles: usize,
    pub unsettled_orders: usize,
    /// Items whose levels or settings must be read before anything is computed from them.
    pub unsure_levels: usize,
    /// Writes without a definite answer.
    pub open_calls: usize,
    /// Levels that somebody else keeps changing back, and that are left alone for now.
    pub contested_levels: usize,
    /// Until when, at the longest: who looks later than that sees none.
    pub contested_until: Option<Timestamp>,
    pub buckets: BTreeMap<String, BucketView>,
    pub paused: Option<Pause>,
    pub last_sweep_at: Option<Timestamp>,
    /// What it waits for, in one sentence, and until when if that is known.
    pub waits_for: Option<Wait>,
}

/// A bucket as people see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct BucketView {
    pub used: i64,
    pub size: i64,
    pub restore_per_s: i64,
}

/// What kind of thing a store waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitKind {
    /// An admin, the merchant, or whoever can mend the access: see [`Observation::paused`].
    Person,
    /// The platform failed, and is left alone for a while.
    BackOff,
    /// A call is under way.
    Answer,
    /// The rate limit.
    Tokens,
    /// A call can be made now.
    Call,
    Order,
    Item,
    Locations,
    /// A level that somebody else keeps changing back is left alone for a while.
    Contested,
    /// A parked row is tried again.
    Parked,
    /// The next sweep or retry: nothing to do before.
    Schedule,
}

/// What a store waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Wait {
    pub kind: WaitKind,
    pub reason: String,
    pub until: Option<Timestamp>,
}
