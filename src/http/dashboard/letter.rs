//! A dead letter by itself, at `/admin/dead-letters/{id}`, and the form that tries it again with another body.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde::Deserialize;

use super::forms::{FORM_BYTES_MAX, Form, submitted_within};
use super::pages::to;
use super::session::{Session, SignedInAs};
use crate::db::admin::operators::OperatorRole;
use crate::http::admin::letter_edits::{DeadLetterDetail, Edit, detail, read_whole, retry_edited};
use crate::http::error::{ApiError, Problem};
use crate::http::extract::{DeadLetterPath, WRITTEN_MAX};
use crate::http::openapi::render_page;
use crate::http::pretty_json::laid_out;
use crate::http::routes::resource;
use crate::http::state::AppState;

/// Lines that the field of a body shows at once.
const LINES_SHOWN: std::ops::RangeInclusive<usize> = 12..=36;

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config
        .service(
            resource("/admin/dead-letters/{id}")
                .route(web::get().to(show))
                .route(web::post().to(super::letters::settle_one)),
        )
        .service(
            resource("/admin/dead-letters/{id}/edit")
                .route(web::get().to(show_form))
                .route(web::post().to(retry)),
        );
}

#[derive(Template)]
#[template(path = "dead_letter.html", config = "src/http/askama.toml")]
struct LetterPage {
    shown: DeadLetterDetail,
    user: SignedInAs,
}

#[derive(Template)]
#[template(path = "edit_letter.html", config = "src/http/askama.toml")]
struct EditPage {
    shown: DeadLetterDetail,
    /// Digest of the body that the text was made of.
    replaces: String,
    text: String,
    reason: String,
    /// Why it was not taken.
    problem: Option<String>,
    user: SignedInAs,
}

impl EditPage {
    /// Lines of the field.
    fn lines(&self) -> usize {
        let lines = self.text.lines().count().saturating_add(1);
        lines.clamp(*LINES_SHOWN.start(), *LINES_SHOWN.end())
    }
}

async fn show(
    state: web::Data<AppState>,
    path: Result<DeadLetterPath, ApiError>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let Some(session) = Session::of(&state, &request).await else {
        return Ok(to("/admin"));
    };
    render_page(&LetterPage {
        shown: detail(&state, path?.0).await?,
        user: session.shown(),
    })
}

/// The form shows the body whole, so it is for those only who may send it.
async fn show_form(
    state: web::Data<AppState>,
    path: Result<DeadLetterPath, ApiError>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let Some(session) = Session::of(&state, &request).await else {
        return Ok(to("/admin"));
    };
    session.require(EditForm::ROLE)?;
    let path = path?;
    let whole = read_whole(&state, path.0, &session.actor()).await?;
    let unchanged = whole.body.unwrap_or_default();
    let room = edited_bytes_max(&state).min(WRITTEN_MAX.saturating_mul(unchanged.len()));
    render_page(&EditPage {
        shown: detail(&state, path.0).await?,
        replaces: whole.sha256,
        // What is laid out may be too much to be sent back.
        text: laid_out(&unchanged, room.max(FORM_BYTES_MAX)).unwrap_or(unchanged),
        reason: String::new(),
        problem: None,
        user: session.shown(),
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EditForm {
    form_token: String,
    reason: String,
    replaces: String,
    body: String,
}

impl Form for EditForm {
    const ROLE: OperatorRole = OperatorRole::Operator;

    fn token(&self) -> &str {
        &self.form_token
    }
}

async fn retry(
    state: web::Data<AppState>,
    path: Result<DeadLetterPath, ApiError>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let max = edited_bytes_max(&state).saturating_mul(WRITTEN_MAX);
    let max = max.saturating_add(FORM_BYTES_MAX);
    let sent = submitted_within::<EditForm>(&state, &request, payload, max).await?;
    let Some((session, form)) = sent else {
        return Ok(to("/admin"));
    };
    let path = path?;
    let shown = detail(&state, path.0).await?;
    let (actor, store) = (session.actor(), shown.letter.store.clone());
    // Browsers end lines as letters on paper do.
    let text = form.body.replace("\r\n", "\n");
    let edit = Edit {
        actor: &actor,
        reason: &form.reason,
        body: text.clone(),
        replaces: Some(&form.replaces),
    };
    match retry_edited(&state, path.0, edit).await {
        Ok(()) => Ok(to(&format!("/admin/dead-letters?done=edit&store={store}"))),
        // What was typed is not lost for a comma.
        Err(refused) if may_be_mended(&refused) => {
            let mut page = render_page(&EditPage {
                shown,
                replaces: form.replaces,
                text,
                reason: form.reason,
                problem: Some(refused.detail().to_owned()),
                user: session.shown(),
            })?;
            *page.status_mut() = refused.problem().status();
            Ok(page)
        }
        Err(error) => Err(error),
    }
}

/// Whether the same form, filled in otherwise or a little later, can do.
fn may_be_mended(error: &ApiError) -> bool {
    matches!(
        error.problem(),
        Problem::InvalidField | Problem::PayloadTooLarge | Problem::RevisionMismatch
    ) || error.problem().status() == StatusCode::SERVICE_UNAVAILABLE
}

fn edited_bytes_max(state: &AppState) -> usize {
    state.settings.webhook_bytes_max
}
