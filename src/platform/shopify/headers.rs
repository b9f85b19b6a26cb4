//! The headers of a webhook, in both families: `X-Shopify-*`, and `Shopify-*` as newer deliveries and some proxies
//! spell them.

use crate::clock::Timestamp;
use crate::platform::webhook::HEADER_VALUE_BYTES_MAX;
use crate::platform::{DeliveryHeaders, HeaderProblem};

/// A header's spellings; the first is the one that messages use.
struct Spellings([&'static str; 2]);

const TOPIC: Spellings = Spellings(["x-shopify-topic", "shopify-topic"]);
const SIGNATURE: Spellings = Spellings(["x-shopify-hmac-sha256", "shopify-hmac-sha256"]);
const SHOP_DOMAIN: Spellings = Spellings(["x-shopify-shop-domain", "shopify-shop-domain"]);
const WEBHOOK_ID: Spellings = Spellings(["x-shopify-webhook-id", "shopify-webhook-id"]);
const EVENT_ID: Spellings = Spellings(["x-shopify-event-id", "shopify-event-id"]);
const TRIGGERED_AT: Spellings = Spellings(["x-shopify-triggered-at", "shopify-triggered-at"]);
const API_VERSION: Spellings = Spellings(["x-shopify-api-version", "shopify-api-version"]);
const TEST: Spellings = Spellings(["x-shopify-test", "shopify-test"]);

impl Spellings {
    fn name(&self) -> &'static str {
        let Self([name, _]) = self;
        name
    }

    /// The value under either spelling; an empty one counts as absent.
    fn find<'request>(
        &self,
        lookup: &impl Fn(&str) -> Option<&'request str>,
    ) -> Result<Option<&'request str>, HeaderProblem> {
        let value = self
            .0
            .iter()
            .find_map(|name| lookup(name))
            .map(str::trim)
            .filter(|value| !value.is_empty());
        match value {
            Some(value) if value.len() > HEADER_VALUE_BYTES_MAX => {
                Err(HeaderProblem::TooLong(self.name()))
            }
            Some(_) | None => Ok(value),
        }
    }
}

/// Reads a webhook's headers. `lookup` is asked for lower-case names and must ignore case, as header maps do.
///
/// Topic, signature, shop domain and webhook id are required; an unreadable instant counts as absent.
///
/// # Errors
/// Names all required headers that are missing, or the first that is too long.
pub fn parse<'request>(
    lookup: impl Fn(&str) -> Option<&'request str>,
) -> Result<DeliveryHeaders<'request>, HeaderProblem> {
    let topic = TOPIC.find(&lookup)?;
    let signature = SIGNATURE.find(&lookup)?;
    let shop_domain = SHOP_DOMAIN.find(&lookup)?;
    let webhook_id = WEBHOOK_ID.find(&lookup)?;
    let (Some(topic), Some(signature), Some(shop_domain), Some(webhook_id)) =
        (topic, signature, shop_domain, webhook_id)
    else {
        let required = [
            (TOPIC, topic),
            (SIGNATURE, signature),
            (SHOP_DOMAIN, shop_domain),
            (WEBHOOK_ID, webhook_id),
        ];
        let missing = required
            .iter()
            .filter(|(_, value)| value.is_none())
            .map(|(header, _)| header.name());
        return Err(HeaderProblem::Missing(missing.collect()));
    };
    Ok(DeliveryHeaders {
        topic,
        signature,
        shop_domain: shop_domain.to_ascii_lowercase(),
        webhook_id,
        event_id: EVENT_ID.find(&lookup)?,
        triggered_at: TRIGGERED_AT
            .find(&lookup)?
            .and_then(Timestamp::parse_rfc3339),
        api_version: API_VERSION.find(&lookup)?,
        test: TEST
            .find(&lookup)?
            .is_some_and(|value| value.eq_ignore_ascii_case("true")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: [(&str, &str); 8] = [
        ("X-Shopify-Topic", "orders/create"),
        (
            "X-Shopify-Hmac-SHA256",
            "d6hYn7E9bxxy4oCDwrd34WKfczwYOgjacVQZBmeqkKk=",
        ),
        ("X-Shopify-Shop-Domain", "Shop.myshopify.com"),
        ("X-Shopify-API-Version", "2026-10"),
        (
            "X-Shopify-Webhook-Id",
            "f6f877dc-5aa2-4f17-b5fa-6f0288c41dd4",
        ),
        ("X-Shopify-Event-Id", "98880550-7158-44d4-b7cd-2c97c8a091b5"),
        ("X-Shopify-Triggered-At", "2024-08-07T22:56:28.834278316Z"),
        ("X-Shopify-Test", "true"),
    ];

    fn parse_pairs<'pairs>(
        pairs: &'pairs [(&'pairs str, &'pairs str)],
    ) -> Result<DeliveryHeaders<'pairs>, HeaderProblem> {
        parse(|wanted| {
            pairs
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
                .map(|(_, value)| *value)
        })
    }

    #[test]
    fn both_families_say_the_same() {
        let headers = parse_pairs(&WHOLE).unwrap();
        assert_eq!(headers.shop_domain, "shop.myshopify.com");
        assert_eq!(headers.webhook_id, "f6f877dc-5aa2-4f17-b5fa-6f0288c41dd4");
        assert_eq!(
            headers.event_id,
            Some("98880550-7158-44d4-b7cd-2c97c8a091b5")
        );
        assert_eq!(
            headers.triggered_at.unwrap().to_rfc3339(),
            "2024-08-07T22:56:28.834Z"
        );
        assert_eq!((headers.api_version, headers.test), (Some("2026-10"), true));
        let bare = WHOLE.map(|(name, value)| (name.trim_start_matches("X-"), value));
        assert_eq!(parse_pairs(&bare).unwrap(), headers);
    }

    #[test]
    fn every_missing_header_is_named() {
        let problem = parse_pairs(&[("x-shopify-topic", " ")]).unwrap_err();
        let names = vec![
            "x-shopify-topic",
            "x-shopify-hmac-sha256",
            "x-shopify-shop-domain",
            "x-shopify-webhook-id",
        ];
        assert_eq!(problem, HeaderProblem::Missing(names));
    }

    #[test]
    fn only_four_are_required() {
        let required = [WHOLE[0], WHOLE[1], WHOLE[2], WHOLE[4]];
        let headers = parse_pairs(&required).unwrap();
        assert_eq!((headers.event_id, headers.triggered_at), (None, None));
        assert_eq!((headers.api_version, headers.test), (None, false));
    }

    #[test]
    fn a_value_that_no_column_would_hold_is_refused() {
        let long = "w".repeat(HEADER_VALUE_BYTES_MAX + 1);
        let mut pairs = WHOLE;
        pairs[4].1 = &long;
        assert_eq!(
            parse_pairs(&pairs).unwrap_err(),
            HeaderProblem::TooLong("x-shopify-webhook-id")
        );
    }
}
