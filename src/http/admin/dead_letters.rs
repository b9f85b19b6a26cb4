//! `/v1/admin/dead-letters`: what was given up, and what becomes of it.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::fingerprint::Fingerprint;
use super::letter_edits::{Edit, retry_edited, unknown};
use super::letter_groups::{fingerprint_of, fingerprint_of_letter};
use super::{Deed, record};
use crate::clock::Timestamp;
use crate::db::dead_letters::{self, DeadLetter, DeadLetterFilter};
use crate::domain::store::change::DeadLetterClass;
use crate::domain::store::command::Command;
use crate::http::error::{ApiError, Problem};
use crate::http::extract::{
    Behind, DeadLetterPath, GivenReason, GivenRetry, Operator, StrictQuery, Viewer, encode_cursor,
    page_of, parse_id,
};
use crate::http::replies::{PageOf, Tagged, command_problem};
use crate::http::routes::resource;
use crate::http::state::AppState;
use crate::ids::{DeadLetterId, StoreId};
use crate::keeper::Envelope;

/// Dead letters that one query reads, when it is looked for those that are alike.
const READ_PAGE: u64 = 1_000;
/// Dead letters that one page of a group looks through.
const LOOKED_THROUGH_MAX: usize = 10_000;

pub(crate) fn configure(config: &mut web::ServiceConfig) {
    config
        .service(resource("/v1/admin/dead-letters").route(web::get().to(list_dead_letters)))
        .service(
            resource("/v1/admin/dead-letters/{id}/retry").route(web::post().to(retry_dead_letter)),
        )
        .service(
            resource("/v1/admin/dead-letters/{id}/discard")
                .route(web::post().to(discard_dead_letter)),
        );
}

/// Where a dead letter stands in the list.
type Place = (Timestamp, DeadLetterId);

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
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Discard => "discard",
        }
    }

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
    /// Only those of this group, as `groups` names it.
    pub(crate) fingerprint: Option<String>,
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
        let fingerprint = self
            .fingerprint
            .as_deref()
            .map(|fingerprint| format!("&fingerprint={fingerprint}"))
            .unwrap_or_default();
        store + &class + &fingerprint
    }
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
    /// Names the group of those that are alike.
    pub(crate) fingerprint: String,
}

impl DeadLetterDocument {
    pub(super) fn of(letter: DeadLetter) -> Self {
        Self {
            fingerprint: fingerprint_of_letter(&letter).as_str().to_owned(),
            id: letter.record.id.to_string(),
            store: letter.store.to_string(),
            class: letter.record.class.name(),
            topic: letter.topic,
            reason: letter.record.reason,
            at: letter.record.at.to_rfc3339(),
        }
    }
}

/// List dead letters, the newest first.
#[utoipa::path(get, path = "/v1/admin/dead-letters", tag = "admin", params(DeadLettersQuery),
    responses((status = 200, description = "A page", body = PageOf<DeadLetterDocument>),
        (status = 304, description = "As `If-None-Match` has it"),
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
    let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
    let fingerprint = query
        .fingerprint
        .as_deref()
        .map(fingerprint_of)
        .transpose()?;
    let (mut letters, last_seen) = match fingerprint {
        Some(fingerprint) => alike(state, filter, after, (&fingerprint, limit)).await?,
        None => (
            dead_letters::list(state.db(), filter, after, page.limit + 1).await?,
            None,
        ),
    };
    let more = letters.len() > limit;
    letters.truncate(limit);
    let last = letters.last().filter(|_| more).map(place_of_letter);
    let next = last
        .or(last_seen)
        .map(|place| encode_cursor(&place_text(place)));
    Ok(PageOf {
        items: letters.into_iter().map(DeadLetterDocument::of).collect(),
        next,
    })
}

