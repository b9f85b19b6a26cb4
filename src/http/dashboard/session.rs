//! Who is signed in to the dashboard.
//!
//! Sessions live in memory: a restart signs everybody out, and nothing of them is at rest.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::cookie::{Cookie, SameSite};
use moka::future::Cache;

use crate::db::admin::operators::{Operator, OperatorRole};
use crate::http::credentials::{Role, hash_token};
use crate::http::error::{ApiError, Problem};
use crate::http::extract::{actor, require_role};
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
    /// By the hash of the cookie's value.
    signed_in: Cache<String, SignedIn>,
    failures: Cache<String, u32>,
}

/// Who signed in, and with what.
#[derive(Clone, Debug)]
struct SignedIn {
    token_hash: String,
    /// As of then.
    operator: Arc<Operator>,
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

impl Sessions {
    async fn forget(&self, value: &str) {
        self.signed_in.invalidate(&hash_token(value)).await;
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Sessions").finish_non_exhaustive()
    }
}

/// Who is signed in, as every page shows it.
#[derive(Clone, Debug)]
pub(super) struct SignedInAs {
    /// Whose token it is, or its id.
    pub(super) name: String,
    role: OperatorRole,
    /// What this session's forms carry.
    pub(super) form_token: String,
}

impl SignedInAs {
    pub(super) fn role(&self) -> &'static str {
        self.role.name()
    }

    pub(super) fn may_operate(&self) -> bool {
        self.role >= OperatorRole::Operator
    }

    pub(super) fn may_administer(&self) -> bool {
        self.role >= OperatorRole::Admin
    }
}

/// An operator's session, as a request proved it.
#[derive(Clone)]
pub(super) struct Session {
    value: String,
    operator: Arc<Operator>,
}

impl Session {
    /// The session of a request, if it has a living one. It ends with the token that it was begun with.
    pub(super) async fn of(state: &AppState, request: &HttpRequest) -> Option<Self> {
        Self::named(state, request.cookie(COOKIE)?.value()).await
    }

    /// Whether it lives still.
    pub(super) async fn lives(&self, state: &AppState) -> bool {
        Self::named(state, &self.value).await.is_some()
    }

    /// The living session that has this cookie.
    async fn named(state: &AppState, value: &str) -> Option<Self> {
        let value = value.to_owned();
        let sessions = &state.sessions;
        let signed_in = sessions.signed_in.get(&hash_token(&value)).await?;
        let token_hash = &signed_in.token_hash;
        match state.credentials.operator_of(state.db(), token_hash).await {
            Ok(Some(operator)) => Some(Self { value, operator }),
            Ok(None) => {
                sessions.forget(&value).await;
                None
            }
            // In an outage of the database the dashboard is needed most, to look at: the token may have been revoked
            // before.
            Err(_unreachable) => Some(Self {
                value,
                operator: Arc::new(Operator {
                    role: OperatorRole::Viewer,
                    ..Operator::clone(&signed_in.operator)
                }),
            }),
        }
    }

    /// Signs in with an operator's token.
    ///
    /// # Errors
    /// The token is not an operator's, or too many attempts failed.
    pub(super) async fn begin(state: &AppState, token: &str, peer: &str) -> Result<Self, ApiError> {
        let sessions = &state.sessions;
        let failed = sessions.failures.get(peer).await.unwrap_or(0);
        if failed >= ATTEMPTS_MAX {
            return Err(ApiError::plain(Problem::TooManyAttempts));
        }
        let operator = match state.credentials.role_of(state.db(), token).await? {
            Some(Role::Operator(operator)) => operator,
            Some(Role::Secret(_) | Role::Publishable(_)) | None => {
                sessions.failures.insert(peer.to_owned(), failed + 1).await;
                return Err(ApiError::plain(Problem::UnknownCredentials));
            }
        };
        let value = state.ids().token("");
        let signed_in = SignedIn {
            token_hash: hash_token(token),
            operator: Arc::clone(&operator),
        };
        let key = hash_token(&value);
        sessions.signed_in.insert(key, signed_in).await;
        Ok(Self { value, operator })
    }

    pub(super) async fn end(&self, state: &AppState) {
        state.sessions.forget(&self.value).await;
    }

    /// As pages show who is signed in.
    pub(super) fn shown(&self) -> SignedInAs {
        let Operator { id, name, role, .. } = &*self.operator;
        SignedInAs {
            name: if name.is_empty() { id } else { name }.clone(),
            role: *role,
            form_token: self.form_token(),
        }
    }

    /// As the audit names who acts.
    pub(super) fn actor(&self) -> String {
        actor(&self.operator, "dashboard")
    }

    /// Refuses whoever may not do what takes this role.
    pub(super) fn require(&self, least: OperatorRole) -> Result<(), ApiError> {
        require_role(&self.operator, least)
    }

    /// What this session's forms carry: known to its pages only.
    fn form_token(&self) -> String {
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
        cookie_of(self.value.clone(), state)
    }

    /// Makes the browser forget.
    pub(super) fn forgotten_cookie(state: &AppState) -> Cookie<'static> {
        let mut cookie = cookie_of(String::new(), state);
        cookie.make_removal();
        cookie
    }
}

fn cookie_of(value: String, state: &AppState) -> Cookie<'static> {
    Cookie::build(COOKIE, value)
        .path("/admin")
        .http_only(true)
        .secure(state.settings.is_https())
        .same_site(SameSite::Strict)
        .finish()
}
