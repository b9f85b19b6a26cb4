//! What was given up, at `/admin/dead-letters`: groups of those that are alike, and each by itself.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde::Deserialize;

use super::forms::{Form, submitted};
use super::pages::{Choice, class_choices, to};
use super::session::{Session, SignedInAs};
use crate::db::admin::operators::OperatorRole;
use crate::http::admin::dead_letters::{
    self, DeadLetterDocument, DeadLettersQuery, Decision, Settlement,
};
use crate::http::admin::letter_groups::{self, LetterGroups, LettersFilter};
use crate::http::error::ApiError;
use crate::http::extract::{DeadLetterPath, checked_reason, parse_query};
use crate::http::openapi::render_page;
use crate::http::routes::resource;
use crate::http::state::AppState;

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config.service(
        resource("/admin/dead-letters")
            .route(web::get().to(letters))
            .route(web::post().to(settle_group)),
    );
}

#[derive(Template)]
#[template(path = "dead_letters.html", config = "src/http/askama.toml")]
struct DeadLettersPage {
    groups: LetterGroups,
    letters: Vec<DeadLetterDocument>,
    classes: Vec<Choice>,
    /// The store that the list is narrowed to.
    store: String,
    fingerprint: String,
    next_address: Option<String>,
    notice: Option<String>,
    user: SignedInAs,
}

/// Which dead letters are asked for, with what an action left to say.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LettersQuery {
    store: Option<String>,
    class: Option<String>,
    fingerprint: Option<String>,
    cursor: Option<String>,
    done: Option<String>,
    settled: Option<u64>,
    failed: Option<u64>,
    left: Option<u64>,
}

impl LettersQuery {
    fn notice(&self) -> Option<String> {
        let done = match self.done.as_deref() {
            Some("retry") => "wait to be applied once more",
            Some("discard") => "were forgotten",
            Some("edit") => return Some("It waits to be applied with its new body.".to_owned()),
            Some(_) | None => return None,
        };
        let Some(settled) = self.settled else {
            let one = match self.done.as_deref() {
                Some("retry") => "It waits to be applied once more.",
                Some(_) | None => "Forgotten.",
            };
            return Some(one.to_owned());
        };
        let (failed, left) = (self.failed.unwrap_or(0), self.left.unwrap_or(0));
        Some(format!(
            "{settled} {done}; {failed} were refused, {left} are left."
        ))
    }
}

async fn letters(
    state: web::Data<AppState>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let Some(session) = Session::of(&state, &request).await else {
        return Ok(to("/admin"));
    };
    let asked: LettersQuery = parse_query(request.query_string())?;
    let notice = asked.notice();
    // A form sends what was left empty, too.
    let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
    let filter = LettersFilter {
        store: filled(asked.store),
        class: filled(asked.class),
        fingerprint: filled(asked.fingerprint),
    };
    let query = DeadLettersQuery {
        store: filter.store.clone(),
        class: filter.class.clone(),
        fingerprint: filter.fingerprint.clone(),
        limit: None,
        cursor: asked.cursor,
    };
    let groups = letter_groups::groups(&state, &filter).await?;
    let page = dead_letters::page(&state, &query).await?;
    let suffix = query.filter_suffix();
    let next = page.next;
    render_page(&DeadLettersPage {
        groups,
        letters: page.items,
        classes: class_choices(filter.class.as_deref()),
        store: filter.store.unwrap_or_default(),
        fingerprint: filter.fingerprint.unwrap_or_default(),
        next_address: next.map(|cursor| format!("/admin/dead-letters?cursor={cursor}{suffix}")),
        notice,
        user: session.shown(),
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SettleForm {
    form_token: String,
    reason: String,
    verb: Settlement,
}

impl Form for SettleForm {
    const ROLE: OperatorRole = OperatorRole::Operator;

    fn token(&self) -> &str {
        &self.form_token
    }
}

pub(super) async fn settle_one(
    state: web::Data<AppState>,
    path: Result<DeadLetterPath, ApiError>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let Some((session, form)) = submitted::<SettleForm>(&state, &request, payload).await? else {
        return Ok(to("/admin"));
    };
    let path = path?;
    let decision = Decision {
        actor: &session.actor(),
        settlement: form.verb,
        reason: checked_reason(&form.reason)?,
    };
    dead_letters::settle(&state, path.0, decision).await?;
    Ok(to(&format!(
        "/admin/dead-letters?done={}",
        form.verb.name()
    )))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SettleGroupForm {
    form_token: String,
    reason: String,
    verb: Settlement,
    fingerprint: String,
    store: String,
    /// As the page showed it.
    expected: u64,
}

impl Form for SettleGroupForm {
    const ROLE: OperatorRole = OperatorRole::Operator;

    fn token(&self) -> &str {
        &self.form_token
    }
}

async fn settle_group(
    state: web::Data<AppState>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let sent = submitted::<SettleGroupForm>(&state, &request, payload).await?;
    let Some((session, form)) = sent else {
        return Ok(to("/admin"));
    };
    let decision = Decision {
        actor: &session.actor(),
        settlement: form.verb,
        reason: checked_reason(&form.reason)?,
    };
    let filter = LettersFilter {
        store: Some(form.store).filter(|store| !store.is_empty()),
        class: None,
        fingerprint: Some(form.fingerprint),
    };
    let done = letter_groups::settle_meant(&state, &filter, form.expected, decision).await?;
    Ok(to(&format!(
        "/admin/dead-letters?done={}&settled={}&failed={}&left={}",
        form.verb.name(),
        done.settled,
        done.failed,
        done.left
    )))
}
