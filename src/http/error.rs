//! What this server says when it says no: one closed list of problems, and the error that carries one of them.
//!
//! The list is the outside catalogue: codes are stable, programs match on them. What went wrong inside travels in
//! [`ApiError::cause`], is logged once by `access_log`, and never leaves the process.

use std::borrow::Cow;
use std::fmt;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};

use crate::ids::StoreId;

/// Codes of the rules that a bundle can break; the domain names them.
pub const BUNDLE_CODES: &[&str] = &[
    "title_length",
    "cap_out_of_range",
    "no_components",
    "too_many_components",
    "quantity_out_of_range",
    "duplicate_component",
    "self_component",
    "item_taken",
    "component_cycle",
    "nested_too_deep",
    "need_too_large",
    "too_many_leaves",
];

/// Every problem that this server answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    MissingHeader,
    MalformedHeader,
    EmptyBody,
    UnreadableBody,
    MalformedJson,
    MalformedQuery,
    MalformedPath,
    MalformedCursor,
    OauthRefused,
    BadSignature,
    WrongDomain,
    MissingCredentials,
    UnknownCredentials,
    WrongRole,
    ForgedForm,
    RouteNotFound,
    UnknownPlatform,
    UnknownStore,
    UnknownBundle,
    UnknownDeadLetter,
    UnknownToken,
    MethodNotAllowed,
    RequestTimeout,
    SharedSecretReplay,
    StoreSuspended,
    StoreExists,
    BundleExists,
    NothingToRetry,
    LastAdmin,
    RevisionMismatch,
    PayloadTooLarge,
    UnsupportedMediaType,
    InvalidField,
    IdempotencyKeyReused,
    UnknownItem,
    NativeBundle,
    /// A bundle that breaks a rule; the code is the rule's, one of [`BUNDLE_CODES`].
    InvalidBundle(&'static str),
    TooManyAttempts,
    Internal,
    NotDurable,
    NotReady,
    StoreBusy,
    OutcomeUnknown,
    KeeperUnavailable,
    SafeMode,
    TooManyStreams,
    ShuttingDown,
}

