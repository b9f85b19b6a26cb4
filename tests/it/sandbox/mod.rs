//! The emulated platform, tried over real HTTP.
mod bodies;
mod drift;
mod faults;
mod graphql;
mod limits;
mod receiver;
mod stock;
mod webhooks;
