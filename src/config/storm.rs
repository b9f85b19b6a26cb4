//! `[storm]`.

use super::setting::{Range, settings};

settings! {
    /// When the platform sends again, all at once, what it could not deliver: webhooks are accepted first, and applied
    /// slowly until accepting is quick again.
    ["storm"]
    pub struct StormConfig {
        /// The time over which webhooks are judged.
        window_ms: u64 = 10_000, "milliseconds", Range::Between(1_000, 600_000);
        /// Fewer webhooks within `window_ms` are no storm.
        webhooks_min: u32 = 500, "webhooks", Range::Between(1, 10_000_000);
        /// A storm needs that at least this part of them was sent again: is known already, or old.
        resent_percent: u32 = 20, "percent", Range::Between(1, 100);
        /// A webhook is old when the platform first wanted to tell of it so long ago.
        old_ms: u64 = 30_000, "milliseconds", Range::Between(1_000, 86_400_000);
        /// And that the 99th percentile of their acceptance is above this. 0: there are no storms.
        slow_accept_ms: u64 = 1_000, "milliseconds", Range::Between(0, 60_000);
        /// It is over when that percentile has stayed at or below this for `quiet_ms`, or that part below half.
        calm_accept_ms: u64 = 250, "milliseconds", Range::Between(1, 60_000);
        /// See `calm_accept_ms`.
        quiet_ms: u64 = 5_000, "milliseconds", Range::Between(0, 600_000);
        /// Turns that all stores with a backlog have together in a storm; there are always some.
        turns_per_s: u32 = 20, "turns per second", Range::Between(1, 100_000);
        /// How long a store without a backlog waits for more before its next turn, in a storm.
        turn_spacing_ms: u64 = 1_000, "milliseconds", Range::Between(0, 60_000);
    }
}
