//! The course of a demo: start, install, let people act, rest, judge.

use std::sync::Arc;
use std::time::Duration;

use super::super::error::CliError;
use super::super::print;
use super::options::{self, DemoArgs};
use super::{measure, report, rest, setup, traffic};
use crate::app::{App, AppParts, StopSignals};
use crate::clock::{Clock, Stopwatch};
use crate::ids::IdSource;
use crate::keeper::watch_panics;
use crate::sandbox::{Sandbox, SandboxOptions};
use crate::telemetry;

/// Platform seconds in a real second: reordering within a platform minute then shows within seconds.
pub(super) const TIME_SCALE: u32 = 30;

/// Runs the demo; fails when anything accepted was lost or any drift remains.
pub(crate) async fn demo(arguments: DemoArgs) -> Result<(), CliError> {
    let config = options::config()?;
    watch_panics();
    telemetry::init_logs(config.telemetry.log_format, &config.telemetry.log_filter)
        .map_err(crate::app::AppError::from)?;
    let mut signals = StopSignals::listen().map_err(CliError::Runtime)?;
    let directory = tempdir()?;
    let config = options::in_directory(config, directory.path());
    let sandbox = Sandbox::start(SandboxOptions {
        seed: arguments.seed,
        time_scale: TIME_SCALE,
        ..SandboxOptions::default()
    })
    .await?;
    let ids = Arc::new(IdSource::seeded(arguments.seed));
    let app = App::start(
        config,
        AppParts {
            clock: Clock::System,
            ids,
            before_apply: None,
        },
    )
    .await?;
    greet(&arguments, &app, &sandbox);
    let outcome = play(&arguments, &app, &sandbox, &mut signals).await;
    app.stop().await;
    sandbox.stop().await;
    let report = outcome?;
    report::print(&report, arguments.json);
    if report.is_clean() {
        Ok(())
    } else {
        Err(CliError::Demo {
            lost: report.lost,
            drift: report.drift,
        })
    }
}

/// Installs, lets traffic run, brings all to rest, and judges.
async fn play(
    arguments: &DemoArgs,
    app: &App,
    sandbox: &Sandbox,
    signals: &mut StopSignals,
) -> Result<report::Report, CliError> {
    let stores = setup::install(arguments, app, sandbox).await?;
    sandbox.set_faults(options::faults());
    let watch = Stopwatch::start();
    let traffic = traffic::run(arguments, app, sandbox, &stores);
    match arguments.seconds() {
        Some(seconds) => {
            let limit = tokio::time::timeout(Duration::from_secs(seconds), traffic);
            tokio::select! {
                ended = limit => if let Ok(ended) = ended { ended?; },
                _signal = signals.next() => {}
            }
        }
        None => tokio::select! {
            ended = traffic => ended?,
            _signal = signals.next() => {}
        },
    }
    let seconds = watch.elapsed().as_secs();
    rest::come_to_rest(arguments, app, sandbox, &stores).await?;
    Ok(measure::judge(arguments, seconds, app, sandbox, &stores))
}

fn greet(arguments: &DemoArgs, app: &App, sandbox: &Sandbox) {
    if arguments.json {
        return;
    }
    print::line(&format!("sandbox platform: {}", sandbox.url()));
    print::line(&format!("dashboard: {}/admin", app.url()));
    if let Some(token) = app.first_admin_token() {
        print::line(&format!("admin token of this demo: {token}"));
    }
}

fn tempdir() -> Result<tempfile::TempDir, CliError> {
    tempfile::Builder::new()
        .prefix("storekeeper-demo-")
        .tempdir()
        .map_err(CliError::Runtime)
}
