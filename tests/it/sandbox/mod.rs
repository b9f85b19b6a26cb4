//! The emulated platform, tried over real HTTP.
#![expect(
    clippy::needless_pass_by_value,
    reason = "builders of a test take what is at hand"
)]

mod bodies;
mod bulk;
mod drift;
mod faults;
mod graphql;
mod limits;
pub(crate) mod receiver;
mod selling;
mod stock;
mod webhooks;
