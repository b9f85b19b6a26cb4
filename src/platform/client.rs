//! The way out: one client for all stores, whatever their platform.

use crate::clock::Clock;
use crate::domain::call::{Answer, Call};
use crate::platform::shopify::client::ShopifyClient;
use crate::platform::{Account, PlatformKind};

/// How calls are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientSettings {
    /// The Admin API version to ask Shopify for, `YYYY-MM`. Not before `2026-04`, which brought `@idempotent`.
    pub shopify_api_version: String,
    /// How long a connection may take, TLS included.
    pub connect_timeout_ms: u64,
    /// How long one request may take from the first byte out to the last byte in.
    pub request_timeout_ms: u64,
    /// The longest response body that is read.
    pub response_bytes_max: usize,
    /// Idle connections that are kept for each host.
    pub idle_connections_max: usize,
}

impl Default for ClientSettings {
    fn default() -> Self {
        Self {
            shopify_api_version: "2026-10".to_owned(),
            connect_timeout_ms: 3_000,
            request_timeout_ms: 30_000,
            response_bytes_max: 16 * 1024 * 1024,
            idle_connections_max: 8,
        }
    }
}

/// The client cannot be made: no usable TLS on this machine.
#[derive(Debug, thiserror::Error)]
#[error("failed to set up the platform client: {0}")]
pub struct ClientSetupError(#[from] pub(super) reqwest::Error);

/// Sends calls to the platforms. Holds no state of any store.
#[derive(Debug)]
pub struct PlatformClient {
    shopify: ShopifyClient,
}

impl PlatformClient {
    /// Makes the clients of all platforms.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub fn new(settings: &ClientSettings, clock: Clock) -> Result<Self, ClientSetupError> {
        Ok(Self {
            shopify: ShopifyClient::new(settings, clock)?,
        })
    }

    /// Carries out one call, once. What went wrong is part of the answer.
    pub async fn send(&self, account: &Account, call: &Call) -> Answer {
        match account.platform {
            PlatformKind::Shopify => self.shopify.send(account, call).await,
        }
    }

    /// Whether a platform has answered by another version of its API than it was asked for, since the process began.
    #[must_use]
    pub fn serves_other_version(&self) -> bool {
        self.shopify.serves_other_version()
    }

    /// Shopify's client, for what is not a call: installing and refreshing tokens.
    #[must_use]
    pub const fn shopify(&self) -> &ShopifyClient {
        &self.shopify
    }
}
