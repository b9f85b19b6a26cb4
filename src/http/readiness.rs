//! Whether webhooks can be made durable now.

use std::time::Duration;

use crate::db::NotDurable;
use crate::http::error::{ApiError, Problem};
use crate::http::state::AppState;

/// The longest a readiness probe waits for the database.
const PROBE: Duration = Duration::from_secs(2);
/// The longest a page waits for it: it asks the connections that write, which seldom have nothing to do.
const GLANCE: Duration = Duration::from_millis(20);
/// Between two probes if nobody else asks, milliseconds.
const WATCH_INTERVAL_MS: i64 = 5_000;

/// Asks the database, and takes note of what it tells.
pub(crate) async fn probe(state: &AppState) -> Result<(), ApiError> {
    let probed = ask(state).await;
    let reason = probed.as_ref().err().map(|error| error.problem().title());
    if state.note_readiness(reason) {
        match reason {
            Some(reason) => tracing::warn!(reason, "not ready"),
            None => tracing::info!("ready again"),
        }
    }
    probed
}

/// Why webhooks cannot be made durable, if so. Where the database does not tell at once, what it told last counts.
pub(crate) async fn glance(state: &AppState) -> Option<&'static str> {
    match tokio::time::timeout(GLANCE, probe(state)).await {
        Ok(probed) => probed.err().map(|error| error.problem().title()),
        Err(_busy) => state.not_ready_because(),
    }
}

/// Asks over and over, so that lost durability is noticed although nobody asks.
pub async fn watch_readiness(state: &AppState) {
    loop {
        // What it tells is noted, and told in the log when it changes.
        let _told = probe(state).await.is_ok();
        let next = state.clock().now().plus_millis(WATCH_INTERVAL_MS);
        state.clock().sleep_until(next).await;
    }
}

async fn ask(state: &AppState) -> Result<(), ApiError> {
    if state.is_stopping() {
        return Err(ApiError::plain(Problem::ShuttingDown));
    }
    if state.is_full() {
        return Err(ApiError::new(
            Problem::NotReady,
            "the disk has no room for webhooks",
        ));
    }
    let durable = tokio::time::timeout(PROBE, state.db().check_durability()).await;
    match &durable {
        Ok(Ok(())) => state.note_durability(true),
        Ok(Err(NotDurable::Setting { .. })) => state.note_durability(false),
        // A database that does not answer has not changed its settings.
        Ok(Err(NotDurable::Unknown(_))) | Err(_) => {}
    }
    match durable {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(ApiError::caused(Problem::NotReady, &error)),
        Err(_elapsed) => Err(ApiError::plain(Problem::NotReady)),
    }
}
