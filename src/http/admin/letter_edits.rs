//! `/v1/admin/dead-letters/{id}` and `…/body`: a dead letter by itself, the body that its webhook has, and another one
//! that it is tried again with.
//!
//! Whoever may only look sees bodies without what says who somebody is. In full they are shown to whoever may edit them,
//! and each look is written down. An edit replaces the body in the keeper's own commit, together with its entry in the
//! audit, which holds digests and the places that differ, never what stands there. The former body is not kept: it would
//! be one more copy of somebody's data, which no erasure request would find.

use actix_web::http::header::{CACHE_CONTROL, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use serde_json::Value;

use super::body_changes::changes;
use super::dead_letters::{DeadLetterDocument, Decision, Settlement, settle};
use super::{Deed, record};
use crate::clock::Timestamp;
use crate::db::DbError;
use crate::db::dead_letters::{self, digest};
use crate::db::inbox::InboxRow;
use crate::domain::store::command::Command;
use crate::domain::store::letter_edit::{DeedRecord, EditedBody, LetterEdit};
use crate::http::error::{ApiError, Problem};
use crate::http::extract::{Behind, DeadLetterPath, Operator, Viewer, checked_reason};
use crate::http::redact::redacted;
use crate::http::replies::{Tagged, command_problem};
use crate::http::routes::resource;
use crate::http::state::AppState;
use crate::ids::DeadLetterId;
use crate::keeper::Envelope;

/// What the audit calls a look at a whole body.
const READ_BODY: &str = "read dead letter body";
/// What the audit calls a retry with another body.
const RETRY_EDITED: &str = "edit and retry dead letter";

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config
        .service(resource("/v1/admin/dead-letters/{id}").route(web::get().to(get_dead_letter)))
        .service(
            resource("/v1/admin/dead-letters/{id}/body").route(web::get().to(get_dead_letter_body)),
        );
}

/// A dead letter with the webhook that it came from.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct DeadLetterDetail {
    #[serde(flatten)]
    pub(crate) letter: DeadLetterDocument,
    /// Absent when it came from a write.
    pub(crate) webhook: Option<LetterWebhook>,
}

/// The webhook that became a dead letter.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct LetterWebhook {
    /// Its number in the store's inbox.
    pub(crate) seq: String,
    pub(crate) delivery_id: String,
    pub(crate) received_at: String,
    /// When the event was, as the platform says.
    pub(crate) triggered_at: Option<String>,
    pub(crate) bytes: usize,
    /// Without names, addresses, numbers and tokens; absent when it is not JSON.
    #[schema(value_type = Option<Object>)]
    pub(crate) body: Option<Value>,
}

/// The whole body of a dead letter's webhook.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct LetterBody {
    pub(crate) id: String,
    pub(crate) store: String,
    pub(crate) topic: String,
    pub(crate) bytes: usize,
    /// SHA-256 of the body, in hexadecimal digits: `replaces` of an edit that was made of it.
    pub(crate) sha256: String,
    /// Exactly as it came; absent when it is not text.
    pub(crate) body: Option<String>,
}

/// Another body for a dead letter's webhook.
#[derive(Debug)]
pub(crate) struct Edit<'a> {
    /// Who, and through which door.
    pub(crate) actor: &'a str,
    pub(crate) reason: &'a str,
    /// Taken exactly as it is.
    pub(crate) body: String,
    /// Digest of the body that it was made of; `None`: of whichever it has.
    pub(crate) replaces: Option<&'a str>,
}

impl LetterWebhook {
    fn of(row: &InboxRow) -> Self {
        Self {
            seq: row.seq.to_string(),
            delivery_id: row.delivery_id.clone(),
            received_at: row.received_at.to_rfc3339(),
            triggered_at: row.triggered_at.map(Timestamp::to_rfc3339),
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

/// A dead letter by itself, with its webhook's body without what says who somebody is.
#[utoipa::path(get, path = "/v1/admin/dead-letters/{id}", tag = "admin", params(("id" = String, Path)),
    responses((status = 200, description = "The dead letter", body = DeadLetterDetail),
        (status = 304, description = "As `If-None-Match` has it"), (status = 400, description = "`malformed_path`"),
        (status = 401, description = "`missing_credentials`, `unknown_credentials`"),
        (status = 403, description = "`wrong_role`"), (status = 404, description = "`unknown_dead_letter`"),
        (status = 503, description = "`not_ready`, with `Retry-After`")))]
pub(crate) async fn get_dead_letter(
    state: web::Data<AppState>,
    Behind(_viewer, path): Behind<Viewer, DeadLetterPath>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    Ok(Tagged::of(&detail(&state, path.0).await?)?.respond(&request))
}

/// A dead letter by itself.
pub(crate) async fn detail(
    state: &AppState,
    id: DeadLetterId,
) -> Result<DeadLetterDetail, ApiError> {
    let letter = dead_letters::get(state.db(), id).await.map_err(unknown)?;
    let row = dead_letters::load_row(state.db(), id)
        .await
        .map_err(unknown)?;
    Ok(DeadLetterDetail {
        letter: DeadLetterDocument::of(letter),
        webhook: row.as_ref().map(LetterWebhook::of),
    })
}

/// The body of a dead letter's webhook, whole, to be edited. The look is written to the audit.
#[utoipa::path(get, path = "/v1/admin/dead-letters/{id}/body", tag = "admin", params(("id" = String, Path)),
    responses((status = 200, description = "The body, personal data included", body = LetterBody),
        (status = 304, description = "As `If-None-Match` has it"), (status = 400, description = "`malformed_path`"),
        (status = 401, description = "`missing_credentials`, `unknown_credentials`"),
        (status = 403, description = "`wrong_role`"), (status = 404, description = "`unknown_dead_letter`"),
        (status = 409, description = "`nothing_to_retry`: it came from a write, and has no body"),
        (status = 503, description = "`not_ready`, with `Retry-After`")))]
