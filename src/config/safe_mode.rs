//! `[safe_mode]`.

use super::setting::{Range, settings};

settings! {
    /// When so many stores crash that the fault must be the server's own: webhooks are still accepted, nothing else is
    /// done.
    ["safe_mode"]
    pub struct SafeModeConfig {
        /// Safe mode begins when more than this part of the stores with a keeper crashed within `window_ms`.
        crashed_percent: u32 = 20, "percent", Range::Between(1, 100);
        /// And at least so many stores, so that a small server does not stop for one.
        crashed_stores_min: usize = 5, "stores", Range::Between(1, 100_000);
        /// The time within which crashes count.
        window_ms: u64 = 60_000, "milliseconds", Range::Between(1_000, 3_600_000);
        /// It ends after so long without a crash, or when an operator ends it.
        quiet_ms: u64 = 300_000, "milliseconds", Range::Between(1_000, 86_400_000);
    }
}