impl Problem {
    /// All that have one code of their own; the rules of bundles follow in [`catalogue`].
    const SINGLE: &'static [Self] = &[
        Self::MissingHeader,
        Self::MalformedHeader,
        Self::EmptyBody,
        Self::UnreadableBody,
        Self::MalformedJson,
        Self::MalformedQuery,
        Self::MalformedPath,
        Self::MalformedCursor,
        Self::OauthRefused,
        Self::BadSignature,
        Self::WrongDomain,
        Self::MissingCredentials,
        Self::UnknownCredentials,
        Self::WrongRole,
        Self::ForgedForm,
        Self::RouteNotFound,
        Self::UnknownPlatform,
        Self::UnknownStore,
        Self::UnknownBundle,
        Self::UnknownDeadLetter,
        Self::UnknownToken,
        Self::MethodNotAllowed,
        Self::RequestTimeout,
        Self::SharedSecretReplay,
        Self::StoreSuspended,
        Self::StoreExists,
        Self::BundleExists,
        Self::NothingToRetry,
        Self::LastAdmin,
        Self::RevisionMismatch,
        Self::PayloadTooLarge,
        Self::UnsupportedMediaType,
        Self::InvalidField,
        Self::IdempotencyKeyReused,
        Self::UnknownItem,
        Self::NativeBundle,
        Self::TooManyAttempts,
        Self::Internal,
        Self::NotDurable,
        Self::NotReady,
        Self::StoreBusy,
        Self::OutcomeUnknown,
        Self::KeeperUnavailable,
        Self::SafeMode,
        Self::TooManyStreams,
        Self::ShuttingDown,
    ];

    /// The status it is answered with.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::MissingHeader
            | Self::MalformedHeader
            | Self::EmptyBody
            | Self::UnreadableBody
            | Self::MalformedJson
            | Self::MalformedQuery
            | Self::MalformedPath
            | Self::MalformedCursor
            | Self::OauthRefused => StatusCode::BAD_REQUEST,
            Self::BadSignature
            | Self::WrongDomain
            | Self::MissingCredentials
            | Self::UnknownCredentials => StatusCode::UNAUTHORIZED,
            Self::WrongRole | Self::ForgedForm => StatusCode::FORBIDDEN,
            Self::RouteNotFound
            | Self::UnknownPlatform
            | Self::UnknownStore
            | Self::UnknownBundle
            | Self::UnknownDeadLetter
            | Self::UnknownToken => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::SharedSecretReplay
            | Self::StoreExists
            | Self::BundleExists
            | Self::NothingToRetry
            | Self::LastAdmin => StatusCode::CONFLICT,
            Self::StoreSuspended => StatusCode::GONE,
            Self::RevisionMismatch => StatusCode::PRECONDITION_FAILED,
            Self::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::InvalidField
            | Self::IdempotencyKeyReused
            | Self::UnknownItem
            | Self::NativeBundle
            | Self::InvalidBundle(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooManyAttempts => StatusCode::TOO_MANY_REQUESTS,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::NotDurable
            | Self::NotReady
            | Self::StoreBusy
            | Self::OutcomeUnknown
            | Self::KeeperUnavailable
            | Self::SafeMode
            | Self::TooManyStreams
            | Self::ShuttingDown => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// Its stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::MissingHeader => "missing_header",
            Self::MalformedHeader => "malformed_header",
            Self::EmptyBody => "empty_body",
            Self::UnreadableBody => "unreadable_body",
            Self::MalformedJson => "malformed_json",
            Self::MalformedQuery => "malformed_query",
            Self::MalformedPath => "malformed_path",
            Self::MalformedCursor => "malformed_cursor",
            Self::OauthRefused => "oauth_refused",
            Self::BadSignature => "bad_signature",
            Self::WrongDomain => "wrong_domain",
            Self::MissingCredentials => "missing_credentials",
            Self::UnknownCredentials => "unknown_credentials",
            Self::WrongRole => "wrong_role",
            Self::ForgedForm => "forged_form",
            Self::RouteNotFound => "route_not_found",
            Self::UnknownPlatform => "unknown_platform",
            Self::UnknownStore => "unknown_store",
            Self::UnknownBundle => "unknown_bundle",
            Self::UnknownDeadLetter => "unknown_dead_letter",
            Self::UnknownToken => "unknown_token",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::RequestTimeout => "request_timeout",
            Self::SharedSecretReplay => "shared_secret_replay",
            Self::StoreSuspended => "store_suspended",
            Self::StoreExists => "store_exists",
            Self::BundleExists => "bundle_exists",
            Self::NothingToRetry => "nothing_to_retry",
            Self::LastAdmin => "last_admin",
            Self::RevisionMismatch => "revision_mismatch",
            Self::PayloadTooLarge => "payload_too_large",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::InvalidField => "invalid_field",
            Self::IdempotencyKeyReused => "idempotency_key_reused",
            Self::UnknownItem => "unknown_item",
            Self::NativeBundle => "native_bundle",
            Self::InvalidBundle(code) => code,
            Self::TooManyAttempts => "too_many_attempts",
            Self::Internal => "internal",
            Self::NotDurable => "not_durable",
            Self::NotReady => "not_ready",
            Self::StoreBusy => "store_busy",
            Self::OutcomeUnknown => "outcome_unknown",
            Self::KeeperUnavailable => "keeper_unavailable",
            Self::SafeMode => "safe_mode",
            Self::TooManyStreams => "too_many_streams",
            Self::ShuttingDown => "shutting_down",
        }
    }

    /// One line for people, the same at every occurrence.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::MissingHeader => "A required header is missing",
            Self::MalformedHeader => "A header cannot be understood",
            Self::EmptyBody => "The body is empty",
            Self::UnreadableBody => "The body could not be read",
            Self::MalformedJson => "The body is not the JSON that is expected here",
            Self::MalformedQuery => "The query cannot be understood",
            Self::MalformedPath => "An id in the path cannot be understood",
            Self::MalformedCursor => "The cursor is not one that this list gave out",
            Self::OauthRefused => {
                "The installation request is not genuine, is too old, or was used before"
            }
            Self::BadSignature => "The signature does not match the body",
            Self::WrongDomain => "The shop in the header is not the store of this address",
            Self::MissingCredentials => "A bearer token is required",
            Self::UnknownCredentials => "The bearer token is not known",
            Self::WrongRole => "The bearer token does not open this door",
            Self::ForgedForm => "The form does not come from this session's page",
            Self::RouteNotFound => "There is nothing at this address",
            Self::UnknownPlatform => "The platform is not one of those served here",
            Self::UnknownStore => "There is no such store",
            Self::UnknownBundle => "There is no such bundle",
            Self::UnknownDeadLetter => "There is no such dead letter",
            Self::UnknownToken => "There is no such operator token",
            Self::MethodNotAllowed => "The method is not served at this address",
            Self::RequestTimeout => "The body did not arrive in time",
            Self::SharedSecretReplay => {
                "Another store with the same secret accepted this body already"
            }
            Self::StoreSuspended => "The store is suspended: its webhooks are not taken",
            Self::StoreExists => "A store with this platform and domain exists already",
            Self::BundleExists => "The bundle exists already",
            Self::NothingToRetry => "The dead letter has no webhook to retry",
            Self::LastAdmin => "This is the last token of an admin",
            Self::RevisionMismatch => "The resource is no longer as it was read",
            Self::PayloadTooLarge => "The body is larger than is taken here",
            Self::UnsupportedMediaType => "The body is not of a media type that is taken here",
            Self::InvalidField => "A field has a value that is not allowed",
            Self::IdempotencyKeyReused => "The idempotency key was used with another request",
            Self::UnknownItem => "The platform has no such inventory item",
            Self::NativeBundle => {
                "The item is a native bundle of the platform, whose stock cannot be written"
            }
            Self::InvalidBundle(_) => "The bundle breaks a rule",
            Self::TooManyAttempts => "Too many attempts",
            Self::Internal => "Something broke inside the server",
            Self::NotDurable => "The webhook could not be made durable in time",
            Self::NotReady => "The server cannot serve this at the moment",
            Self::StoreBusy => "Too many commands wait for this store",
            Self::OutcomeUnknown => {
                "It is not known whether the command took effect; ask again with the same key"
            }
            Self::SafeMode => "Too many stores crash: webhooks are accepted, nothing is changed",
            Self::KeeperUnavailable => "The store's keeper is restarting or in quarantine",
            Self::TooManyStreams => "Too many live streams are open",
            Self::ShuttingDown => "The server is shutting down",
        }
    }

    /// Seconds after which it makes sense to ask again; always given with 429 and 503.
    #[must_use]
    pub const fn retry_after_s(self) -> Option<u64> {
        match self {
            Self::TooManyAttempts | Self::SafeMode => Some(60),
            Self::NotReady
            | Self::KeeperUnavailable
            | Self::ShuttingDown
            | Self::TooManyStreams => Some(5),
            Self::NotDurable | Self::StoreBusy | Self::OutcomeUnknown => Some(2),
            Self::MissingHeader
            | Self::MalformedHeader
            | Self::EmptyBody
            | Self::UnreadableBody
            | Self::MalformedJson
            | Self::MalformedQuery
            | Self::MalformedPath
            | Self::MalformedCursor
            | Self::OauthRefused
            | Self::BadSignature
            | Self::WrongDomain
            | Self::MissingCredentials
            | Self::UnknownCredentials
            | Self::WrongRole
            | Self::ForgedForm
            | Self::RouteNotFound
            | Self::UnknownPlatform
            | Self::UnknownStore
            | Self::UnknownBundle
            | Self::UnknownDeadLetter
            | Self::UnknownToken
            | Self::MethodNotAllowed
            | Self::RequestTimeout
            | Self::SharedSecretReplay
            | Self::StoreSuspended
            | Self::StoreExists
            | Self::BundleExists
            | Self::NothingToRetry
            | Self::LastAdmin
            | Self::RevisionMismatch
            | Self::PayloadTooLarge
            | Self::UnsupportedMediaType
            | Self::InvalidField
            | Self::IdempotencyKeyReused
            | Self::UnknownItem
            | Self::NativeBundle
            | Self::InvalidBundle(_)
            | Self::Internal => None,
        }
    }

    /// The value of the label `outcome` in metrics: bounded, because the list is closed.
    #[must_use]
    pub const fn metric_label(self) -> &'static str {
        self.code()
    }
}

