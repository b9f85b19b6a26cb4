//! Every bound of keepers, by name and unit.

use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::domain::backlog::Selection;
use crate::domain::standing::QuotaRules;
use crate::domain::store::command::Row;
use crate::domain::store::settings::StoreSettings;
use crate::domain::storm::StormRules;
use crate::ids::StoreId;

/// Called with each row before it is applied.
pub type RowHook = Arc<dyn Fn(&Row) + Send + Sync>;

/// Called at each of a keeper's [`Moment`]s.
pub type MomentHook = Arc<dyn Fn(StoreId, Moment) + Send + Sync>;

/// Called when a turn has begun, which goes on when this is over.
pub type TurnHook = Arc<dyn Fn(StoreId) -> BoxFuture<'static, ()> + Send + Sync>;

/// Where a keeper's code can go wrong, apart from its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// It rebuilds its state from the database.
    Restore,
    /// Its actor starts.
    Started,
    /// A message has come.
    Doorbell,
    /// It decides commands.
    Command,
    /// It decides an answer of the platform.
    Answer,
    /// It plans a call.
    Call,
}

/// Every bound of keepers.
#[derive(Clone)]
pub struct KeeperSettings {
    /// What the rules of each store may be told to do differently.
    pub store: StoreSettings,
    /// Threads that keepers are spread over; 0: one for each core.
    pub arbiters: usize,
    /// Distinct resources in a turn of a quiet store.
    pub turn_resources_min: usize,
    /// Distinct resources in a turn of a busy store.
    pub turn_resources_max: usize,
    /// Rows in a turn, whatever they concern.
    pub turn_rows_max: usize,
    /// Where in a backlog rows are taken first; a backlog of at most two full turns is always taken in order.
    pub selection: Selection,
    /// Parked rows in a turn.
    pub turn_parked_max: usize,
    /// Bytes of bodies read from the log at once.
    pub turn_bytes_max: usize,
    /// Rows read from the log at once while naked ones are swept out of it.
    pub naked_rows_max: usize,
    /// Bytes of their bodies.
    pub naked_bytes_max: usize,
    /// Microseconds that a turn may parse and decide; the row that passes this is its last.
    pub turn_decide_us_max: u64,
    /// Microseconds of service that a store has in each round of turns.
    pub turn_quantum_us: u64,
    /// Milliseconds that a store rests after a turn that took its last row, so that more may come for the next.
    pub turn_spacing_ms: u64,
    /// Turns under way at once, in all stores together; shared out among threads, one at least for each.
    pub turns_in_flight_max: usize,
    /// Calls under way at once, in all stores together; a store has at most one.
    pub calls_in_flight_max: usize,
    /// Stores read from the database at once, all together.
    pub activations_in_flight_max: usize,
    /// Milliseconds after which a call counts as without a definite answer.
    pub call_timeout_ms: i64,
    /// Commands that wait at one store; more are refused.
    pub commands_waiting_max: usize,
    /// Commands that share a commit.
    pub commands_per_commit_max: usize,
    /// Milliseconds that the caller of a command waits.
    pub command_wait_ms_max: i64,
    /// Milliseconds between two searches for stores to wake.
    pub scan_interval_ms: i64,
    /// Stores that one search wakes.
    pub scan_stores_max: usize,
    /// Milliseconds without work after which a keeper is deactivated.
    pub idle_ms: i64,
    /// Keepers in memory; beyond, those without work are deactivated, the longest idle first.
    pub running_max: usize,
    /// Milliseconds until a keeper looks again when a deadline passed and nothing was to be done.
    pub stall_ms: i64,
    /// Commits after which rows behind the cursor are purged.
    pub purge_every_commits: u32,
    /// Stores whose rows wait to be purged; more are asked for again later.
    pub purges_waiting_max: usize,
    /// Lifecycle events remembered.
    pub lifecycle_events_max: usize,
    /// How often a keeper that crashes is started anew.
    pub restart: RestartSettings,
    /// When keepers and their threads count as standing still.
    pub patrol: PatrolSettings,
    /// When keepers move from one thread to another.
    pub placement: PlacementSettings,
    /// When the server holds everything but accepting.
    pub safe_mode: SafeModeSettings,
    /// When applying gives way to accepting, and how far.
    pub storm: StormSettings,
    /// What a store may take, by its plan and its standing.
    pub quota: QuotaRules,
    /// A test's way into the application of rows, to make one panic. Nothing else sets it.
    #[doc(hidden)]
    pub before_apply: Option<RowHook>,
    /// A test's way into everything else that a keeper does, to make it panic there. Nothing else sets it.
    #[doc(hidden)]
    pub on_moment: Option<MomentHook>,
    /// A test's way to hold turns without holding up their thread. Nothing else sets it.
    #[doc(hidden)]
    pub hold_turn: Option<TurnHook>,
}

