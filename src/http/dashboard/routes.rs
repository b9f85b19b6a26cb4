//! Which files of this folder serve which addresses.

use actix_web::web;

use super::{assets, buckets, forms, inbox, letter, letters, live, pages, people, supervision};

pub(crate) fn configure(config: &mut web::ServiceConfig) {
    config
        .configure(pages::configure)
        .configure(forms::configure)
        .configure(live::configure)
        .configure(inbox::configure)
        .configure(buckets::configure)
        .configure(letters::configure)
        .configure(letter::configure)
        .configure(supervision::configure)
        .configure(people::configure)
        .configure(assets::configure);
}
