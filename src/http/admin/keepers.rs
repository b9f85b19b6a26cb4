//! `/v1/admin/keepers`: how keepers are, what they wait for, and what an operator makes them do.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};

use super::stores::get as get_record;
use super::{Deed, record};
use crate::clock::Timestamp;
use crate::domain::store::command::Command;
use crate::http::error::{ApiError, Problem};
use crate::http::extract::{
    Behind, Operator, ReasonBody, StorePath, StrictJson, StrictQuery, Viewer, checked_reason,
    encode_cursor, page_of,
};
use crate::http::fleet::{FleetQuery, FleetSort};
use crate::http::keeper_row::{KeeperRow, STATE_NAMES};
use crate::http::replies::{PageOf, Tagged, command_problem};
use crate::http::routes::resource;
use crate::http::state::AppState;
use crate::ids::StoreId;
use crate::keeper::{Control, Envelope};

/// The longest text that is searched for, in bytes.
const SEARCH_BYTES_MAX: usize = 100;

pub(crate) fn configure(config: &mut web::ServiceConfig) {
    config
        .service(resource("/v1/admin/keepers").route(web::get().to(list_keepers)))
        .service(resource("/v1/admin/keepers/{store}").route(web::get().to(get_keeper)))
        .service(
            resource("/v1/admin/keepers/{store}/{verb:pause|resume|restart|deactivate|quarantine|release}")
                .route(web::post().to(control_keeper)),
        );
}

/// What an operator makes a keeper do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    /// Make no calls until resumed.
    Pause,
    Resume,
    Restart,
    Deactivate,
    Quarantine,
    Release,
}

impl Verb {
    pub(crate) const ALL: [Self; 6] = [
        Self::Pause,
        Self::Resume,
        Self::Restart,
        Self::Deactivate,
        Self::Quarantine,
        Self::Release,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Restart => "restart",
            Self::Deactivate => "deactivate",
            Self::Quarantine => "quarantine",
            Self::Release => "release",
        }
    }

    /// What it does, for people.
    pub(crate) const fn meaning(self) -> &'static str {
        match self {
            Self::Pause => "Make no calls until resumed; webhooks are still accepted and applied",
            Self::Resume => "Go on where a pause began",
            Self::Restart => "End the keeper after its step and start it again from the database",
            Self::Deactivate => "End the keeper after its step; work brings it back",
            Self::Quarantine => {
                "End the keeper and leave it alone for a while; webhooks are still accepted"
            }
            Self::Release => "End a quarantine now",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verb| verb.name() == name)
    }
}

/// Which keepers to list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct KeepersQuery {
    /// `running`, `paused`, `stuck`, `starting`, `restarting`, `quarantined` or `stopped`.
    pub(crate) state: Option<String>,
    /// Letters of the domain, or the store's id: at most 100 letters, digits, dots and hyphens.
    #[param(max_length = 100, pattern = "^[A-Za-z0-9.-]*$")]
    pub(crate) search: Option<String>,
    /// `backlog`, `oldest`, `dead` or `store`; `backlog` when not given.
    pub(crate) sort: Option<String>,
    #[param(minimum = 1, maximum = 250)]
    pub(crate) limit: Option<u64>,
    pub(crate) cursor: Option<String>,
}

impl KeepersQuery {
    /// Checks the words and opens the cursor.
    pub(crate) fn parse(&self) -> Result<FleetQuery, ApiError> {
        let page = page_of(self.limit, self.cursor.as_deref())?;
        let malformed = |detail: String| ApiError::new(Problem::MalformedQuery, detail);
        let state = match self.state.as_deref().filter(|name| !name.is_empty()) {
            None => None,
            Some(name) => {
                let known = STATE_NAMES.into_iter().find(|known| *known == name);
                let states = STATE_NAMES.join(", ");
                Some(known.ok_or_else(|| malformed(format!("`state` is one of {states}")))?)
            }
        };
        let sort = match self.sort.as_deref().filter(|name| !name.is_empty()) {
            None => FleetSort::default(),
            Some(name) => FleetSort::from_name(name).ok_or_else(|| {
                let orders = FleetSort::ALL.map(FleetSort::name).join(", ");
                malformed(format!("`sort` is one of {orders}"))
            })?,
        };
        let offset = page.after.map_or(Ok(0), |key| key.parse::<usize>());
        let offset = offset.map_err(|_source| ApiError::plain(Problem::MalformedCursor))?;
        let search = self.search.as_deref().map(str::trim);
        let search = search.filter(|letters| !letters.is_empty());
        Ok(FleetQuery {
            search: search.map(searchable).transpose()?,
            state,
            sort,
            offset,
            limit: usize::try_from(page.limit).unwrap_or(usize::MAX),
        })
    }
}

