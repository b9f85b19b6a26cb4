//! Signatures of query strings: the OAuth callback's `hmac`, and the app proxy's `signature`. Both are hexadecimal.

use hmac::Mac;

use crate::clock::Timestamp;
use crate::platform::shopify::signature::digest;
use crate::platform::{Secret, SignatureMismatch};

/// How far a callback's `timestamp` may be from our clock, either way, in milliseconds.
pub const CALLBACK_AGE_MS_MAX: i64 = 90_000;

/// Checks an OAuth callback: `hmac` is over the other pairs, sorted, as `key=value` joined by `&`; `timestamp` is in
/// seconds and near `now`. `pairs` are decoded.
///
/// # Errors
/// The signature or the timestamp is absent, repeated or wrong.
pub fn verify_callback(
    pairs: &[(String, String)],
    secret: &Secret,
    now: Timestamp,
) -> Result<(), SignatureMismatch> {
    check(pairs, "hmac", "&", secret)?;
    let seconds: i64 = only(pairs, "timestamp")?
        .parse()
        .or(Err(SignatureMismatch))?;
    let stamped = Timestamp::from_millis(seconds.saturating_mul(1000));
    if now.millis_since(stamped).saturating_abs() <= CALLBACK_AGE_MS_MAX {
        Ok(())
    } else {
        Err(SignatureMismatch)
    }
}

/// Checks an app proxy's request: `signature` is over the other pairs, sorted, as `key=value` with nothing between;
/// values of a repeated key are joined by commas. `pairs` are decoded.
///
/// # Errors
/// The signature is absent, repeated or wrong.
pub fn verify_proxy(pairs: &[(String, String)], secret: &Secret) -> Result<(), SignatureMismatch> {
    check(pairs, "signature", "", secret)
}

fn check(
    pairs: &[(String, String)],
    signature_key: &str,
    separator: &str,
    secret: &Secret,
) -> Result<(), SignatureMismatch> {
    let claimed = hex::decode(only(pairs, signature_key)?).or(Err(SignatureMismatch))?;
    let message = canonical(pairs, signature_key, separator);
    let mac = digest(message.as_bytes(), secret).ok_or(SignatureMismatch)?;
    mac.verify_slice(&claimed).or(Err(SignatureMismatch))
}

fn canonical(pairs: &[(String, String)], signature_key: &str, separator: &str) -> String {
    let mut grouped = std::collections::BTreeMap::<&str, Vec<&str>>::new();
    for (key, value) in pairs.iter().filter(|(key, _)| key != signature_key) {
        grouped.entry(key).or_default().push(value);
    }
    let parts: Vec<String> = grouped
        .into_iter()
        .map(|(key, values)| format!("{key}={}", values.join(",")))
        .collect();
    parts.join(separator)
}

fn only<'pairs>(
    pairs: &'pairs [(String, String)],
    wanted: &str,
) -> Result<&'pairs str, SignatureMismatch> {
    let mut values = pairs
        .iter()
        .filter(|(key, _)| key == wanted)
        .map(|(_, value)| value.as_str());
    match (values.next(), values.next()) {
        (Some(value), None) => Ok(value),
        (None | Some(_), _) => Err(SignatureMismatch),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECONDS: i64 = 1_700_000_000;

    fn secret() -> Secret {
        Secret::new("hush")
    }

    fn pairs(texts: &[(&str, &str)]) -> Vec<(String, String)> {
        texts
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    fn signed(texts: &[(&str, &str)], key: &str, message: &str) -> Vec<(String, String)> {
        let mac = digest(message.as_bytes(), &secret()).unwrap();
        let mut all = pairs(texts);
        all.push((key.to_owned(), hex::encode(mac.finalize().into_bytes())));
        all
    }

    fn callback() -> Vec<(String, String)> {
        signed(
            &[
                ("timestamp", "1700000000"),
                ("shop", "some-shop.myshopify.com"),
                ("code", "0907a61c"),
            ],
            "hmac",
            "code=0907a61c&shop=some-shop.myshopify.com&timestamp=1700000000",
        )
    }

    #[test]
    fn a_callback_holds_within_ninety_seconds() {
        let at = |seconds: i64| Timestamp::from_millis((SECONDS + seconds) * 1000);
        for skew in [-90, 0, 90] {
            assert_eq!(
                verify_callback(&callback(), &secret(), at(skew)),
                Ok(()),
                "{skew}"
            );
        }
        for skew in [-91, 91, i64::from(i32::MAX)] {
            assert_eq!(
                verify_callback(&callback(), &secret(), at(skew)),
                Err(SignatureMismatch),
                "{skew}"
            );
        }
    }

    #[test]
    fn a_changed_or_incomplete_callback_is_refused() {
        let now = Timestamp::from_millis(SECONDS * 1000);
        let mut changed = callback();
        changed[1].1 = "other-shop.myshopify.com".to_owned();
        let mut repeated = callback();
        repeated.push(("hmac".to_owned(), "00".to_owned()));
        let unsigned = pairs(&[("timestamp", "1700000000")]);
        let undated = signed(&[("code", "1")], "hmac", "code=1");
        for refused in [changed, repeated, unsigned, undated] {
            assert_eq!(
                verify_callback(&refused, &secret(), now),
                Err(SignatureMismatch),
                "{refused:?}"
            );
        }
        assert_eq!(
            verify_callback(&callback(), &Secret::new("other"), now),
            Err(SignatureMismatch)
        );
    }

    /// The example of the platform's documentation of app proxies.
    #[test]
    fn a_proxy_request_joins_repeated_keys_and_uses_no_separator() {
        let request = pairs(&[
            ("extra", "1"),
            ("extra", "2"),
            ("shop", "shop-name.myshopify.com"),
            ("logged_in_customer_id", ""),
            ("path_prefix", "/apps/awesome_reviews"),
            ("timestamp", "1317327555"),
            (
                "signature",
                "4c68c8624d737112c91818c11017d24d334b524cb5c2b8ba08daa056f7395ddb",
            ),
        ]);
        assert_eq!(verify_proxy(&request, &secret()), Ok(()));
        assert_eq!(
            verify_proxy(request.get(1..).unwrap(), &secret()),
            Err(SignatureMismatch)
        );
    }
}
