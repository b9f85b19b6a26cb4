//! `[alarms]`.

use super::secrets::Secret;
use super::setting::{Range, settings};

settings! {
    /// What a person must hear of without looking. A bound of 0 turns its alarm off.
    ["alarms"]
    pub struct AlarmsConfig {
        /// Alarm `oldest_unapplied`: the oldest webhook that waits is older than this.
        oldest_unapplied_ms: u64 = 300_000, "milliseconds", Range::Between(0, 86_400_000);
        /// Alarm `no_turns`: webhooks wait, and for so long none was done with.
        no_turns_ms: u64 = 60_000, "milliseconds", Range::Between(0, 86_400_000);
        /// Alarm `backlog_grows`: within `growth_window_ms` the backlog never fell, and grew by more than this.
        backlog_growth: u64 = 10_000, "webhooks", Range::Between(0, 1_000_000_000);
        /// The time over which the backlog's growth is judged.
        growth_window_ms: u64 = 600_000, "milliseconds", Range::Between(10_000, 86_400_000);
        /// Alarm `dead_letters`: so many came within `window_ms`.
        dead_letters: u64 = 10, "dead letters", Range::Between(0, 1_000_000_000);
        /// Alarm `restarts`: so many keepers were started anew within `window_ms`.
        restarts: u64 = 20, "restarts", Range::Between(0, 1_000_000_000);
        /// The time over which dead letters and restarts are counted.
        window_ms: u64 = 600_000, "milliseconds", Range::Between(10_000, 86_400_000);
        /// Alarm `silent_stores`: a store that had webhooks in each of `silence_periods` periods of this length has none in the next.
        silence_ms: u64 = 3_600_000, "milliseconds", Range::Between(0, 604_800_000);
        /// After how many periods with webhooks on end a store always has some.
        silence_periods: u32 = 24, "periods", Range::Between(1, 1_000);
        /// Where alarms are posted as JSON when they are raised and when they are over; empty: nowhere.
        post_url: Secret = Secret::default(), "address", Range::Url;
        /// How long one attempt to post may take; there are three.
        post_timeout_ms: u64 = 5_000, "milliseconds", Range::Between(100, 60_000);
    }
}
