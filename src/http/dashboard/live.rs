//! `/admin/live`: the table of keepers, once a second, for as long as somebody looks.

use std::time::Duration;

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_stream::wrappers::IntervalStream;

use super::pages::{Chip, chips};
use super::session::Session;
use crate::http::admin::keepers::KeepersQuery;
use crate::http::error::{ApiError, Problem};
use crate::http::extract::StrictQuery;
use crate::http::fleet::{Fleet, FleetQuery};
use crate::http::routes::resource;
use crate::http::state::AppState;

/// How often the table is sent.
const PERIOD: Duration = Duration::from_secs(1);
/// Events of one stream, a quarter of an hour; then the browser asks again.
const EVENTS_MAX: usize = 900;

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config.service(resource("/admin/live").route(web::get().to(live)));
}

#[derive(Template)]
#[template(path = "live.html", config = "src/http/askama.toml")]
struct LiveFragment {
    fleet: Fleet,
    chips: Vec<Chip>,
}

/// The table of keepers as server-sent events named `fleet`.
#[utoipa::path(get, path = "/admin/live", tag = "pages", params(KeepersQuery),
    responses((status = 200, description = "A stream", content_type = "text/event-stream", body = String),
        (status = 400, description = "`malformed_query`, `malformed_cursor`"),
        (status = 401, description = "`missing_credentials`: sign in first"),
        (status = 503, description = "`too_many_streams`, `shutting_down`, with `Retry-After`")))]
pub(crate) async fn live(
    state: web::Data<AppState>,
    query: Result<StrictQuery<KeepersQuery>, ApiError>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let session = Session::of(&state, &request).await;
    let session = session.ok_or_else(|| ApiError::plain(Problem::MissingCredentials))?;
    let query = query?;
    if state.is_stopping() {
        return Err(ApiError::plain(Problem::ShuttingDown));
    }
    let query = query.0.parse()?;
    let permit = state.streams.clone().try_acquire_owned();
    let permit = permit.map_err(|_none_left| ApiError::plain(Problem::TooManyStreams))?;
    let events = events(state.into_inner(), session, query).map(move |event| {
        // The permit lives as long as the stream does.
        let _held = &permit;
        event
    });
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header(("x-accel-buffering", "no"))
        .content_type("text/event-stream")
        .streaming(events))
}

fn events(
    state: std::sync::Arc<AppState>,
    session: Session,
    query: FleetQuery,
) -> impl Stream<Item = Result<Bytes, ApiError>> {
    let mut ticks = interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let stopped = {
        let state = state.clone();
        async move { state.stopping().await }
    };
    let still_lives = {
        let state = state.clone();
        move |_tick: &Instant| {
            let (state, session) = (state.clone(), session.clone());
            async move { session.lives(&state).await }
        }
    };
    IntervalStream::new(ticks)
        .take(EVENTS_MAX)
        .take_until(Box::pin(stopped))
        .take_while(still_lives)
        .then(move |_tick| next_event(state.clone(), query.clone()))
}

/// The table now; while the database does not answer, a comment keeps the stream open.
async fn next_event(state: std::sync::Arc<AppState>, query: FleetQuery) -> Result<Bytes, ApiError> {
    let Ok(fleet) = state.fleet.snapshot(&state, &query).await else {
        return Ok(Bytes::from_static(b": not ready\n\n"));
    };
    let at = fleet.at;
    let chips = chips(&fleet, &query);
    let html = LiveFragment { fleet, chips }
        .render()
        .map_err(|error| ApiError::caused(Problem::Internal, &error))?;
    let mut event = format!("event: fleet\nid: {at}\n");
    for line in html.lines() {
        event.push_str("data: ");
        event.push_str(line);
        event.push('\n');
    }
    event.push('\n');
    Ok(Bytes::from(event))
}
