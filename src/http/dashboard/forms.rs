//! What operators send: each form is answered by a redirect, so that nothing is sent twice by reloading.

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::pages::{COUNTED, DECIDED, LoginPage, SWEPT, to};
use super::session::Session;
use crate::db::admin::operators::OperatorRole;
use crate::http::admin::keepers::{Verb, control};
use crate::http::admin::naked_sweep::{NakedSweepBody, order};
use crate::http::admin::standings::{StandingBody, decide};
use crate::http::error::{ApiError, Problem};
use crate::http::extract::{BODY_WITHIN, StorePath, read_body};
use crate::http::openapi::render_page;
use crate::http::routes::resource;
use crate::http::state::AppState;

/// The largest form, in bytes.
pub(super) const FORM_BYTES_MAX: usize = 16 * 1024;

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config
        .service(
            resource("/admin/login")
                .route(web::get().to(go_to_login))
                .route(web::post().to(login)),
        )
        .service(resource("/admin/logout").route(web::post().to(logout)));
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LoginForm {
    token: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LogoutForm {
    form_token: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ActForm {
    form_token: String,
    reason: String,
    verb: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StandingForm {
    form_token: String,
    reason: String,
    standing: String,
    /// Empty: at once.
    #[serde(default)]
    effective_at: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NakedForm {
    form_token: String,
    reason: String,
    act: String,
}

/// A form that needs a session; it carries the token that this session's forms have.
pub(super) trait Form: DeserializeOwned {
    /// Who may send it, at least.
    const ROLE: OperatorRole;

    fn token(&self) -> &str;
}

impl Form for ActForm {
    const ROLE: OperatorRole = OperatorRole::Operator;

    fn token(&self) -> &str {
        &self.form_token
    }
}

impl Form for NakedForm {
    const ROLE: OperatorRole = OperatorRole::Operator;

    fn token(&self) -> &str {
        &self.form_token
    }
}

impl Form for StandingForm {
    const ROLE: OperatorRole = OperatorRole::Admin;

    fn token(&self) -> &str {
        &self.form_token
    }
}

/// Who sent a form, and the form; `None`: nobody is signed in, and who that is learns nothing else.
///
/// # Errors
/// The form cannot be read, comes from elsewhere, or is not for operators of this role.
pub(super) async fn submitted<F: Form>(
    state: &AppState,
    request: &HttpRequest,
    payload: web::Payload,
) -> Result<Option<(Session, F)>, ApiError> {
    submitted_within(state, request, payload, FORM_BYTES_MAX).await
}

/// The same of a form of at most `max` bytes.
pub(super) async fn submitted_within<F: Form>(
    state: &AppState,
    request: &HttpRequest,
    payload: web::Payload,
    max: usize,
) -> Result<Option<(Session, F)>, ApiError> {
    let Some(session) = Session::of(state, request).await else {
        return Ok(None);
    };
    let form: F = read_form(request, payload.into_inner(), max).await?;
    session.check_form(form.token())?;
    session.require(F::ROLE)?;
    Ok(Some((session, form)))
}

async fn read_form<T: DeserializeOwned>(
    request: &HttpRequest,
    payload: Payload,
    max: usize,
) -> Result<T, ApiError> {
    let body = read_body(request, payload, max, BODY_WITHIN).await?;
    let text =
        std::str::from_utf8(&body).map_err(|_source| ApiError::plain(Problem::UnreadableBody))?;
    // Databases differ in whether they keep a NUL.
    if text.contains("%00") || text.contains('\0') {
        return Err(ApiError::plain(Problem::UnreadableBody));
    }
    let parsed = web::Query::<T>::from_query(text);
    Ok(parsed
        .map_err(|_source| ApiError::plain(Problem::UnreadableBody))?
        .into_inner())
}

/// Where a browser stands after a sign-in that failed.
async fn go_to_login() -> HttpResponse {
    to("/admin")
}

async fn login(
    state: web::Data<AppState>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let form: LoginForm = read_form(&request, payload.into_inner(), FORM_BYTES_MAX).await?;
    let peer = request
        .peer_addr()
        .map(|address| address.ip().to_string())
        .unwrap_or_default();
    match Session::begin(&state, form.token.trim(), &peer).await {
        Ok(session) => {
            let mut response = to("/admin");
            set_cookie(&mut response, &session.cookie(&state))?;
            Ok(response)
        }
        Err(error) if error.problem() == Problem::UnknownCredentials => {
            let mut page = render_page(&LoginPage {
                problem: Some("This is not a token of an operator."),
            })?;
            *page.status_mut() = StatusCode::UNAUTHORIZED;
            Ok(page)
        }
        Err(error) => Err(error),
    }
}

async fn logout(
    state: web::Data<AppState>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let form: LogoutForm = read_form(&request, payload.into_inner(), FORM_BYTES_MAX).await?;
    if let Some(session) = Session::of(&state, &request).await {
        session.check_form(&form.form_token)?;
        session.end(&state).await;
    }
    let mut response = to("/admin");
    set_cookie(&mut response, &Session::forgotten_cookie(&state))?;
    Ok(response)
}

pub(super) async fn act_on_keeper(
    state: web::Data<AppState>,
    path: Result<StorePath, ApiError>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let Some((session, form)) = submitted::<ActForm>(&state, &request, payload).await? else {
        return Ok(to("/admin"));
    };
    let path = path?;
    let verb = Verb::from_name(&form.verb).ok_or_else(|| ApiError::plain(Problem::InvalidField))?;
    control(&state, &session.actor(), path.0, verb, form.reason).await?;
    Ok(to(&format!(
        "/admin/keepers/{}?done={}",
        path.0,
        verb.name()
    )))
}

pub(super) async fn decide_standing(
    state: web::Data<AppState>,
    path: Result<StorePath, ApiError>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let submitted = submitted::<StandingForm>(&state, &request, payload).await?;
    let Some((session, form)) = submitted else {
        return Ok(to("/admin"));
    };
    let path = path?;
    let body = StandingBody {
        standing: form.standing,
        reason: form.reason,
        effective_at: Some(form.effective_at.trim().to_owned()).filter(|text| !text.is_empty()),
    };
    decide(&state, &session.actor(), path.0, body).await?;
    Ok(to(&format!("/admin/keepers/{}?done={DECIDED}", path.0)))
}

pub(super) async fn sweep_naked(
    state: web::Data<AppState>,
    path: Result<StorePath, ApiError>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let submitted = submitted::<NakedForm>(&state, &request, payload).await?;
    let Some((session, form)) = submitted else {
        return Ok(to("/admin"));
    };
    let path = path?;
    let (dry_run, done) = match form.act.as_str() {
        "count" => (true, COUNTED),
        "sweep" => (false, SWEPT),
        _ => return Err(ApiError::plain(Problem::InvalidField)),
    };
    let reason = form.reason;
    let body = NakedSweepBody { dry_run, reason };
    order(&state, &session.actor(), path.0, body).await?;
    Ok(to(&format!("/admin/keepers/{}?done={done}", path.0)))
}

fn set_cookie(
    response: &mut HttpResponse,
    cookie: &actix_web::cookie::Cookie<'_>,
) -> Result<(), ApiError> {
    response
        .add_cookie(cookie)
        .map_err(|error| ApiError::caused(Problem::Internal, &error))
}