pub(crate) async fn get_dead_letter_body(
    state: web::Data<AppState>,
    Behind(operator, path): Behind<Operator, DeadLetterPath>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let body = read_whole(&state, path.0, &operator.by_api()).await?;
    let mut response = Tagged::of(&body)?.respond(&request);
    let unkept = HeaderValue::from_static("no-store");
    response.headers_mut().insert(CACHE_CONTROL, unkept);
    Ok(response)
}

/// The whole body, once it is written down who looked.
pub(crate) async fn read_whole(
    state: &AppState,
    id: DeadLetterId,
    actor: &str,
) -> Result<LetterBody, ApiError> {
    let row = row_of(state, id).await?;
    let deed = Deed {
        actor,
        action: READ_BODY,
        store: Some(row.store),
        detail: &id.to_string(),
    };
    record(state, deed).await?;
    Ok(LetterBody {
        id: id.to_string(),
        store: row.store.to_string(),
        topic: row.topic,
        bytes: row.body.len(),
        sha256: digest(&row.body),
        body: String::from_utf8(row.body.to_vec()).ok(),
    })
}

/// Tries a dead letter's webhook again with another body, through its store's keeper.
pub(crate) async fn retry_edited(
    state: &AppState,
    id: DeadLetterId,
    edit: Edit<'_>,
) -> Result<(), ApiError> {
    let Edit {
        actor,
        reason,
        body,
        replaces,
    } = edit;
    checked_reason(reason)?;
    let wanted = checked_body(&body, state.settings.webhook_bytes_max)?;
    let row = row_of(state, id).await?;
    let seen = digest(&row.body);
    if replaces.is_some_and(|replaces| replaces != seen) {
        let changed = "the dead letter has another body than the one that was edited";
        return Err(ApiError::new(Problem::RevisionMismatch, changed));
    }
    if *row.body == *body.as_bytes() {
        let decision = Decision {
            actor,
            settlement: Settlement::Retry,
            reason,
        };
        return settle(state, id, decision).await;
    }
    let detail = told(id, reason, &row, (&body, &wanted));
    let deed = Deed {
        actor,
        action: RETRY_EDITED,
        store: Some(row.store),
        detail: &detail,
    };
    let command = Command::RetryDeadLetter {
        id,
        seq: Some(row.seq),
        edit: Some(Box::new(LetterEdit {
            seen,
            body: EditedBody::new(body),
            deed: written(deed, state),
        })),
    };
    let answered = state
        .directory
        .command(row.store, Envelope::plain(command))
        .await;
    answered
        .map(drop)
        .map_err(|error| command_problem(&error, state.clock()))
}

/// As the keeper commits it with what was done.
fn written(deed: Deed<'_>, state: &AppState) -> DeedRecord {
    let entry = deed.entry(state);
    DeedRecord {
        id: entry.id,
        at: entry.at,
        actor: entry.actor,
        action: entry.action,
        detail: entry.detail,
    }
}

/// What the audit says of an edit: why, which body became which, and where they differ.
fn told(id: DeadLetterId, reason: &str, row: &InboxRow, (body, wanted): (&str, &Value)) -> String {
    let former: Option<Value> = serde_json::from_slice(&row.body).ok();
    let places = match former {
        Some(former) => changes(&former, wanted).to_string(),
        None => "the former body was no JSON".to_owned(),
    };
    format!(
        "{id}: {reason}; {places}; sha256 {} ({} bytes) became {} ({} bytes)",
        digest(&row.body),
        row.body.len(),
        digest(body.as_bytes()),
        body.len(),
    )
}

/// A body that a webhook could have had: JSON, and not larger than the door takes.
fn checked_body(body: &str, max: usize) -> Result<Value, ApiError> {
    if body.len() > max {
        return Err(ApiError::new(
            Problem::PayloadTooLarge,
            format!("a webhook's body is at most {max} bytes"),
        ));
    }
    serde_json::from_str(body).map_err(|error| {
        // The parser would quote what it found.
        let (line, column) = (error.line(), error.column());
        ApiError::new(
            Problem::InvalidField,
            format!("`body` is no JSON: line {line}, column {column}"),
        )
    })
}

/// The webhook that a dead letter came from.
async fn row_of(state: &AppState, id: DeadLetterId) -> Result<InboxRow, ApiError> {
    let row = dead_letters::load_row(state.db(), id)
        .await
        .map_err(unknown)?;
    row.ok_or_else(|| ApiError::plain(Problem::NothingToRetry))
}

/// A dead letter that is not there is nobody's fault but the asker's.
pub(super) fn unknown(error: DbError) -> ApiError {
    match error {
        DbError::NotFound(_) => ApiError::plain(Problem::UnknownDeadLetter),
        DbError::Conflict
        | DbError::Busy
        | DbError::Full
        | DbError::Unavailable(_)
        | DbError::Broken(_) => error.into(),
    }
}
