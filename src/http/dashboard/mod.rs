//! `/admin`: the keepers at a glance, for operators. Plain pages that a small script of ours keeps up to date.
//!
//! A session comes from the admin token and lives in an `HttpOnly`, `SameSite=Strict` cookie; every form carries a
//! token that only this session's pages know.

mod assets;
mod forms;
pub(crate) mod live;
pub(crate) mod pages;
mod session;

use actix_web::web;

pub(crate) use session::Sessions;

pub(crate) fn configure(config: &mut web::ServiceConfig) {
    config
        .configure(pages::configure)
        .configure(forms::configure)
        .configure(live::configure)
        .configure(assets::configure);
}
