//! The name of a request: the client's own if it is fit to be logged, else a fresh one.

use std::fmt;
use std::future::{Ready, ready};

use actix_web::dev::{Payload, ServiceRequest};
use actix_web::{FromRequest, HttpMessage, HttpRequest};

use crate::http::boundary::X_REQUEST_ID;
use crate::http::error::{ApiError, Problem};
use crate::http::state::AppState;

/// The longest name that is taken from a client, in bytes.
const LENGTH_MAX: usize = 64;

/// The name of a request, in answers, problems and the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RequestId(String);

impl RequestId {
    /// Takes the client's name for the request, or makes one.
    pub(crate) fn of(request: &ServiceRequest, state: &AppState) -> Self {
        let given = request
            .headers()
            .get(X_REQUEST_ID)
            .and_then(|value| value.to_str().ok());
        match given {
            Some(name) if is_fit(name) => Self(name.to_owned()),
            Some(_) | None => Self(state.ids().ordered_uuid(state.clock().now()).to_string()),
        }
    }

    #[cfg(test)]
    pub(crate) fn named(name: &str) -> Self {
        Self(name.to_owned())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A name that cannot break a log line.
fn is_fit(name: &str) -> bool {
    (1..=LENGTH_MAX).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

impl fmt::Display for RequestId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FromRequest for RequestId {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        ready(
            request
                .extensions()
                .get::<Self>()
                .cloned()
                .ok_or_else(|| ApiError::plain(Problem::Internal)),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_harmless_names_are_taken() {
        assert!(is_fit("a-B_9.z"));
        assert!(!is_fit(""));
        assert!(!is_fit("two words"));
        assert!(!is_fit("line\nbreak"));
        assert!(!is_fit(&"x".repeat(LENGTH_MAX + 1)));
    }
}
