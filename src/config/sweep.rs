//! `[sweep]`.

use super::setting::{Range, settings};

settings! {
    /// Reading again what lost webhooks would have told.
    ["sweep"]
    pub struct SweepConfig {
        /// How often each store's orders and levels are read again.
        interval_ms: u64 = 900_000, "milliseconds", Range::Between(1_000, 86_400_000);
        /// How far before the last reading each reading begins.
        overlap_ms: u64 = 900_000, "milliseconds", Range::Between(0, 86_400_000);
    }
}
