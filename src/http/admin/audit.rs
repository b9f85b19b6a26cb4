//! What operators did: written down before it is answered, and read at `/v1/admin/audit`.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::db::admin::audit::{self, AuditEntry};
use crate::http::error::{ApiError, Problem};
use crate::http::extract::{Behind, StrictQuery, Viewer, encode_cursor, page_of, parse_id};
use crate::http::replies::{PageOf, Tagged};
use crate::http::routes::resource;
use crate::http::state::AppState;
use crate::ids::StoreId;

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config.service(resource("/v1/admin/audit").route(web::get().to(list_audit)));
}

/// Something that an operator did.
#[derive(Debug)]
pub(crate) struct Deed<'a> {
    /// Who, and through which door.
    pub(crate) actor: &'a str,
    pub(crate) action: &'a str,
    pub(crate) store: Option<StoreId>,
    /// What exactly, and why.
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

/// Which deeds to list.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AuditQuery {
    /// Only what was done to this store.
    pub(crate) store: Option<String>,
    #[param(minimum = 1, maximum = 250)]
    pub(crate) limit: Option<u64>,
    pub(crate) cursor: Option<String>,
}

/// A deed.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct AuditDocument {
    pub(crate) at: String,
    /// Who, and through which door.
    pub(crate) actor: String,
    pub(crate) action: String,
    pub(crate) store: Option<String>,
    /// What exactly, and why.
    pub(crate) detail: String,
}

impl From<AuditEntry> for AuditDocument {
    fn from(entry: AuditEntry) -> Self {
        Self {
            at: entry.at.to_rfc3339(),
            actor: entry.actor,
            action: entry.action,
            store: entry.store.map(|store| store.to_string()),
            detail: entry.detail,
        }
    }
}

/// List what operators did, the newest first.
#[utoipa::path(get, path = "/v1/admin/audit", tag = "admin", params(AuditQuery),
    responses((status = 200, description = "A page", body = PageOf<AuditDocument>),
        (status = 304, description = "As `If-None-Match` has it"),
        (status = 400, description = "`malformed_query`, `malformed_cursor`"),
        (status = 401, description = "`missing_credentials`, `unknown_credentials`"),
        (status = 403, description = "`wrong_role`"), (status = 503, description = "`not_ready`, with `Retry-After`")))]
pub(crate) async fn list_audit(
    state: web::Data<AppState>,
    Behind(_viewer, query): Behind<Viewer, StrictQuery<AuditQuery>>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    Ok(Tagged::of(&page(&state, &query.0).await?)?.respond(&request))
}

/// A page of deeds.
pub(crate) async fn page(
    state: &AppState,
    query: &AuditQuery,
) -> Result<PageOf<AuditDocument>, ApiError> {
    let store = query.store.as_deref().map(store_named).transpose()?;
    let page = page_of(query.limit, query.cursor.as_deref())?;
    let before = page.after.as_deref().map(place_of).transpose()?;
    let mut entries = audit::list(state.db(), store, before, page.limit + 1).await?;
    let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
    let more = entries.len() > limit;
    entries.truncate(limit);
    let last = entries.last().filter(|_| more);
    let next = last.map(|entry| encode_cursor(&entry.id.to_string()));
    let items = entries.into_iter().map(AuditDocument::from).collect();
    Ok(PageOf { items, next })
}

fn store_named(text: &str) -> Result<StoreId, ApiError> {
    let malformed = || ApiError::new(Problem::MalformedQuery, "`store` is to be a store's id");
    parse_id(text).map(StoreId).ok_or_else(malformed)
}

fn place_of(text: &str) -> Result<Uuid, ApiError> {
    let malformed = |_source| ApiError::plain(Problem::MalformedCursor);
    Uuid::try_parse(text).map_err(malformed)
}
