//! The platform client and the translation of webhooks.

mod bodies;
mod client;
mod drive;
mod fake;
mod oauth;
mod reads;
