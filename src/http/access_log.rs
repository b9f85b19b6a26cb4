//! One line in the log for each request: what was asked, what was answered, and of a failure what went wrong inside.
//!
//! The log names the route's pattern, never the address itself: addresses hold tokens.

use actix_web::dev::ServiceResponse;
use actix_web::http::Method;

use crate::http::error::ApiError;
use crate::http::extract::{RequestId, parse_id};
use crate::http::openapi::described;
use crate::ids::StoreId;

/// Beginnings of addresses whose successes are logged for debugging only: they are counted, and would drown everything
/// else.
const QUIET_ADDRESSES: &[&str] = &["/webhooks/", "/healthz", "/readyz", "/metrics"];

/// What is kept of a failed request for the log.
#[derive(Debug)]
pub(super) struct Failure {
    code: &'static str,
    store: Option<StoreId>,
    cause: Option<String>,
}

impl Failure {
    pub(super) fn of(error: &ApiError) -> Self {
        Self {
            code: error.problem().code(),
            store: error.store(),
            cause: error.cause().map(str::to_owned),
        }
    }
}

/// What the log names a request by.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) request_id: RequestId,
    pub(super) method: Method,
}

/// Writes the line of a request that was answered.
pub(super) fn write<Body>(
    asked: &Asked,
    response: &ServiceResponse<Body>,
    duration_ms: i64,
    failure: Option<&Failure>,
) {
    let request = response.request();
    let is_quiet = response.status().is_success() && is_quiet(request.path());
    // To find the pattern costs as much as to find the route: only for a line that somebody reads.
    if is_quiet && !tracing::enabled!(tracing::Level::DEBUG) {
        return;
    }
    let Asked { request_id, method } = asked;
    let route = request
        .match_pattern()
        .map_or_else(|| "(none)".to_owned(), |pattern| described(&pattern));
    let named = request.match_info().get("store").and_then(parse_id);
    let of_failure = failure.and_then(|failure| failure.store);
    let store = named.or_else(|| of_failure.map(|store| store.0));
    let status = response.status().as_u16();
    let code = failure.map(|failure| failure.code);
    if let Some(cause) = failure.and_then(|failure| failure.cause.as_deref()) {
        tracing::error!(%request_id, %method, route, store, status, code, cause, duration_ms, "request failed");
    } else if is_quiet {
        tracing::debug!(%request_id, %method, route, store, status, duration_ms, "request served");
    } else {
        tracing::info!(%request_id, %method, route, store, status, code, duration_ms, "request served");
    }
}

fn is_quiet(path: &str) -> bool {
    QUIET_ADDRESSES
        .iter()
        .any(|beginning| path.starts_with(beginning))
}

#[cfg(test)]
mod tests {
    use actix_web::HttpResponse;
    use actix_web::test::TestRequest;

    use super::*;
    use crate::http::error::Problem;
    use crate::telemetry::Lines;

    fn logged(path: &str, error: &ApiError) -> Vec<String> {
        let request = TestRequest::post().uri(path);
        let asked = Asked {
            request_id: RequestId::named("request-1"),
            method: Method::POST,
        };
        let answer = HttpResponse::build(error.problem().status()).finish();
        let response = request.to_srv_response(answer);
        let (lines, _capturing) = Lines::capture();
        write(&asked, &response, 7, Some(&Failure::of(error)));
        lines.saying("")
    }

    #[test]
    fn a_refusal_is_one_line_that_names_the_store_and_not_the_address() {
        let refused = ApiError::plain(Problem::BadSignature).of_store(StoreId(7));
        let lines = logged("/webhooks/shopify/ski_secret", &refused);
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(
            lines[0].contains(" INFO ") && lines[0].contains("store=7"),
            "{lines:?}"
        );
        assert!(lines[0].contains("code=\"bad_signature\""), "{lines:?}");
        assert!(!lines[0].contains("ski_secret"), "{lines:?}");
    }

    #[test]
    fn a_failure_of_ours_is_one_line_with_its_cause() {
        let cause = std::io::Error::other("no space left");
        let failed = ApiError::caused(Problem::NotDurable, &cause);
        let lines = logged("/webhooks/shopify", &failed);
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(
            lines[0].contains("ERROR") && lines[0].contains("cause=\"no space left\""),
            "{lines:?}"
        );
        assert!(lines[0].contains("duration_ms=7"), "{lines:?}");
    }
}
