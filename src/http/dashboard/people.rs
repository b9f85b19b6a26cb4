//! Who may do what, and what was done: `/admin/tokens` and `/admin/audit`.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde::Deserialize;

use super::forms::{Form, submitted};
use super::pages::to;
use super::session::{Session, SignedInAs};
use crate::db::admin::operators::OperatorRole;
use crate::http::admin::audit::{self, AuditDocument, AuditQuery};
use crate::http::admin::tokens::{self, CreatedToken, NewTokenBody, RoleName, TokenDocument};
use crate::http::error::ApiError;
use crate::http::extract::{PageQuery, TokenPath, parse_query};
use crate::http::openapi::render_page;
use crate::http::routes::resource;
use crate::http::state::AppState;

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config
        .service(
            resource("/admin/tokens")
                .route(web::get().to(show_tokens))
                .route(web::post().to(create_token)),
        )
        .service(resource("/admin/tokens/{token}").route(web::post().to(revoke_token)))
        .service(resource("/admin/audit").route(web::get().to(show_audit)));
}

#[derive(Template)]
#[template(path = "tokens.html", config = "src/http/askama.toml")]
struct TokensPage {
    tokens: Vec<TokenDocument>,
    /// Shown this once.
    created: Option<CreatedToken>,
    notice: Option<&'static str>,
    next_address: Option<String>,
    user: SignedInAs,
}

#[derive(Template)]
#[template(path = "audit.html", config = "src/http/askama.toml")]
struct AuditPage {
    deeds: Vec<AuditDocument>,
    /// The store that the list is narrowed to.
    store: String,
    next_address: Option<String>,
    user: SignedInAs,
}

/// With what an action left to say.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct TokensQuery {
    done: Option<String>,
    cursor: Option<String>,
}

async fn show_tokens(
    state: web::Data<AppState>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let Some(session) = Session::of(&state, &request).await else {
        return Ok(to("/admin"));
    };
    session.require(OperatorRole::Admin)?;
    let query: TokensQuery = parse_query(request.query_string())?;
    tokens_page(&state, &session, query, None).await
}

async fn tokens_page(
    state: &AppState,
    session: &Session,
    query: TokensQuery,
    created: Option<CreatedToken>,
) -> Result<HttpResponse, ApiError> {
    let is_revoked = query.done.as_deref() == Some("revoke");
    let page = tokens::page(state, &PageQuery::behind(query.cursor)).await?;
    let address = |cursor| format!("/admin/tokens?cursor={cursor}");
    render_page(&TokensPage {
        tokens: page.items,
        created,
        notice: is_revoked.then_some("Revoked."),
        next_address: page.next.map(address),
        user: session.shown(),
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewTokenForm {
    form_token: String,
    role: RoleName,
    name: String,
    reason: String,
}

impl Form for NewTokenForm {
    const ROLE: OperatorRole = OperatorRole::Admin;

    fn token(&self) -> &str {
        &self.form_token
    }
}

/// Answered by the page itself and by no redirect: the token is nowhere to be read again.
async fn create_token(
    state: web::Data<AppState>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let sent = submitted::<NewTokenForm>(&state, &request, payload).await?;
    let Some((session, form)) = sent else {
        return Ok(to("/admin"));
    };
    let body = NewTokenBody {
        role: form.role,
        name: form.name,
        reason: form.reason,
    };
    let created = tokens::create(&state, &session.actor(), body, None).await?;
    tokens_page(&state, &session, TokensQuery::default(), Some(created)).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RevokeForm {
    form_token: String,
    reason: String,
}

impl Form for RevokeForm {
    const ROLE: OperatorRole = OperatorRole::Admin;

    fn token(&self) -> &str {
        &self.form_token
    }
}

async fn revoke_token(
    state: web::Data<AppState>,
    path: Result<TokenPath, ApiError>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let Some((session, form)) = submitted::<RevokeForm>(&state, &request, payload).await? else {
        return Ok(to("/admin"));
    };
    let path = path?;
    tokens::revoke(&state, &session.actor(), &path.0, &form.reason).await?;
    Ok(to("/admin/tokens?done=revoke"))
}

async fn show_audit(
    state: web::Data<AppState>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let Some(session) = Session::of(&state, &request).await else {
        return Ok(to("/admin"));
    };
    let mut query: AuditQuery = parse_query(request.query_string())?;
    // A form sends what was left empty, too.
    query.store = query.store.filter(|text| !text.is_empty());
    let page = audit::page(&state, &query).await?;
    let store = query.store.unwrap_or_default();
    let next = page.next;
    render_page(&AuditPage {
        deeds: page.items,
        next_address: next.map(|cursor| format!("/admin/audit?store={store}&cursor={cursor}")),
        store,
        user: session.shown(),
    })
}
