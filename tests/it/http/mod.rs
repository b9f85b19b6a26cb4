//! The doors, tried over real HTTP.

mod alarms;
mod bundles;
mod catalogue;
mod dashboard;
mod identity;
mod intake;
mod keepers;
mod oauth;
mod openapi;
mod policy;
mod safe_mode;
mod status;
mod stores;
mod unavailable;
