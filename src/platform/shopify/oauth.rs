//! Installing the app in a store, and keeping its access token fresh.
//!
//! The callback's own signature is checked in [`query_signature`](super::query_signature); when to refresh, and that
//! only one refresh runs at a time, is the caller's to see to.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::platform::Secret;
use crate::platform::shopify::client::ShopifyClient;
use crate::platform::shopify::transport::{TransportError, judge, read_reply};

/// The app, as registered with the platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct App {
    pub client_id: String,
    pub client_secret: Secret,
}

/// What a store granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokens {
    pub access_token: Secret,
    /// `None`: the access token does not expire.
    pub refresh_token: Option<Secret>,
    /// When the access token stops working, by our clock.
    pub expires_at: Option<Timestamp>,
    /// When the refresh token stops working, by our clock.
    pub refresh_expires_at: Option<Timestamp>,
    /// Comma-separated.
    pub scopes: String,
}

/// Why there are no tokens.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OAuthError {
    /// To be tried again: not reachable, overloaded, or the answer was lost.
    #[error("platform unavailable: {0}")]
    Unavailable(String),
    /// The code or refresh token is not accepted: the merchant must install again.
    #[error("platform refused the grant: status {status}")]
    Refused { status: u16 },
}

/// Where to send the merchant's browser to ask for `scopes`. `state` comes back unchanged and must be checked there.
///
/// # Errors
/// `store_url` is not an address.
pub fn authorize_url(
    store_url: &str,
    app: &App,
    scopes: &[&str],
    (redirect_uri, state): (&str, &str),
) -> Result<String, InvalidStoreUrl> {
    let address = format!("{}/admin/oauth/authorize", store_url.trim_end_matches('/'));
    let mut address = reqwest::Url::parse(&address).or(Err(InvalidStoreUrl))?;
    address
        .query_pairs_mut()
        .append_pair("client_id", &app.client_id)
        .append_pair("scope", &scopes.join(","))
        .append_pair("redirect_uri", redirect_uri)
        .append_pair("state", state);
    Ok(address.into())
}

/// A store's address that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an address of a store")]
pub struct InvalidStoreUrl;

/// Whether `domain` is a shop's own domain; a callback's `shop` must be, before anything is sent there.
#[must_use]
pub fn is_shop_domain(domain: &str) -> bool {
    let Some(name) = domain.strip_suffix(".myshopify.com") else {
        return false;
    };
    let mut bytes = name.bytes();
    let first_is_plain = bytes
        .next()
        .is_some_and(|byte| byte.is_ascii_alphanumeric());
    first_is_plain && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

#[derive(Serialize)]
struct CodeExchange<'call> {
    client_id: &'call str,
    client_secret: &'call str,
    code: &'call str,
    /// Asks for a token that expires, with one to refresh it.
    expiring: &'static str,
}

#[derive(Serialize)]
struct Refresh<'call> {
    client_id: &'call str,
    client_secret: &'call str,
    grant_type: &'static str,
    refresh_token: &'call str,
}

#[derive(Deserialize)]
struct TokensReply {
    access_token: String,
    refresh_token: Option<String>,
    /// Seconds.
    expires_in: Option<i64>,
    /// Seconds.
    refresh_token_expires_in: Option<i64>,
    #[serde(default)]
    scope: String,
}

impl fmt::Debug for TokensReply {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("TokensReply")
            .field("expires_in", &self.expires_in)
            .finish_non_exhaustive()
    }
}

impl ShopifyClient {
    /// Exchanges a callback's code for tokens.
    ///
    /// # Errors
    /// See [`OAuthError`]. A code works once: after a lost answer the merchant must authorize again.
    pub async fn exchange_code(
        &self,
        store_url: &str,
        app: &App,
        code: &str,
    ) -> Result<Tokens, OAuthError> {
        let client_secret = app.client_secret.expose();
        let request = CodeExchange {
            client_id: &app.client_id,
            client_secret,
            code,
            expiring: "1",
        };
        self.ask_tokens(store_url, &request).await
    }

    /// Exchanges a refresh token for new tokens; the old ones stop working.
    ///
    /// # Errors
    /// See [`OAuthError`].
    pub async fn refresh_tokens(
        &self,
        store_url: &str,
        app: &App,
        refresh_token: &Secret,
    ) -> Result<Tokens, OAuthError> {
        let request = Refresh {
            client_id: &app.client_id,
            client_secret: app.client_secret.expose(),
            grant_type: "refresh_token",
            refresh_token: refresh_token.expose(),
        };
        self.ask_tokens(store_url, &request).await
    }

    async fn ask_tokens(
        &self,
        store_url: &str,
        request: &impl Serialize,
    ) -> Result<Tokens, OAuthError> {
        let address = format!(
            "{}/admin/oauth/access_token",
            store_url.trim_end_matches('/')
        );
        // Counted from before the request, so that it never seems to live longer than it does.
        let asked_at = self.clock().now();
        let sent = self.http().post(address).json(request).send().await;
        let response = sent.map_err(|error| unavailable(judge(error)))?;
        let reply = read_reply(response, self.response_bytes_max())
            .await
            .map_err(unavailable)?;
        match reply.status() {
            200..=299 => {}
            429 | 500..=599 => {
                return Err(OAuthError::Unavailable(format!(
                    "the platform answered {} to the request for a token; tried again",
                    reply.status()
                )));
            }
            status => return Err(OAuthError::Refused { status }),
        }
        // The parser's own message could quote a token.
        let reply: TokensReply = serde_json::from_slice(reply.body())
            .or(Err(OAuthError::Unavailable("unreadable reply".to_owned())))?;
        Ok(reply.into_tokens(asked_at))
    }
}

impl TokensReply {
    fn into_tokens(self, asked_at: Timestamp) -> Tokens {
        let after = |seconds: i64| asked_at.plus_millis(seconds.saturating_mul(1000));
        Tokens {
            access_token: Secret::new(self.access_token),
            refresh_token: self.refresh_token.map(Secret::new),
            expires_at: self.expires_in.map(after),
            refresh_expires_at: self.refresh_token_expires_in.map(after),
            scopes: self.scope,
        }
    }
}

fn unavailable(error: TransportError) -> OAuthError {
    OAuthError::Unavailable(match error {
        TransportError::NotSent(reason) | TransportError::Lost(reason) => reason,
        TransportError::TooLarge => "reply too large".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_authorize_url_escapes_what_it_is_given() {
        let app = App {
            client_id: "client".to_owned(),
            client_secret: Secret::new("hush"),
        };
        let target = ("https://app.example/callback?a=b", "nonce&1");
        let url = authorize_url(
            "https://a.myshopify.com/",
            &app,
            &["read_orders", "write_inventory"],
            target,
        );
        let expected = concat!(
            "https://a.myshopify.com/admin/oauth/authorize?client_id=client&scope=read_orders%2Cwrite_inventory",
            "&redirect_uri=https%3A%2F%2Fapp.example%2Fcallback%3Fa%3Db&state=nonce%261",
        );
        assert_eq!(url.as_deref(), Ok(expected));
        assert_eq!(
            authorize_url("nowhere", &app, &[], target),
            Err(InvalidStoreUrl)
        );
    }

    #[test]
    fn only_a_shops_own_domain_will_do() {
        assert!(is_shop_domain("some-shop-1.myshopify.com"));
        for odd in [
            "",
            ".myshopify.com",
            "-a.myshopify.com",
            "a.b.myshopify.com",
            "evil.example/x.myshopify.com",
            "a.example",
        ] {
            assert!(!is_shop_domain(odd), "{odd}");
        }
    }
}
