//! How an operator wants a dead letter tried again: as it is, or with another body.

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, web};
use futures_util::future::LocalBoxFuture;
use serde::Deserialize;

use super::json::{BODY_WITHIN, parse_json, parse_json_with_lines, read_body, require_json};
use super::reason::{REASON_BYTES_MAX, checked_reason};
use crate::http::error::{ApiError, Problem};
use crate::http::state::AppState;

/// What a text can grow to by being written in a body or a form: three bytes for one.
pub(crate) const WRITTEN_MAX: usize = 3;
/// Hexadecimal digits of a SHA-256.
const DIGEST_CHARS: usize = 64;

/// How a dead letter is to be tried again. Nothing at all: as it is.
#[derive(Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct GivenRetry {
    /// 1 to 500 characters, for the audit; required with `body`.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 500)]
    reason: Option<String>,
    /// The body that its webhook is to have instead, as a text that is JSON; taken exactly as it is, and at most as large
    /// as a webhook's body may be. A retry without it takes the body as it is.
    #[serde(default)]
    pub(crate) body: Option<String>,
    /// `sha256` of the body that `body` was made of, as `…/body` tells it: refused when the letter has another by now.
    #[serde(default)]
    #[schema(pattern = "^[0-9a-f]{64}$")]
    pub(crate) replaces: Option<String>,
}

impl GivenRetry {
    /// What is written down.
    pub(crate) fn reason(&self) -> &str {
        self.reason.as_deref().unwrap_or_default()
    }

    fn checked(self) -> Result<Self, ApiError> {
        let invalid = |detail: &'static str| Err(ApiError::new(Problem::InvalidField, detail));
        let reason = self.reason.as_deref().map(checked_reason).transpose()?;
        if reason.is_some_and(|reason| reason.chars().any(char::is_control)) {
            return invalid("`reason` is one line");
        }
        if self.body.is_some() && reason.is_none() {
            return invalid("`reason` is required with `body`");
        }
        let Some(replaces) = &self.replaces else {
            return Ok(self);
        };
        if self.body.is_none() {
            return invalid("`replaces` is of use with `body` only");
        }
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if replaces.len() != DIGEST_CHARS || !replaces.bytes().all(is_digit) {
            return invalid("`replaces` is 64 hexadecimal digits");
        }
        Ok(self)
    }
}

impl FromRequest for GivenRetry {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let payload = payload.take();
        Box::pin(async move {
            let state = request.app_data::<web::Data<AppState>>();
            let webhook_max = state.map_or(0, |state| state.settings.webhook_bytes_max);
            let max = webhook_max
                .saturating_mul(WRITTEN_MAX)
                .saturating_add(REASON_BYTES_MAX);
            let raw = read_body(&request, payload, max, BODY_WITHIN).await?;
            if raw.is_empty() {
                return Ok(Self::default());
            }
            require_json(&request)?;
            let given: Self = parse_json_with_lines(&raw)?;
            if given.body.is_none() {
                // Then every text is one line.
                parse_json::<Self>(&raw)?;
            }
            given.checked()
        })
    }
}
