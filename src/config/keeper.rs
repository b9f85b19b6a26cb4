//! `[keeper]`.

use serde::Deserialize;
use toml::Value;

use super::setting::{Range, SettingValue, settings};

/// Where in a backlog webhooks are taken first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SelectionConfig {
    /// In order.
    Oldest,
    /// From the end.
    NewestStateFirst,
    /// By turns from head, middle and tail.
    Spread,
}

impl SettingValue for SelectionConfig {
    fn to_value(&self) -> Value {
        Value::from(match self {
            Self::Oldest => "oldest",
            Self::NewestStateFirst => "newest_state_first",
            Self::Spread => "spread",
        })
    }
}

settings! {
    /// How stores share the machine.
    ["keeper"]
    pub struct KeeperConfig {
        /// Threads that keepers are spread over. 0: one per core.
        arbiters: usize = 0, "threads", Range::Between(0, 256);
        /// Distinct resources (orders, items, products) in a turn of a quiet store.
        turn_resources_min: usize = 5, "resources", Range::Between(1, 20);
        /// Distinct resources in a turn of a busy store.
        turn_resources_max: usize = 20, "resources", Range::Between(5, 20);
        /// Webhooks in a turn, whatever they concern.
        turn_rows_max: usize = 500, "rows", Range::Between(1, 500);
        /// Where in a backlog of more than two full turns webhooks are taken first: `oldest`, in order;
        /// `newest_state_first`, from its end; `spread`, by turns from head, middle and tail. Only webhooks that carry
        /// the whole state of something overtake others, and a webhook that may not holds up those behind it until its
        /// turn comes.
        selection: SelectionConfig = SelectionConfig::Oldest, "word", Range::OneOf(&["oldest", "newest_state_first", "spread"]);
        /// Parked webhooks in a turn.
        turn_parked_max: usize = 20, "rows", Range::Between(1, 500);
        /// Bytes of bodies that a turn reads at once.
        turn_bytes_max: usize = 1_048_576, "bytes", Range::Between(65_536, 67_108_864);
        /// Webhooks read at once while naked ones are swept out of a backlog.
        naked_rows_max: usize = 4_000, "rows", Range::Between(1, 10_000);
        /// Bytes of their bodies.
        naked_bytes_max: usize = 4_194_304, "bytes", Range::Between(65_536, 67_108_864);
        /// How long a turn may compute before it ends and another store is served.
        turn_decide_us_max: u64 = 4_000, "microseconds", Range::Between(100, 100_000);
        /// What a store may compute in each round of turns. A turn that took more waits for as many rounds.
        turn_quantum_us: u64 = 1_000, "microseconds", Range::Between(100, 100_000);
        /// How long a store rests after a turn that took its last webhook, so that of a burst many share a turn. A
        /// store with a backlog does not rest, and requests to it do not wait.
        turn_spacing_ms: u64 = 10, "milliseconds", Range::Between(0, 1_000);
        /// Turns under way at once, in all stores together. They are shared out among the threads, one at least for
        /// each.
        turns_in_flight_max: usize = 64, "turns", Range::Between(1, 10_000);
        /// Stores read from the database at once, all together.
        activations_in_flight_max: usize = 32, "stores", Range::Between(1, 1_000);
        /// Commands that may wait at one store. More are answered 503 `store_busy`.
        commands_waiting_max: usize = 64, "commands", Range::Between(1, 10_000);
        /// Commands that share a commit.
        commands_per_commit_max: usize = 20, "commands", Range::Between(1, 1_000);
        /// How long a command may wait before it is answered 503 `outcome_unknown`.
        command_wait_ms_max: u64 = 10_000, "milliseconds", Range::Between(100, 60_000);
        /// How often the database is searched for stores with something to do.
        scan_interval_ms: u64 = 1_000, "milliseconds", Range::Between(50, 60_000);
        /// Stores that one search wakes.
        scan_stores_max: usize = 1_000, "stores", Range::Between(1, 100_000);
        /// How long a keeper without anything to do stays in memory.
        idle_ms: u64 = 900_000, "milliseconds", Range::Between(1_000, 86_400_000);
        /// Keepers in memory. Beyond, those without anything to do leave, the longest idle first; nobody who has work
        /// leaves or is kept out for it.
        running_max: usize = 50_000, "keepers", Range::Between(1, 10_000_000);
        /// Events of keepers' lives (started, restarted, quarantined, …) that are remembered.
        lifecycle_events_max: usize = 1_000, "events", Range::Between(1, 100_000);
    }
}
