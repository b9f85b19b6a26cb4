//! `[platform.…]`: one table for each platform.

use serde::Deserialize;

use super::secrets::Secret;
use super::setting::{Range, settings};

/// What is set for each platform.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PlatformConfig {
    /// Shopify.
    pub shopify: ShopifyConfig,
}

settings! {
    /// The app as Shopify knows it, and how it is called.
    ["platform.shopify"]
    pub struct ShopifyConfig {
        /// Secrets that sign the webhooks of every store that installed the app, the newest first.
        /// A store's own secrets count besides, and `client_secret`.
        app_secrets: Vec<Secret> = Vec::new(), "secrets", Range::Any;
        /// The app's client id. Empty: stores are added with an access token, not installed.
        client_id: String = String::new(), "text", Range::Any;
        /// The app's client secret. Signs the install callback and the webhooks of stores that installed the app, and renews
        /// access tokens. When it is rotated, the one before goes to `app_secrets` until no webhook is signed with it.
        client_secret: Secret = Secret::default(), "text", Range::Any;
        /// Where a shop that installs the app has its Admin API; `{shop}` stands for its domain. Another one is for
        /// trying the app out on the sandbox: `http://127.0.0.1:PORT/shops/{shop}`.
        shop_url: String = "https://{shop}".to_owned(), "address", Range::UrlWith("{shop}");
        /// Version of the Admin API, 2026-04 or later.
        api_version: String = "2026-10".to_owned(), "year-month", Range::ApiVersion { earliest: "2026-04" };
        /// How long a connection may take, TLS included.
        connect_timeout_ms: u64 = 3_000, "milliseconds", Range::Between(100, 60_000);
        /// How long a request may take. Must be less than `calls.answer_wait_ms_max`.
        request_timeout_ms: u64 = 20_000, "milliseconds", Range::Between(500, 120_000);
        /// Longest answer that is read.
        response_bytes_max: usize = 16 * 1024 * 1024, "bytes", Range::Between(1_048_576, 268_435_456);
        /// Idle connections kept for each host.
        idle_connections_max: usize = 8, "connections", Range::Between(0, 1_000);
        /// How long before its end an expiring access token is renewed.
        token_renewal_ahead_ms: u64 = 300_000, "milliseconds", Range::Between(1_000, 3_600_000);
    }
}
