//! What operators read.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde::Deserialize;

use super::session::{Session, SignedInAs};
use crate::domain::standing::Standing;
use crate::domain::store::change::DeadLetterClass;
use crate::http::admin::audit::{self, AuditDocument, AuditQuery};
use crate::http::admin::keepers::{KeepersQuery, Verb, observation_json};
use crate::http::admin::naked_sweep::{NakedSweepDocument, naked_sweep_of};
use crate::http::admin::standings::{StandingDocument, standing_of};
use crate::http::admin::why::{WhyKeeper, why_of};
use crate::http::error::{ApiError, Problem};
use crate::http::extract::{StorePath, StrictQuery, encode_cursor, parse_query};
use crate::http::fleet::{Fleet, FleetQuery, FleetSort};
use crate::http::keeper_row::{KeeperRow, STATE_NAMES};
use crate::http::openapi::render_page;
use crate::http::routes::resource;
use crate::http::state::AppState;
use crate::ids::StoreId;
use crate::keeper::KeeperStatus;

/// Deeds that a store's page shows.
const DEEDS_SHOWN: u64 = 5;
/// What was done, when a standing was decided.
pub(super) const DECIDED: &str = "standing";
/// The same when naked webhooks are counted,
pub(super) const COUNTED: &str = "naked-count";
/// and when they are swept out.
pub(super) const SWEPT: &str = "naked-sweep";

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config
        .service(resource("/admin").route(web::get().to(page)))
        .service(
            resource("/admin/keepers/{store}")
                .route(web::get().to(keeper))
                .route(web::post().to(super::forms::act_on_keeper)),
        )
        .service(
            resource("/admin/keepers/{store}/standing")
                .route(web::post().to(super::forms::decide_standing)),
        )
        .service(
            resource("/admin/keepers/{store}/naked-sweep")
                .route(web::post().to(super::forms::sweep_naked)),
        );
}

#[derive(Template)]
#[template(path = "login.html", config = "src/http/askama.toml")]
pub(super) struct LoginPage {
    pub(super) problem: Option<&'static str>,
}

#[derive(Template)]
#[template(path = "keepers.html", config = "src/http/askama.toml")]
struct KeepersPage {
    fleet: Fleet,
    chips: Vec<Chip>,
    search: String,
    state: &'static str,
    sorts: Vec<Choice>,
    live_address: String,
    next_address: Option<String>,
    user: SignedInAs,
}

/// A state that the list can be narrowed to, with how many stores are in it.
pub(super) struct Chip {
    pub(super) label: &'static str,
    pub(super) count: u64,
    pub(super) address: String,
    pub(super) chosen: bool,
}

/// An entry of a list to choose from.
pub(super) struct Choice {
    pub(super) value: &'static str,
    pub(super) label: &'static str,
    pub(super) chosen: bool,
}

#[derive(Template)]
#[template(path = "keeper.html", config = "src/http/askama.toml")]
struct KeeperPage {
    row: KeeperRow,
    why: WhyKeeper,
    standing: StandingDocument,
    standings: [Standing; Standing::ALL.len()],
    naked: NakedSweepDocument,
    /// `None`: nobody has asked for the store since the process started.
    life: Option<KeeperStatus>,
    /// The latest, newest first.
    deeds: Vec<AuditDocument>,
    observation: Option<String>,
    verbs: [Verb; Verb::ALL.len()],
    notice: Option<&'static str>,
    user: SignedInAs,
}

/// Keepers with state, backlog, bucket, restarts, dead letters and what they wait for; or the page to sign in.
#[utoipa::path(get, path = "/admin", tag = "pages", params(KeepersQuery),
    responses((status = 200, description = "A page", content_type = "text/html", body = String), (status = 400, description = "`malformed_query`, `malformed_cursor`"),
        (status = 503, description = "`not_ready`, with `Retry-After`")))]
pub(crate) async fn page(
    state: web::Data<AppState>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let Some(session) = Session::of(&state, &request).await else {
        return render_page(&LoginPage { problem: None });
    };
    let query: KeepersQuery = parse_query(request.query_string())?;
    let query = query.parse()?;
    let fleet = state.fleet.snapshot(&state, &query).await?;
    render_page(&KeepersPage {
        chips: chips(&fleet, &query),
        search: query.search.clone().unwrap_or_default(),
        state: query.state.unwrap_or_default(),
        sorts: sort_choices(query.sort),
        live_address: address("/admin/live", &query, Some(query.offset)),
        next_address: fleet
            .next
            .map(|offset| address("/admin", &query, Some(offset))),
        user: session.shown(),
        fleet,
    })
}

/// Which page is asked for, with what an action left to say.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NoticeQuery {
    done: Option<String>,
}