/// Every problem once, in the order of the documentation.
pub fn catalogue() -> impl Iterator<Item = Problem> {
    let bundle_rules = BUNDLE_CODES.iter().map(|code| Problem::InvalidBundle(code));
    Problem::SINGLE.iter().copied().chain(bundle_rules)
}

/// A problem, with what is particular to this occurrence.
pub struct ApiError {
    problem: Problem,
    /// For the client: must hold nothing secret and nothing of the inside.
    detail: Cow<'static, str>,
    retry_after_s: Option<u64>,
    store: Option<StoreId>,
    cause: Option<String>,
}

impl ApiError {
    /// A problem and what in particular is wrong.
    pub fn new(problem: Problem, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            problem,
            detail: detail.into(),
            retry_after_s: problem.retry_after_s(),
            store: None,
            cause: None,
        }
    }

    /// A problem of which nothing in particular is to be said; its detail tells what to do next.
    #[must_use]
    pub fn plain(problem: Problem) -> Self {
        Self::new(problem, super::advice::of(problem))
    }

    /// A failure of ours: the client learns only the problem, the log learns the cause.
    pub fn caused(problem: Problem, cause: &dyn std::error::Error) -> Self {
        let mut error = Self::plain(problem);
        error.cause = Some(chain(cause));
        error
    }

    /// With a better estimate of when to ask again than the problem's own.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after_s = Some(seconds.max(1));
        self
    }

    /// Of a store that the address does not name; for the log only.
    #[must_use]
    pub const fn of_store(mut self, store: StoreId) -> Self {
        self.store = Some(store);
        self
    }

    /// Which problem it is.
    #[must_use]
    pub const fn problem(&self) -> Problem {
        self.problem
    }

    /// What in particular is wrong.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The store it happened to, when the address does not name it.
    #[must_use]
    pub const fn store(&self) -> Option<StoreId> {
        self.store
    }

    /// What happened inside; for the log only.
    #[must_use]
    pub fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }

    /// Seconds after which to ask again, if that makes sense.
    #[must_use]
    pub const fn retry_after_s(&self) -> Option<u64> {
        self.retry_after_s
    }
}

