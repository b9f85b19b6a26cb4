//! What merchants live through, on the real server, against the sandbox platform, on both databases.
//!
//! Each test acts as people do (shoppers, merchants, other apps, operators), waits until all has come to rest, and is
//! judged by the platform's own log: no level drifts from the reference, no call was throttled by our fault.

pub(crate) mod kit;
mod rest;
pub(crate) mod shop;

mod access;
mod breakdowns;
mod calls;
mod deliveries;
mod edits;
mod kinds;
mod letters;
mod numbers;
mod places;
mod policy;
mod recipes;
mod sales;
