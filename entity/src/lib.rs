//! Tables as they are, one file for each; no rules here. What rows mean stands in the server's `db`.

pub mod store;
pub mod store_secret;
pub mod operator_token;
pub mod audit;
pub mod sealing_key_check;
pub mod inbox_head;
pub mod inbox;
pub mod delivery;
pub mod body_digest;
pub mod keeper;
pub mod item;
pub mod level;
pub mod bundle;
pub mod ledger_order;
pub mod call;
pub mod parked;
pub mod dead_letter;
pub mod idempotent_reply;