/// The messages of an error and of everything beneath it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut beneath = error.source();
    while let Some(source) = beneath {
        text.push_str(": ");
        text.push_str(&source.to_string());
        beneath = source.source();
    }
    text
}

impl fmt::Debug for ApiError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ApiError")
            .field("problem", &self.problem)
            .field("detail", &self.detail)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.problem.code(), self.detail)
    }
}

impl std::error::Error for ApiError {}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.problem.status()
    }

    /// Bare: the boundary, which knows the request, writes the document.
    fn error_response(&self) -> HttpResponse {
        HttpResponse::new(self.status_code())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_code_is_there_once() {
        let codes: BTreeSet<&str> = catalogue().map(Problem::code).collect();
        assert_eq!(codes.len(), catalogue().count());
    }

    #[test]
    fn no_detail_only_repeats_the_title() {
        for problem in catalogue() {
            let error = ApiError::plain(problem);
            assert_ne!(error.detail(), problem.title(), "{}", problem.code());
        }
    }

    #[test]
    fn what_may_pass_says_when_to_ask_again() {
        for problem in catalogue() {
            let may_pass = matches!(problem.status().as_u16(), 429 | 503);
            assert_eq!(
                problem.retry_after_s().is_some(),
                may_pass,
                "{}",
                problem.code()
            );
        }
    }
}
