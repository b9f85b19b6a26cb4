//! `/admin`: the keepers at a glance, for operators. Plain pages that a small script of ours keeps up to date.
//!
//! A session comes from an operator's token, may do what its role allows, and lives in an `HttpOnly`, `SameSite=Strict` cookie; every form carries a
//! token that only this session's pages know.

mod assets;
mod buckets;
mod forms;
mod inbox;
mod letter;
mod letters;
pub(crate) mod live;
pub(crate) mod pages;
mod people;
mod routes;
mod session;
mod supervision;

pub(crate) use routes::configure;
pub(crate) use session::Sessions;
