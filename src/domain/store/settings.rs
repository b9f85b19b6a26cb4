//! What the rules of a store may be told to do differently.

use crate::domain::retry::RetryPolicy;

/// Settings of a store's rules; the same for every store of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreSettings {
    pub retry: RetryPolicy,
    /// Milliseconds between the end of a sweep and the start of the next.
    pub sweep_interval_ms: i64,
    /// How far before the watermark a sweep of orders begins, milliseconds.
    pub sweep_overlap_ms: i64,
    /// Share of a bucket left to others of the same app, percent.
    pub bucket_headroom_percent: i64,
    /// First delay after a call that brought no definite answer, milliseconds; doubles up to a minute.
    pub call_retry_base_ms: i64,
    /// More writes than this to one (item, location) with alternating values within `breaker_window_ms` open the
    /// loop breaker.
    pub breaker_writes_max: u32,
    pub breaker_window_ms: i64,
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self {
            retry: RetryPolicy::default(),
            sweep_interval_ms: 15 * 60 * 1_000,
            sweep_overlap_ms: 15 * 60 * 1_000,
            bucket_headroom_percent: 10,
            call_retry_base_ms: 1_000,
            breaker_writes_max: 20,
            breaker_window_ms: 60_000,
        }
    }
}
