//! `storekeeper serve`.

use std::sync::Arc;

use super::error::CliError;
use super::print;
use crate::app::{App, AppParts, StopSignals};
use crate::clock::Clock;
use crate::config::Config;
use crate::ids::IdSource;
use crate::telemetry;

/// Serves until a signal asks to stop, or until the server cannot go on.
pub(super) async fn serve(config: Config) -> Result<(), CliError> {
    let logs = &config.telemetry;
    telemetry::init_logs(logs.log_format, &logs.log_filter).map_err(crate::app::AppError::from)?;
    let mut signals = StopSignals::listen().map_err(CliError::Runtime)?;
    let parts = AppParts {
        clock: Clock::System,
        ids: Arc::new(IdSource::from_os()),
    };
    let app = App::start(config, parts).await?;
    greet(&app);
    let ended = tokio::select! {
        () = signals.next() => Ok(()),
        ended = app.wait() => ended,
    };
    app.stop().await;
    Ok(ended?)
}

fn greet(app: &App) {
    let url = app.url();
    print::line(&format!("storekeeper serves at {url}"));
    if let Some(token) = app.first_admin_token() {
        print::line(&format!("admin token (shown only now): {token}"));
    }
    print::line(&format!("dashboard: {url}/admin"));
}
