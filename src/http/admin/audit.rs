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
    Ok(audit::insert(state.db(), deed.entry(state)).await?)
}

impl Deed<'_> {
    /// As it is written down, done now.
    pub(crate) fn entry(self, state: &AppState) -> AuditEntry {
        let now = state.clock().now();
        AuditEntry {
            id: state.ids().ordered_uuid(now),
            at: now,
            actor: self.actor.to_owned(),
            action: self.action.to_owned(),
            store: self.store,
            detail: self.detail.to_owned(),
        }
    }
}