/// What a domain can have in it.
fn searchable(letters: &str) -> Result<String, ApiError> {
    let can_be = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-');
    if letters.len() <= SEARCH_BYTES_MAX && letters.chars().all(can_be) {
        return Ok(letters.to_ascii_lowercase());
    }
    Err(ApiError::new(
        Problem::MalformedQuery,
        "`search` is at most 100 letters, digits, dots and hyphens",
    ))
}

/// A keeper in a list.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct KeeperDocument {
    store: String,
    domain: String,
    state: &'static str,
    /// How the store stands: `good`, `noisy`, `quarantined` or `suspended`; `good` while no keeper of it has been in
    /// memory since the process started.
    standing: &'static str,
    /// Webhooks accepted and not yet applied.
    backlog: i64,
    oldest_unapplied_age_ms: Option<i64>,
    applied: i64,
    naked: i64,
    parked: i64,
    dead_letters: i64,
    /// Since the process started.
    restarts: u64,
    last_error: Option<String>,
    waits_for: Option<String>,
    buckets: Vec<BucketDocument>,
}

/// A bucket towards the platform.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct BucketDocument {
    name: String,
    used: i64,
    size: i64,
}

impl KeeperDocument {
    fn of(row: KeeperRow) -> Self {
        Self {
            store: row.store.to_string(),
            domain: row.domain,
            state: row.state,
            standing: row.standing,
            backlog: row.backlog,
            oldest_unapplied_age_ms: row.oldest_age_ms,
            applied: row.applied,
            naked: row.naked,
            parked: row.parked,
            dead_letters: row.dead,
            restarts: row.restarts,
            last_error: row.last_error,
            waits_for: row.waits_for,
            buckets: row
                .buckets
                .into_iter()
                .map(|bucket| BucketDocument {
                    name: bucket.name,
                    used: bucket.used,
                    size: bucket.size,
                })
                .collect(),
        }
    }
}

/// A keeper in full.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct KeeperDetail {
    #[serde(flatten)]
    keeper: KeeperDocument,
    /// Which thread it lives on; absent when there is none.
    arbiter: Option<usize>,
    turns: u64,
    last_turn_at: Option<String>,
    activated_at: Option<String>,
    /// Where its last panic since the process started was, and how it came there.
    #[schema(value_type = Option<String>)]
    last_panic: Option<Arc<str>>,
    /// What the keeper shows of itself, as of its last commit.
    #[schema(value_type = Option<Object>)]
    observation: Option<serde_json::Value>,
}

/// List keepers, the longest backlog first.
#[utoipa::path(get, path = "/v1/admin/keepers", tag = "admin", params(KeepersQuery),
    responses((status = 200, description = "A page", body = PageOf<KeeperDocument>),
        (status = 304, description = "As `If-None-Match` has it"),
        (status = 400, description = "`malformed_query`, `malformed_cursor`"),
        (status = 401, description = "`missing_credentials`, `unknown_credentials`"),
        (status = 403, description = "`wrong_role`"), (status = 503, description = "`not_ready`, with `Retry-After`")))]
pub(crate) async fn list_keepers(
    state: web::Data<AppState>,
    Behind(_viewer, query): Behind<Viewer, StrictQuery<KeepersQuery>>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let fleet = state.fleet.snapshot(&state, &query.0.parse()?).await?;
    let next = fleet.next.map(|offset| encode_cursor(&offset.to_string()));
    let items = fleet.rows.into_iter().map(KeeperDocument::of).collect();
    Ok(Tagged::of(&PageOf::<KeeperDocument> { items, next })?.respond(&request))
}

/// One keeper: its counters and its own observation.
#[utoipa::path(get, path = "/v1/admin/keepers/{store}", tag = "admin", params(("store" = String, Path)),
    responses((status = 200, description = "The keeper", body = KeeperDetail),
        (status = 304, description = "As `If-None-Match` has it"),
        (status = 400, description = "`malformed_path`"),
        (status = 401, description = "`missing_credentials`, `unknown_credentials`"),
        (status = 403, description = "`wrong_role`"), (status = 404, description = "`unknown_store`"),
        (status = 503, description = "`not_ready`, with `Retry-After`")))]
