//! What operators did, written down before it is answered.

use crate::db::admin::audit::{self, AuditEntry};
use crate::http::error::ApiError;
use crate::http::state::AppState;
use crate::ids::StoreId;

/// Something that an operator did.
#[derive(Debug)]
pub(crate) struct Deed<'a> {
    /// Where it came from: `api` or `dashboard`.
    pub(crate) actor: &'a str,
    pub(crate) action: &'a str,
    pub(crate) store: Option<StoreId>,
    pub(crate) detail: &'a str,
}

/// Writes a deed down.
///
/// # Errors
/// The database did not take it.
pub(crate) async fn record(state: &AppState, deed: Deed<'_>) -> Result<(), ApiError> {
    let now = state.clock().now();
    let entry = AuditEntry {
        id: state.ids().ordered_uuid(now),
        at: now,
        actor: deed.actor.to_owned(),
        action: deed.action.to_owned(),
        store: deed.store,
        detail: deed.detail.to_owned(),
    };
    Ok(audit::insert(state.db(), entry).await?)
}
