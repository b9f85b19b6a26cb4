//! Webhook bodies: what each topic says, translated into facts, and what a body is about, for its temperature.
//!
//! Unknown fields and unknown words are let through; a field of ours that is of the wrong type is malformed, by name.

mod fulfillment_order;
mod item;
mod level;
mod order;
mod product;
mod refund;
mod topics;

pub(super) use level::LevelBody;
pub(super) use order::OrderBody;
pub use topics::{NEEDED_TOPICS, WANTED_TOPICS, mentions, parse};
