//! `/v1/admin/dead-letters`: what was given up, and what becomes of it.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Deed, record};
use crate::clock::Timestamp;
use crate::db::DbError;
use crate::db::dead_letters::{self, DeadLetter, DeadLetterFilter};
use crate::domain::store::change::DeadLetterClass;
use crate::domain::store::command::Command;
use crate::http::error::{ApiError, Problem};
use crate::http::extract::{
    Behind, DeadLetterPath, GivenReason, Operator, StrictJson, StrictQuery, Viewer, checked_reason,
    encode_cursor, page_of, parse_id,
};
use crate::http::replies::{PageOf, Tagged, command_problem};
use crate::http::routes::resource;
use crate::http::state::AppState;
use crate::ids::{DeadLetterId, StoreId};
use crate::keeper::Envelope;

/// Dead letters that one bulk request settles; ask again for the rest.
const BULK_MAX: u64 = 250;

pub(crate) fn configure(config: &mut web::ServiceConfig) {
    config
        .service(resource("/v1/admin/dead-letters").route(web::get().to(list_dead_letters)))
        .service(resource("/v1/admin/dead-letters/count").route(web::get().to(count_dead_letters)))
        .service(resource("/v1/admin/dead-letters/bulk").route(web::post().to(settle_in_bulk)))
        .service(
            resource("/v1/admin/dead-letters/{id}/retry").route(web::post().to(retry_dead_letter)),
        )
        .service(
            resource("/v1/admin/dead-letters/{id}/discard")
                .route(web::post().to(discard_dead_letter)),
        );
}

/// What is done with a dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Settlement {
    /// Try its webhook again.
    Retry,
    /// Forget it.
    Discard,
}

impl Settlement {
    const fn action(self) -> &'static str {
        match self {
            Self::Retry => "retry dead letter",
            Self::Discard => "discard dead letter",
        }
    }
}

/// What an operator wants done with a dead letter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Decision<'a> {
    /// Who, and through which door.
    pub(crate) actor: &'a str,
    pub(crate) settlement: Settlement,
    /// Why; empty: that was not said.
    pub(crate) reason: &'a str,
}

/// Which dead letters to list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DeadLettersQuery {
    pub(crate) store: Option<String>,
    /// `malformed`, `entity_missing`, `poison`, `rejected` or `ambiguous`.
    pub(crate) class: Option<String>,
    #[param(minimum = 1, maximum = 250)]
    pub(crate) limit: Option<u64>,
    pub(crate) cursor: Option<String>,
}

impl DeadLettersQuery {
    /// The filter as it is to be repeated in the address of the next page; parsed before, so plain words.
    pub(crate) fn filter_suffix(&self) -> String {
        let store = self
            .store
            .as_deref()
            .map(|store| format!("&store={store}"))
            .unwrap_or_default();
        let class = self
            .class
            .as_deref()
            .map(|class| format!("&class={class}"))
            .unwrap_or_default();
        store + &class
    }
}

/// Which dead letters are meant.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct CountQuery {
    store: Option<String>,
    /// `malformed`, `entity_missing`, `poison`, `rejected` or `ambiguous`.
    class: Option<String>,
}

/// A dead letter.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct DeadLetterDocument {
    pub(crate) id: String,
    pub(crate) store: String,
    pub(crate) class: &'static str,
    pub(crate) topic: Option<String>,
    pub(crate) reason: String,
    pub(crate) at: String,
}

impl DeadLetterDocument {
    fn of(letter: DeadLetter) -> Self {
        Self {
            id: letter.record.id.to_string(),
            store: letter.store.to_string(),
            class: letter.record.class.name(),
            topic: letter.topic,
            reason: letter.record.reason,
            at: letter.record.at.to_rfc3339(),
        }
    }
}

/// How many.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Count {
    count: u64,
}

/// Settle many at once.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BulkBody {
    action: Settlement,
    #[serde(default)]
    store: Option<String>,
    #[serde(default)]
    class: Option<String>,
    /// The count as it was shown; when it is another by now, nothing is done.
    expected: u64,
    /// 1 to 500 characters, for the audit.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 500)]
    reason: Option<String>,
}

/// What a bulk request did.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct BulkResult {
    settled: u64,
    /// Refused or failed; they are as they were.
    failed: u64,
    /// Still to be settled by further requests.
    left: u64,
}

/// List dead letters, the newest first.
#[utoipa::path(get, path = "/v1/admin/dead-letters", tag = "admin", params(DeadLettersQuery),
    responses((status = 200, description = "A page", body = PageOf<DeadLetterDocument>),
        (status = 400, description = "`malformed_query`, `malformed_cursor`"),
        (status = 401, description = "`missing_credentials`, `unknown_credentials`"),
        (status = 403, description = "`wrong_role`"), (status = 503, description = "`not_ready`, with `Retry-After`")))]
