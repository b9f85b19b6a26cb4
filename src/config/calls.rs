//! `[calls]`.

use super::setting::{Range, settings};

settings! {
    /// How platforms are called, whichever they are.
    ["calls"]
    pub struct CallsConfig {
        /// Calls under way at once, in all stores together. A store has at most one.
        in_flight_max: usize = 256, "calls", Range::Between(1, 10_000);
        /// How long a call may go unanswered. Then its outcome counts as unknown.
        answer_wait_ms_max: u64 = 30_000, "milliseconds", Range::Between(1_000, 300_000);
        /// First delay after a call that brought no definite answer. It doubles up to a minute.
        retry_base_ms: u64 = 1_000, "milliseconds", Range::Between(10, 60_000);
        /// Share of each rate limit that is never spent, for other users of the same app.
        headroom_percent: u32 = 10, "percent", Range::Between(0, 50);
        /// Writes of alternating values to one item at one location within `breaker_window_ms` after which the item
        /// is left alone: another program answers each of our writes with its own.
        breaker_writes_max: u32 = 20, "writes", Range::Between(2, 10_000);
        /// The time within which such writes count.
        breaker_window_ms: u64 = 60_000, "milliseconds", Range::Between(1_000, 86_400_000);
    }
}
