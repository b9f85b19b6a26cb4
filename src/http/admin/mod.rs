//! The operators' doors: stores, keepers, dead letters, tokens. Every change is written to the audit.

pub(crate) mod audit;
mod body_changes;
pub(crate) mod buckets;
pub(crate) mod dead_letters;
mod fingerprint;
pub(crate) mod inbox;
pub(crate) mod keepers;
pub(crate) mod letter_edits;
pub(crate) mod letter_groups;
pub(crate) mod naked_sweep;
mod once;
mod routes;
pub(crate) mod safe_mode;
pub(crate) mod standings;
mod store_documents;
pub(crate) mod stores;
pub(crate) mod supervision;
pub(crate) mod tokens;
pub(crate) mod why;

pub(crate) use audit::{Deed, record};
pub(crate) use routes::configure;