/// How often, and how soon, a keeper that crashes is started anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RestartSettings {
    /// Restarts allowed within `window_ms`; one more is quarantine.
    pub restarts_max: usize,
    pub window_ms: i64,
    /// First delay; doubles with each further crash.
    pub backoff_min_ms: i64,
    pub backoff_max_ms: i64,
    /// A delay is longer or shorter by up to this share, so that stores do not restart in step.
    pub jitter_percent: i64,
    /// A keeper that ran this long starts with a clean record.
    pub healthy_ms: i64,
    /// First quarantine; doubles with each further one.
    pub quarantine_min_ms: i64,
    pub quarantine_max_ms: i64,
}

impl Default for RestartSettings {
    fn default() -> Self {
        Self {
            restarts_max: 5,
            window_ms: 60_000,
            backoff_min_ms: 100,
            backoff_max_ms: 30_000,
            jitter_percent: 20,
            healthy_ms: 300_000,
            quarantine_min_ms: 900_000,
            quarantine_max_ms: 21_600_000,
        }
    }
}

/// When keepers and their threads count as standing still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PatrolSettings {
    /// Milliseconds between two rounds; each thread is asked for a beat once in a round.
    pub interval_ms: u64,
    /// A thread that missed so many beats is told of.
    pub beats_missed_max: u32,
    /// Milliseconds without a beat after which a thread is given up; 0: never.
    pub silent_exit_ms: u64,
    /// Milliseconds after which a keeper that has work in hand and moves nothing is marked as stuck.
    pub stuck_ms: u64,
}

impl Default for PatrolSettings {
    fn default() -> Self {
        Self {
            interval_ms: 2_000,
            beats_missed_max: 3,
            silent_exit_ms: 30_000,
            stuck_ms: 30_000,
        }
    }
}

/// When keepers move from one thread to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlacementSettings {
    /// Milliseconds between two looks at what keeps threads busy; at each, one keeper moves at most.
    pub interval_ms: i64,
    /// Milliseconds after which what a keeper did counts for little more than a third.
    pub memory_ms: u64,
    /// Keepers move from threads that are busy for at least this part of their time.
    pub overload_percent: u64,
    /// And to threads that are busy for so much less, in points.
    pub gap_percent: u64,
    /// Milliseconds that a keeper that moved stays.
    pub stay_ms: u64,
}

impl Default for PlacementSettings {
    fn default() -> Self {
        Self {
            interval_ms: 5_000,
            memory_ms: 30_000,
            overload_percent: 50,
            gap_percent: 20,
            stay_ms: 300_000,
        }
    }
}

/// When the server holds everything but accepting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SafeModeSettings {
    /// It begins when more than this part of the stores with a keeper crashed within `window_ms`.
    pub crashed_percent: usize,
    /// And at least so many stores.
    pub crashed_stores_min: usize,
    pub window_ms: i64,
    /// It ends after so many milliseconds without a crash.
    pub quiet_ms: i64,
}

impl Default for SafeModeSettings {
    fn default() -> Self {
        Self {
            crashed_percent: 20,
            crashed_stores_min: 5,
            window_ms: 60_000,
            quiet_ms: 300_000,
        }
    }
}

/// When applying gives way to accepting, and how far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StormSettings {
    pub rules: StormRules,
    /// Turns a second of all stores with a backlog together.
    pub turns_per_s: u32,
    /// Milliseconds that a store without a backlog rests after a turn.
    pub turn_spacing_ms: u64,
}

impl Default for StormSettings {
    fn default() -> Self {
        Self {
            rules: StormRules::default(),
            turns_per_s: 20,
            turn_spacing_ms: 1_000,
        }
    }
}

impl KeeperSettings {
    /// The defaults, around the settings of a store's rules.
    #[must_use]
    pub fn new(store: StoreSettings) -> Self {
        Self {
            store,
            arbiters: 0,
            turn_resources_min: 5,
            turn_resources_max: 20,
            turn_rows_max: 500,
            selection: Selection::Oldest,
            turn_parked_max: 20,
            turn_bytes_max: 1_048_576,
            naked_rows_max: 4_000,
            naked_bytes_max: 4_194_304,
            turn_decide_us_max: 4_000,
            turn_quantum_us: 1_000,
            turn_spacing_ms: 10,
            turns_in_flight_max: 64,
            calls_in_flight_max: 256,
            activations_in_flight_max: 32,
            call_timeout_ms: 30_000,
            commands_waiting_max: 64,
            commands_per_commit_max: 20,
            command_wait_ms_max: 10_000,
            scan_interval_ms: 1_000,
            scan_stores_max: 1_000,
            idle_ms: 900_000,
            running_max: 50_000,
            stall_ms: 1_000,
            purge_every_commits: 64,
            purges_waiting_max: 256,
            lifecycle_events_max: 1_000,
            restart: RestartSettings::default(),
            patrol: PatrolSettings::default(),
            placement: PlacementSettings::default(),
            safe_mode: SafeModeSettings::default(),
            storm: StormSettings::default(),
            quota: QuotaRules::default(),
            before_apply: None,
            on_moment: None,
            hold_turn: None,
        }
    }
}

impl fmt::Debug for KeeperSettings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("KeeperSettings")
            .field("store", &self.store)
            .field("restart", &self.restart)
            .finish_non_exhaustive()
    }
}
