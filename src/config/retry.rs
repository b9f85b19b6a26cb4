//! `[retry]`.

use super::setting::{Range, settings};

settings! {
    /// How often a webhook is tried again that names something not known yet.
    ["retry"]
    pub struct RetryConfig {
        /// Whether it is tried again at all.
        retry_enabled: bool = true, "boolean", Range::Any;
        /// How many times.
        retry_count: u32 = 3, "times", Range::Between(0, 100);
        /// The delay before the n-th time is n times this.
        base_delay_ms: u64 = 3_000, "milliseconds", Range::Between(1, 3_600_000);
    }
}
