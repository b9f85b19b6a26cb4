//! Webhooks: signatures, headers, retries, duplicates, order and loss.

use std::collections::BTreeSet;

use storekeeper::sandbox::{
    Answer, CancelRequest, Faults, LevelKey, OrderRequest, SandboxOptions, ShopRequest,
};

use super::receiver::{DEADLINE, DOMAIN, shop_with};
use crate::support::client::client;

const ORDER_TOPICS: [&str; 6] = [
    "orders/create",
    "orders/paid",
    "orders/updated",
    "orders/cancelled",
    "refunds/create",
    "inventory_levels/update",
];

fn fast() -> SandboxOptions {
    SandboxOptions {
        time_scale: 20_000,
        ..SandboxOptions::default()
    }
}

#[tokio::test]
async fn an_order_and_its_cancellation_are_told_signed_and_under_one_event() {
    let request = ShopRequest::new(DOMAIN);
    let options = SandboxOptions::default();
    let (sandbox, shop, receiver) = shop_with(options, &request, &ORDER_TOPICS).await;
    let order = OrderRequest::online(&[(shop.items[0].item, 2)]);
    let order = sandbox.place_order(DOMAIN, &order).unwrap();
    sandbox.settle(DEADLINE).await.unwrap();
    let told = receiver.all();
    let topics: BTreeSet<&str> = told.iter().map(|found| found.topic.as_str()).collect();
    let wanted = [
        "orders/create",
        "orders/paid",
        "orders/updated",
        "inventory_levels/update",
    ];
    assert_eq!(topics, BTreeSet::from(wanted));
    let events: BTreeSet<_> = told
        .iter()
        .map(|found| found.header("X-Shopify-Event-Id"))
        .collect();
    assert_eq!(events.len(), 1);
    let ids: BTreeSet<_> = told
        .iter()
        .map(|found| found.header("X-Shopify-Webhook-Id"))
        .collect();
    assert_eq!(ids.len(), told.len());
    for found in &told {
        assert!(found.is_signed_with(&shop.webhook_secret));
        assert_eq!(found.header("X-Shopify-Shop-Domain"), Some(DOMAIN));
        assert!(
            found
                .header("X-Shopify-Triggered-At")
                .unwrap()
                .ends_with('Z')
        );
    }
    let cancel = CancelRequest::default();
    sandbox.cancel_order(DOMAIN, order, &cancel).unwrap();
    sandbox.settle(DEADLINE).await.unwrap();
    assert_eq!(receiver.of("orders/cancelled").len(), 1);
    let refunds = receiver.of("refunds/create");
    assert_eq!(refunds.len(), 1);
    let line = &refunds[0].body()["refund_line_items"][0];
    assert_eq!(line["restock_type"], "cancel");
    assert_eq!(line["location_id"], shop.locations[0]);
}

#[tokio::test]
async fn a_failed_delivery_comes_again_with_the_same_id_and_body() {
    let request = ShopRequest::new(DOMAIN);
    let (sandbox, shop, receiver) = shop_with(fast(), &request, &["inventory_levels/update"]).await;
    receiver.answer_with(302);
    let key = LevelKey {
        item: shop.items[0].item,
        location: shop.locations[0],
    };
    sandbox.edit_level(DOMAIN, key, 500).unwrap();
    sandbox.settle(DEADLINE).await.unwrap();
    let attempts = receiver.all();
    assert_eq!(attempts.len(), 9, "one attempt and eight retries");
    let bodies: BTreeSet<&[u8]> = attempts.iter().map(|found| found.raw.as_slice()).collect();
    assert_eq!(bodies.len(), 1);
    let ids: BTreeSet<_> = attempts
        .iter()
        .map(|found| found.header("X-Shopify-Webhook-Id"))
        .collect();
    assert_eq!(ids.len(), 1);
    let log = sandbox.log(DOMAIN).webhooks;
    let hours = log[8].at.nanos() - log[0].at.nanos();
    let four_hours = 4 * 3_600 * 1_000_000_000_i64;
    // Within the jitter; a busy machine adds any time at this pace.
    assert!(hours >= four_hours * 8 / 10, "{hours}");
}

#[tokio::test]
async fn a_subscription_made_by_the_api_dies_of_failures_and_a_configured_one_does_not() {
    let request = ShopRequest::new(DOMAIN);
    let (sandbox, shop, receiver) = shop_with(fast(), &request, &["orders/create"]).await;
    let url = format!(
        "{}/admin/api/2026-10/webhooks.json",
        sandbox.shop_url(DOMAIN)
    );
    let body = serde_json::json!({
        "webhook": { "topic": "orders/create", "address": format!("{}/api", receiver.url()) }
    });
    let call = |method| {
        let token = shop.access_token.clone();
        let request = client().request(method, &url);
        request.header("X-Shopify-Access-Token", token)
    };
    let made = call(reqwest::Method::POST)
        .json(&body)
        .send()
        .await
        .unwrap();
    assert_eq!(made.status().as_u16(), 201);
    receiver.answer_with(500);
    let order = OrderRequest::online(&[(shop.items[0].item, 1)]);
    sandbox.place_order(DOMAIN, &order).unwrap();
    sandbox.settle(DEADLINE).await.unwrap();
    assert_eq!(receiver.all().len(), 18);
    let listed = call(reqwest::Method::GET).send().await.unwrap();
    let listed: serde_json::Value = listed.json().await.unwrap();
    assert_eq!(listed["webhooks"], serde_json::json!([]));
    receiver.answer_with(200);
    sandbox.place_order(DOMAIN, &order).unwrap();
    sandbox.settle(DEADLINE).await.unwrap();
    assert_eq!(receiver.all().len(), 19);
}

