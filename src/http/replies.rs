//! Answers in the forms that doors share: tagged documents, and what a keeper answered in our words.

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::clock::Clock;
use crate::db::DbError;
use crate::db::sealing::SealingError;
use crate::domain::store::outcome::Refusal;
use crate::http::error::{ApiError, Problem, catalogue};
use crate::keeper::CommandError;

/// Tells that an answer is the one that was given under this key before.
pub(crate) const REPLAYED: (header::HeaderName, header::HeaderValue) = (
    header::HeaderName::from_static("idempotency-replayed"),
    header::HeaderValue::from_static("true"),
);

/// A document with its tag.
pub(crate) struct Tagged {
    body: Vec<u8>,
    etag: String,
}

impl Tagged {
    /// Serialises; the tag is a digest of what is sent.
    pub(crate) fn of(document: &impl Serialize) -> Result<Self, ApiError> {
        let body = serde_json::to_vec(document)
            .map_err(|error| ApiError::caused(Problem::Internal, &error))?;
        Ok(Self::as_sent(body))
    }

    /// The same of a document as it was sent before.
    pub(crate) fn as_sent(body: Vec<u8>) -> Self {
        let mut digest = hex::encode(Sha256::digest(&body));
        digest.truncate(32);
        Self {
            body,
            etag: format!("\"{digest}\""),
        }
    }

    /// 200 with the document, or 304 when the client has it.
    pub(crate) fn respond(self, request: &HttpRequest) -> HttpResponse {
        if names_tag(
            request.headers(),
            header::IF_NONE_MATCH.as_str(),
            &self.etag,
        ) == Some(true)
        {
            return HttpResponse::NotModified()
                .insert_header((header::ETAG, self.etag))
                .finish();
        }
        self.with_status(StatusCode::OK)
    }

    /// The document with this status.
    pub(crate) fn with_status(self, status: StatusCode) -> HttpResponse {
        HttpResponse::build(status)
            .insert_header((header::ETAG, self.etag))
            .insert_header((header::CACHE_CONTROL, "no-cache"))
            .content_type("application/json")
            .body(self.body)
    }

    /// Refuses when the client names a revision that is not this one.
    pub(crate) fn require_match(&self, request: &HttpRequest) -> Result<(), ApiError> {
        self.named_by(request).map(drop)
    }

    /// Whether the client names this revision; refuses when it names another.
    pub(crate) fn named_by(&self, request: &HttpRequest) -> Result<bool, ApiError> {
        match names_tag(request.headers(), header::IF_MATCH.as_str(), &self.etag) {
            None => Ok(false),
            Some(true) => Ok(true),
            Some(false) => Err(ApiError::plain(Problem::RevisionMismatch)),
        }
    }
}

/// Whether a client would rather have a page than JSON: browsers say so, programs do not.
pub(crate) fn prefers_html(headers: &HeaderMap) -> bool {
    let accept = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let place = |kind: &str| accept.find(kind);
    match (place("text/html"), place("json")) {
        (Some(html), Some(json)) => html < json,
        (Some(_), None) => true,
        (None, _) => false,
    }
}

/// Whether a header of tags names this one; `None`: there is no such header.
fn names_tag(headers: &HeaderMap, name: &str, etag: &str) -> Option<bool> {
    let list = headers.get(name)?.to_str().unwrap_or_default();
    let named = |tag: &str| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag;
    Some(list.split(',').map(str::trim).any(named))
}

/// A page of a list.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct PageOf<T> {
    pub(crate) items: Vec<T>,
    /// Pass it as `cursor` to read on; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
}

/// Why a keeper did not carry out a command, in our words.
pub(crate) fn command_problem(error: &CommandError, clock: &Clock) -> ApiError {
    match error {
        CommandError::Busy => ApiError::plain(Problem::StoreBusy),
        CommandError::OutcomeUnknown => ApiError::plain(Problem::OutcomeUnknown),
        CommandError::KeyReused => ApiError::plain(Problem::IdempotencyKeyReused),
        CommandError::UnknownStore => ApiError::plain(Problem::UnknownStore),
        CommandError::SafeMode => ApiError::plain(Problem::SafeMode),
        CommandError::ShuttingDown => ApiError::plain(Problem::ShuttingDown),
        CommandError::Refused(refusal) => refusal_problem(refusal),
        CommandError::Unavailable { until } => {
            let wait_ms = until.millis_since(clock.now()).max(0);
            let seconds = u64::try_from(wait_ms.saturating_add(999) / 1000).unwrap_or(1);
            ApiError::plain(Problem::KeeperUnavailable).retry_after(seconds)
        }
    }
}

/// Why the rules said no, in our words.
pub(crate) fn refusal_problem(refusal: &Refusal) -> ApiError {
    let problem = match refusal {
        Refusal::UnknownBundle(_) => Problem::UnknownBundle,
        Refusal::BundleChanged(_) | Refusal::PolicyChanged | Refusal::LetterChanged => {
            Problem::RevisionMismatch
        }
        Refusal::BundleExists(_) => Problem::BundleExists,
        Refusal::UnknownItem(_) => Problem::UnknownItem,
        Refusal::NativeBundle(_) => Problem::NativeBundle,
        Refusal::Bundle(broken) => Problem::InvalidBundle(broken.code()),
        Refusal::SafetyStock(_) => Problem::InvalidField,
        Refusal::NothingToRetry => Problem::NothingToRetry,
        Refusal::UnknownCall | Refusal::OutOfOrder(_) => Problem::Internal,
    };
    ApiError::new(problem, refusal.to_string())
}

/// The problem of a stable code, as it was remembered under an idempotency key.
pub(crate) fn problem_of_code(code: &str) -> Problem {
    catalogue()
        .find(|problem| problem.code() == code)
        .unwrap_or(Problem::Internal)
}

impl From<DbError> for ApiError {
    fn from(error: DbError) -> Self {
        let problem = match &error {
            DbError::Busy | DbError::Full | DbError::Unavailable(_) => Problem::NotReady,
            DbError::NotFound(_) | DbError::Conflict | DbError::Broken(_) => Problem::Internal,
        };
        Self::caused(problem, &error)
    }
}

impl From<SealingError> for ApiError {
    fn from(error: SealingError) -> Self {
        match error {
            SealingError::Db(inner) => inner.into(),
            SealingError::DoesNotOpen { .. }
            | SealingError::WrongKey { .. }
            | SealingError::MalformedKey
            | SealingError::File(_)
            | SealingError::FileOpenToOthers => Self::caused(Problem::Internal, &error),
        }
    }
}
