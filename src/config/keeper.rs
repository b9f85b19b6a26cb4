//! `[keeper]`.

use super::setting::{Range, settings};

settings! {
    /// How stores share the machine, and what happens when a keeper fails.
    ["keeper"]
    pub struct KeeperConfig {
        /// Threads that keepers are spread over. 0: one per core.
        arbiters: usize = 0, "threads", Range::Between(0, 256);
        /// Distinct resources (orders, items, products) that one turn takes.
        turn_resources_max: usize = 20, "resources", Range::Between(5, 20);
        /// Webhooks that one turn takes.
        turn_rows_max: usize = 500, "rows", Range::Between(1, 500);
        /// How long a turn may compute before it ends and another store is served.
        turn_time_max_ms: u64 = 4, "milliseconds", Range::Between(1, 100);
        /// Turns that run at the same time, over all stores.
        turns_in_flight_max: usize = 64, "turns", Range::Between(1, 10_000);
        /// Commands that may wait for one store. More are answered 503 `store_busy`.
        commands_waiting_max: usize = 64, "commands", Range::Between(1, 10_000);
        /// How long a command may wait before it is answered 503 `outcome_unknown`.
        command_wait_max_ms: u64 = 10_000, "milliseconds", Range::Between(100, 60_000);
        /// How long a keeper without anything to do stays in memory.
        idle_ms: u64 = 900_000, "milliseconds", Range::Between(1_000, 86_400_000);
        /// How often the database is asked which stores have something to do.
        wake_interval_ms: u64 = 1_000, "milliseconds", Range::Between(50, 60_000);
        /// Restarts within `restart_window_ms` before a keeper is quarantined.
        restarts_max: u32 = 5, "restarts", Range::Between(1, 1_000);
        /// The time within which restarts count.
        restart_window_ms: u64 = 60_000, "milliseconds", Range::Between(1_000, 86_400_000);
        /// Delay before the first restart; each further one doubles it.
        restart_base_delay_ms: u64 = 200, "milliseconds", Range::Between(1, 60_000);
        /// Longest delay before a restart.
        restart_delay_max_ms: u64 = 30_000, "milliseconds", Range::Between(1, 600_000);
        /// How long a keeper that spent its restarts rests before it is tried again.
        quarantine_ms: u64 = 300_000, "milliseconds", Range::Between(100, 86_400_000);
        /// Panics over one webhook before it becomes a dead letter.
        panics_per_row_max: u32 = 3, "panics", Range::Between(1, 100);
    }
}
