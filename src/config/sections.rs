//! The whole configuration, and what holds between its sections.

use serde::Deserialize;

use super::admin::AdminConfig;
use super::alarms::AlarmsConfig;
use super::calls::CallsConfig;
use super::database::DatabaseConfig;
use super::error::ConfigError;
use super::inbox::InboxConfig;
use super::keeper::KeeperConfig;
use super::patrol::PatrolConfig;
use super::placement::PlacementConfig;
use super::platform::PlatformConfig;
use super::quota::QuotaConfig;
use super::restart::RestartConfig;
use super::retry::RetryConfig;
use super::safe_mode::SafeModeConfig;
use super::secrets::SecretsConfig;
use super::server::ServerConfig;
use super::setting::{Section, Setting};
use super::standing::StandingConfig;
use super::storm::StormConfig;
use super::sweep::SweepConfig;
use super::telemetry::TelemetryConfig;
use super::writer::WriterConfig;

/// Every setting. [`Config::default`] serves on loopback with everything embedded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where the server listens.
    pub server: ServerConfig,
    /// Where everything is kept.
    pub database: DatabaseConfig,
    /// How commits are gathered.
    pub writer: WriterConfig,
    /// What webhooks leave behind.
    pub inbox: InboxConfig,
    /// How stores share the machine.
    pub keeper: KeeperConfig,
    /// What happens when a keeper crashes.
    pub restart: RestartConfig,
    /// What stands still.
    pub patrol: PatrolConfig,
    /// When keepers move from one thread to another.
    pub placement: PlacementConfig,
    /// When everything but accepting stops.
    pub safe_mode: SafeModeConfig,
    /// When webhooks are sent again all at once.
    pub storm: StormConfig,
    /// What a store may have in a day.
    pub quota: QuotaConfig,
    /// What a store may take, by how it behaves.
    pub standing: StandingConfig,
    /// How platforms are called.
    pub platform: PlatformConfig,
    /// How any platform is called.
    pub calls: CallsConfig,
    /// Reading again what lost webhooks would have told.
    pub sweep: SweepConfig,
    /// Trying again what cannot be applied yet.
    pub retry: RetryConfig,
    /// What a person must hear of without looking.
    pub alarms: AlarmsConfig,
    /// Secrets at rest.
    pub secrets: SecretsConfig,
    /// Logs.
    pub telemetry: TelemetryConfig,
    /// Shell commands.
    pub admin: AdminConfig,
}

/// Only what was seen through so many rounds ends the process.
const SILENT_INTERVALS_MIN: u64 = 4;

/// A section's place, documentation and keys.
#[derive(Debug)]
pub(crate) struct Described {
    pub(crate) path: &'static str,
    pub(crate) about: &'static [&'static str],
    pub(crate) settings: Vec<Setting>,
}

fn describe<Part: Section>(part: &Part) -> Described {
    Described {
        path: Part::PATH,
        about: Part::about(),
        settings: part.settings(),
    }
}

impl Config {
    /// Checks every value and what holds between values.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Value`] for the first value that its key does not take, [`ConfigError::Contradiction`] for keys
    /// that do not go together.
    pub fn validate(&self) -> Result<(), ConfigError> {
        for section in self.described() {
            for setting in section.settings {
                setting.check(&setting.value)?;
            }
        }
        match self.contradiction() {
            Some((name, reason)) => Err(ConfigError::Contradiction { name, reason }),
            None => Ok(()),
        }
    }

    fn contradiction(&self) -> Option<(&'static str, &'static str)> {
        let Self {
            keeper,
            restart,
            patrol,
            storm,
            quota,
            standing,
            calls,
            platform: PlatformConfig { shopify },
            ..
        } = self;
        if !shopify.client_id.is_empty() && shopify.client_secret.is_empty() {
            let reason = "must be set when platform.shopify.client_id is";
            return Some(("platform.shopify.client_secret", reason));
        }
        if keeper.turn_resources_min > keeper.turn_resources_max {
            return Some((
                "keeper.turn_resources_min",
                "must not exceed keeper.turn_resources_max",
            ));
        }
        if shopify.request_timeout_ms >= calls.answer_wait_ms_max {
            return Some((
                "platform.shopify.request_timeout_ms",
                "must be less than calls.answer_wait_ms_max",
            ));
        }
        let silence_min = patrol.interval_ms.saturating_mul(SILENT_INTERVALS_MIN);
        if patrol.silent_exit_ms > 0 && patrol.silent_exit_ms < silence_min {
            return Some((
                "patrol.silent_exit_ms",
                "must be at least four times patrol.interval_ms, or 0",
            ));
        }
        if storm.slow_accept_ms > 0 && storm.calm_accept_ms > storm.slow_accept_ms {
            return Some((
                "storm.calm_accept_ms",
                "must not exceed storm.slow_accept_ms",
            ));
        }
        if restart.backoff_ms_min > restart.backoff_ms_max {
            return Some((
                "restart.backoff_ms_min",
                "must not exceed restart.backoff_ms_max",
            ));
        }
        if restart.quarantine_ms_min > restart.quarantine_ms_max {
            return Some((
                "restart.quarantine_ms_min",
                "must not exceed restart.quarantine_ms_max",
            ));
        }
        quota.contradiction().or_else(|| standing.contradiction())
    }

    /// Every section in reading order. The destructuring makes forgetting a new one impossible.
    pub(crate) fn described(&self) -> Vec<Described> {
        let Self {
            server,
            database,
            writer,
            inbox,
            keeper,
            restart,
            patrol,
            placement,
            safe_mode,
            storm,
            quota,
            standing,
            platform: PlatformConfig { shopify },
            calls,
            sweep,
            retry,
            alarms,
            secrets,
            telemetry,
            admin,
        } = self;
        vec![
            describe(server),
            describe(database),
            describe(writer),
            describe(inbox),
            describe(keeper),
            describe(restart),
            describe(patrol),
            describe(placement),
            describe(safe_mode),
            describe(storm),
            describe(quota),
            describe(standing),
            describe(shopify),
            describe(calls),
            describe(sweep),
            describe(retry),
            describe(alarms),
            describe(secrets),
            describe(telemetry),
            describe(admin),
        ]
    }
}
