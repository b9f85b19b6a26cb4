//! The operators' doors: stores, keepers, dead letters. Every change is written to the audit.

mod audit;
pub(crate) mod dead_letters;
pub(crate) mod keepers;
mod routes;
pub(crate) mod safe_mode;
mod store_documents;
pub(crate) mod stores;

pub(crate) use audit::{Deed, record};
pub(crate) use routes::configure;
