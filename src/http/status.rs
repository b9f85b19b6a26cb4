//! Whether it lives, whether it can accept, and how it is doing.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde::Serialize;

use crate::domain::alarm::Raised;
use crate::domain::storm::Storm;
use crate::http::admin::safe_mode::SafeModeDocument;
use crate::http::error::ApiError;
use crate::http::fleet::{Fleet, FleetQuery};
use crate::http::openapi::render_page;
use crate::http::readiness::{glance, probe};
use crate::http::replies::Tagged;
use crate::http::routes::resource;
use crate::http::state::AppState;

/// The type that Prometheus reads.
const METRICS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(crate) fn configure(config: &mut web::ServiceConfig) {
    config
        .service(resource("/").route(web::get().to(home)))
        .service(resource("/healthz").route(web::get().to(healthz)))
        .service(resource("/readyz").route(web::get().to(readyz)))
        .service(resource("/metrics").route(web::get().to(metrics)))
        .service(resource("/status").route(web::get().to(status)));
}

async fn home() -> HttpResponse {
    HttpResponse::SeeOther()
        .insert_header((header::LOCATION, "/status"))
        .finish()
}

/// Whether the process answers.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct Health {
    status: &'static str,
}

/// The process answers.
#[utoipa::path(get, path = "/healthz", tag = "status",
    responses((status = 200, description = "It does", body = Health)))]
pub(crate) async fn healthz() -> HttpResponse {
    HttpResponse::Ok().json(Health { status: "ok" })
}

/// Webhooks can be accepted durably: the database can be written, and keeps what it confirms.
#[utoipa::path(get, path = "/readyz", tag = "status",
    responses((status = 200, description = "They can", body = Health),
        (status = 503, description = "`not_ready`, `shutting_down`, with `Retry-After`")))]
pub(crate) async fn readyz(state: web::Data<AppState>) -> Result<HttpResponse, ApiError> {
    probe(&state).await?;
    Ok(HttpResponse::Ok().json(Health { status: "ready" }))
}

/// What Prometheus reads.
#[utoipa::path(get, path = "/metrics", tag = "status",
    responses((status = 200, description = "Prometheus' text form", content_type = "text/plain", body = String)))]
pub(crate) async fn metrics(state: web::Data<AppState>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(METRICS_TEXT)
        .body(state.metrics.render())
}

/// How it is doing: backlog, oldest unapplied age, counts, stores. A page, or JSON for who accepts that.
#[utoipa::path(get, path = "/status", tag = "status",
    responses((status = 200, description = "A page, or JSON",
        content((StatusDocument = "application/json"), (String = "text/html"))),
        (status = 304, description = "As `If-None-Match` has the JSON"),
        (status = 503, description = "`not_ready`, with `Retry-After`")))]
pub(crate) async fn status(
    state: web::Data<AppState>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let query = FleetQuery::default();
    let (reason, fleet) = tokio::join!(glance(&state), state.fleet.snapshot(&state, &query));
    let fleet = fleet?;
    if wants_json(&request) {
        return Ok(Tagged::of(&StatusDocument::of(&fleet, reason))?.respond(&request));
    }
    render_page(&StatusPage {
        ready: reason.is_none(),
        reason,
        fleet: &fleet,
    })
}

fn wants_json(request: &HttpRequest) -> bool {
    let accept = request
        .headers()
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let place = |kind: &str| accept.find(kind);
    match (place("application/json"), place("text/html")) {
        (Some(json), Some(html)) => json < html,
        (Some(_), None) => true,
        (None, _) => false,
    }
}

/// How it is doing.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct StatusDocument {
    ready: bool,
    /// Why it is not ready.
    reason: Option<&'static str>,
    /// What a person must hear of, the most pressing first.
    alarms: Vec<AlarmStatus>,
    at: String,
    stores: u64,
    keepers_running: u64,
    /// Keepers that are restarting, in quarantine, stuck, or barred by the platform.
    keepers_ailing: u64,
    /// Keepers that have work in hand and move nothing.
    keepers_stuck: usize,
    /// Threads of keepers that do not answer; the stores on them stand still.
    arbiters_silent: usize,
    /// Set while too many stores crash: webhooks are accepted, but not applied, and nothing is changed.
    safe_mode: Option<SafeModeDocument>,
    /// Set while webhooks that were sent again come too fast: all are accepted, and applied slowly meanwhile.
    retry_storm: Option<StormDocument>,
    /// Webhooks accepted and not yet applied.
    backlog: i64,
    oldest_unapplied_age_ms: Option<i64>,
    /// Since the beginning.
    received: i64,
    applied: i64,
    naked: i64,
    parked: i64,
    dead_letters: i64,
    /// Of late, when the server has run long enough to tell.
    received_per_minute: Option<i64>,
    applied_per_minute: Option<i64>,
    /// Per store, the longest backlog first; at most 50.
    per_store: Vec<StoreStatus>,
}

/// An alarm that is raised.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct AlarmStatus {
    alarm: &'static str,
    since: String,
    /// One sentence.
    summary: String,
}

impl AlarmStatus {
    fn of(raised: &Raised) -> Self {
        Self {
            alarm: raised.alarm.name(),
            since: raised.since.to_rfc3339(),
            summary: raised.summary.clone(),
        }
    }
}

/// A retry storm that is on.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct StormDocument {
    since: String,
    /// Webhooks that came within the window when it began.
    webhooks: i64,
    /// Those of them that had been sent before.
    resent: i64,
}

impl From<Storm> for StormDocument {
    fn from(storm: Storm) -> Self {
        Self {
            since: storm.since.to_rfc3339(),
            webhooks: storm.webhooks,
            resent: storm.resent,
        }
    }
}

/// How a store is doing.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct StoreStatus {
    store: String,
    state: &'static str,
    backlog: i64,
    oldest_unapplied_age_ms: Option<i64>,
}

impl StatusDocument {
    fn of(fleet: &Fleet, reason: Option<&'static str>) -> Self {
        Self {
            ready: reason.is_none(),
            reason,
            alarms: fleet.alarms.iter().map(AlarmStatus::of).collect(),
            at: fleet.at.to_rfc3339(),
            stores: fleet.stores,
            keepers_running: fleet.running,
            keepers_ailing: fleet.ailing,
            keepers_stuck: fleet.stuck,
            arbiters_silent: fleet.arbiters_silent,
            safe_mode: fleet.safe_mode.map(SafeModeDocument::from),
            retry_storm: fleet.storm.map(StormDocument::from),
            backlog: fleet.backlog,
            oldest_unapplied_age_ms: fleet.oldest_age_ms,
            received: fleet.received,
            applied: fleet.applied,
            naked: fleet.naked,
            parked: fleet.parked,
            dead_letters: fleet.dead,
            received_per_minute: fleet.received_per_minute,
            applied_per_minute: fleet.applied_per_minute,
            per_store: fleet.rows.iter().map(StoreStatus::of).collect(),
        }
    }
}

impl StoreStatus {
    fn of(row: &crate::http::keeper_row::KeeperRow) -> Self {
        Self {
            store: row.store.to_string(),
            state: row.state,
            backlog: row.backlog,
            oldest_unapplied_age_ms: row.oldest_age_ms,
        }
    }
}

#[derive(Template)]
#[template(path = "status.html", config = "src/http/askama.toml")]
struct StatusPage<'a> {
    ready: bool,
    reason: Option<&'static str>,
    fleet: &'a Fleet,
}
