//! `[placement]`.

use super::setting::{Range, settings};

settings! {
    /// When keepers move from one thread to another. What a thread is busy with is measured and averaged; newcomers
    /// are seated where it is least.
    ["placement"]
    pub struct PlacementConfig {
        /// Between two looks at what threads are busy with. At each, one keeper moves at most.
        interval_ms: u64 = 5_000, "milliseconds", Range::Between(100, 600_000);
        /// What a keeper did so long ago counts for little more than a third.
        memory_ms: u64 = 30_000, "milliseconds", Range::Between(100, 3_600_000);
        /// Keepers move from threads that are busy for at least this part of their time.
        overload_percent: u64 = 50, "percent", Range::Between(1, 100);
        /// And to threads that are busy for so much less. 100: nobody moves.
        gap_percent: u64 = 20, "percent", Range::Between(1, 100);
        /// A keeper that moved stays for so long.
        stay_ms: u64 = 300_000, "milliseconds", Range::Between(0, 86_400_000);
    }
}
