//! Threads, what is in hand there, who crashed, and who takes how much: `/admin/supervision`.

use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use super::pages::to;
use super::session::{Session, SignedInAs};
use crate::http::admin::supervision::{Supervision, supervision};
use crate::http::error::ApiError;
use crate::http::openapi::render_page;
use crate::http::routes::resource;
use crate::http::state::AppState;

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config.service(resource("/admin/supervision").route(web::get().to(show)));
}

#[derive(Template)]
#[template(path = "supervision.html", config = "src/http/askama.toml")]
struct SupervisionPage {
    tree: Supervision,
    user: SignedInAs,
}

async fn show(state: web::Data<AppState>, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let Some(session) = Session::of(&state, &request).await else {
        return Ok(to("/admin"));
    };
    render_page(&SupervisionPage {
        tree: supervision(&state),
        user: session.shown(),
    })
}
