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
use crate::keeper::watch_panics;
use crate::telemetry;

/// An orderly end takes at most so many times the configured deadline, and a little more.
const STOP_DEADLINES_MAX: u32 = 5;
const A_LITTLE_MORE: Duration = Duration::from_secs(1);
/// How long the last words may take.
const LAST_WORDS_MAX: Duration = Duration::from_secs(1);

/// Serves until a signal asks to stop, or until the server cannot go on.
pub(super) async fn serve(config: Config, parts: AppParts) -> Result<(), CliError> {
    let logs = &config.telemetry;
    watch_panics();
    telemetry::init_logs(logs.log_format, &logs.log_filter).map_err(crate::app::AppError::from)?;
    let mut signals = StopSignals::listen().map_err(CliError::Runtime)?;
    let stop_deadline = Duration::from_millis(config.server.stop_deadline_ms);
    let app = App::start(config, parts).await?;
    greet(&app);
    let ended = tokio::select! {
        signal = signals.next() => Ok(signal),
        ended = app.wait() => ended.map(|()| "nothing"),
    };
    // Before anything is told of it: whoever takes the log may not take it any more.
    end_for_certain(
        stop_deadline.saturating_mul(STOP_DEADLINES_MAX) + A_LITTLE_MORE,
        exit_code_of(&ended),
    );
    match &ended {
        Ok(signal) => tracing::info!(signal, "asked to stop"),
        Err(error) => tracing::error!(%error, "the server ends itself; nothing accepted is lost"),
    }
    app.stop().await;
    Ok(ended.map(|_signal| ())?)
}

/// What the exit code says when there is no orderly end.
fn exit_code_of<Asked>(ended: &Result<Asked, AppError>) -> u8 {
    match ended {
        Err(AppError::KeepersSilent(_)) => exit_code::SILENT,
        Ok(_) | Err(_) => exit_code::FAILURE,
    }
}

/// Ends the process after this time, should it still be there: whatever holds up a thread may hold up an orderly end as
/// well.
fn end_for_certain(after: Duration, code: u8) {
    let (never, ended) = mpsc::sync_channel::<()>(0);
    let watching = thread::Builder::new()
        .name("last-resort".to_owned())
        .spawn(move || {
            // Nobody sends: it is waited for the time to pass.
            let _elapsed = ended.recv_timeout(after).is_err();
            say_last_words();
            process::exit(i32::from(code));
        });
    match watching {
        // The channel must stay open for as long as the process lives.
        Ok(_thread) => std::mem::forget(never),
        Err(error) => tracing::error!(%error, "nothing ensures the end of the process"),
    }
}

/// Waits for nobody to hear them.
fn say_last_words() {
    let (said, heard) = mpsc::sync_channel(1);
    let saying = thread::Builder::new().spawn(move || {
        print::error_line("storekeeper: no orderly end in time");
        // Whoever waited may have gone.
        let _heard = said.send(()).is_ok();
    });
    if saying.is_ok() {
        let _heard = heard.recv_timeout(LAST_WORDS_MAX).is_ok();
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
