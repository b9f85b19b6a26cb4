//! `[standing]`.

use super::setting::{Range, settings};

settings! {
    /// When a store counts as noisy or quarantined, and what that means. These are the definitions that
    /// `/v1/admin/standings` publishes. Only a person suspends a store.
    ["standing"]
    pub struct StandingConfig {
        /// Whether standings change by themselves; people may always change them.
        automatic: bool = true, "true or false", Range::Any;
        /// Stores are judged once in each window of this length.
        window_ms: u64 = 60_000, "milliseconds", Range::Between(100, 3_600_000);
        /// Shares count only in windows in which all turns took this part of one thread's time: who works while the
        /// server rests, or alone, takes nothing from anybody.
        load_percent_min: u32 = 25, "percent", Range::Between(0, 100_000);
        /// Noisy: its turns took this part of the time of all.
        noisy_share_percent: u32 = 50, "percent", Range::Between(1, 100);
        /// Noisy: it had more webhooks than this part of its day's allowance.
        noisy_allowance_percent: u32 = 100, "percent", Range::Between(1, 100_000);
        /// Noisy: its keeper crashed so often within `crashes_within_ms`.
        noisy_crashes: u32 = 5, "crashes", Range::Between(1, 1_000_000);
        /// Share of turns of a noisy store while others wait, of what one in good standing gets.
        noisy_weight_percent: u32 = 50, "percent", Range::Between(1, 100);
        /// Quarantined: its turns took this part of the time of all.
        quarantined_share_percent: u32 = 90, "percent", Range::Between(1, 100);
        /// Quarantined: it had more webhooks than this part of its day's allowance.
        quarantined_allowance_percent: u32 = 200, "percent", Range::Between(1, 100_000);
        /// Quarantined: its keeper crashed so often within `crashes_within_ms`.
        quarantined_crashes: u32 = 20, "crashes", Range::Between(1, 1_000_000);
        /// Share of turns of a quarantined or suspended store while others wait: never none.
        quarantined_weight_percent: u32 = 10, "percent", Range::Between(1, 100);
        /// The time within which crashes count.
        crashes_within_ms: u64 = 3_600_000, "milliseconds", Range::Between(1_000, 86_400_000);
        /// A window is calm below this part of each limit of the standing that holds.
        calm_percent: u32 = 80, "percent", Range::Between(1, 100);
        /// Windows beyond a limit, one after the other, before one step to the worse.
        windows_up: u32 = 3, "windows", Range::Between(1, 1_000);
        /// Calm windows, one after the other, before one step to the better.
        windows_down: u32 = 10, "windows", Range::Between(1, 10_000);
        /// A worse standing lasts at least so long.
        stay_ms: u64 = 1_800_000, "milliseconds", Range::Between(0, 86_400_000);
    }
}

impl StandingConfig {
    pub(super) const fn contradiction(&self) -> Option<(&'static str, &'static str)> {
        if self.noisy_share_percent > self.quarantined_share_percent {
            let reason = "must not exceed standing.quarantined_share_percent";
            return Some(("standing.noisy_share_percent", reason));
        }
        if self.noisy_allowance_percent > self.quarantined_allowance_percent {
            let reason = "must not exceed standing.quarantined_allowance_percent";
            return Some(("standing.noisy_allowance_percent", reason));
        }
        if self.noisy_crashes > self.quarantined_crashes {
            let reason = "must not exceed standing.quarantined_crashes";
            return Some(("standing.noisy_crashes", reason));
        }
        if self.noisy_weight_percent < self.quarantined_weight_percent {
            let reason = "must not be below standing.quarantined_weight_percent";
            return Some(("standing.noisy_weight_percent", reason));
        }
        None
    }
}
