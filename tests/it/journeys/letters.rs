//! What is given up, and what people do about it.

use reqwest::Method;
use serde_json::{Value, json};
use storekeeper::sandbox::{Faults, RestockType, WebhookFaults};

use super::kit::Kit;
use super::shop::Shop;
use crate::support::app::{Answer, sign};
use crate::support::database::{TestDb, on_both_databases};

on_both_databases!(
    a_webhook_that_cannot_be_understood_does_not_block_the_others,
    one_item_that_may_not_be_written_does_not_block_the_others,
    a_refund_of_an_order_that_nobody_knows_is_given_up_and_settled_by_people,
);

async fn letters(shop: &Shop) -> Vec<Value> {
    let path = format!("/v1/admin/dead-letters?store={}", shop.store);
    let answer = shop.operator(Method::GET, &path, &Value::Null).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()["items"].as_array().unwrap().clone()
}

async fn settle(shop: &Shop, letter: &Value, verb: &str) -> Answer {
    let path = format!(
        "/v1/admin/dead-letters/{}/{verb}",
        letter["id"].as_str().unwrap()
    );
    shop.operator(Method::POST, &path, &Value::Null).await
}

async fn a_webhook_that_cannot_be_understood_does_not_block_the_others(database: TestDb) {
    let mut shop = Shop::with_stock(&[60, 0]).open(database).await;
    let kit = Kit::of(shop.item(1), &[(shop.item(0), 1)]);
    shop.define(&kit).await;
    shop.comes_right().await;
    let nonsense = json!({ "id": "what?", "line_items": 3 });
    let answer = shop.webhook("orders/create", None, &nonsense).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    shop.sell(&[(kit.item(), 2)]);
    shop.shows("gave it up", |shown| shown["dead"] == 1).await;
    shop.comes_right().await;
    assert_eq!(shop.level(shop.item(0)), 58);

    let found = letters(&shop).await;
    assert_eq!(found[0]["class"], "malformed", "{found:?}");
    assert_eq!(settle(&shop, &found[0], "retry").await.status, 204);
    shop.shows("gave it up again", |shown| {
        shown["dead"] == 1 && shown["parked"] == 0
    })
    .await;
    let again = letters(&shop).await;
    assert_eq!(again.len(), 1);
    assert_eq!(settle(&shop, &again[0], "discard").await.status, 204);
    assert_eq!(letters(&shop).await.len(), 0);
    shop.shows("forgot it", |shown| shown["dead"] == 0).await;
}

async fn one_item_that_may_not_be_written_does_not_block_the_others(database: TestDb) {
    let mut shop = Shop::with_stock(&[60, 60, 60, 0]).open(database).await;
    let components = [0, 1, 2].map(|position| (shop.item(position), 1));
    let kit = Kit::of(shop.item(3), &components);
    shop.define(&kit).await;
    shop.comes_right().await;

    // One component becomes a native bundle, and nobody tells.
    shop.sandbox.set_faults(Faults {
        webhooks: WebhookFaults {
            drop_per_mille: 1_000,
            ..WebhookFaults::default()
        },
        ..Faults::default()
    });
    let path = format!("/items/{}", shop.item(1));
    shop.control(Method::POST, &path, &json!({ "native_bundle": true }))
        .await;
    shop.sandbox.heal();
    shop.sell(&[(kit.item(), 4)]);
    shop.until("took the others", |shop| {
        [0, 2].map(|position| shop.level(shop.item(position))) == [56, 56]
    })
    .await;
    assert_eq!(shop.level(shop.item(1)), 60);
    shop.shows("gave the item up", |shown| {
        shown["dead"] == 1 && shown["open_calls"] == 0
    })
    .await;
    let found = letters(&shop).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0]["class"], "rejected");
    let reason = found[0]["reason"].as_str().unwrap();
    assert!(reason.contains(&shop.item(1).to_string()), "{reason}");

    let refused = settle(&shop, &found[0], "retry").await;
    assert_eq!(refused.status, 409, "{}", refused.text);
    assert_eq!(refused.json()["code"], "nothing_to_retry");
    assert_eq!(settle(&shop, &found[0], "discard").await.status, 204);
    assert_eq!(letters(&shop).await.len(), 0);

    shop.sell(&[(kit.item(), 1)]);
    shop.until("goes on", |shop| shop.level(shop.item(0)) == 55)
        .await;
}

async fn a_refund_of_an_order_that_nobody_knows_is_given_up_and_settled_by_people(
    database: TestDb,
) {
    let mut shop = Shop::with_stock(&[60, 0]).open(database).await;
    let kit = Kit::of(shop.item(1), &[(shop.item(0), 1)]);
    shop.define(&kit).await;
    shop.comes_right().await;
    send_strange_refund(&shop).await;
    shop.shows("gave the row up", |shown| shown["dead"] == 1)
        .await;
    let found = letters(&shop).await;
    assert_eq!(found[0]["class"], "entity_missing", "{found:?}");
    assert_eq!(found[0]["topic"], "refunds/create");

    // The store went on meanwhile.
    let order = shop.sell(&[(kit.item(), 2)]);
    shop.refund(order, 1, RestockType::Cancel);
    shop.comes_right().await;
    assert_eq!(shop.level(shop.item(0)), 59);

    assert_eq!(settle(&shop, &found[0], "retry").await.status, 204);
    // The platform still knows no such order.
    shop.shows("gave it up again", |shown| {
        shown["dead"] == 1 && shown["parked"] == 0
    })
    .await;
    let again = letters(&shop).await;
    assert_eq!(again.len(), 1);
    assert_eq!(settle(&shop, &again[0], "discard").await.status, 204);
    assert_eq!(letters(&shop).await.len(), 0);
    shop.shows("forgot it", |shown| shown["dead"] == 0).await;
    assert_eq!(settle(&shop, &again[0], "retry").await.status, 404);
    shop.comes_right().await;
}

/// A webhook as the platform signs it, of an order that it does not have.
async fn send_strange_refund(shop: &Shop) {
    let body = json!({
        "id": 1, "order_id": 4_242, "created_at": "2026-11-01T10:00:00-05:00", "note": null,
        "refund_line_items": [{
            "id": 2, "line_item_id": 3, "quantity": 1, "restock_type": "cancel",
            "location_id": shop.location(0),
            "line_item": { "id": 3, "variant_id": shop.opened.items[1].variant,
                "product_id": shop.opened.items[1].product, "quantity": 1 },
        }],
    });
    let answer = shop.webhook("refunds/create", None, &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert!(answer.text.contains("accepted"), "{}", answer.text);
}

impl Shop {
    /// Sends the store a webhook by hand.
    pub(super) async fn webhook(
        &self,
        topic: &str,
        triggered_at: Option<&str>,
        body: &Value,
    ) -> Answer {
        let body = body.to_string();
        let id = format!("by-hand-{}", self.sandbox.now().nanos());
        let mut request = self
            .anyone(Method::POST, "/webhooks/shopify")
            .header("x-shopify-topic", topic)
            .header("x-shopify-shop-domain", &self.opened.domain)
            .header("x-shopify-webhook-id", id)
            .header("x-shopify-api-version", "2026-10")
            .header(
                "x-shopify-hmac-sha256",
                sign(&self.opened.webhook_secret, body.as_bytes()),
            );
        if let Some(at) = triggered_at {
            request = request.header("x-shopify-triggered-at", at);
        }
        Answer::of(request.body(body)).await
    }
}
