//! The rarer faults: each knob does what it says.

use serde_json::{Value, json};
use storekeeper::sandbox::{
    Answer, Faults, Fight, LevelKey, Sandbox, SandboxOptions, ShopOpened, ShopRequest,
};

use super::receiver::{DEADLINE, DOMAIN, shop_with};
use crate::support::client::client;

fn key(shop: &ShopOpened) -> LevelKey {
    LevelKey {
        item: shop.items[0].item,
        location: shop.locations[0],
    }
}

fn available(sandbox: &Sandbox, key: LevelKey) -> i64 {
    let levels = sandbox.levels(DOMAIN);
    let found = levels.iter().find(|(known, _)| *known == key);
    found.unwrap().1.available
}

async fn call(sandbox: &Sandbox, shop: &ShopOpened, path: &str, body: Option<Value>) -> Value {
    let url = format!("{}/admin/api/2026-10/{path}", sandbox.shop_url(DOMAIN));
    let request = match body {
        Some(body) => client().post(url).json(&body),
        None => client().get(url),
    };
    let request = request.header("X-Shopify-Access-Token", &shop.access_token);
    request.send().await.unwrap().json().await.unwrap()
}

#[tokio::test]
async fn headers_are_wrong_or_missing_as_told() {
    let mut options = SandboxOptions::default();
    options.faults.webhooks.wrong_version_per_mille = 1000;
    options.faults.webhooks.omit_optional_per_mille = 1000;
    let request = ShopRequest::new(DOMAIN);
    let (sandbox, _, receiver) = shop_with(options, &request, &["products/update"]).await;
    sandbox.import(DOMAIN, 1).unwrap();
    sandbox.settle(DEADLINE).await.unwrap();
    let received = &receiver.all()[0];
    assert_eq!(received.header("X-Shopify-API-Version"), Some("2024-10"));
    assert_eq!(received.header("X-Shopify-Event-Id"), None);
    assert_eq!(received.header("X-Shopify-Triggered-At"), None);
}

#[tokio::test]
async fn a_hanging_delivery_fails_and_is_retried() {
    let mut options = SandboxOptions {
        time_scale: 20_000,
        ..SandboxOptions::default()
    };
    options.faults.webhooks.hang_per_mille = 1000;
    let request = ShopRequest::new(DOMAIN);
    let (sandbox, _, receiver) = shop_with(options, &request, &["products/update"]).await;
    sandbox.import(DOMAIN, 1).unwrap();
    sandbox.settle(DEADLINE).await.unwrap();
    let sent = sandbox.log(DOMAIN).webhooks;
    assert!(matches!(&sent[0].answer, Answer::Failed { reason } if reason.contains("hung")));
    assert!(matches!(
        &sent[1].answer,
        Answer::Status { status: 200, .. }
    ));
    assert_eq!(receiver.all().len(), 1);
}

#[tokio::test]
async fn equal_trimmed_bodies_are_sent_once() {
    let request = ShopRequest::new(DOMAIN);
    let (sandbox, _, receiver) = shop_with(SandboxOptions::default(), &request, &[]).await;
    let url = format!("{}/sandbox/shops/{DOMAIN}/subscriptions", sandbox.url());
    let body = json!({
        "address": receiver.url(), "topics": ["products/update"], "fields": ["id", "title"],
    });
    let made = client().post(url).json(&body).send().await.unwrap();
    assert_eq!(made.status().as_u16(), 201);
    sandbox.import(DOMAIN, 20).unwrap();
    sandbox.settle(DEADLINE).await.unwrap();
    let received = receiver.all();
    assert_eq!(received.len(), 10, "ten products, each imported twice");
    assert_eq!(received[0].body().as_object().unwrap().len(), 2);
    let sent = sandbox.log(DOMAIN).webhooks;
    let debounced = sent.iter().filter(|sent| sent.answer == Answer::Debounced);
    assert_eq!(debounced.count(), 10);
}

#[tokio::test]
async fn reads_are_stale_and_another_app_fights_back() {
    let request = ShopRequest::new(DOMAIN);
    let (sandbox, shop, _) = shop_with(SandboxOptions::default(), &request, &[]).await;
    let key = key(&shop);
    sandbox.edit_level(DOMAIN, key, 70).unwrap();
    sandbox.edit_level(DOMAIN, key, 80).unwrap();
    let mut faults = Faults::default();
    faults.api.stale_read_per_mille = 1000;
    faults.outsiders.fights = vec![Fight {
        domain: DOMAIN.to_owned(),
        item: key.item,
        available: 1,
        rounds_max: 2,
    }];
    sandbox.set_faults(faults);
    let path = format!("inventory_levels.json?inventory_item_ids={}", key.item);
    let read = call(&sandbox, &shop, &path, None).await;
    assert_eq!(read["inventory_levels"][0]["available"], 70);
    for shown in [1, 1, 5] {
        let body = json!({
            "inventory_item_id": key.item, "location_id": key.location, "available": 5,
        });
        call(&sandbox, &shop, "inventory_levels/set.json", Some(body)).await;
        assert_eq!(available(&sandbox, key), shown);
    }
}

#[tokio::test]
async fn a_key_in_use_is_refused_to_another_call() {
    let request = ShopRequest::new(DOMAIN);
    let (sandbox, shop, _) = shop_with(SandboxOptions::default(), &request, &[]).await;
    let key = key(&shop);
    let mut faults = Faults::default();
    faults.api.slow_per_mille = 1000;
    faults.api.slow_ms = 5_000;
    sandbox.set_faults(faults);
    let query = "mutation($input: InventoryAdjustQuantitiesInput!) {
        inventoryAdjustQuantities(input: $input) @idempotent(key: \"one\") { userErrors { code } } }";
    let row = json!({
        "inventoryItemId": format!("gid://shopify/InventoryItem/{}", key.item),
        "locationId": format!("gid://shopify/Location/{}", key.location),
        "delta": 4, "changeFromQuantity": null,
    });
    let input = json!({ "name": "available", "reason": "other", "changes": [row] });
    let body = json!({ "query": query, "variables": { "input": input } });
    let before = available(&sandbox, key);
    let ask = || call(&sandbox, &shop, "graphql.json", Some(body.clone()));
    let later = async {
        let begun = || sandbox.has_running_keys(DOMAIN);
        while !begun() {
            tokio::task::yield_now().await;
        }
        sandbox.set_faults(Faults::default());
        ask().await
    };
    let (first, second) = futures_util::future::join(ask(), later).await;
    assert_eq!(
        first["data"]["inventoryAdjustQuantities"]["userErrors"],
        json!([])
    );
    let code = &second["data"]["inventoryAdjustQuantities"]["userErrors"][0]["code"];
    assert_eq!(code, "IDEMPOTENCY_CONCURRENT_REQUEST");
    assert_eq!(available(&sandbox, key), before + 4);
}

#[tokio::test]
async fn a_stopped_platform_frees_its_port() {
    let sandbox = Sandbox::start(SandboxOptions::default()).await.unwrap();
    let options = SandboxOptions {
        port: sandbox.port(),
        ..SandboxOptions::default()
    };
    assert!(Sandbox::start(options.clone()).await.is_err());
    sandbox.stop().await;
    let again = Sandbox::start(options).await;
    assert!(again.is_ok(), "{again:?}");
}
