//! `[bucket]`.

use super::setting::{Range, settings};

settings! {
    /// How much of the platform's rate limit is left to others.
    ["bucket"]
    pub struct BucketConfig {
        /// Part of each bucket's size that is never spent, for clocks that differ and for other users of the app.
        headroom_percent: u32 = 5, "percent", Range::Between(0, 50);
    }
}
