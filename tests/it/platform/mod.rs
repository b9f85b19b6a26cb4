//! The platform client and the translation of webhooks.

mod bodies;
mod client;
mod fake;
mod oauth;
mod reads;
