//! From the configuration to what each part is told.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::hooks::HookSettings;
use crate::config::{
    AlarmsConfig, Config, DatabaseConfig, PatrolConfig, PlacementConfig, RestartConfig,
    SafeModeConfig, Secret, SelectionConfig, ShopifyConfig, StormConfig, WriterConfig,
};
use crate::db::{DatabaseOptions, WriterOptions};
use crate::domain::alarm::AlarmRules;
use crate::domain::backlog::Selection;
use crate::domain::retry::RetryPolicy;
use crate::domain::store::settings::StoreSettings;
use crate::domain::storm::StormRules;
use crate::http::{HttpSettings, OauthApp};
use crate::keeper::{
    KeeperSettings, PatrolSettings, PlacementSettings, RestartSettings, SafeModeSettings,
    StormSettings,
};
use crate::platform::{self, ClientSettings, PlatformClient};

/// The embedded database's file in the data directory.
const DATABASE_FILE: &str = "storekeeper.db";

/// How the database is reached: the embedded one unless an address is set.
#[must_use]
pub fn database_options(config: &Config) -> DatabaseOptions {
    let DatabaseConfig { url, data_dir, .. } = &config.database;
    let embedded = || format!("sqlite://{}", data_dir.join(DATABASE_FILE).display());
    let database = &config.database;
    DatabaseOptions {
        url: url.filled().map_or_else(embedded, str::to_owned),
        data_dir: data_dir.clone(),
        readers_max: database.readers_max,
        keepers_readers_max: database.keepers_readers_max,
        acquire_timeout: Duration::from_millis(database.acquire_timeout_ms),
        read_timeout: Duration::from_millis(database.read_timeout_ms),
        activation_timeout: Duration::from_millis(database.activation_timeout_ms),
        statement_timeout: Duration::from_millis(database.statement_timeout_ms),
        busy_timeout: Duration::from_millis(database.busy_timeout_ms),
        wal_bytes_max: database.wal_bytes_max,
        // The disk is the bound; only tests need a lower one.
        pages_max: None,
        writer: writer_options(&config.writer),
    }
}

fn writer_options(writer: &WriterConfig) -> WriterOptions {
    WriterOptions {
        waiting_deliveries_max: writer.waiting_deliveries_max,
        waiting_bytes_max: writer.waiting_bytes_max,
        waiting_shares_max: writer.waiting_shares_max,
        group_rows_max: writer.group_rows_max,
        group_bytes_max: writer.group_bytes_max,
        group_gather_max: Duration::from_millis(writer.group_gather_ms_max),
        group_timeout: Duration::from_millis(writer.group_timeout_ms),
        bulk_rows_max: writer.bulk_rows_max,
        recent_ids_max: writer.recent_ids_max,
    }
}

/// The embedded database's write-ahead log, when it is the one in use.
pub(super) fn wal_file(config: &Config) -> Option<PathBuf> {
    let embedded = config.database.url.is_empty();
    embedded.then(|| {
        config
            .database
            .data_dir
            .join(format!("{DATABASE_FILE}-wal"))
    })
}

pub(super) fn alarm_rules(alarms: &AlarmsConfig) -> AlarmRules {
    AlarmRules {
        oldest_unapplied_ms: signed(alarms.oldest_unapplied_ms),
        backlog_growth: signed(alarms.backlog_growth),
        growth_window_ms: signed(alarms.growth_window_ms),
        dead_letters: signed(alarms.dead_letters),
        restarts: signed(alarms.restarts),
        window_ms: signed(alarms.window_ms),
        no_turns_ms: signed(alarms.no_turns_ms),
        silence_ms: signed(alarms.silence_ms),
        silence_periods: alarms.silence_periods,
    }
}

/// Where alarms are posted, if anywhere.
pub(super) fn alarm_hook(alarms: &AlarmsConfig) -> Option<HookSettings> {
    let url = alarms.post_url.filled()?.to_owned();
    let timeout = Duration::from_millis(alarms.post_timeout_ms);
    Some(HookSettings { url, timeout })
}

pub(super) fn client_settings(shopify: &ShopifyConfig) -> ClientSettings {
    ClientSettings {
        shopify_api_version: shopify.api_version.clone(),
        connect_timeout_ms: shopify.connect_timeout_ms,
        request_timeout_ms: shopify.request_timeout_ms,
        response_bytes_max: shopify.response_bytes_max,
        idle_connections_max: shopify.idle_connections_max,
    }
}

