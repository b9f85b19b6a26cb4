//! Which files of this folder serve which addresses.

use actix_web::web;

use super::{assets, forms, letters, live, pages, people};

pub(crate) fn configure(config: &mut web::ServiceConfig) {
    config
        .configure(pages::configure)
        .configure(forms::configure)
        .configure(live::configure)
        .configure(letters::configure)
        .configure(people::configure)
        .configure(assets::configure);
}
