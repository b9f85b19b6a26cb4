//! What it takes to call the platform on behalf of a store.

use crate::ids::StoreId;
use crate::platform::{PlatformKind, Secret};

/// A store's account on its platform. Printing it does not show the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub store: StoreId,
    pub platform: PlatformKind,
    /// Where the platform's API of this store begins, without a trailing `/`: `https://{shop}.myshopify.com`.
    pub api_base_url: String,
    pub access_token: Secret,
    /// Where the platform is to send this store's webhooks; without it subscriptions cannot be ensured.
    pub callback_uri: Option<String>,
}