pub(crate) async fn list_dead_letters(
    state: web::Data<AppState>,
    Behind(_viewer, query): Behind<Viewer, StrictQuery<DeadLettersQuery>>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    Ok(Tagged::of(&page(&state, &query.0).await?)?.respond(&request))
}

/// A page of dead letters.
pub(crate) async fn page(
    state: &AppState,
    query: &DeadLettersQuery,
) -> Result<PageOf<DeadLetterDocument>, ApiError> {
    let filter = filter_of(query.store.as_deref(), query.class.as_deref())?;
    let page = page_of(query.limit, query.cursor.as_deref())?;
    let after = page.after.as_deref().map(place_of).transpose()?;
    let mut letters = dead_letters::list(state.db(), filter, after, page.limit + 1).await?;
    let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
    let more = letters.len() > limit;
    letters.truncate(limit);
    let next = letters
        .last()
        .filter(|_| more)
        .map(|letter| encode_cursor(&place_text(letter)));
    Ok(PageOf {
        items: letters.into_iter().map(DeadLetterDocument::of).collect(),
        next,
    })
}

/// Where a dead letter stands in the list, as a cursor hides it.
fn place_text(letter: &DeadLetter) -> String {
    format!("{} {}", letter.record.at.as_millis(), letter.record.id)
}

fn place_of(text: &str) -> Result<(Timestamp, DeadLetterId), ApiError> {
    let (at, id) = text.split_once(' ').unwrap_or_default();
    match (at.parse(), Uuid::try_parse(id)) {
        (Ok(at), Ok(id)) => Ok((Timestamp::from_millis(at), DeadLetterId(id))),
        (Err(_), _) | (_, Err(_)) => Err(ApiError::plain(Problem::MalformedCursor)),
    }
}

/// Count dead letters: what a bulk request would settle.
#[utoipa::path(get, path = "/v1/admin/dead-letters/count", tag = "admin", params(CountQuery),
    responses((status = 200, description = "How many", body = Count),
        (status = 400, description = "`malformed_query`"),
        (status = 401, description = "`missing_credentials`, `unknown_credentials`"),
        (status = 403, description = "`wrong_role`"), (status = 503, description = "`not_ready`, with `Retry-After`")))]
pub(crate) async fn count_dead_letters(
    state: web::Data<AppState>,
    Behind(_viewer, query): Behind<Viewer, StrictQuery<CountQuery>>,
) -> Result<HttpResponse, ApiError> {
    let filter = filter_of(query.0.store.as_deref(), query.0.class.as_deref())?;
    let count = dead_letters::count(state.db(), filter).await?;
    Ok(HttpResponse::Ok().json(Count { count }))
}

/// Try a dead letter's webhook again.
#[utoipa::path(post, path = "/v1/admin/dead-letters/{id}/retry", tag = "admin", params(("id" = String, Path)),
    request_body = Option<GivenReason>,
    responses((status = 204, description = "It waits to be applied"), (status = 400, description = "`malformed_path`, `malformed_json`"),
        (status = 401, description = "`missing_credentials`, `unknown_credentials`"),
        (status = 403, description = "`wrong_role`"), (status = 404, description = "`unknown_dead_letter`"),
        (status = 408, description = "`request_timeout`"), (status = 413, description = "`payload_too_large`"),
        (status = 415, description = "`unsupported_media_type`"), (status = 422, description = "`invalid_field`"),
        (status = 409, description = "`nothing_to_retry`"),
        (status = 503, description = "`store_busy`, `outcome_unknown`, `keeper_unavailable`, `safe_mode`, with `Retry-After`")))]
pub(crate) async fn retry_dead_letter(
    state: web::Data<AppState>,
    Behind(Behind(operator, path), reason): Behind<Behind<Operator, DeadLetterPath>, GivenReason>,
) -> Result<HttpResponse, ApiError> {
    let decision = Decision {
        actor: &operator.by_api(),
        settlement: Settlement::Retry,
        reason: reason.text(),
    };
    settle(&state, path.0, decision).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Forget a dead letter.
#[utoipa::path(post, path = "/v1/admin/dead-letters/{id}/discard", tag = "admin", params(("id" = String, Path)),
    request_body = Option<GivenReason>,
    responses((status = 204, description = "Forgotten"), (status = 400, description = "`malformed_path`, `malformed_json`"),
        (status = 401, description = "`missing_credentials`, `unknown_credentials`"),
        (status = 403, description = "`wrong_role`"), (status = 404, description = "`unknown_dead_letter`"),
        (status = 408, description = "`request_timeout`"), (status = 413, description = "`payload_too_large`"),
        (status = 415, description = "`unsupported_media_type`"), (status = 422, description = "`invalid_field`"),
        (status = 503, description = "`store_busy`, `outcome_unknown`, `keeper_unavailable`, `safe_mode`, with `Retry-After`")))]
