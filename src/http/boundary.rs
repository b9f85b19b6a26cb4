//! The edge that every request and every answer crosses: request id, access log, problem documents, security headers.
//!
//! Errors are logged here, once. The log names the route's pattern, never the address itself: addresses hold tokens.

use std::panic::AssertUnwindSafe;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpRequest, HttpResponse, web};
use futures_util::FutureExt;
use serde::Serialize;

use crate::clock::Timestamp;
use crate::http::error::{ApiError, Problem};
use crate::http::extract::RequestId;
use crate::http::state::AppState;

/// Media type of a problem document.
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";
/// Names the request in both directions.
pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What may be loaded by pages of ours: only what we serve ourselves.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Routes whose successes are logged for debugging only: they are counted, and would drown everything else.
const QUIET_ROUTES: &[&str] = &[
    "/webhooks/{platform}",
    "/webhooks/{platform}/{intake_token}",
    "/healthz",
    "/readyz",
    "/metrics",
];

/// A problem document (RFC 9457).
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemDocument<'a> {
    /// Where the problem is described.
    #[serde(rename = "type")]
    kind: String,
    title: &'a str,
    status: u16,
    /// What is particular to this occurrence.
    detail: &'a str,
    /// Stable; match on this.
    code: &'a str,
    /// Names the request in our log.
    request_id: &'a str,
}

/// Takes a request through the handlers and makes its answer fit to leave.
///
/// # Errors
/// None of its own: failures of the inside become problem documents.
pub(crate) async fn cross(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let state = request.app_data::<web::Data<AppState>>().cloned();
    let Some(state) = state else {
        return Ok(request.into_response(HttpResponse::InternalServerError().finish()));
    };
    let started = state.clock().now();
    let request_id = RequestId::of(&request, &state);
    request.extensions_mut().insert(request_id.clone());
    let called = AssertUnwindSafe(next.call(request)).catch_unwind().await;
    let mut response = match called {
        Ok(Ok(response)) => response.map_into_boxed_body(),
        Ok(Err(error)) => return Err(error),
        Err(_panic) => return Err(PanicAnswer::of(&request_id).into()),
    };
    let failed = describe_failure(&mut response, &request_id);
    add_headers(response.headers_mut(), &request_id);
    log_access(
        &response,
        &request_id,
        millis_since(&state, started),
        failed.as_ref(),
    );
    Ok(response)
}

fn millis_since(state: &AppState, started: Timestamp) -> i64 {
    state.clock().now().millis_since(started)
}

/// What is kept of a failed request for the log.
struct Failure {
    code: &'static str,
    cause: Option<String>,
}

/// Writes the problem document of a failed request.
fn describe_failure(
    response: &mut ServiceResponse<BoxBody>,
    request_id: &RequestId,
) -> Option<Failure> {
    let translated;
    let error = response.response().error()?;
    let error = match error.as_error::<ApiError>() {
        Some(error) => error,
        None => {
            translated = translate(error);
            &translated
        }
    };
    let failure = Failure {
        code: error.problem().code(),
        cause: error.cause().map(str::to_owned),
    };
    let mut document = problem_response(error, request_id);
    keep_allow(response.headers(), document.headers_mut());
    *response.response_mut() = document;
    Some(failure)
}

/// Errors of the framework's own, in our words.
fn translate(error: &Error) -> ApiError {
    let status = error.as_response_error().status_code();
    match status {
        StatusCode::PAYLOAD_TOO_LARGE => ApiError::plain(Problem::PayloadTooLarge),
        StatusCode::NOT_FOUND => ApiError::plain(Problem::RouteNotFound),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => ApiError::plain(Problem::UnsupportedMediaType),
        other if other.is_client_error() => ApiError::plain(Problem::UnreadableBody),
        _ => ApiError::plain(Problem::Internal),
    }
}

fn keep_allow(from: &HeaderMap, to: &mut HeaderMap) {
    if let Some(allow) = from.get(header::ALLOW) {
        to.insert(header::ALLOW, allow.clone());
    }
}

/// The answer that carries a problem document.
pub(crate) fn problem_response(error: &ApiError, request_id: &RequestId) -> HttpResponse {
    let problem = error.problem();
    let mut builder = HttpResponse::build(problem.status());
    if let Some(seconds) = error.retry_after_s() {
        builder.insert_header((header::RETRY_AFTER, seconds.to_string()));
    }
    if problem.status() == StatusCode::UNAUTHORIZED {
        builder.insert_header((header::WWW_AUTHENTICATE, "Bearer realm=\"storekeeper\""));
    }
    builder
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .content_type(PROBLEM_JSON)
        .json(ProblemDocument {
            kind: format!("/docs#{}", problem.code()),
            title: problem.title(),
            status: problem.status().as_u16(),
            detail: error.detail(),
            code: problem.code(),
            request_id: request_id.as_str(),
        })
}

fn add_headers(headers: &mut HeaderMap, request_id: &RequestId) {
    if let Ok(value) = HeaderValue::from_str(request_id.as_str()) {
        headers.insert(X_REQUEST_ID, value);
    }
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}

fn log_access(
    response: &ServiceResponse<BoxBody>,
    request_id: &RequestId,
    duration_ms: i64,
    failure: Option<&Failure>,
) {
    let request = response.request();
    let route = request
        .match_pattern()
        .unwrap_or_else(|| "(none)".to_owned());
    let status = response.status().as_u16();
    let code = failure.map(|failure| failure.code);
    if let Some(cause) = failure.and_then(|failure| failure.cause.as_deref()) {
        tracing::error!(%request_id, method = %request.method(), route, status, code, cause, "request failed");
    }
    if response.status().is_success() && QUIET_ROUTES.contains(&route.as_str()) {
        tracing::debug!(%request_id, method = %request.method(), route, status, duration_ms, "request served");
    } else {
        tracing::info!(%request_id, method = %request.method(), route, status, code, duration_ms, "request served");
    }
}

/// What a client gets when a handler panicked: made here in full, because the request is lost.
struct PanicAnswer {
    request_id: RequestId,
}

impl PanicAnswer {
    fn of(request_id: &RequestId) -> Self {
        tracing::error!(%request_id, "a handler panicked");
        Self {
            request_id: request_id.clone(),
        }
    }
}

impl std::fmt::Debug for PanicAnswer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("PanicAnswer")
    }
}

impl std::fmt::Display for PanicAnswer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("a handler panicked")
    }
}

impl actix_web::ResponseError for PanicAnswer {
    fn error_response(&self) -> HttpResponse {
        let mut response = problem_response(&ApiError::plain(Problem::Internal), &self.request_id);
        add_headers(response.headers_mut(), &self.request_id);
        response
    }
}

/// What is answered where nothing is served.
pub(crate) async fn route_not_found() -> Result<HttpResponse, ApiError> {
    Err(ApiError::plain(Problem::RouteNotFound))
}

/// What is answered to a method that an address does not serve; names those that it does.
pub(crate) async fn method_not_allowed(request: HttpRequest) -> HttpResponse {
    let pattern = request.match_pattern().unwrap_or_default();
    let methods = crate::http::openapi::methods_of(&pattern).join(", ");
    let mut response = HttpResponse::from_error(ApiError::plain(Problem::MethodNotAllowed));
    if let Ok(value) = HeaderValue::from_str(&methods) {
        response.headers_mut().insert(header::ALLOW, value);
    }
    response
}
