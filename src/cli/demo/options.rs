//! What can be asked of the demo, and how its server and platform are set up.

use std::path::Path;

use clap::Args;

use super::super::error::CliError;
use crate::config::{Config, Layers};
use crate::sandbox::{ApiFaults, Faults, OutsiderFaults, WebhookFaults};

/// How often each store is swept, so that a short run shows the repair of lost webhooks, milliseconds.
const SWEEP_INTERVAL_MS: u64 = 8_000;
/// What the demo's own log shows unless told otherwise: the sandbox cuts connections on purpose, which its HTTP library would report.
const LOG_FILTER: &str = "error,actix_http=off";

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// How long shoppers shop, seconds; without it until Ctrl-C.
    #[arg(long = "for", value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    run_for: Option<u64>,
    /// How many stores; the last one is noisy.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(2..=200))]
    pub(super) stores: u32,
    /// About how many webhooks the platform sends in a second, over all stores.
    #[arg(long, default_value_t = 60, value_name = "WEBHOOKS_PER_S", value_parser = clap::value_parser!(u32).range(1..=5_000))]
    pub(super) rate: u32,
    /// Seed of everything that is drawn.
    #[arg(long, default_value_t = 1)]
    pub(super) seed: u64,
    /// End with one JSON object on the last line.
    #[arg(long)]
    pub(super) json: bool,
}

impl DemoArgs {
    pub(super) const fn seconds(&self) -> Option<u64> {
        self.run_for
    }
}

/// The defaults with a quiet log. Of the environment only how logs are written counts: what is set for a real server must
/// not lead the demo to its database, its public address or its people's alarms.
pub(super) fn config() -> Result<Config, CliError> {
    let flags = vec![
        ("telemetry.log_filter", LOG_FILTER.to_owned()),
        ("server.bind", "127.0.0.1:0".to_owned()),
    ];
    Ok(Layers::of_process(None, flags)
        .heeding_only("telemetry")
        .load()?)
}

/// The same in a data directory of its own.
pub(super) fn in_directory(mut config: Config, directory: &Path) -> Config {
    config.database.data_dir = directory.to_path_buf();
    config.sweep.interval_ms = SWEEP_INTERVAL_MS;
    config
}

/// What goes wrong while shoppers shop. Times are platform milliseconds.
pub(super) fn faults() -> Faults {
    Faults {
        webhooks: WebhookFaults {
            duplicate_per_mille: 300,
            drop_per_mille: 50,
            reorder_window_ms: 60_000,
            omit_optional_per_mille: 50,
            ..WebhookFaults::default()
        },
        api: ApiFaults {
            error_per_mille: 10,
            reset_per_mille: 5,
            ambiguous_per_mille: 20,
            stale_read_per_mille: 10,
            ..ApiFaults::default()
        },
        outsiders: OutsiderFaults {
            editor_per_mille: 50,
            editor_units_max: 3,
            ..OutsiderFaults::default()
        },
        ..Faults::default()
    }
}
