//! The names of all metrics: fixed, since dashboards and alerts outside rely on them.

pub const WEBHOOKS_RECEIVED_TOTAL: &str = "storekeeper_webhooks_received_total";
pub const INBOX_BACKLOG: &str = "storekeeper_inbox_backlog";
pub const INBOX_OLDEST_AGE_SECONDS: &str = "storekeeper_inbox_oldest_age_seconds";
pub const TURNS_TOTAL: &str = "storekeeper_turns_total";
pub const TURN_WAIT_SECONDS: &str = "storekeeper_turn_wait_seconds";
pub const KEEPERS: &str = "storekeeper_keepers";
pub const KEEPER_RESTARTS_TOTAL: &str = "storekeeper_keeper_restarts_total";
pub const PLATFORM_CALLS_TOTAL: &str = "storekeeper_platform_calls_total";
pub const PLATFORM_THROTTLED_TOTAL: &str = "storekeeper_platform_throttled_total";
pub const COMMIT_SECONDS: &str = "storekeeper_commit_seconds";
pub const COMMIT_SHARES: &str = "storekeeper_commit_shares";
pub const FENCED_COMMITS_TOTAL: &str = "storekeeper_fenced_commits_total";
pub const DEAD_LETTERS: &str = "storekeeper_dead_letters";
