//! `/v1/admin/safe-mode`: whether the server holds everything but accepting, and the end of that.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;

use super::{Deed, record};
use crate::http::error::ApiError;
use crate::http::extract::{Operator, ReasonBody, StrictJson, Viewer, checked_reason};
use crate::http::replies::Tagged;
use crate::http::routes::resource;
use crate::http::state::AppState;
use crate::keeper::SafeModeStatus;

pub(crate) fn configure(config: &mut web::ServiceConfig) {
    config
        .service(resource("/v1/admin/safe-mode").route(web::get().to(get_safe_mode)))
        .service(resource("/v1/admin/safe-mode/off").route(web::post().to(end_safe_mode)));
}

/// Safe mode, while it holds.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct SafeModeDocument {
    since: String,
    /// When it ends, unless another store crashes before.
    until: String,
    /// Stores that had crashed when it began.
    crashed_stores: usize,
    /// Stores that had a keeper then.
    of_stores: usize,
}

impl From<SafeModeStatus> for SafeModeDocument {
    fn from(status: SafeModeStatus) -> Self {
        Self {
            since: status.since.to_rfc3339(),
            until: status.until.to_rfc3339(),
            crashed_stores: status.crashed,
            of_stores: status.of,
        }
    }
}

/// Whether safe mode holds.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct SafeModeAnswer {
    /// Absent when it does not hold.
    safe_mode: Option<SafeModeDocument>,
}

impl SafeModeAnswer {
    fn of(state: &AppState) -> Self {
        Self {
            safe_mode: state.directory.safe_mode().map(SafeModeDocument::from),
        }
    }
}

/// Whether safe mode holds: webhooks are accepted, but not applied, and nothing is changed.
#[utoipa::path(get, path = "/v1/admin/safe-mode", tag = "admin",
    responses((status = 200, description = "Since when and until when, if it does", body = SafeModeAnswer),
        (status = 304, description = "As `If-None-Match` has it"),
        (status = 401, description = "`missing_credentials`, `unknown_credentials`"),
        (status = 403, description = "`wrong_role`"), (status = 503, description = "`not_ready`, with `Retry-After`")))]
pub(crate) async fn get_safe_mode(
    state: web::Data<AppState>,
    _viewer: Viewer,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    Ok(Tagged::of(&SafeModeAnswer::of(&state))?.respond(&request))
}

/// End safe mode now. It begins again when as many stores crash again.
#[utoipa::path(post, path = "/v1/admin/safe-mode/off", tag = "admin", request_body = ReasonBody,
    responses((status = 200, description = "It does not hold any more", body = SafeModeAnswer),
        (status = 400, description = "`malformed_json`, `empty_body`"),
        (status = 401, description = "`missing_credentials`, `unknown_credentials`"),
        (status = 403, description = "`wrong_role`"),
        (status = 408, description = "`request_timeout`"), (status = 413, description = "`payload_too_large`"),
        (status = 415, description = "`unsupported_media_type`"),
        (status = 422, description = "`invalid_field`"), (status = 503, description = "`not_ready`, with `Retry-After`")))]
pub(crate) async fn end_safe_mode(
    state: web::Data<AppState>,
    body: StrictJson<Operator, ReasonBody>,
) -> Result<HttpResponse, ApiError> {
    let reason = checked_reason(&body.value.reason)?;
    let deed = Deed {
        actor: &body.who.by_api(),
        action: "safe_mode_off",
        store: None,
        detail: reason,
    };
    record(&state, deed).await?;
    state.directory.end_safe_mode();
    // Stores that still crash may have begun another one by now.
    Ok(HttpResponse::Ok().json(SafeModeAnswer { safe_mode: None }))
}
