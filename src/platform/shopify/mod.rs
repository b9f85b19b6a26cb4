//! Shopify: its signatures, headers and bodies on the way in, its Admin API on the way out.

pub mod bodies;
pub mod client;
mod graphql;
pub mod headers;
pub mod oauth;
pub mod query_signature;
pub mod signature;

mod errors;
mod rate;
mod rest;
mod scalar;
mod transport;