pub(crate) async fn get_keeper(
    state: web::Data<AppState>,
    Behind(_viewer, path): Behind<Viewer, StorePath>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let row = state.fleet.row(&state, path.0).await?;
    let status = state.directory.status(path.0);
    let detail = KeeperDetail {
        keeper: KeeperDocument::of(row),
        arbiter: status.as_ref().map(|status| status.arbiter),
        turns: status.as_ref().map_or(0, |status| status.turns),
        last_turn_at: status
            .as_ref()
            .and_then(|status| status.last_turn_at)
            .map(|at| at.to_rfc3339()),
        activated_at: status
            .as_ref()
            .and_then(|status| status.activated_at)
            .map(|at| at.to_rfc3339()),
        last_panic: status.as_ref().and_then(|status| status.last_panic.clone()),
        observation: observation_json(status.as_ref())?,
    };
    Ok(Tagged::of(&detail)?.respond(&request))
}

/// Make a keeper do something: `pause`, `resume`, `restart`, `deactivate`, `quarantine` or `release`.
#[utoipa::path(post, path = "/v1/admin/keepers/{store}/{verb}", tag = "admin", request_body = ReasonBody,
    params(("store" = String, Path),
        ("verb" = String, Path, description = "`pause`, `resume`, `restart`, `deactivate`, `quarantine`, `release`")),
    responses((status = 202, description = "It will, as soon as its step is over"),
        (status = 400, description = "`malformed_json`, `malformed_path`, `empty_body`"),
        (status = 401, description = "`missing_credentials`, `unknown_credentials`"),
        (status = 403, description = "`wrong_role`"), (status = 404, description = "`unknown_store`, `route_not_found`"),
        (status = 408, description = "`request_timeout`"), (status = 413, description = "`payload_too_large`"), (status = 415, description = "`unsupported_media_type`"),
        (status = 422, description = "`invalid_field`"),
        (status = 503, description = "`store_busy`, `outcome_unknown`, `keeper_unavailable`, `safe_mode`, with `Retry-After`")))]
pub(crate) async fn control_keeper(
    state: web::Data<AppState>,
    body: StrictJson<Behind<Operator, StorePath>, ReasonBody>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let verb = request.match_info().get("verb").and_then(Verb::from_name);
    let verb = verb.ok_or_else(|| ApiError::plain(Problem::RouteNotFound))?;
    let Behind(operator, path) = body.who;
    control(&state, &operator.by_api(), path.0, verb, body.value.reason).await?;
    Ok(HttpResponse::Accepted()
        .json(serde_json::json!({ "store": path.0.to_string(), "verb": verb.name() })))
}

/// Makes a keeper do something, and writes it down first.
pub(crate) async fn control(
    state: &AppState,
    actor: &str,
    store: StoreId,
    verb: Verb,
    reason: String,
) -> Result<(), ApiError> {
    checked_reason(&reason)?;
    get_record(state, store).await?;
    record(
        state,
        Deed {
            actor,
            action: verb.name(),
            store: Some(store),
            detail: &reason,
        },
    )
    .await?;
    let done = match verb {
        Verb::Pause => command(state, store, Command::Pause { reason }).await,
        Verb::Resume => command(state, store, Command::Resume).await,
        Verb::Restart => {
            state
                .directory
                .control(store, Control::Restart, reason)
                .await
        }
        Verb::Deactivate => {
            state
                .directory
                .control(store, Control::Deactivate, reason)
                .await
        }
        Verb::Quarantine => {
            state
                .directory
                .control(store, Control::Quarantine, reason)
                .await
        }
        Verb::Release => {
            state
                .directory
                .control(store, Control::Release, reason)
                .await
        }
    };
    done.map_err(|error| command_problem(&error, state.clock()))
}

async fn command(
    state: &AppState,
    store: StoreId,
    command: Command,
) -> Result<(), crate::keeper::CommandError> {
    state
        .directory
        .command(store, Envelope::plain(command))
        .await
        .map(drop)
}

/// A keeper's observation as JSON: ids as strings, instants in words.
pub(crate) fn observation_json(
    status: Option<&crate::keeper::KeeperStatus>,
) -> Result<Option<serde_json::Value>, ApiError> {
    let Some(observation) = status.and_then(|status| status.observation.as_deref()) else {
        return Ok(None);
    };
    let mut json = serde_json::to_value(observation)
        .map_err(|error| ApiError::caused(Problem::Internal, &error))?;
    let until = observation.waits_for.as_ref().and_then(|wait| wait.until);
    for (pointer, text) in [
        ("/store", Some(observation.store.to_string())),
        ("/at", Some(observation.at.to_rfc3339())),
        (
            "/last_sweep_at",
            observation.last_sweep_at.map(Timestamp::to_rfc3339),
        ),
        ("/waits_for/until", until.map(Timestamp::to_rfc3339)),
    ] {
        if let (Some(value), Some(text)) = (json.pointer_mut(pointer), text) {
            *value = serde_json::Value::String(text);
        }
    }
    Ok(Some(json))
}
