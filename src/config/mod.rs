//! Settings: what they are called, what they may be, and where they come from.
//!
//! Defaults lie below the TOML file, that below the environment (`STOREKEEPER__SECTION__KEY`), that below flags. A key
//! that does not exist is refused with a suggestion, a value out of range with the key's full name. This is the only
//! module that reads the environment.

mod error;
mod setting;

mod admin;
mod alarms;
mod calls;
mod database;
mod inbox;
mod keeper;
mod patrol;
mod placement;
mod platform;
mod quota;
mod restart;
mod retry;
mod safe_mode;
mod secrets;
mod server;
mod standing;
mod storm;
mod sweep;
mod telemetry;
mod writer;

mod example;
mod layers;
mod sections;

pub use admin::AdminConfig;
pub use alarms::AlarmsConfig;
pub use calls::CallsConfig;
pub use database::DatabaseConfig;
pub use error::{ConfigError, Problem};
pub use example::{effective, example};
pub use inbox::InboxConfig;
pub use keeper::{KeeperConfig, SelectionConfig};
pub use layers::{Layers, of_text};
pub use patrol::PatrolConfig;
pub use placement::PlacementConfig;
pub use platform::{PlatformConfig, ShopifyConfig};
pub use quota::{BeyondConfig, QuotaConfig};
pub use restart::RestartConfig;
pub use retry::RetryConfig;
pub use safe_mode::SafeModeConfig;
pub use secrets::{Secret, SecretsConfig};
pub use sections::Config;
pub use server::ServerConfig;
pub use setting::Range;
pub use standing::StandingConfig;
pub use storm::StormConfig;
pub use sweep::SweepConfig;
pub use telemetry::TelemetryConfig;
pub use writer::WriterConfig;
