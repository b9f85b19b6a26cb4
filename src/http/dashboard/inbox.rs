//! A store's webhooks, at `/admin/keepers/{store}/inbox`.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use super::pages::to;
use super::session::{Session, SignedInAs};
use crate::http::admin::inbox::{self, InboxDocument};
use crate::http::error::ApiError;
use crate::http::extract::{PageQuery, StorePath, parse_query};
use crate::http::openapi::render_page;
use crate::http::routes::resource;
use crate::http::state::AppState;

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config.service(resource("/admin/keepers/{store}/inbox").route(web::get().to(show_inbox)));
}

#[derive(Template)]
#[template(path = "inbox.html", config = "src/http/askama.toml")]
struct InboxPage {
    store: String,
    webhooks: Vec<InboxDocument>,
    next_address: Option<String>,
    user: SignedInAs,
}

async fn show_inbox(
    state: web::Data<AppState>,
    path: Result<StorePath, ApiError>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let Some(session) = Session::of(&state, &request).await else {
        return Ok(to("/admin"));
    };
    let store = path?.0;
    let query: PageQuery = parse_query(request.query_string())?;
    let page = inbox::page(&state, store, &query).await?;
    let address = |cursor| format!("/admin/keepers/{store}/inbox?cursor={cursor}");
    render_page(&InboxPage {
        store: store.to_string(),
        webhooks: page.items,
        next_address: page.next.map(address),
        user: session.shown(),
    })
}
