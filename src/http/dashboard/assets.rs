//! What pages load: compiled in, served by ourselves.

use actix_web::http::header;
use actix_web::{HttpResponse, web};

use crate::http::routes::resource;

const STYLE: &str = include_str!("../pages/storekeeper.css");
const SCRIPT: &str = include_str!("../pages/storekeeper.js");
const MARK: &str = include_str!("../pages/storekeeper.svg");

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config
        .service(resource("/assets/storekeeper.css").route(web::get().to(style)))
        .service(resource("/assets/storekeeper.js").route(web::get().to(script)))
        .service(resource("/assets/storekeeper.svg").route(web::get().to(mark)));
}

async fn style() -> HttpResponse {
    asset("text/css; charset=utf-8", STYLE)
}

async fn script() -> HttpResponse {
    asset("text/javascript; charset=utf-8", SCRIPT)
}

async fn mark() -> HttpResponse {
    asset("image/svg+xml", MARK)
}

fn asset(media_type: &str, text: &'static str) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "public, max-age=300"))
        .content_type(media_type)
        .body(text)
}