pub(super) fn http_settings(
    config: &Config,
    public_url: &str,
    client: &Arc<PlatformClient>,
) -> HttpSettings {
    let shopify = &config.platform.shopify;
    HttpSettings {
        webhook_bytes_max: config.server.body_limit_bytes,
        app_secrets: app_secrets(shopify),
        oauth: (!shopify.client_id.is_empty()).then(|| OauthApp {
            client_id: shopify.client_id.clone(),
            client_secret: platform_secret(&shopify.client_secret),
            shop_url: shopify.shop_url.clone(),
            client: Arc::clone(client),
        }),
        ..HttpSettings::at(public_url)
    }
}

/// All that may have signed for every store: the platform signs the webhooks of an installed app with its client secret.
/// An empty one signs nothing, for anybody could sign with it.
fn app_secrets(shopify: &ShopifyConfig) -> Vec<platform::Secret> {
    let mut secrets = Vec::new();
    for secret in shopify.app_secrets.iter().chain([&shopify.client_secret]) {
        let secret = platform_secret(secret);
        if !secret.expose().is_empty() && !secrets.contains(&secret) {
            secrets.push(secret);
        }
    }
    secrets
}

pub(super) fn platform_secret(secret: &Secret) -> platform::Secret {
    platform::Secret::new(secret.reveal())
}

pub(super) fn keeper_settings(config: &Config) -> KeeperSettings {
    let Config { keeper, calls, .. } = config;
    KeeperSettings {
        arbiters: keeper.arbiters,
        turn_resources_min: keeper.turn_resources_min,
        turn_resources_max: keeper.turn_resources_max,
        turn_rows_max: keeper.turn_rows_max,
        selection: selection(keeper.selection),
        turn_parked_max: keeper.turn_parked_max,
        turn_bytes_max: keeper.turn_bytes_max,
        naked_rows_max: keeper.naked_rows_max,
        naked_bytes_max: keeper.naked_bytes_max,
        turn_decide_us_max: keeper.turn_decide_us_max,
        turn_quantum_us: keeper.turn_quantum_us,
        turn_spacing_ms: keeper.turn_spacing_ms,
        turns_in_flight_max: keeper.turns_in_flight_max,
        activations_in_flight_max: keeper.activations_in_flight_max,
        calls_in_flight_max: calls.in_flight_max,
        call_timeout_ms: signed(calls.answer_wait_ms_max),
        commands_waiting_max: keeper.commands_waiting_max,
        commands_per_commit_max: keeper.commands_per_commit_max,
        command_wait_ms_max: signed(keeper.command_wait_ms_max),
        scan_interval_ms: signed(keeper.scan_interval_ms),
        scan_stores_max: keeper.scan_stores_max,
        idle_ms: signed(keeper.idle_ms),
        running_max: keeper.running_max,
        lifecycle_events_max: keeper.lifecycle_events_max,
        restart: restart_settings(&config.restart),
        patrol: patrol_settings(&config.patrol),
        placement: placement_settings(&config.placement),
        safe_mode: safe_mode_settings(&config.safe_mode),
        storm: storm_settings(&config.storm),
        quota: super::quota::quota_rules(&config.quota, &config.standing),
        ..KeeperSettings::new(store_settings(config))
    }
}

const fn selection(selection: SelectionConfig) -> Selection {
    match selection {
        SelectionConfig::Oldest => Selection::Oldest,
        SelectionConfig::NewestStateFirst => Selection::NewestStateFirst,
        SelectionConfig::Spread => Selection::Spread,
    }
}

fn patrol_settings(patrol: &PatrolConfig) -> PatrolSettings {
    PatrolSettings {
        interval_ms: patrol.interval_ms,
        beats_missed_max: patrol.beats_missed_max,
        silent_exit_ms: patrol.silent_exit_ms,
        stuck_ms: patrol.stuck_ms,
    }
}

fn placement_settings(placement: &PlacementConfig) -> PlacementSettings {
    PlacementSettings {
        interval_ms: signed(placement.interval_ms),
        memory_ms: placement.memory_ms,
        overload_percent: placement.overload_percent,
        gap_percent: placement.gap_percent,
        stay_ms: placement.stay_ms,
    }
}

fn safe_mode_settings(safe_mode: &SafeModeConfig) -> SafeModeSettings {
    SafeModeSettings {
        crashed_percent: usize::try_from(safe_mode.crashed_percent).unwrap_or(usize::MAX),
        crashed_stores_min: safe_mode.crashed_stores_min,
        window_ms: signed(safe_mode.window_ms),
        quiet_ms: signed(safe_mode.quiet_ms),
    }
}

