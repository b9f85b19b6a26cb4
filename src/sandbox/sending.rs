//! Owns one exchange with a receiver: headers, signature, time limits.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tokio::{io::AsyncWriteExt, net::TcpStream};

use super::{deliveries::Delivery, oracle::Answer};

/// Most wall time for the whole exchange.
const EXCHANGE_MAX: Duration = Duration::from_secs(5);
/// Most wall time until the connection stands.
const CONNECT_MAX: Duration = Duration::from_secs(1);
/// Bytes of an answer that are kept in the log.
const ANSWER_KEPT_BYTES: usize = 200;
/// Bytes of an answer that are read, so that the connection can be used again.
const ANSWER_READ_BYTES: usize = 64 * 1024;

/// Headers and body ready to be sent.
#[derive(Debug)]
pub(super) struct Signed {
    headers: Vec<(&'static str, String)>,
    body: Bytes,
}

impl Signed {
    pub(super) fn new(mut headers: Vec<(&'static str, String)>, body: Bytes, secret: &str) -> Self {
        headers.push(("X-Shopify-Hmac-SHA256", sign(secret, &body)));
        Self { headers, body }
    }
}

/// Base64 of the HMAC-SHA256 of the raw body.
pub(super) fn sign(secret: &str, body: &[u8]) -> String {
    STANDARD.encode(digest(secret, body))
}

/// The HMAC-SHA256 of a message in hexadecimal.
pub(super) fn sign_hex(secret: &str, message: &[u8]) -> String {
    hex::encode(digest(secret, message))
}

fn digest(secret: &str, message: &[u8]) -> Vec<u8> {
    // An HMAC takes a key of any length; there is no failure to tell.
    Hmac::<Sha256>::new_from_slice(secret.as_bytes()).map_or_else(
        |_| Vec::new(),
        |mut mac| {
            mac.update(message);
            mac.finalize().into_bytes().to_vec()
        },
    )
}

/// The headers of one attempt, without the signature.
pub(super) fn headers(
    delivery: &Delivery,
    omit_optional: bool,
    wrong_version: bool,
) -> Vec<(&'static str, String)> {
    let version = if wrong_version {
        "2024-10"
    } else {
        &delivery.api_version
    };
    let mut headers = vec![
        ("Content-Type", "application/json".to_owned()),
        ("User-Agent", "Shopify-Captain-Hook".to_owned()),
        ("X-Shopify-Topic", delivery.emission.topic.to_owned()),
        ("X-Shopify-Shop-Domain", delivery.domain.to_string()),
        ("X-Shopify-API-Version", version.to_owned()),
        ("X-Shopify-Webhook-Id", delivery.webhook_id.to_string()),
    ];
    if !omit_optional {
        let triggered = delivery.emission.triggered_at.precise();
        headers.push(("X-Shopify-Triggered-At", triggered));
        let event = delivery.emission.event_id.to_string();
        headers.push(("X-Shopify-Event-Id", event));
    }
    if let Some(name) = &delivery.name {
        headers.push(("X-Shopify-Name", name.clone()));
    }
    headers
}

/// The client that sends webhooks: no redirects, the platform's time limits,
/// connections used again.
pub(super) fn client() -> Result<reqwest::Client, reqwest::Error> {
    // Fails only when the process has a provider already, which is as good.
    let ours = rustls::crypto::ring::default_provider().install_default();
    tracing::trace!(installed = ours.is_ok(), "crypto provider chosen");
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(EXCHANGE_MAX)
        .connect_timeout(CONNECT_MAX)
        .no_proxy()
        .build()
}

/// Sends once.
pub(super) async fn send(client: &reqwest::Client, address: &str, signed: Signed) -> Answer {
    let mut request = client.post(address).body(signed.body);
    for (name, value) in signed.headers {
        request = request.header(name, value);
    }
    match request.send().await {
        Ok(response) => Answer::Status {
            status: response.status().as_u16(),
            body: beginning(response).await,
        },
        Err(error) => failed(&error.without_url()),
    }
}

async fn beginning(mut response: reqwest::Response) -> String {
    let mut read = Vec::new();
    while read.len() < ANSWER_READ_BYTES {
        let Ok(Some(chunk)) = response.chunk().await else {
            break;
        };
        read.extend_from_slice(&chunk);
    }
    read.truncate(ANSWER_KEPT_BYTES);
    String::from_utf8_lossy(&read).into_owned()
}

/// Sends half the body, hangs until the time limit and hangs up.
pub(super) async fn hang(address: &str, signed: &Signed) -> Answer {
    match tokio::time::timeout(EXCHANGE_MAX, stall(address, signed)).await {
        Ok(Err(error)) => failed(&error),
        Ok(Ok(())) | Err(_) => Answer::Failed {
            reason: "hung in the middle of the body".to_owned(),
        },
    }
}

async fn stall(address: &str, signed: &Signed) -> Result<(), std::io::Error> {
    let rest = address.strip_prefix("http://").unwrap_or_default();
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let mut stream = TcpStream::connect(host).await?;
    let length = signed.body.len();
    let mut head = format!("POST /{path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n");
    for (name, value) in &signed.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes()).await?;
    let half = signed.body.slice(..length / 2);
    stream.write_all(&half).await?;
    stream.flush().await?;
    tokio::time::sleep(EXCHANGE_MAX).await;
    Ok(())
}

fn failed(error: &(dyn std::error::Error + 'static)) -> Answer {
    let mut reason = error.to_string();
    let mut cause = error.source();
    while let Some(deeper) = cause {
        reason = format!("{reason}: {deeper}");
        cause = deeper.source();
    }
    Answer::Failed { reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_the_platforms() {
        let secret = "shpss_storekeeper_test_secret";
        let body = br#"{"inventory_item_id":808950810,"location_id":655441491,"available":6,"updated_at":"2026-01-09T19:36:10-05:00","admin_graphql_api_id":"gid://shopify/InventoryLevel/655441491?inventory_item_id=808950810"}"#;
        assert_eq!(
            sign(secret, body),
            "d6hYn7E9bxxy4oCDwrd34WKfczwYOgjacVQZBmeqkKk="
        );
        assert_eq!(
            sign(secret, b"{}"),
            "E5pw3TxqmfGdyD2rOU9GqxNwgYyySLK1tGPX9BlG5po="
        );
    }
}
