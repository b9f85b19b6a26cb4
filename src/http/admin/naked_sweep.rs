//! `/v1/admin/stores/{store}/naked-sweep`: how many webhooks of a backlog concern no bundle, and having them swept out.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};

use super::stores::get as get_record;
use super::{Deed, record};
use crate::clock::Timestamp;
use crate::db::{inbox, keepers};
use crate::domain::store::command::Command;
use crate::domain::store::naked::NakedSweep;
use crate::http::error::ApiError;
use crate::http::extract::{Behind, Operator, StorePath, StrictJson, Viewer, checked_reason};
use crate::http::replies::{Tagged, command_problem};
use crate::http::routes::resource;
use crate::http::state::AppState;
use crate::ids::StoreId;
use crate::keeper::{CountState, Envelope, NakedCount};

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config.service(
        resource("/v1/admin/stores/{store}/naked-sweep")
            .route(web::get().to(get_naked_sweep))
            .route(web::post().to(sweep_naked)),
    );
}

/// How a sweep is asked for.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NakedSweepBody {
    /// Only count, and change nothing.
    #[serde(default)]
    pub(crate) dry_run: bool,
    /// 1 to 500 characters, for the audit.
    #[schema(min_length = 1, max_length = 500)]
    pub(crate) reason: String,
}

/// What a backlog holds that concerns no bundle, as far as it was counted, and how far its sweep is.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct NakedSweepDocument {
    store: String,
    /// The last count since the process started; absent: there was none.
    pub(crate) count: Option<NakedCountDocument>,
    /// The last sweep that was ordered; absent: there was none.
    pub(crate) sweep: Option<SweepDocument>,
}

/// A count: by what its keeper said concerns the store, beside the keeper, and paced.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct NakedCountDocument {
    /// `running`; `finished`; `cut`: the backlog is longer than what is looked at for one count; or `failed`.
    pub(crate) state: &'static str,
    begun_at: String,
    ended_at: Option<String>,
    /// Webhooks that waited as it began; 0 until that is known.
    pub(crate) waiting: i64,
    /// How many of them were looked at.
    pub(crate) looked: i64,
    /// How many of these concern no bundle.
    pub(crate) naked: i64,
    /// How many of those tell of an order.
    pub(crate) naked_orders: i64,
    /// The bytes of their bodies.
    naked_bytes: i64,
}

/// A sweep, as of its keeper's last commit.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct SweepDocument {
    pub(crate) is_under_way: bool,
    begun_at: String,
    pub(crate) finished_at: Option<String>,
    /// How many webhooks waited as it began.
    pub(crate) waiting: i64,
    /// How many of the log's numbers are done with since then.
    pub(crate) done: i64,
    /// How many webhooks it took out that concern no bundle; they count as naked.
    pub(crate) naked: i64,
}

impl NakedCountDocument {
    fn of(count: &NakedCount) -> Self {
        Self {
            state: count.state.name(),
            begun_at: count.begun_at.to_rfc3339(),
            ended_at: count.ended_at.map(Timestamp::to_rfc3339),
            waiting: count.waiting,
            looked: count.looked,
            naked: count.naked,
            naked_orders: count.naked_orders,
            naked_bytes: count.naked_bytes,
        }
    }

    /// Whether it goes on.
    pub(crate) fn is_running(&self) -> bool {
        self.state == CountState::Running.name()
    }
}

impl SweepDocument {
    fn of(sweep: &NakedSweep, cursor: i64) -> Self {
        let waiting = sweep.until.saturating_sub(sweep.from).max(0);
        Self {
            is_under_way: sweep.is_under_way(cursor),
            begun_at: sweep.begun_at.to_rfc3339(),
            finished_at: sweep.finished_at.map(Timestamp::to_rfc3339),
            waiting,
            done: cursor.saturating_sub(sweep.from).clamp(0, waiting),
            naked: sweep.naked,
        }
    }
}

