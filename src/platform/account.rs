//! What it takes to call the platform on behalf of a store.

use std::fmt;

use crate::ids::StoreId;
use crate::platform::{Callback, PlatformKind, Secret};

/// A store's account on its platform. Printing it shows neither the token nor the callback, whose path is a key too.
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    pub store: StoreId,
    pub platform: PlatformKind,
    /// Where the platform's API of this store begins, without a trailing `/`: `https://{shop}.myshopify.com`.
    pub api_base_url: String,
    pub access_token: Secret,
    /// Where the platform is to send this store's webhooks; without it subscriptions cannot be ensured.
    pub callback: Option<Callback>,
}

impl fmt::Debug for Account {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Account")
            .field("store", &self.store)
            .field("platform", &self.platform)
            .field("api_base_url", &self.api_base_url)
            .finish_non_exhaustive()
    }
}
