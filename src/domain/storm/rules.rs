//! What is noticed of a webhook, and when it is too much.

use crate::clock::Timestamp;

/// What is noticed of a webhook at the door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sign {
    pub at: Timestamp,
    /// Its delivery id was accepted before.
    pub is_known: bool,
    /// When the platform first wanted to tell of it.
    pub triggered_at: Option<Timestamp>,
    /// Until it was durable, milliseconds.
    pub took_ms: i64,
}

/// When webhooks are a retry storm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StormRules {
    /// Webhooks count for so long, milliseconds.
    pub window_ms: i64,
    /// Fewer webhooks within the window are no storm.
    pub webhooks_min: i64,
    /// At least this part of them was sent again, percent: is known already, or old.
    pub resent_percent: i64,
    /// A webhook is old when it was triggered so long ago, milliseconds.
    pub old_ms: i64,
    /// And the 99th percentile of their acceptance is above this, milliseconds; 0: there are no storms.
    pub slow_ms: i64,
    /// It is over when that percentile has not been above this, milliseconds, or that part has been less than half …
    pub calm_ms: i64,
    /// … for so long, milliseconds.
    pub quiet_ms: i64,
}

impl Default for StormRules {
    fn default() -> Self {
        Self {
            window_ms: 10_000,
            webhooks_min: 500,
            resent_percent: 20,
            old_ms: 30_000,
            slow_ms: 1_000,
            calm_ms: 250,
            quiet_ms: 5_000,
        }
    }
}

impl StormRules {
    /// Whether the platform seems to have sent it before.
    pub(super) fn is_resent(&self, sign: &Sign) -> bool {
        let is_old = |triggered: Timestamp| sign.at.millis_since(triggered) >= self.old_ms;
        sign.is_known || sign.triggered_at.is_some_and(is_old)
    }
}