async fn keeper(
    state: web::Data<AppState>,
    path: Result<StorePath, ApiError>,
    query: Result<StrictQuery<NoticeQuery>, ApiError>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let Some(session) = Session::of(&state, &request).await else {
        return Ok(to("/admin"));
    };
    let (path, query) = (path?, query?);
    let row = state.fleet.row(&state, path.0).await?;
    let life = state.directory.status(path.0);
    let observation = observation_json(life.as_ref())?;
    let pretty = observation
        .as_ref()
        .map(serde_json::to_string_pretty)
        .transpose();
    let notice = query.0.done.as_deref().and_then(notice_of);
    render_page(&KeeperPage {
        life,
        deeds: deeds_of(&state, path.0).await?,
        why: why_of(&state, &row).await?,
        standing: standing_of(&state, path.0).await?,
        standings: Standing::ALL,
        naked: naked_sweep_of(&state, path.0).await?,
        observation: pretty.map_err(|error| ApiError::caused(Problem::Internal, &error))?,
        verbs: Verb::ALL,
        notice,
        user: session.shown(),
        row,
    })
}

async fn deeds_of(state: &AppState, store: StoreId) -> Result<Vec<AuditDocument>, ApiError> {
    let query = AuditQuery {
        store: Some(store.to_string()),
        limit: Some(DEEDS_SHOWN),
        cursor: None,
    };
    Ok(audit::page(state, &query).await?.items)
}

/// Sends the browser elsewhere, after a form too.
pub(super) fn to(address: &str) -> HttpResponse {
    HttpResponse::SeeOther()
        .insert_header((header::LOCATION, address))
        .finish()
}

fn notice_of(done: &str) -> Option<&'static str> {
    if done == DECIDED {
        return Some("Its standing is as you decided.");
    }
    match done {
        COUNTED => Some("The naked webhooks of its backlog are being counted."),
        SWEPT => Some("Its naked webhooks are being swept out."),
        _ => Verb::from_name(done).map(done_notice),
    }
}

const fn done_notice(verb: Verb) -> &'static str {
    match verb {
        Verb::Pause => "Paused: it makes no calls until resumed.",
        Verb::Resume => "Resumed.",
        Verb::Restart => "It restarts as soon as its step is over.",
        Verb::Deactivate => "It ends as soon as its step is over; work brings it back.",
        Verb::Quarantine => "It goes into quarantine as soon as its step is over.",
        Verb::Release => "Released.",
    }
}

/// All states with a store in them, and the one that the list is narrowed to.
pub(super) fn chips(fleet: &Fleet, query: &FleetQuery) -> Vec<Chip> {
    let chip = |state: Option<&'static str>, count: usize| Chip {
        label: state.unwrap_or("all"),
        count: u64::try_from(count).unwrap_or(u64::MAX),
        address: address(
            "/admin",
            &FleetQuery {
                state,
                ..query.clone()
            },
            None,
        ),
        chosen: state == query.state,
    };
    let states = STATE_NAMES.into_iter().zip(fleet.states);
    let states = states.map(|(name, count)| chip(Some(name), count));
    std::iter::once(chip(None, fleet.states.iter().sum()))
        .chain(states.filter(|chip| chip.count > 0 || chip.chosen))
        .collect()
}

pub(super) fn class_choices(chosen: Option<&str>) -> Vec<Choice> {
    choices(DeadLetterClass::ALL.map(DeadLetterClass::name), chosen)
}

/// Words to choose from, and none of them.
fn choices(names: impl IntoIterator<Item = &'static str>, chosen: Option<&str>) -> Vec<Choice> {
    let any = Choice {
        value: "",
        label: "any",
        chosen: chosen.is_none(),
    };
    let named = names.into_iter().map(|name| Choice {
        value: name,
        label: name,
        chosen: chosen == Some(name),
    });
    std::iter::once(any).chain(named).collect()
}

fn sort_choices(chosen: FleetSort) -> Vec<Choice> {
    let choice = |sort: FleetSort| Choice {
        value: sort.name(),
        label: sort.name(),
        chosen: sort == chosen,
    };
    FleetSort::ALL.map(choice).into()
}

/// An address with the query's filter and order, at an offset. All of its parts are plain words.
fn address(path: &str, query: &FleetQuery, offset: Option<usize>) -> String {
    let state = query.state.unwrap_or_default();
    let cursor = offset
        .map(|offset| format!("&cursor={}", encode_cursor(&offset.to_string())))
        .unwrap_or_default();
    format!(
        "{path}?state={state}&search={}&sort={}&limit={}{cursor}",
        query.search.as_deref().unwrap_or_default(),
        query.sort.name(),
        query.limit
    )
}
