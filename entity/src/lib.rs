//! Tables as they are, one file for each; no rules here. What rows mean stands in the server's `db`.

pub mod audit;
pub mod body_digest;
pub mod bundle;
pub mod call;
pub mod dead_letter;
pub mod delivery;
pub mod idempotent_reply;
pub mod inbox;
pub mod inbox_head;
pub mod item;
pub mod keeper;
pub mod ledger_order;
pub mod level;
pub mod operator_token;
pub mod parked;
pub mod recent_delivery;
pub mod sealing_key_check;
pub mod standing;
pub mod store;
pub mod store_policy;
pub mod store_secret;
