//! The rules: pure and synchronous. No clock, no randomness, no input or output, no ORM, no actors (INV-A).
//!
//! Reading order: what the platform tells ([`fact`]), what a bundle is ([`bundle`]), what an order consumes
//! ([`order`]), what is asked of the platform ([`call`]) and how fast ([`bucket`]), how a log of webhooks is worked off
//! ([`backlog`]), what a store may take of the server ([`standing`]), and the aggregate that a keeper holds ([`store`]).

pub mod alarm;
pub mod backlog;
pub mod breaker;
pub mod bucket;
pub mod bundle;
pub mod call;
pub mod fact;
pub mod interest;
pub mod ledger;
pub mod order;
mod questions;
pub mod retry;
pub mod standing;
pub mod stock;
pub mod store;
pub mod storm;
