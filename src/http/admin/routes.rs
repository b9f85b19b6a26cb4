//! Which files of this folder serve which addresses.

use actix_web::web;

use super::{
    audit, buckets, dead_letters, inbox, keepers, letter_edits, letter_groups, naked_sweep,
    safe_mode, standings, stores, supervision, tokens, why,
};

pub(crate) fn configure(config: &mut web::ServiceConfig) {
    config
        .configure(stores::configure)
        .configure(standings::configure)
        .configure(naked_sweep::configure)
        .configure(keepers::configure)
        .configure(why::configure)
        .configure(buckets::configure)
        .configure(inbox::configure)
        .configure(safe_mode::configure)
        .configure(letter_groups::configure)
        .configure(dead_letters::configure)
        .configure(letter_edits::configure)
        .configure(tokens::configure)
        .configure(audit::configure)
        .configure(supervision::configure);
}
