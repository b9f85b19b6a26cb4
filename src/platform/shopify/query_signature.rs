//! Signatures of query strings: the OAuth callback's `hmac`, and the app proxy's `signature`. Both are hexadecimal.

use std::collections::BTreeMap;

use hmac::Mac;

use crate::clock::Timestamp;
use crate::platform::shopify::signature::digest;
use crate::platform::{Secret, SignatureMismatch};

/// How far a callback's `timestamp` may be from our clock, either way, in milliseconds.
pub const CALLBACK_AGE_MS_MAX: i64 = 90_000;

/// Checks an OAuth callback: `hmac` is over the other pairs, sorted and encoded as a query; `timestamp` is in seconds
/// and near `now`. `pairs` are decoded.
///
/// # Errors
/// The signature or the timestamp is absent, repeated or wrong.
pub fn verify_callback(
    pairs: &[(String, String)],
    secret: &Secret,
    now: Timestamp,
) -> Result<(), SignatureMismatch> {
    check(&encoded_query(pairs)?, only(pairs, "hmac")?, secret)?;
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

/// Checks an app proxy's request: `signature` is over the other pairs as `key=value`, sorted, with nothing between
/// them; the values of a repeated key are joined by commas. `pairs` are decoded.
///
/// # Errors
/// The signature is absent, repeated or wrong.
pub fn verify_proxy(pairs: &[(String, String)], secret: &Secret) -> Result<(), SignatureMismatch> {
    check(&joined_pairs(pairs), only(pairs, "signature")?, secret)
}

fn check(message: &str, claimed: &str, secret: &Secret) -> Result<(), SignatureMismatch> {
    let claimed = hex::decode(claimed).or(Err(SignatureMismatch))?;
    let mac = digest(message.as_bytes(), secret).ok_or(SignatureMismatch)?;
    mac.verify_slice(&claimed).or(Err(SignatureMismatch))
}

/// Encoded, so that a value with `&` in it cannot pass for two pairs.
fn encoded_query(pairs: &[(String, String)]) -> Result<String, SignatureMismatch> {
    let mut sorted: Vec<_> = pairs.iter().filter(|(key, _)| key != "hmac").collect();
    sorted.sort();
    let mut address = reqwest::Url::parse("query:/").or(Err(SignatureMismatch))?;
    address.query_pairs_mut().extend_pairs(sorted);
    Ok(address.query().unwrap_or_default().to_owned())
}

fn joined_pairs(pairs: &[(String, String)]) -> String {
    let mut grouped = BTreeMap::<&str, Vec<&str>>::new();
    for (key, value) in pairs.iter().filter(|(key, _)| key != "signature") {
        grouped.entry(key).or_default().push(value);
    }
    let mut parts: Vec<String> = grouped
        .into_iter()
        .map(|(key, values)| format!("{key}={}", values.join(",")))
        .collect();
    parts.sort();
    parts.concat()
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

    /// The example of the platform's documentation of OAuth.
    #[test]
    fn the_published_callback_holds() {
        let callback = pairs(&[
            ("code", "0907a61c0c8d55e99db179b68161bc00"),
            (
                "hmac",
                "700e2dadb827fcc8609e9d5ce208b2e9cdaab9df07390d2cbca10d7c328fc4bf",
            ),
            ("shop", "some-shop.myshopify.com"),
            ("state", "0.6784241404160823"),
            ("timestamp", "1337178173"),
        ]);
        assert_eq!(
            verify_callback(
                &callback,
                &secret(),
                Timestamp::from_millis(1_337_178_173_000)
            ),
            Ok(())
        );
    }

    #[test]
    fn a_value_cannot_pass_for_two_pairs() {
        let now = Timestamp::from_millis(SECONDS * 1000);
        let honest = signed(
            &[("timestamp", "1700000000"), ("code", "1&shop=a b")],
            "hmac",
            "code=1%26shop%3Da+b&timestamp=1700000000",
        );
        assert_eq!(verify_callback(&honest, &secret(), now), Ok(()));
        let glued = signed(
            &[("timestamp", "1700000000"), ("code", "1&shop=a")],
            "hmac",
            "code=1&shop=a&timestamp=1700000000",
        );
        assert_eq!(
            verify_callback(&glued, &secret(), now),
            Err(SignatureMismatch)
        );
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
            ("logged_in_customer_id", "1"),
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