#[tokio::test]
async fn quick_changes_both_carry_the_final_value() {
    let mut options = fast();
    options.faults.webhooks.delay_min_ms = 2_000_000;
    options.faults.webhooks.delay_max_ms = 2_000_000;
    let request = ShopRequest::new(DOMAIN);
    let (sandbox, shop, receiver) =
        shop_with(options, &request, &["inventory_levels/update"]).await;
    let key = LevelKey {
        item: shop.items[0].item,
        location: shop.locations[0],
    };
    sandbox.edit_level(DOMAIN, key, 10).unwrap();
    sandbox.edit_level(DOMAIN, key, 0).unwrap();
    sandbox.settle(DEADLINE).await.unwrap();
    let told: Vec<_> = receiver.all().iter().map(|found| found.body()).collect();
    assert_eq!(told.len(), 2);
    assert!(told.iter().all(|body| body["available"] == 0));
}

#[tokio::test]
async fn webhooks_are_doubled_overtaken_and_lost_as_told() {
    let mut options = fast();
    options.faults.webhooks.duplicate_per_mille = 300;
    options.faults.webhooks.drop_per_mille = 100;
    options.faults.webhooks.reorder_window_ms = 1_000_000;
    let request = ShopRequest::new(DOMAIN);
    let (sandbox, _, receiver) = shop_with(options, &request, &["products/update"]).await;
    sandbox.import(DOMAIN, 300).unwrap();
    sandbox.settle(DEADLINE).await.unwrap();
    let told = receiver.all();
    let ids: BTreeSet<_> = told
        .iter()
        .map(|found| found.header("X-Shopify-Webhook-Id").map(str::to_owned))
        .collect();
    let dropped = sandbox.log(DOMAIN).webhooks;
    let dropped = dropped.iter().filter(|sent| sent.answer == Answer::Dropped);
    assert_eq!(ids.len() + dropped.count(), 300);
    assert!((200..300).contains(&ids.len()), "{} left", ids.len());
    assert!(told.len() > ids.len() + 30, "{} in all", told.len());
    let triggered: Vec<_> = told
        .iter()
        .map(|found| found.header("X-Shopify-Triggered-At").map(str::to_owned))
        .collect();
    assert!(!triggered.is_sorted());
}

#[tokio::test]
async fn healing_sends_what_waits_and_ends_the_faults() {
    let mut options = SandboxOptions::default();
    options.faults.webhooks.delay_min_ms = 3_600_000;
    options.faults.webhooks.delay_max_ms = 3_600_000;
    let request = ShopRequest::new(DOMAIN);
    let (sandbox, _, receiver) = shop_with(options, &request, &["products/update"]).await;
    sandbox.import(DOMAIN, 5).unwrap();
    assert_eq!(sandbox.pending(), 5);
    assert!(receiver.all().is_empty());
    sandbox.heal();
    sandbox.settle(DEADLINE).await.unwrap();
    assert_eq!(receiver.all().len(), 5);
    let mut faults = Faults::default();
    faults.webhooks.replay_burst = 3;
    sandbox.set_faults(faults);
    sandbox.settle(DEADLINE).await.unwrap();
    assert_eq!(receiver.all().len(), 8);
}

#[tokio::test]
async fn the_oldest_live_secret_signs() {
    let request = ShopRequest::new(DOMAIN);
    let (sandbox, shop, receiver) = shop_with(fast(), &request, &["products/update"]).await;
    let control = |what: &str| {
        let url = format!("{}/sandbox/shops/{DOMAIN}/secrets/{what}", sandbox.url());
        client().post(url)
    };
    let rotated = control("rotate").send().await.unwrap();
    let rotated: serde_json::Value = rotated.json().await.unwrap();
    sandbox.import(DOMAIN, 1).unwrap();
    sandbox.settle(DEADLINE).await.unwrap();
    assert!(receiver.all()[0].is_signed_with(&shop.webhook_secret));
    control("revoke").send().await.unwrap();
    sandbox.import(DOMAIN, 1).unwrap();
    sandbox.settle(DEADLINE).await.unwrap();
    let newer = rotated["webhook_secret"].as_str().unwrap();
    assert!(receiver.all()[1].is_signed_with(newer));
}
