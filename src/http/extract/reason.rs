//! Why an operator does something, as it is written down.

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use futures_util::future::LocalBoxFuture;
use serde::Deserialize;

use super::json::{BODY_WITHIN, parse_json, read_body, require_json};
use crate::http::error::{ApiError, Problem};

/// The longest reason, in characters.
const REASON_CHARS_MAX: usize = 500;
/// The largest body that holds but a reason, in bytes: each character may be escaped.
pub(super) const REASON_BYTES_MAX: usize = 16 * 1024;

/// Why an operator does it.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReasonBody {
    /// 1 to 500 characters, for the audit.
    #[schema(min_length = 1, max_length = 500)]
    pub(crate) reason: String,
}

/// Why an operator does it, if that was said: programs may send no body.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct GivenReason {
    /// 1 to 500 characters, for the audit.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 500)]
    reason: Option<String>,
}

impl GivenReason {
    /// What is written down.
    pub(crate) fn text(&self) -> &str {
        self.reason.as_deref().unwrap_or_default()
    }
}

impl FromRequest for GivenReason {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let payload = payload.take();
        Box::pin(async move {
            let raw = read_body(&request, payload, REASON_BYTES_MAX, BODY_WITHIN).await?;
            if raw.is_empty() {
                return Ok(Self::default());
            }
            require_json(&request)?;
            let given: Self = parse_json(&raw)?;
            given.reason.as_deref().map(checked_reason).transpose()?;
            Ok(given)
        })
    }
}

/// A reason that can be written down.
///
/// # Errors
/// It is empty or too long.
pub(crate) fn checked_reason(reason: &str) -> Result<&str, ApiError> {
    if reason.trim().is_empty() || reason.chars().count() > REASON_CHARS_MAX {
        return Err(ApiError::new(
            Problem::InvalidField,
            format!("`reason` is from 1 to {REASON_CHARS_MAX} characters"),
        ));
    }
    Ok(reason)
}
