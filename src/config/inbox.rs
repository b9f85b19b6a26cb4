//! `[inbox]`.

use super::setting::{Range, settings};

settings! {
    /// How long what webhooks leave behind is kept.
    ["inbox"]
    pub struct InboxConfig {
        /// How long a delivery's id is remembered, so that a repeated delivery is known as such.
        delivery_retention_h: u32 = 168, "hours", Range::Between(48, 8_760);
        /// How long a body's digest is remembered, so that a webhook replayed with a shared secret is refused.
        body_digest_retention_h: u32 = 168, "hours", Range::Between(168, 8_760);
        /// How often what is no longer needed is deleted.
        purge_interval_ms: u64 = 60_000, "milliseconds", Range::Between(1_000, 86_400_000);
        /// How long the answer to an idempotency key is remembered.
        reply_retention_h: u32 = 48, "hours", Range::Between(24, 8_760);
    }
}
