//! `/v1/admin/keepers/{store}/why`: why a store waits, with what only the directory and the audit know.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;

use super::keepers::Verb;
use crate::clock::Timestamp;
use crate::db::admin::audit;
use crate::domain::store::observation::Wait;
use crate::http::error::ApiError;
use crate::http::extract::{Behind, StorePath, Viewer};
use crate::http::keeper_row::{KeeperRow, PAUSED};
use crate::http::replies::Tagged;
use crate::http::routes::resource;
use crate::http::state::AppState;
use crate::http::why::{Decided, Situation, Why, why};
use crate::keeper::{KeeperState, KeeperStatus};

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config.service(resource("/v1/admin/keepers/{store}/why").route(web::get().to(explain_keeper)));
}

/// Why a store waits.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct WhyKeeper {
    store: String,
    state: &'static str,
    /// What holds it up, by a stable name: `safe_mode`, `quarantined`, `restarting`, `stuck`, `starting`, `paused`,
    /// `barred`, `uninstalled`, `retry_storm`, `turn`, `held`, `working`, `back_off`, `answer`, `tokens`, `call`, `parked`,
    /// `question`,
    /// `scheduled`, `waking` or `nothing`.
    pub(crate) cause: &'static str,
    /// One sentence for people.
    pub(crate) sentence: String,
    /// When that ends, if it is known.
    pub(crate) until: Option<String>,
    pub(crate) eta_ms: Option<i64>,
    /// The same in words.
    pub(crate) eta: Option<String>,
    /// The sentence, and what the keeper itself said last; empty: it has nothing to do.
    reasons: Vec<Reason>,
}

/// One thing that a store waits for.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Reason {
    reason: String,
    /// When that ends, if it is known.
    until: Option<String>,
    eta_ms: Option<i64>,
}

impl Reason {
    fn of(reason: &str, until: Option<Timestamp>, now: Timestamp) -> Self {
        Self {
            reason: reason.to_owned(),
            until: until.map(Timestamp::to_rfc3339),
            eta_ms: until.map(|until| until.millis_since(now).max(0)),
        }
    }
}

impl WhyKeeper {
    fn of(row: &KeeperRow, why: Why, own: Option<&Wait>, now: Timestamp) -> Self {
        let sentence = Some(&why).filter(|why| !why.cause.is_rest());
        let sentence = sentence.map(|why| Reason::of(&why.sentence, why.until, now));
        let own = own.map(|wait| Reason::of(&wait.reason, wait.until, now));
        Self {
            reasons: sentence.into_iter().chain(own).collect(),
            store: row.store.to_string(),
            state: row.state,
            cause: why.cause.name(),
            eta: why.eta(now),
            sentence: why.sentence,
            until: why.until.map(Timestamp::to_rfc3339),
            eta_ms: why.until.map(|until| until.millis_since(now).max(0)),
        }
    }
}

/// Why a store waits, in one sentence, and until when.
#[utoipa::path(get, path = "/v1/admin/keepers/{store}/why", tag = "admin", params(("store" = String, Path)),
    responses((status = 200, description = "The nearest obstacle, or that there is none, with its `ETag`", body = WhyKeeper),
        (status = 304, description = "As `If-None-Match` has it"), (status = 400, description = "`malformed_path`"),
        (status = 401, description = "`missing_credentials`, `unknown_credentials`"),
        (status = 403, description = "`wrong_role`"), (status = 404, description = "`unknown_store`"),
        (status = 503, description = "`not_ready`, with `Retry-After`")))]
pub(crate) async fn explain_keeper(
    state: web::Data<AppState>,
    Behind(_viewer, path): Behind<Viewer, StorePath>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let row = state.fleet.row(&state, path.0).await?;
    Ok(Tagged::of(&why_of(&state, &row).await?)?.respond(&request))
}

/// Why a store waits, with who paused it and its place in line.
pub(crate) async fn why_of(state: &AppState, row: &KeeperRow) -> Result<WhyKeeper, ApiError> {
    let (store, now) = (row.store, state.clock().now());
    let status = state.directory.status(store);
    let deed = match status.as_ref().and_then(|status| decision(row, status)) {
        Some(verb) => audit::last(state.db(), store, verb.name()).await?,
        None => None,
    };
    let why = why(&Situation {
        now,
        status: status.as_ref(),
        safe_mode: state.directory.safe_mode(),
        is_storm: state.directory.storm().is_some(),
        backlog: row.backlog,
        oldest_age_ms: row.oldest_age_ms,
        parked: row.parked,
        turn: state.directory.turn_place(store),
        decided: deed.as_ref().map(|deed| Decided {
            who: &deed.actor,
            reason: &deed.detail,
        }),
    });
    let observation = status
        .as_ref()
        .and_then(|status| status.observation.as_ref());
    let own = observation.and_then(|observation| observation.waits_for.as_ref());
    Ok(WhyKeeper::of(row, why, own, now))
}

/// What an operator must have decided, for the store to be as it is.
fn decision(row: &KeeperRow, status: &KeeperStatus) -> Option<Verb> {
    if row.state == PAUSED {
        return Some(Verb::Pause);
    }
    match status.state {
        // One that crashed too often says what it crashed of.
        KeeperState::Quarantined { .. } if status.last_error.is_none() => Some(Verb::Quarantine),
        KeeperState::Quarantined { .. }
        | KeeperState::Starting
        | KeeperState::Running
        | KeeperState::Restarting { .. }
        | KeeperState::Stopped => None,
    }
}
