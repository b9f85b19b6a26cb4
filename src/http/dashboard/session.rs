//! Who is signed in to the dashboard.
//!
//! Sessions live in memory: a restart signs everybody out, and nothing of them is at rest.

use std::fmt;
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::cookie::{Cookie, SameSite};
use moka::future::Cache;

use crate::http::credentials::{Role, hash_token};
use crate::http::error::{ApiError, Problem};
use crate::http::state::AppState;

/// How long a session lives.
const SESSION_TTL: Duration = Duration::from_secs(12 * 60 * 60);
/// Sessions at once; the oldest are ended first.
const SESSIONS_MAX: u64 = 1_000;
/// The time over which failed attempts count.
const ATTEMPT_WINDOW: Duration = Duration::from_secs(60);
/// Failed attempts from one address within that time.
const ATTEMPTS_MAX: u32 = 10;
/// Addresses watched at once.
const ADDRESSES_MAX: u64 = 10_000;
const COOKIE: &str = "storekeeper_session";

/// Who is signed in, and who has failed to.
pub(crate) struct Sessions {
    /// By the hash of the cookie's value: whose admin token it came from, as a hash.
    signed_in: Cache<String, String>,
    failures: Cache<String, u32>,
}

impl Default for Sessions {
    fn default() -> Self {
        Self {
            signed_in: Cache::builder()
                .max_capacity(SESSIONS_MAX)
                .time_to_live(SESSION_TTL)
                .build(),
            failures: Cache::builder()
                .max_capacity(ADDRESSES_MAX)
                .time_to_live(ATTEMPT_WINDOW)
                .build(),
        }
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Sessions").finish_non_exhaustive()
    }
}

/// An operator's session, as a request proved it.
#[derive(Clone)]
pub(super) struct Session {
    value: String,
}

impl Session {
    /// The session of a request, if it has a living one. It ends with the token that it was begun with.
    pub(super) async fn of(state: &AppState, request: &HttpRequest) -> Option<Self> {
        let value = request.cookie(COOKIE)?.value().to_owned();
        let token_hash = state.sessions.signed_in.get(&hash_token(&value)).await?;
        let session = Self { value };
        match state.credentials.is_admin(state.db(), &token_hash).await {
            Ok(true) => Some(session),
            Ok(false) => {
                session.end(state).await;
                None
            }
            // In an outage of the database the dashboard is needed most, and nothing can have been revoked.
            Err(_unreachable) => Some(session),
        }
    }

    /// Signs in with an admin token.
    ///
    /// # Errors
    /// The token is not an admin's, or too many attempts failed.
    pub(super) async fn begin(state: &AppState, token: &str, peer: &str) -> Result<Self, ApiError> {
        let sessions = &state.sessions;
        let failed = sessions.failures.get(peer).await.unwrap_or(0);
        if failed >= ATTEMPTS_MAX {
            return Err(ApiError::plain(Problem::TooManyAttempts));
        }
        match state.credentials.role_of(state.db(), token).await? {
            Some(Role::Admin) => {}
            Some(Role::Secret(_) | Role::Publishable(_)) | None => {
                sessions.failures.insert(peer.to_owned(), failed + 1).await;
                return Err(ApiError::plain(Problem::UnknownCredentials));
            }
        }
        let value = state.ids().token("");
        sessions
            .signed_in
            .insert(hash_token(&value), hash_token(token))
            .await;
        Ok(Self { value })
    }

    pub(super) async fn end(&self, state: &AppState) {
        state
            .sessions
            .signed_in
            .invalidate(&hash_token(&self.value))
            .await;
    }

    /// What this session's forms carry: known to its pages only.
    pub(super) fn form_token(&self) -> String {
        hash_token(&format!("form\0{}", self.value))
    }

    /// Refuses a form that does not come from this session's pages.
    pub(super) fn check_form(&self, given: &str) -> Result<(), ApiError> {
        // Digests are compared, so that the time it takes tells nothing of the token.
        if hash_token(given) == hash_token(&self.form_token()) {
            Ok(())
        } else {
            Err(ApiError::plain(Problem::ForgedForm))
        }
    }

    pub(super) fn cookie(&self, state: &AppState) -> Cookie<'static> {
        Cookie::build(COOKIE, self.value.clone())
            .path("/admin")
            .http_only(true)
            .secure(state.settings.is_https())
            .same_site(SameSite::Strict)
            .finish()
    }

    /// Makes the browser forget.
    pub(super) fn forgotten_cookie(state: &AppState) -> Cookie<'static> {
        let mut cookie = Self {
            value: String::new(),
        }
        .cookie(state);
        cookie.make_removal();
        cookie
    }
}
