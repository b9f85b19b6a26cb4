//! `[restart]`.

use super::setting::{Range, settings};

settings! {
    /// How often, and how soon, a keeper that crashed is started again.
    ["restart"]
    pub struct RestartConfig {
        /// Restarts allowed within `window_ms`. One more is quarantine.
        restarts_max: usize = 5, "restarts", Range::Between(1, 1_000);
        /// The time within which restarts count.
        window_ms: u64 = 60_000, "milliseconds", Range::Between(1_000, 86_400_000);
        /// First delay. It doubles with each further crash.
        backoff_ms_min: u64 = 100, "milliseconds", Range::Between(1, 60_000);
        /// Longest delay.
        backoff_ms_max: u64 = 30_000, "milliseconds", Range::Between(1, 600_000);
        /// A delay is longer or shorter by up to this much, so that stores do not restart in step.
        jitter_percent: u32 = 20, "percent", Range::Between(0, 100);
        /// A keeper that ran this long starts with a clean record.
        healthy_ms: u64 = 300_000, "milliseconds", Range::Between(1_000, 86_400_000);
        /// First quarantine. It doubles with each further one.
        quarantine_ms_min: u64 = 900_000, "milliseconds", Range::Between(100, 86_400_000);
        /// Longest quarantine.
        quarantine_ms_max: u64 = 21_600_000, "milliseconds", Range::Between(100, 604_800_000);
    }
}
