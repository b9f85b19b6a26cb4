//! `/v1/admin/keepers/{store}/inbox`: the webhooks that are kept of a store, without what says who somebody is.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;

use super::stores::get as get_record;
use crate::clock::Timestamp;
use crate::db::inbox::{self, InboxRow};
use crate::db::keepers;
use crate::domain::backlog::Taken;
use crate::http::error::{ApiError, Problem};
use crate::http::extract::{Behind, PageQuery, StorePath, StrictQuery, Viewer, encode_cursor};
use crate::http::redact::redacted;
use crate::http::replies::{PageOf, Tagged};
use crate::http::routes::resource;
use crate::http::state::AppState;
use crate::ids::StoreId;

/// The most that the bodies of one page have together, in bytes; a page has at least one.
const BODIES_BYTES_MAX: usize = 1024 * 1024;

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config.service(resource("/v1/admin/keepers/{store}/inbox").route(web::get().to(list_inbox)));
}

/// A webhook that is kept.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct InboxDocument {
    /// Its number in the store's inbox.
    pub(crate) seq: String,
    pub(crate) topic: String,
    pub(crate) delivery_id: String,
    pub(crate) received_at: String,
    /// When the event was, as the platform says.
    pub(crate) triggered_at: Option<String>,
    /// Whether its keeper is not done with it.
    pub(crate) waits: bool,
    pub(crate) bytes: usize,
    /// Without names, addresses, numbers and tokens; absent when it is not JSON.
    #[schema(value_type = Option<Object>)]
    pub(crate) body: Option<serde_json::Value>,
}

impl InboxDocument {
    fn of(row: &InboxRow, waits: bool) -> Self {
        Self {
            seq: row.seq.to_string(),
            topic: row.topic.clone(),
            delivery_id: row.delivery_id.clone(),
            received_at: row.received_at.to_rfc3339(),
            triggered_at: row.triggered_at.map(Timestamp::to_rfc3339),
            waits,
            bytes: row.body.len(),
            body: redacted(&row.body),
        }
    }

    /// The body as people read it.
    pub(crate) fn pretty(&self) -> String {
        let pretty = self.body.as_ref().map(serde_json::to_string_pretty);
        pretty
            .and_then(Result::ok)
            .unwrap_or_else(|| "not JSON, so it is not shown".to_owned())
    }
}

/// List the webhooks that are kept of a store, the oldest first. Those that its keeper is done with go after a while.
#[utoipa::path(get, path = "/v1/admin/keepers/{store}/inbox", tag = "admin", params(("store" = String, Path), PageQuery),
    responses((status = 200, description = "A page", body = PageOf<InboxDocument>),
        (status = 304, description = "As `If-None-Match` has it"),
        (status = 400, description = "`malformed_path`, `malformed_query`, `malformed_cursor`"),
        (status = 401, description = "`missing_credentials`, `unknown_credentials`"),
        (status = 403, description = "`wrong_role`"), (status = 404, description = "`unknown_store`"),
        (status = 503, description = "`not_ready`, with `Retry-After`")))]
pub(crate) async fn list_inbox(
    state: web::Data<AppState>,
    Behind(Behind(_viewer, path), query): Behind<Behind<Viewer, StorePath>, StrictQuery<PageQuery>>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    Ok(Tagged::of(&page(&state, path.0, &query.0).await?)?.respond(&request))
}

/// A page of the webhooks that are kept.
pub(crate) async fn page(
    state: &AppState,
    store: StoreId,
    query: &PageQuery,
) -> Result<PageOf<InboxDocument>, ApiError> {
    let page = query.page()?;
    let after = match page.after.as_deref() {
        Some(key) => key
            .parse::<i64>()
            .map_err(|_source| ApiError::plain(Problem::MalformedCursor))?,
        None => 0,
    };
    get_record(state, store).await?;
    let record = keepers::find(state.db(), store).await?;
    // Without a keeper's row nothing was taken yet.
    let taken = record.and_then(|record| Taken::restore(record.cursor, record.ahead));
    let waits = |seq| !taken.is_some_and(|taken| taken.contains(seq));
    let kept = inbox::read_log(state.db(), store, after, page.limit, BODIES_BYTES_MAX).await?;
    let last = kept.rows.last().map(|row| row.seq);
    let next = last.filter(|seq| *seq < kept.last_seq);
    Ok(PageOf {
        items: kept
            .rows
            .iter()
            .map(|row| InboxDocument::of(row, waits(row.seq)))
            .collect(),
        next: next.map(|seq| encode_cursor(&seq.to_string())),
    })
}
