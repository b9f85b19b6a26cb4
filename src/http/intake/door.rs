//! The two addresses that the platform sends webhooks to, and what it is told.

use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;

use super::verify::{VerifiedWebhook, verify};
use crate::clock::{Stopwatch, Timestamp};
use crate::db::inbox::Acceptance;
use crate::db::writer::WriteError;
use crate::db::{DbError, fleet};
use crate::domain::storm::Sign;
use crate::http::error::{ApiError, Problem};
use crate::http::extract::read_body;
use crate::http::routes::resource;
use crate::http::state::AppState;
use crate::platform::PlatformKind;
use crate::telemetry::metric_name;

/// What ends a store's installation, or deletes what is known of it.
const ENDING_TOPICS: [&str; 2] = ["app/uninstalled", "shop/redact"];

/// Where the topics begin that ask for, or delete, what is known of a shop's customers.
const PRIVACY_TOPICS: &str = "customers/";

pub(crate) fn configure(config: &mut web::ServiceConfig) {
    config
        .service(resource("/webhooks/{platform}").route(web::post().to(receive_by_domain)))
        .service(
            resource("/webhooks/{platform}/{intake_token}").route(web::post().to(receive_by_token)),
        );
}

/// What became of a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    /// It is durable, and will be applied.
    Accepted,
    /// It was accepted before.
    Duplicate,
    /// It concerns nothing of the store.
    Naked,
}

impl Outcome {
    const fn metric_label(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Duplicate => "duplicate",
            Self::Naked => "naked",
        }
    }
}

/// The answer to a webhook.
#[derive(Clone, Copy, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Received {
    outcome: Outcome,
}

/// Take in a webhook for the store whose domain its header names.
#[utoipa::path(post, path = "/webhooks/{platform}", tag = "intake",
    params(("platform" = String, Path, description = "`shopify`")),
    request_body(content = Vec<u8>, content_type = "application/json"),
    responses(
        (status = 200, description = "Accepted durably, known already, or of no concern to the store", body = Received),
        (status = 400, description = "`missing_header`, `malformed_header`, `empty_body`, `unreadable_body`"),
        (status = 401, description = "`bad_signature`, `wrong_domain`"),
        (status = 404, description = "`unknown_platform`, `unknown_store`"),
        (status = 409, description = "`shared_secret_replay`"), (status = 410, description = "`store_suspended`"),
        (status = 408, description = "`request_timeout`"), (status = 413, description = "`payload_too_large`"),
        (status = 503, description = "`not_durable`, with `Retry-After`")))]
pub(crate) async fn receive_by_domain(
    state: web::Data<AppState>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    receive(&state, &request, payload.into_inner()).await
}

/// Take in a webhook at a store's own address.
#[utoipa::path(post, path = "/webhooks/{platform}/{intake_token}", tag = "intake",
    params(("platform" = String, Path, description = "`shopify`"),
        ("intake_token" = String, Path, description = "The end of the store's `intake_url`")),
    request_body(content = Vec<u8>, content_type = "application/json"),
    responses(
        (status = 200, description = "Accepted durably, known already, or of no concern to the store", body = Received),
        (status = 400, description = "`missing_header`, `malformed_header`, `empty_body`, `unreadable_body`"),
        (status = 401, description = "`bad_signature`, `wrong_domain`"),
        (status = 404, description = "`unknown_platform`, `unknown_store`"),
        (status = 409, description = "`shared_secret_replay`"), (status = 410, description = "`store_suspended`"),
        (status = 408, description = "`request_timeout`"), (status = 413, description = "`payload_too_large`"),
        (status = 503, description = "`not_durable`, with `Retry-After`")))]
pub(crate) async fn receive_by_token(
    state: web::Data<AppState>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    receive(&state, &request, payload.into_inner()).await
}

/// Takes a webhook in and counts what became of it, within the time that the platform waits.
async fn receive(
    state: &AppState,
    request: &HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, ApiError> {
    let platform = request
        .match_info()
        .get("platform")
        .and_then(|name| name.parse::<PlatformKind>().ok());
    let Some(platform) = platform else {
        count("unknown", Problem::UnknownPlatform.metric_label());
        return Err(ApiError::plain(Problem::UnknownPlatform));
    };
    let deadline: Duration = state.settings.intake_deadline;
    let taken = tokio::time::timeout(deadline, take_in(state, platform, request, payload)).await;
    let outcome = taken.unwrap_or_else(|_elapsed| Err(ApiError::plain(Problem::NotDurable)));
    let label = match &outcome {
        Ok(outcome) => outcome.metric_label(),
        Err(error) => error.problem().metric_label(),
    };
    count(platform.as_str(), label);
    outcome.map(|outcome| HttpResponse::Ok().json(Received { outcome }))
}

async fn take_in(
    state: &AppState,
    platform: PlatformKind,
    request: &HttpRequest,
    payload: Payload,
) -> Result<Outcome, ApiError> {
    let (bytes_max, within) = (
        state.settings.webhook_bytes_max,
        state.settings.intake_body_deadline(),
    );
    let body = read_body(request, payload, bytes_max, within).await?;
    if !state.is_durable() {
        return Err(ApiError::plain(Problem::NotDurable));
    }
    let webhook = verify(state, platform, request, body).await?;
    let store = webhook.store.id;
    if is_refused(state, &webhook) {
        return Err(ApiError::plain(Problem::StoreSuspended).of_store(store));
    }
    if is_empty_threat(&webhook) {
        state.directory.count_naked(store);
        return Ok(Outcome::Naked);
    }
    if is_naked(state, platform, &webhook) {
        refuse_replay(state, &webhook).await?;
        state.directory.count_naked(store);
        return Ok(Outcome::Naked);
    }
    match accept(state, webhook).await {
        Ok(Acceptance::Accepted { .. }) => {
            state.directory.ring(store);
            Ok(Outcome::Accepted)
        }
        Ok(Acceptance::Duplicate) => Ok(Outcome::Duplicate),
        Ok(Acceptance::SharedBody) => {
            Err(ApiError::plain(Problem::SharedSecretReplay).of_store(store))
        }
        Err(error) => {
            if matches!(error, WriteError::Db(DbError::Full)) {
                state.note_full();
            }
            Err(ApiError::caused(Problem::NotDurable, &error).of_store(store))
        }
    }
}

/// Makes it durable, and takes note of how long that took.
async fn accept(state: &AppState, webhook: VerifiedWebhook<'_>) -> Result<Acceptance, WriteError> {
    let mut arrival = Arrival {
        state,
        since: Stopwatch::start(),
        triggered_at: webhook.headers.triggered_at,
        became: None,
    };
    let accepted = state.deps.writer.accept(webhook.into_delivery(state)).await;
    arrival.became = accepted.as_ref().ok().copied();
    accepted
}

/// A webhook that waits to be durable. What is not taken in the end, or is given up for want of time, counts as late as
/// can be.
struct Arrival<'state> {
    state: &'state AppState,
    since: Stopwatch,
    triggered_at: Option<Timestamp>,
    became: Option<Acceptance>,
}

