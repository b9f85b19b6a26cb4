//! The webhook that is sent again and again, each time with a delivery id of its own.

use base64::Engine;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

pub(crate) const SECRET: &str = "bench-secret";
pub(crate) const DOMAIN: &str = "bench.myshopify.com";
/// Length of the body, about that of a small order.
const BODY_BYTES: usize = 1_500;
const ID_DIGITS: usize = 20;
/// Odd, so that no two numbers become the same id.
const SCATTER: u64 = 0x9e37_79b9_7f4a_7c15;

/// A request whose delivery id is written anew for each sending.
#[derive(Clone)]
pub(crate) struct Webhook {
    bytes: Vec<u8>,
    id_at: usize,
}

impl Webhook {
    /// Of a topic that concerns the store as a whole: it is never naked, and so always made durable.
    pub(crate) fn to(address: &str, path: &str) -> Self {
        let note = "0".repeat(BODY_BYTES - 20);
        let body = format!(r#"{{"id":1,"note":"{note}"}}"#);
        let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("a key");
        mac.update(body.as_bytes());
        let signature =
            base64::engine::general_purpose::STANDARD.encode(mac.finalize().into_bytes());
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n\
             x-shopify-topic: customers/update\r\nx-shopify-shop-domain: {DOMAIN}\r\n\
             x-shopify-hmac-sha256: {signature}\r\nx-shopify-api-version: 2026-10\r\n\
             x-shopify-triggered-at: 2026-11-22T08:00:00.000000000Z\r\n\
             x-shopify-event-id: 98880550-7158-44d4-b7cd-2c97c8a091b5\r\n\
             content-length: {}\r\nx-shopify-webhook-id: ",
            body.len()
        );
        let id_at = head.len();
        let bytes = [
            head.as_bytes(),
            &[b'0'; ID_DIGITS],
            b"\r\n\r\n",
            body.as_bytes(),
        ]
        .concat();
        Self { bytes, id_at }
    }

    /// The same as a sample of what would end the store: it passes the whole door and is not stored.
    pub(crate) fn that_is_not_stored(&self) -> Self {
        let (head, body) = self.bytes.split_at(self.id_at);
        let head = std::str::from_utf8(head).expect("a head in UTF-8");
        let head = head.replace(
            "customers/update",
            "app/uninstalled\r\nx-shopify-test: true",
        );
        Self {
            bytes: [head.as_bytes(), body].concat(),
            id_at: head.len(),
        }
    }

    /// The request under a delivery id of its own, in no order, as a platform's ids are.
    pub(crate) fn numbered(&mut self, number: u64) -> &[u8] {
        let id = number.wrapping_mul(SCATTER);
        let digits = format!("{id:0ID_DIGITS$}");
        let place = self.id_at..self.id_at + ID_DIGITS;
        self.bytes
            .get_mut(place)
            .expect("a place")
            .copy_from_slice(digits.as_bytes());
        &self.bytes
    }
}
