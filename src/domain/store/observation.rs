//! What a keeper shows of itself: tests assert it, metrics read it, the dashboard displays it.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::clock::Timestamp;
use crate::domain::call::Meter;
use crate::domain::store::patience::Kind;
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
    /// What only a call can bring forward, in the order in which it is made. What stands behind a kind that has been
    /// passed over too often is not among it.
    #[serde(skip)]
    pub waiting: Vec<WaitingCall>,
    /// The latest calls since its keeper came into memory, the newest first.
    #[serde(skip)]
    pub made: Vec<MadeCall>,
    pub paused: Option<Pause>,
    pub last_sweep_at: Option<Timestamp>,
    /// What it waits for, in one sentence, and until when if that is known.
    pub waits_for: Option<Wait>,
}

/// A bucket as people see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct BucketView {
    /// Units in use as of `at`, rounded up.
    pub used: i64,
    pub size: i64,
    /// Units that leak a second.
    pub restore_per_s: i64,
    /// Of those in use, what calls under way hold: that leaks once they have ended.
    pub held: i64,
    /// Units that are ours; the rest of the size is left to other clients of the app.
    pub usable: i64,
    /// Calls under way.
    pub in_flight: u32,
    #[serde(skip)]
    pub at: Timestamp,
    /// From when on a call of one unit can be afforded, if nothing else changes.
    #[serde(skip)]
    pub next_at: Timestamp,
    /// When the platform last told size and level; `None`: not since its keeper came into memory.
    #[serde(skip)]
    pub told_at: Option<Timestamp>,
    /// The last call that was refused for want of tokens since then.
    #[serde(skip)]
    pub throttle: Option<Throttle>,
}

impl BucketView {
    /// Units in use at a later instant, if nothing but time has passed; rounded up.
    #[must_use]
    pub fn used_at(&self, now: Timestamp) -> i64 {
        let elapsed_ms = now.millis_since(self.at).max(0);
        let leaked = elapsed_ms.saturating_mul(self.restore_per_s) / 1_000;
        let settled = self.used.saturating_sub(self.held);
        settled
            .saturating_sub(leaked)
            .max(0)
            .saturating_add(self.held)
    }

    /// When all of it is there again, if nothing but time passes.
    #[must_use]
    pub fn empty_at(&self) -> Timestamp {
        let settled_milli = self.used.saturating_sub(self.held).saturating_mul(1_000);
        let leak_ms = settled_milli
            .saturating_add(self.restore_per_s - 1)
            .div_euclid(self.restore_per_s.max(1));
        self.at.plus_millis(leak_ms.max(0))
    }
}

/// The platform refused a call for want of tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Throttle {
    pub at: Timestamp,
    /// Nothing is granted before.
    pub until: Timestamp,
    /// The wait that it asked for; `None`: it named none, and the usual one is taken.
    pub asked_ms: Option<i64>,
    /// What was asked of it.
    pub kind: Option<Kind>,
}

/// Something that only a call can bring forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitingCall {
    pub kind: Kind,
    /// How many of its kind wait, at least.
    pub count: usize,
    pub meter: Meter,
    /// The most that the next such call costs.
    pub cost: i64,
    /// When that can be afforded, if nothing else changes.
    pub at: Timestamp,
}

/// A call, as people see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MadeCall {
    pub kind: Kind,
    pub meter: Meter,
    /// What was charged beforehand.
    pub cost: i64,
    pub begun_at: Timestamp,
    /// `None`: it is under way.
    pub ended: Option<(Timestamp, CallEnd)>,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallEnd {
    Answered,
    /// Refused for want of tokens.
    Throttled,
    /// The platform refused what was asked.
    Rejected,
    /// The platform refuses every call.
    Barred,
    /// No answer, or none that is certain.
    Failed,
}

impl CallEnd {
    /// Its stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Throttled => "throttled",
            Self::Rejected => "rejected",
            Self::Barred => "barred",
            Self::Failed => "failed",
        }
    }
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
