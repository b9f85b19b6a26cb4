//! `Idempotency-Key`: the client's name for one intended effect, and the digest of what it asked for.

use actix_web::HttpRequest;
use sha2::{Digest, Sha256};

use crate::http::error::{ApiError, Problem};

/// The longest key, in bytes.
const LENGTH_MAX: usize = 255;
const HEADER: &str = "idempotency-key";

/// The key of a request, when it has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IdempotencyKey(pub(crate) Option<String>);

/// What was asked for, so that the same key with another request is noticed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RequestDigest(String);

impl RequestDigest {
    /// Of a request's method, route and body.
    pub(crate) fn of(route: &str, body: &[u8]) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(route.as_bytes());
        hasher.update([0]);
        hasher.update(body);
        Self(hex::encode(hasher.finalize()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn into_string(self) -> String {
        self.0
    }
}

impl IdempotencyKey {
    /// Reads it off a request. Not an extractor: those are judged in any order, and a stranger is to learn first that he
    /// is one.
    pub(crate) fn of(request: &HttpRequest) -> Result<Self, ApiError> {
        let mut values = request.headers().get_all(HEADER);
        let Some(value) = values.next() else {
            return Ok(Self(None));
        };
        let text = value.to_str().unwrap_or_default();
        let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        if values.next().is_some() || !visible || !(1..=LENGTH_MAX).contains(&text.len()) {
            let detail = "`Idempotency-Key` is one word of 1 to 255 visible ASCII characters";
            return Err(ApiError::new(Problem::MalformedHeader, detail));
        }
        Ok(Self(Some(text.to_owned())))
    }
}
