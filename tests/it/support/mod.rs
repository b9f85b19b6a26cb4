//! What integration tests stand on: private servers and the like.

pub(crate) mod app;
pub(crate) mod browser;
pub(crate) mod client;
pub(crate) mod database;
pub(crate) mod keepers;
pub(crate) mod postgres;
pub(crate) mod process;
