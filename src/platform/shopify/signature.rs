//! The signature of a webhook: base64 of HMAC-SHA256 over the raw body, keyed with the app's or the store's secret.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::platform::{Secret, SignatureMismatch};

/// Tells which of `secrets` signed `body`, by its index; during a rotation several are live.
///
/// `signature` is the header's value. Digests are compared in constant time.
///
/// # Errors
/// The signature is not base64, is not of a digest's length, or no secret made it.
pub fn verify(
    body: &[u8],
    signature: &str,
    secrets: &[Secret],
) -> Result<usize, SignatureMismatch> {
    let claimed = STANDARD
        .decode(signature.trim())
        .or(Err(SignatureMismatch))?;
    secrets
        .iter()
        .position(|secret| {
            digest(body, secret).is_some_and(|mac| mac.verify_slice(&claimed).is_ok())
        })
        .ok_or(SignatureMismatch)
}

/// The signature that the platform would send with `body`.
#[must_use]
pub fn sign(body: &[u8], secret: &Secret) -> String {
    digest(body, secret)
        .map(|mac| STANDARD.encode(mac.finalize().into_bytes()))
        .unwrap_or_default()
}

/// `None` never happens: HMAC takes keys of any length.
pub(super) fn digest(message: &[u8], secret: &Secret) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()).ok()?;
    mac.update(message);
    Some(mac)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEVEL_BODY: &str = r#"{"inventory_item_id":808950810,"location_id":655441491,"available":6,"updated_at":"2026-01-09T19:36:10-05:00","admin_graphql_api_id":"gid://shopify/InventoryLevel/655441491?inventory_item_id=808950810"}"#;
    const LEVEL_SIGNATURE: &str = "d6hYn7E9bxxy4oCDwrd34WKfczwYOgjacVQZBmeqkKk=";
    const EMPTY_OBJECT_SIGNATURE: &str = "E5pw3TxqmfGdyD2rOU9GqxNwgYyySLK1tGPX9BlG5po=";

    fn secret() -> Secret {
        Secret::new("shpss_storekeeper_test_secret")
    }

    #[test]
    fn the_published_vectors_hold() {
        assert_eq!(LEVEL_BODY.len(), 202);
        assert_eq!(
            verify(LEVEL_BODY.as_bytes(), LEVEL_SIGNATURE, &[secret()]),
            Ok(0)
        );
        assert_eq!(verify(b"{}", EMPTY_OBJECT_SIGNATURE, &[secret()]), Ok(0));
        assert_eq!(sign(b"{}", &secret()), EMPTY_OBJECT_SIGNATURE);
    }

    #[test]
    fn any_live_secret_will_do_and_is_named() {
        let secrets = [Secret::new("old"), Secret::new(""), secret()];
        assert_eq!(verify(b"{}", EMPTY_OBJECT_SIGNATURE, &secrets), Ok(2));
        assert_eq!(
            verify(b"{}", EMPTY_OBJECT_SIGNATURE, &[]),
            Err(SignatureMismatch)
        );
    }

    #[test]
    fn anything_else_is_refused_without_a_panic() {
        let short = STANDARD.encode([1_u8; 8]);
        let long = STANDARD.encode([1_u8; 64]);
        let hex = "77a8589fb13d6f1c72e28083c2b777e1629f733c183a08da7154190667aa90a9";
        for claimed in [
            "",
            "=",
            "not base64!",
            &short,
            &long,
            hex,
            LEVEL_SIGNATURE,
            "é",
        ] {
            assert_eq!(
                verify(b"{}", claimed, &[secret()]),
                Err(SignatureMismatch),
                "{claimed}"
            );
        }
        assert_eq!(
            verify(b"{} ", EMPTY_OBJECT_SIGNATURE, &[secret()]),
            Err(SignatureMismatch)
        );
    }
}
