//! The platforms that stores live on: their webhooks translated into facts, our calls translated into requests.
//!
//! A true seam: [`PlatformKind`] and [`PlatformClient`] dispatch, one folder per platform answers. Nothing here
//! decides, retries or waits for tokens: `domain` does, and the keeper carries the answers back to it.

mod account;
mod callback;
mod client;
mod kind;
mod secret;
mod webhook;

pub mod shopify;

pub use account::Account;
pub use callback::Callback;
pub use client::{ClientSettings, ClientSetupError, PlatformClient};
pub use kind::{PlatformKind, UnknownPlatform};
pub use secret::Secret;
pub use webhook::{DeliveryHeaders, HeaderProblem, Malformed, SignatureMismatch};