impl Drop for Arrival<'_> {
    fn drop(&mut self) {
        let took_ms = i64::try_from(self.since.elapsed().as_millis()).unwrap_or(i64::MAX);
        self.state.directory.note_webhook(&Sign {
            at: self.state.clock().now(),
            is_known: self.became == Some(Acceptance::Duplicate),
            triggered_at: self.triggered_at,
            took_ms: self.became.map_or(i64::MAX, |_taken| took_ms),
        });
    }
}

/// Whether the store is suspended, and the webhook is none that is owed to the merchant's customers or ends the store.
fn is_refused(state: &AppState, webhook: &VerifiedWebhook<'_>) -> bool {
    let Some(from) = webhook.store.suspended_from else {
        return false;
    };
    let topic = webhook.headers.topic;
    let is_owed = ENDING_TOPICS.contains(&topic) || topic.starts_with(PRIVACY_TOPICS);
    !is_owed && from <= state.clock().now()
}

/// Whether it is a sample of a webhook that ends the store: sent by hand to try the address, it must end nothing.
fn is_empty_threat(webhook: &VerifiedWebhook<'_>) -> bool {
    webhook.headers.test && ENDING_TOPICS.contains(&webhook.headers.topic)
}

/// Refuses what another store accepted, as acceptance would: a naked webhook is not stored, and so never gets there.
async fn refuse_replay(state: &AppState, webhook: &VerifiedWebhook<'_>) -> Result<(), ApiError> {
    let Some(digest) = webhook.shared_digest() else {
        return Ok(());
    };
    let (store, now) = (webhook.store.id, state.clock().now());
    match fleet::is_body_of_another(state.db(), &digest, store, now).await {
        Ok(false) => Ok(()),
        Ok(true) => Err(ApiError::plain(Problem::SharedSecretReplay).of_store(store)),
        Err(error) => Err(ApiError::caused(Problem::NotDurable, &error).of_store(store)),
    }
}

/// Whether no part of the store is interested, as its running keeper tells (D10). Without one, it is stored.
fn is_naked(state: &AppState, platform: PlatformKind, webhook: &VerifiedWebhook<'_>) -> bool {
    let Some(interest) = state.directory.interest(webhook.store.id) else {
        return false;
    };
    let topic = webhook.headers.topic;
    platform
        .mentions(topic, &webhook.body)
        .is_some_and(|mentions| interest.is_naked(topic, &mentions))
}

/// Problems that a webhook's answer may carry, once its platform is known.
const INTAKE_PROBLEMS: [Problem; 14] = [
    Problem::MissingHeader,
    Problem::MalformedHeader,
    Problem::EmptyBody,
    Problem::UnreadableBody,
    Problem::BadSignature,
    Problem::WrongDomain,
    Problem::UnknownStore,
    Problem::RequestTimeout,
    Problem::SharedSecretReplay,
    Problem::StoreSuspended,
    Problem::PayloadTooLarge,
    Problem::NotDurable,
    Problem::NotReady,
    Problem::Internal,
];

/// Begins the counts of what becomes of webhooks at zero.
pub fn begin_counting() {
    let outcomes =
        [Outcome::Accepted, Outcome::Duplicate, Outcome::Naked].map(Outcome::metric_label);
    let problems = INTAKE_PROBLEMS.map(Problem::metric_label);
    for platform in PlatformKind::ALL {
        for outcome in outcomes.iter().chain(&problems).copied() {
            drop(counter_of(platform.as_str(), outcome));
        }
    }
    drop(counter_of(
        "unknown",
        Problem::UnknownPlatform.metric_label(),
    ));
}

fn counter_of(platform: &'static str, outcome: &'static str) -> metrics::Counter {
    metrics::counter!(metric_name::WEBHOOKS_RECEIVED_TOTAL, "platform" => platform, "outcome" => outcome)
}

fn count(platform: &'static str, outcome: &'static str) {
    counter_of(platform, outcome).increment(1);
}
