//! Which files of this folder serve which addresses.

use actix_web::web;

use super::{dead_letters, keepers, safe_mode, stores};

pub(crate) fn configure(config: &mut web::ServiceConfig) {
    config
        .configure(stores::configure)
        .configure(keepers::configure)
        .configure(safe_mode::configure)
        .configure(dead_letters::configure);
}
