//! The operators' doors: stores, keepers, dead letters. Every change is written to the audit.

mod audit;
pub(crate) mod dead_letters;
pub(crate) mod keepers;
mod store_documents;
pub(crate) mod stores;

use actix_web::web;

pub(crate) use audit::{Deed, record};

pub(crate) fn configure(config: &mut web::ServiceConfig) {
    config
        .configure(stores::configure)
        .configure(keepers::configure)
        .configure(dead_letters::configure);
}
