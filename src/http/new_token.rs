//! A store has a new access token: whoever works with the old one learns it, in the one order that is safe.

use crate::domain::store::command::Command;
use crate::http::state::AppState;
use crate::ids::StoreId;
use crate::keeper::{Control, Envelope, KeeperState};

/// Makes everybody use the token that is stored by now, then tells the keeper that it may call again. Should that fail,
/// the store stays barred until it is told once more.
pub(crate) async fn announce(state: &AppState, store: StoreId) {
    // First, or the keeper's first call would be made with the old one.
    state.deps.platform.forget(store).await;
    load_afresh(state, store).await;
    let told = state
        .directory
        .command(store, Envelope::plain(Command::TokenRenewed))
        .await;
    if let Err(error) = told {
        tracing::warn!(%store, %error, "failed to tell the keeper of a new access token");
    }
}

/// Ends a keeper that runs: only its successor knows that the app was installed again since, and so does not believe
/// that it was removed before.
async fn load_afresh(state: &AppState, store: StoreId) {
    let runs = state
        .directory
        .status(store)
        .is_some_and(|status| matches!(status.state, KeeperState::Starting | KeeperState::Running));
    if !runs {
        return;
    }
    let ended = state
        .directory
        .control(store, Control::Deactivate, "new access token".to_owned())
        .await;
    if let Err(error) = ended {
        tracing::warn!(%store, %error, "failed to end the keeper of a store with a new access token");
    }
}
