//! The edge that every request and every answer crosses: request id, access log, problem documents, security headers.
//!
//! A refusal is a problem document for programs, and a page for people at a browser.

use std::panic::AssertUnwindSafe;

use actix_web::body::{BodySize, BoxBody, MessageBody, None as NoBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpRequest, HttpResponse, web};
use askama::Template;
use futures_util::FutureExt;
use serde::Serialize;

use crate::clock::Timestamp;
use crate::http::access_log::{self, Asked, Failure};
use crate::http::error::{ApiError, Problem};
use crate::http::extract::RequestId;
use crate::http::openapi::render_page;
use crate::http::replies::prefers_html;
use crate::http::state::AppState;

/// Media type of a problem document.
pub(crate) const PROBLEM_JSON: &str = "application/problem+json";
/// Names the request in both directions.
pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What may be loaded by pages of ours: only what we serve ourselves.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

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

/// A problem document for people.
#[derive(Template)]
#[template(path = "problem.html", config = "src/http/askama.toml")]
struct ProblemPage<'a> {
    problem: Problem,
    /// What is particular to this occurrence, unless the title says it all.
    detail: Option<&'a str>,
    request_id: &'a str,
    retry_after_s: Option<u64>,
}

/// Takes a request through the handlers and makes its answer fit to leave. HEAD is served as GET, without the body.
///
/// # Errors
/// None of its own: failures of the inside become problem documents.
pub(crate) async fn cross(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let state = request.app_data::<web::Data<AppState>>().cloned();
    let Some(state) = state else {
        return Ok(request.into_response(HttpResponse::InternalServerError().finish()));
    };
    let started = state.clock().now();
    let asked = Asked {
        request_id: RequestId::of(&request, &state),
        method: request.method().clone(),
    };
    request.extensions_mut().insert(asked.request_id.clone());
    if asked.method == Method::HEAD {
        request.head_mut().method = Method::GET;
    }
    let called = AssertUnwindSafe(next.call(request)).catch_unwind().await;
    let mut response = match called {
        Ok(Ok(response)) => response.map_into_boxed_body(),
        Ok(Err(error)) => return Err(error),
        Err(_panic) => return Err(PanicAnswer::of(&asked.request_id).into()),
    };
    let failed = describe_failure(&mut response, &asked.request_id);
    if asked.method == Method::HEAD {
        response = without_stream(response);
    }
    add_headers(response.headers_mut(), &asked.request_id);
    let duration_ms = millis_since(&state, started);
    access_log::write(&asked, &response, duration_ms, failed.as_ref());
    Ok(response)
}

fn millis_since(state: &AppState, started: Timestamp) -> i64 {
    state.clock().now().millis_since(started)
}

/// Nobody would read a stream to its end who asked for the head only.
fn without_stream(response: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
    response.map_body(|_head, body| match body.size() {
        BodySize::Stream => BoxBody::new(NoBody::new()),
        BodySize::None | BodySize::Sized(_) => body,
    })
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
    let failure = Failure::of(error);
    let for_people = prefers_html(response.request().headers());
    let page = for_people.then(|| problem_page(error, request_id).ok());
    let mut document = page
        .flatten()
        .unwrap_or_else(|| problem_response(error, request_id));
    keep_headers(response.headers(), document.headers_mut());
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

/// Takes over what a door said besides its refusal.
fn keep_headers(from: &HeaderMap, to: &mut HeaderMap) {
    for name in [
        header::ALLOW,
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
    ] {
        if let Some(value) = from.get(&name) {
            to.insert(name, value.clone());
        }
    }
}

/// The answer that carries a problem document.
pub(crate) fn problem_response(error: &ApiError, request_id: &RequestId) -> HttpResponse {
    let problem = error.problem();
    let mut response = HttpResponse::build(problem.status())
        .content_type(PROBLEM_JSON)
        .json(ProblemDocument {
            kind: format!("/docs#{}", problem.code()),
            title: problem.title(),
            status: problem.status().as_u16(),
            detail: error.detail(),
            code: problem.code(),
            request_id: request_id.as_str(),
        });
    add_problem_headers(response.headers_mut(), error);
    response
}

/// The same for people.
fn problem_page(error: &ApiError, request_id: &RequestId) -> Result<HttpResponse, ApiError> {
    let problem = error.problem();
    let mut response = render_page(&ProblemPage {
        problem,
        detail: Some(error.detail()).filter(|detail| *detail != problem.title()),
        request_id: request_id.as_str(),
        retry_after_s: error.retry_after_s(),
    })?;
    *response.status_mut() = problem.status();
    add_problem_headers(response.headers_mut(), error);
    Ok(response)
}

fn add_problem_headers(headers: &mut HeaderMap, error: &ApiError) {
    if let Some(seconds) = error.retry_after_s() {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if error.problem().status() == StatusCode::UNAUTHORIZED {
        headers.insert(
            header::WWW_AUTHENTICATE,
            HeaderValue::from_static("Bearer realm=\"storekeeper\""),
        );
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::VARY, HeaderValue::from_static("accept"));
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
