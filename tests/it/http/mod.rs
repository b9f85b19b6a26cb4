//! The doors, tried over real HTTP.

mod alarms;
mod browser;
mod buckets;
mod bundles;
mod catalogue;
mod dashboard;
mod identity;
mod inbox;
mod intake;
mod keepers;
mod letter_edits;
mod letters;
mod naked_sweep;
mod oauth;
mod openapi;
mod policy;
mod roles;
mod safe_mode;
mod standings;
mod status;
mod stores;
mod storm;
mod supervision;
mod unavailable;