fn storm_settings(storm: &StormConfig) -> StormSettings {
    StormSettings {
        rules: StormRules {
            window_ms: signed(storm.window_ms),
            webhooks_min: i64::from(storm.webhooks_min),
            resent_percent: i64::from(storm.resent_percent),
            old_ms: signed(storm.old_ms),
            slow_ms: signed(storm.slow_accept_ms),
            calm_ms: signed(storm.calm_accept_ms),
            quiet_ms: signed(storm.quiet_ms),
        },
        turns_per_s: storm.turns_per_s,
        turn_spacing_ms: storm.turn_spacing_ms,
    }
}

fn restart_settings(restart: &RestartConfig) -> RestartSettings {
    RestartSettings {
        restarts_max: restart.restarts_max,
        window_ms: signed(restart.window_ms),
        backoff_min_ms: signed(restart.backoff_ms_min),
        backoff_max_ms: signed(restart.backoff_ms_max),
        jitter_percent: i64::from(restart.jitter_percent),
        healthy_ms: signed(restart.healthy_ms),
        quarantine_min_ms: signed(restart.quarantine_ms_min),
        quarantine_max_ms: signed(restart.quarantine_ms_max),
    }
}

fn store_settings(config: &Config) -> StoreSettings {
    let Config {
        retry,
        sweep,
        calls,
        ..
    } = config;
    StoreSettings {
        retry: RetryPolicy {
            retry_enabled: retry.retry_enabled,
            retry_count: retry.retry_count,
            base_delay_ms: signed(retry.base_delay_ms),
        },
        sweep_interval_ms: signed(sweep.interval_ms),
        sweep_overlap_ms: signed(sweep.overlap_ms),
        bucket_headroom_percent: i64::from(calls.headroom_percent),
        call_retry_base_ms: signed(calls.retry_base_ms),
        breaker_writes_max: calls.breaker_writes_max,
        breaker_window_ms: signed(calls.breaker_window_ms),
    }
}

/// Every range of the configuration fits; saturates all the same.
pub(super) fn signed(millis: u64) -> i64 {
    i64::try_from(millis).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_secret_signs_too_and_an_empty_secret_never() {
        let of = |app_secrets: &[&str], client_secret: &str| {
            let shopify = ShopifyConfig {
                app_secrets: app_secrets.iter().copied().map(Secret::new).collect(),
                client_secret: Secret::new(client_secret),
                ..ShopifyConfig::default()
            };
            let secrets = super::app_secrets(&shopify);
            let texts = secrets.iter().map(|secret| secret.expose().to_owned());
            texts.collect::<Vec<String>>()
        };
        assert_eq!(of(&[], "hush"), ["hush"]);
        assert_eq!(of(&["old", "hush"], "hush"), ["old", "hush"]);
        assert_eq!(of(&["", "old"], ""), ["old"]);
        assert_eq!(of(&[], ""), [""; 0]);
    }

    #[test]
    fn the_defaults_of_the_parts_and_of_the_configuration_agree() {
        let config = Config::default();
        let expected = KeeperSettings::new(StoreSettings::default());
        let told = keeper_settings(&config);
        assert_eq!(
            (&told.store, &told.restart, &told.patrol),
            (&expected.store, &expected.restart, &expected.patrol)
        );
        assert_eq!(told.safe_mode, expected.safe_mode);
        assert_eq!(told.storm, expected.storm);
        assert_eq!(told.placement, expected.placement);
        // Its `Debug` leaves fields out, so the numbers are compared in order.
        let numbers = |settings: &KeeperSettings| {
            [
                settings.turn_resources_max,
                settings.turn_rows_max,
                settings.turn_bytes_max,
                settings.naked_rows_max,
                settings.naked_bytes_max,
                settings.turns_in_flight_max,
                settings.activations_in_flight_max,
                settings.calls_in_flight_max,
                settings.commands_waiting_max,
                settings.scan_stores_max,
                settings.running_max,
            ]
        };
        assert_eq!(numbers(&told), numbers(&expected));
        assert_eq!(
            (told.call_timeout_ms, told.idle_ms),
            (expected.call_timeout_ms, expected.idle_ms)
        );
        assert_eq!(
            (told.turn_quantum_us, told.turn_spacing_ms, told.selection),
            (
                expected.turn_quantum_us,
                expected.turn_spacing_ms,
                expected.selection
            )
        );
        let options = database_options(&config);
        let expected = DatabaseOptions::new(
            "sqlite://./storekeeper-data/storekeeper.db",
            "./storekeeper-data",
        );
        assert_eq!(
            (&options.url, options.wal_bytes_max),
            (&expected.url, expected.wal_bytes_max)
        );
        assert_eq!(
            options.writer.group_gather_max,
            expected.writer.group_gather_max
        );
    }
}
