//! What others are told of a keeper.

use std::sync::Arc;

use serde::Serialize;

use crate::clock::Timestamp;
use crate::domain::standing::{Day, Record, Standing};
use crate::domain::store::observation::Observation;
use crate::ids::StoreId;
use crate::keeper::progress::{InHand, Stuck};

/// Where a keeper is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "name")]
pub enum KeeperState {
    /// It reads its store.
    Starting,
    Running,
    /// It crashed and is started anew then.
    Restarting {
        until: Timestamp,
    },
    /// It crashed too often, or was told to rest.
    Quarantined {
        until: Timestamp,
    },
    /// There is none; work brings one to life.
    Stopped,
}

impl KeeperState {
    /// Its stable name, for metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Restarting { .. } => "restarting",
            Self::Quarantined { .. } => "quarantined",
            Self::Stopped => "stopped",
        }
    }
}

/// A keeper as others see it.
#[derive(Clone, Debug)]
pub struct KeeperStatus {
    pub store: StoreId,
    pub state: KeeperState,
    /// Which thread it lives on.
    pub arbiter: usize,
    /// Since the process started.
    pub restarts: u64,
    /// Those of them that the store brought about itself: no outage of the database or of a lock counts.
    pub crashes: u64,
    /// Set while it has work in hand and moves nothing.
    pub stuck: Option<Stuck>,
    /// What it has in hand.
    pub in_hand: Option<InHand>,
    pub last_error: Option<String>,
    /// Where its last panic was, and how it came there.
    pub last_panic: Option<Arc<str>>,
    /// How long its turns kept its thread busy since the process started, in microseconds.
    pub busy_us: u64,
    /// Since the process started.
    pub turns: u64,
    pub last_turn_at: Option<Timestamp>,
    pub activated_at: Option<Timestamp>,
    /// As of its last commit; kept after its end.
    pub observation: Option<Arc<Observation>>,
    /// Its plan and its standing, as they were last learnt.
    pub standing: Option<Arc<KnownStanding>>,
    /// What it had of its day, as it was last looked.
    pub today: Option<Today>,
}

impl KeeperStatus {
    /// Of a store that nobody has asked for yet.
    pub(super) const fn unasked(store: StoreId) -> Self {
        Self {
            store,
            state: KeeperState::Stopped,
            arbiter: 0,
            restarts: 0,
            crashes: 0,
            stuck: None,
            in_hand: None,
            last_error: None,
            last_panic: None,
            busy_us: 0,
            turns: 0,
            last_turn_at: None,
            activated_at: None,
            observation: None,
            standing: None,
            today: None,
        }
    }

    /// How the store stands, as far as it was learnt.
    #[must_use]
    pub fn standing(&self, now: Timestamp) -> Standing {
        let known = self.standing.as_ref();
        known.map_or(Standing::Good, |known| known.record.standing(now))
    }
}

/// What decides how much a store may take.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownStanding {
    pub plan: Option<String>,
    pub record: Record,
}

/// What a store had of its UTC day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Today {
    pub at: Timestamp,
    /// Webhooks accepted since it began, as far as its keeper looked.
    pub rows: i64,
    /// Those of them that are taken.
    pub taken: i64,
    /// How many the day has, as far as it is bounded.
    pub allowance: Option<i64>,
    /// Naked ones that were dropped, being beyond the allowance.
    pub dropped: i64,
    /// Set while those beyond the allowance are held.
    pub held_until: Option<Timestamp>,
}

impl Today {
    /// What of it still holds: of another day, nothing does.
    #[must_use]
    pub fn still(self, now: Timestamp) -> Option<Self> {
        (Day::end_of(self.at) == Day::end_of(now)).then_some(self)
    }
}
