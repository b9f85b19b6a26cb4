//! The emulated platform, tried over real HTTP.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    reason = "a test fails by panicking, and its builders take what is at hand"
)]

mod bodies;
mod drift;
mod faults;
mod graphql;
mod limits;
mod receiver;
mod stock;
mod webhooks;
