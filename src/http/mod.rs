//! The doors: what comes in over HTTP, and who may come in.
//!
//! A request crosses `boundary` (request id, log, problem documents), is parsed by `extract` into types that prove
//! what was checked, and reaches a handler that makes one call. Doors: `intake` for the platform's webhooks,
//! `bundles` for merchants, `availability` for storefronts, `admin` and `dashboard` for operators, `status`
//! for whoever watches, `oauth` for installations.
//!
//! INV-B: nothing here changes a store except through its keeper, save accepting a webhook and `db::admin`.

mod access_log;
mod boundary;
mod bundle_documents;
mod credentials;
mod error;
mod extract;
mod fleet;
mod keeper_row;
mod new_token;
mod readiness;
mod replies;
mod routes;
mod server;
mod settings;
mod state;

mod admin;
mod advice;
mod attention;
mod availability;
mod bundles;
mod dashboard;
mod docs;
mod intake;
mod oauth;
mod openapi;
mod policy;
mod pretty_json;
mod redact;
mod spark;
mod status;
mod why;

pub mod probe;

pub(crate) use credentials::{OPERATOR_TOKEN_PREFIX, hash_token};
pub use error::{ApiError, BUNDLE_CODES, Problem, catalogue};
pub use intake::door::begin_counting;
pub use openapi::document as openapi_document;
pub use readiness::watch_readiness;
pub use routes::configure;
pub use server::{ServeError, bind, serve};
pub use settings::{HttpSettings, OauthApp};
pub use state::{AppParts, AppState};
