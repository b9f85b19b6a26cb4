//! Which files of this folder serve which addresses.

use actix_web::web;

use super::{audit, dead_letters, keepers, safe_mode, stores, tokens};

pub(crate) fn configure(config: &mut web::ServiceConfig) {
    config
        .configure(stores::configure)
        .configure(keepers::configure)
        .configure(safe_mode::configure)
        .configure(dead_letters::configure)
        .configure(tokens::configure)
        .configure(audit::configure);
}
