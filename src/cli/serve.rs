//! `storekeeper serve`.

use std::process;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::error::CliError;
use super::exit_code;
use super::print;
use crate::app::{App, AppError, AppParts, StopSignals};
use crate::config::Config;
use crate::telemetry;

/// An orderly end takes at most so many times the configured deadline, and a little more.
const STOP_DEADLINES_MAX: u32 = 4;

/// Serves until a signal asks to stop, or until the server cannot go on.
pub(super) async fn serve(config: Config, parts: AppParts) -> Result<(), CliError> {
    let logs = &config.telemetry;
    telemetry::init_logs(logs.log_format, &logs.log_filter).map_err(crate::app::AppError::from)?;
    let mut signals = StopSignals::listen().map_err(CliError::Runtime)?;
    let stop_deadline = Duration::from_millis(config.server.stop_deadline_ms);
    let app = App::start(config, parts).await?;
    greet(&app);
    let ended = tokio::select! {
        () = signals.next() => Ok(()),
        ended = app.wait() => ended,
    };
    if matches!(ended, Err(AppError::KeepersSilent(_))) {
        end_for_certain(stop_deadline.saturating_mul(STOP_DEADLINES_MAX));
    }
    app.stop().await;
    Ok(ended?)
}

/// Ends the process after this time, should it still be there: whatever holds up a thread of the keepers may hold up
/// an orderly end as well.
fn end_for_certain(after: Duration) {
    let (never, ended) = mpsc::sync_channel::<()>(0);
    let watching = thread::Builder::new()
        .name("last-resort".to_owned())
        .spawn(move || {
            // Nobody sends: it is waited for the time to pass.
            let _elapsed = ended.recv_timeout(after).is_err();
            print::error_line("storekeeper: no orderly end in time");
            process::exit(i32::from(exit_code::SILENT));
        });
    match watching {
        // The channel must stay open for as long as the process lives.
        Ok(_thread) => std::mem::forget(never),
        Err(error) => tracing::error!(%error, "nothing ensures the end of the process"),
    }
}

fn greet(app: &App) {
    let url = app.url();
    print::line(&format!("storekeeper serves at {url}"));
    if let Some(token) = app.first_admin_token() {
        print::line(&format!("admin token (shown only now): {token}"));
    }
    print::line(&format!("dashboard: {url}/admin"));
}