pub(crate) async fn discard_dead_letter(
    state: web::Data<AppState>,
    Behind(Behind(operator, path), reason): Behind<Behind<Operator, DeadLetterPath>, GivenReason>,
) -> Result<HttpResponse, ApiError> {
    let decision = Decision {
        actor: &operator.by_api(),
        settlement: Settlement::Discard,
        reason: reason.text(),
    };
    settle(&state, path.0, decision).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Settle dead letters by filter: count first, then say the count; at most 250 for each request.
#[utoipa::path(post, path = "/v1/admin/dead-letters/bulk", tag = "admin", request_body = BulkBody,
    responses((status = 200, description = "What was done", body = BulkResult),
        (status = 400, description = "`malformed_json`, `malformed_query`, `empty_body`"),
        (status = 401, description = "`missing_credentials`, `unknown_credentials`"),
        (status = 403, description = "`wrong_role`"), (status = 412, description = "`revision_mismatch`: the count is another by now"),
        (status = 408, description = "`request_timeout`"), (status = 413, description = "`payload_too_large`"), (status = 415, description = "`unsupported_media_type`"), (status = 422, description = "`invalid_field`"),
        (status = 503, description = "`not_ready`, with `Retry-After`")))]
pub(crate) async fn settle_in_bulk(
    state: web::Data<AppState>,
    body: StrictJson<Operator, BulkBody>,
) -> Result<HttpResponse, ApiError> {
    let reason = match body.value.reason.as_deref() {
        Some(reason) => checked_reason(reason)?,
        None => "",
    };
    let filter = filter_of(body.value.store.as_deref(), body.value.class.as_deref())?;
    let count = dead_letters::count(state.db(), filter).await?;
    if count != body.value.expected {
        return Err(ApiError::new(
            Problem::RevisionMismatch,
            format!("there are {count} by now"),
        ));
    }
    let decision = Decision {
        actor: &body.who.by_api(),
        settlement: body.value.action,
        reason,
    };
    let mut result = BulkResult {
        settled: 0,
        failed: 0,
        left: count.saturating_sub(BULK_MAX),
    };
    for letter in dead_letters::list(state.db(), filter, None, BULK_MAX).await? {
        match settle_letter(&state, letter, decision).await {
            Ok(()) => result.settled += 1,
            Err(_refused) => result.failed += 1,
        }
    }
    Ok(HttpResponse::Ok().json(result))
}

/// Settles one, through its store's keeper.
pub(crate) async fn settle(
    state: &AppState,
    id: DeadLetterId,
    decision: Decision<'_>,
) -> Result<(), ApiError> {
    let letter = dead_letters::get(state.db(), id)
        .await
        .map_err(|error| match error {
            DbError::NotFound(_) => ApiError::plain(Problem::UnknownDeadLetter),
            DbError::Conflict
            | DbError::Busy
            | DbError::Full
            | DbError::Unavailable(_)
            | DbError::Broken(_) => error.into(),
        })?;
    settle_letter(state, letter, decision).await
}

async fn settle_letter(
    state: &AppState,
    letter: DeadLetter,
    decision: Decision<'_>,
) -> Result<(), ApiError> {
    let id = letter.record.id;
    let command = match decision.settlement {
        Settlement::Retry => Command::RetryDeadLetter {
            id,
            seq: letter.record.seq,
        },
        Settlement::Discard => Command::DiscardDeadLetter(id),
    };
    let answered = state
        .directory
        .command(letter.store, Envelope::plain(command))
        .await;
    answered.map_err(|error| command_problem(&error, state.clock()))?;
    let detail = match decision.reason {
        "" => id.to_string(),
        reason => format!("{id}: {reason}"),
    };
    record(
        state,
        Deed {
            actor: decision.actor,
            action: decision.settlement.action(),
            store: Some(letter.store),
            detail: &detail,
        },
    )
    .await
}

fn filter_of(store: Option<&str>, class: Option<&str>) -> Result<DeadLetterFilter, ApiError> {
    let malformed = |detail: &'static str| ApiError::new(Problem::MalformedQuery, detail);
    let store = match store {
        Some(text) => Some(
            parse_id(text)
                .map(StoreId)
                .ok_or_else(|| malformed("`store` is to be a store's id"))?,
        ),
        None => None,
    };
    let class = match class {
        Some(name) => Some(DeadLetterClass::from_name(name).ok_or_else(|| {
            malformed("`class` is one of malformed, entity_missing, poison, rejected, ambiguous")
        })?),
        None => None,
    };
    Ok(DeadLetterFilter { store, class })
}