/// Those of one group, one more than `limit` when there are more; and where to look on, when not all were looked
/// through.
async fn alike(
    state: &AppState,
    filter: DeadLetterFilter,
    mut after: Option<Place>,
    (fingerprint, limit): (&Fingerprint, usize),
) -> Result<(Vec<DeadLetter>, Option<Place>), ApiError> {
    let mut found = Vec::new();
    let mut looked_through = 0;
    while looked_through < LOOKED_THROUGH_MAX {
        let read = dead_letters::list(state.db(), filter, after, READ_PAGE).await?;
        let Some(last) = read.last().map(place_of_letter) else {
            return Ok((found, None));
        };
        (after, looked_through) = (Some(last), looked_through + read.len());
        let alike = |letter: &DeadLetter| fingerprint_of_letter(letter) == *fingerprint;
        found.extend(read.into_iter().filter(alike));
        if found.len() > limit {
            return Ok((found, None));
        }
    }
    Ok((found, after))
}

/// Where a dead letter stands in the list.
pub(super) fn place_of_letter(letter: &DeadLetter) -> Place {
    (letter.record.at, letter.record.id)
}

/// The same as a cursor hides it.
fn place_text((at, id): Place) -> String {
    format!("{} {id}", at.as_millis())
}

fn place_of(text: &str) -> Result<Place, ApiError> {
    let (at, id) = text.split_once(' ').unwrap_or_default();
    match (at.parse(), Uuid::try_parse(id)) {
        (Ok(at), Ok(id)) => Ok((Timestamp::from_millis(at), DeadLetterId(id))),
        (Err(_), _) | (_, Err(_)) => Err(ApiError::plain(Problem::MalformedCursor)),
    }
}

/// Try a dead letter's webhook again: as it is, or with another body, which takes a reason. An edit and its entry in the
/// audit are one commit; it goes through a turn as any webhook does. A repetition finds no dead letter.
#[utoipa::path(post, path = "/v1/admin/dead-letters/{id}/retry", tag = "admin", params(("id" = String, Path)),
    request_body = Option<GivenRetry>,
    responses((status = 204, description = "It waits to be applied"), (status = 400, description = "`malformed_path`, `malformed_json`"),
        (status = 401, description = "`missing_credentials`, `unknown_credentials`"),
        (status = 403, description = "`wrong_role`"), (status = 404, description = "`unknown_dead_letter`"),
        (status = 408, description = "`request_timeout`"), (status = 413, description = "`payload_too_large`"),
        (status = 415, description = "`unsupported_media_type`"), (status = 422, description = "`invalid_field`"),
        (status = 409, description = "`nothing_to_retry`: somebody was quicker, or an edit is of a letter without a webhook"),
        (status = 412, description = "`revision_mismatch`: it has another body than the one that was edited"),
        (status = 503, description = "`store_busy`, `outcome_unknown`, `keeper_unavailable`, `safe_mode`, with `Retry-After`")))]
pub(crate) async fn retry_dead_letter(
    state: web::Data<AppState>,
    Behind(Behind(operator, path), mut given): Behind<Behind<Operator, DeadLetterPath>, GivenRetry>,
) -> Result<HttpResponse, ApiError> {
    let actor = operator.by_api();
    if let Some(body) = given.body.take() {
        let edit = Edit {
            actor: &actor,
            reason: given.reason(),
            body,
            replaces: given.replaces.as_deref(),
        };
        retry_edited(&state, path.0, edit).await?;
        return Ok(HttpResponse::NoContent().finish());
    }
    let decision = Decision {
        actor: &actor,
        settlement: Settlement::Retry,
        reason: given.reason(),
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

/// Settles one, through its store's keeper.
pub(crate) async fn settle(
    state: &AppState,
    id: DeadLetterId,
    decision: Decision<'_>,
) -> Result<(), ApiError> {
    let letter = dead_letters::get(state.db(), id).await.map_err(unknown)?;
    settle_letter(state, letter, decision).await
}

pub(super) async fn settle_letter(
    state: &AppState,
    letter: DeadLetter,
    decision: Decision<'_>,
) -> Result<(), ApiError> {
    let id = letter.record.id;
    let command = match decision.settlement {
        Settlement::Retry => Command::RetryDeadLetter {
            id,
            seq: letter.record.seq,
            edit: None,
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

pub(super) fn filter_of(
    store: Option<&str>,
    class: Option<&str>,
) -> Result<DeadLetterFilter, ApiError> {
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