/// What was counted of a store's backlog, and how far its sweep is.
#[utoipa::path(get, path = "/v1/admin/stores/{store}/naked-sweep", tag = "admin", params(("store" = String, Path)),
    responses((status = 200, description = "As of now, with its `ETag`", body = NakedSweepDocument),
        (status = 304, description = "As `If-None-Match` has it"), (status = 400, description = "`malformed_path`"),
        (status = 401, description = "`missing_credentials`, `unknown_credentials`"),
        (status = 403, description = "`wrong_role`"), (status = 404, description = "`unknown_store`"),
        (status = 503, description = "`not_ready`, with `Retry-After`")))]
pub(crate) async fn get_naked_sweep(
    state: web::Data<AppState>,
    Behind(_viewer, path): Behind<Viewer, StorePath>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    Ok(Tagged::of(&naked_sweep_of(&state, path.0).await?)?.respond(&request))
}

/// Sweep the webhooks that concern no bundle out of a store's backlog, orders included; with `dry_run` only count them.
/// Both go on after the answer: how far they are is told here. What is held for want of allowance is counted, and
/// swept once it is held no longer.
#[utoipa::path(post, path = "/v1/admin/stores/{store}/naked-sweep", tag = "admin", request_body = NakedSweepBody,
    params(("store" = String, Path)),
    responses((status = 202, description = "It is under way", body = NakedSweepDocument),
        (status = 400, description = "`malformed_json`, `malformed_path`, `empty_body`"),
        (status = 401, description = "`missing_credentials`, `unknown_credentials`"),
        (status = 403, description = "`wrong_role`"), (status = 404, description = "`unknown_store`"),
        (status = 408, description = "`request_timeout`"), (status = 413, description = "`payload_too_large`"),
        (status = 415, description = "`unsupported_media_type`"), (status = 422, description = "`invalid_field`"),
        (status = 503, description = "`not_ready`, `store_busy`, `outcome_unknown`, `keeper_unavailable`, `safe_mode`, with `Retry-After`")))]
pub(crate) async fn sweep_naked(
    state: web::Data<AppState>,
    body: StrictJson<Behind<Operator, StorePath>, NakedSweepBody>,
) -> Result<HttpResponse, ApiError> {
    let Behind(operator, path) = body.who;
    order(&state, &operator.by_api(), path.0, body.value).await?;
    let document = naked_sweep_of(&state, path.0).await?;
    Ok(Tagged::of(&document)?.with_status(StatusCode::ACCEPTED))
}

/// Has the naked webhooks of a backlog counted, or swept out of it, and writes that down first.
pub(crate) async fn order(
    state: &AppState,
    actor: &str,
    store: StoreId,
    body: NakedSweepBody,
) -> Result<(), ApiError> {
    let NakedSweepBody { dry_run, reason } = body;
    checked_reason(&reason)?;
    get_record(state, store).await?;
    let deed = Deed {
        actor,
        action: if dry_run {
            "count naked"
        } else {
            "sweep naked"
        },
        store: Some(store),
        detail: &reason,
    };
    record(state, deed).await?;
    let ordered = if dry_run {
        state.directory.count_naked_rows(store).await.map(drop)
    } else {
        let until = inbox::last_seq(state.db(), store).await?;
        let command = Envelope::plain(Command::SweepNaked { until });
        state.directory.command(store, command).await.map(drop)
    };
    ordered.map_err(|error| command_problem(&error, state.clock()).of_store(store))
}

/// What was counted of a store's backlog, and how far its sweep is.
pub(crate) async fn naked_sweep_of(
    state: &AppState,
    store: StoreId,
) -> Result<NakedSweepDocument, ApiError> {
    get_record(state, store).await?;
    let record = keepers::find(state.db(), store).await?;
    let sweep = record.as_ref().and_then(|record| {
        let sweep = record.memo.naked_sweep.as_ref()?;
        Some(SweepDocument::of(sweep, record.cursor))
    });
    let count = state.directory.naked_rows(store);
    Ok(NakedSweepDocument {
        store: store.to_string(),
        count: count.as_ref().map(NakedCountDocument::of),
        sweep,
    })
}
