//! `[writer]`.

use super::setting::{Range, settings};

settings! {
    /// How deliveries and keepers' commits are gathered into transactions.
    ["writer"]
    pub struct WriterConfig {
        /// Deliveries that may wait to be made durable. More are answered 503.
        waiting_deliveries_max: usize = 10_000, "deliveries", Range::Between(1, 1_000_000);
        /// Bytes of bodies that may wait to be made durable. More are answered 503.
        waiting_bytes_max: usize = 64 * 1024 * 1024, "bytes", Range::Between(1_048_576, 4_294_967_296);
        /// Keepers' commits that may wait. More keepers wait before their commit.
        waiting_shares_max: usize = 1_000, "commits", Range::Between(1, 100_000);
        /// Rows after which a transaction closes.
        group_rows_max: usize = 1_000, "rows", Range::Between(1, 10_000);
        /// Bytes of bodies after which a transaction closes.
        group_bytes_max: usize = 1024 * 1024, "bytes", Range::Between(65_536, 67_108_864);
        /// How long gathering a transaction may last.
        group_gather_ms_max: u64 = 5, "milliseconds", Range::Between(0, 1_000);
        /// How long a transaction may last before it is given up.
        group_timeout_ms: u64 = 10_000, "milliseconds", Range::Between(1_000, 60_000);
        /// Rows in one transaction of bulk work, such as purging.
        bulk_rows_max: u32 = 500, "rows", Range::Between(1, 10_000);
        /// Delivery ids that gather in memory before they are filed, some 100 bytes each; up to twice as many while they
        /// are. SQLite only.
        recent_ids_max: u32 = 100_000, "delivery ids", Range::Between(1, 1_000_000);
    }
}
