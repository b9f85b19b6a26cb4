//! `[telemetry]`.

use super::setting::{Range, settings};
use crate::telemetry::LogFormat;

settings! {
    /// What is logged, and how.
    ["telemetry"]
    pub struct TelemetryConfig {
        /// `text` for people, `json` for machines.
        log_format: LogFormat = LogFormat::Text, "word", Range::OneOf(&["text", "json"]);
        /// What is logged: a level, or levels by module as in `info,storekeeper::keeper=debug`.
        log_filter: String = "info,actix_server=warn,sea_orm_migration=warn,sqlx::postgres::notice=warn".to_owned(), "text", Range::Filled;
    }
}
