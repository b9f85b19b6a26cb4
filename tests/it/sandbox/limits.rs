//! The REST door: tokens, versions, the limit, pages and faults.

use reqwest::Response;
use serde_json::{Value, json};
use storekeeper::sandbox::{
    Faults, OrderRequest, Products, Sandbox, SandboxOptions, ShopOpened, ShopRequest,
};

use super::receiver::DOMAIN;
use crate::support::client::client;

async fn shop(request: &ShopRequest) -> (Sandbox, ShopOpened) {
    let sandbox = Sandbox::start(SandboxOptions::default()).await.unwrap();
    let opened = sandbox.open_shop(request).unwrap();
    (sandbox, opened)
}

async fn get(sandbox: &Sandbox, token: &str, path: &str) -> Response {
    let url = if path.starts_with("http") {
        path.to_owned()
    } else {
        format!("{}/admin/api/{path}", sandbox.shop_url(DOMAIN))
    };
    let request = client().get(url).header("X-Shopify-Access-Token", token);
    request.send().await.unwrap()
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers()[name].to_str().unwrap()
}

#[tokio::test]
async fn the_bucket_counts_and_refuses_with_the_platforms_words() {
    let (sandbox, opened) = shop(&ShopRequest::new(DOMAIN)).await;
    let mut last = None;
    for _ in 0..60 {
        let response = get(&sandbox, &opened.access_token, "2026-10/locations.json").await;
        let refused = response.status().as_u16() == 429;
        last = Some(response);
        if refused {
            break;
        }
    }
    let refused = last.unwrap();
    assert_eq!(refused.status().as_u16(), 429);
    assert_eq!(header(&refused, "X-Shopify-Shop-Api-Call-Limit"), "40/40");
    assert_eq!(header(&refused, "Retry-After"), "1.0");
    let body: Value = refused.json().await.unwrap();
    assert!(
        body["errors"]
            .as_str()
            .unwrap()
            .starts_with("Exceeded 2 calls per second")
    );
    let calls = sandbox.log(DOMAIN).calls;
    assert!(calls.len() > 40);
    assert_eq!(calls.iter().filter(|call| call.throttled).count(), 1);
    assert!(calls.iter().all(|call| call.bucket_used <= 40));
}

#[tokio::test]
async fn tokens_versions_and_frozen_shops_are_told_apart() {
    let (sandbox, opened) = shop(&ShopRequest::new(DOMAIN)).await;
    let wrong = get(&sandbox, "shpat_wrong", "2026-10/locations.json").await;
    assert_eq!(wrong.status().as_u16(), 401);
    let retired = get(&sandbox, &opened.access_token, "2024-01/locations.json").await;
    assert_eq!(retired.status().as_u16(), 200);
    assert_eq!(header(&retired, "X-Shopify-API-Version"), "2025-10");
    assert!(retired.headers().contains_key("X-Request-Id"));
    let by_host = client()
        .get(format!("{}/admin/api/2026-10/shop.json", sandbox.url()))
        .header("Host", DOMAIN)
        .header("X-Shopify-Access-Token", &opened.access_token);
    let by_host: Value = by_host.send().await.unwrap().json().await.unwrap();
    assert_eq!(by_host["shop"]["myshopify_domain"], DOMAIN);
    let freeze = format!("{}/sandbox/shops/{DOMAIN}/freeze", sandbox.url());
    let freeze = client().post(freeze).json(&json!({ "frozen": true }));
    freeze.send().await.unwrap();
    let frozen = get(&sandbox, &opened.access_token, "2026-10/locations.json").await;
    assert_eq!(frozen.status().as_u16(), 402);
}

#[tokio::test]
async fn expiring_tokens_are_refreshed_once() {
    let mut request = ShopRequest::new(DOMAIN);
    request.token_ttl_s = Some(0);
    let (sandbox, opened) = shop(&request).await;
    let dead = get(&sandbox, &opened.access_token, "2026-10/locations.json").await;
    assert_eq!(dead.status().as_u16(), 401);
    let url = format!("{}/admin/oauth/access_token", sandbox.shop_url(DOMAIN));
    let body = json!({
        "client_id": "app",
        "client_secret": opened.webhook_secret,
        "grant_type": "refresh_token",
        "refresh_token": opened.refresh_token,
    });
    let first = client().post(&url).json(&body).send().await.unwrap();
    assert_eq!(first.status().as_u16(), 200);
    let granted: Value = first.json().await.unwrap();
    assert_eq!(granted["expires_in"], 0);
    let second = client().post(&url).json(&body).send().await.unwrap();
    assert_eq!(second.status().as_u16(), 400);
}

#[tokio::test]
async fn pages_are_linked_forth_and_back() {
    let mut request = ShopRequest::new(DOMAIN);
    request.products = Products::Generated(7);
    let (sandbox, opened) = shop(&request).await;
    let token = &opened.access_token;
    let (mut path, mut seen) = ("2026-10/products.json?limit=3".to_owned(), Vec::new());
    let mut links = Vec::new();
    loop {
        let response = get(&sandbox, token, &path).await;
        let link = response.headers().get("Link");
        let link = link.map_or("", |found| found.to_str().unwrap()).to_owned();
        let body: Value = response.json().await.unwrap();
        let products = body["products"].as_array().unwrap().iter();
        seen.extend(products.map(|product| product["id"].as_i64().unwrap()));
        links.push(link.clone());
        let next = link.split(", ").find(|part| part.ends_with("rel=\"next\""));
        let Some(next) = next else { break };
        path = next[1..next.find('>').unwrap()].to_owned();
    }
    let wanted: Vec<i64> = opened.items.iter().map(|made| made.product).collect();
    assert_eq!(seen, wanted);
    assert!(links[1].contains("rel=\"previous\""));
    let mixed = format!("{path}&status=any");
    let refused = get(&sandbox, token, &mixed).await;
    assert_eq!(refused.status().as_u16(), 400);
}

#[tokio::test]
async fn levels_are_read_set_and_adjusted() {
    let (sandbox, opened) = shop(&ShopRequest::new(DOMAIN)).await;
    let (item, location) = (opened.items[2].item, opened.locations[0]);
    assert!(item > 1 << 53);
    let post = |path: &str, body: Value| {
        let url = format!("{}/admin/api/2026-10/{path}", sandbox.shop_url(DOMAIN));
        let request = client().post(url).json(&body);
        request.header("X-Shopify-Access-Token", &opened.access_token)
    };
    let set = json!({ "inventory_item_id": item, "location_id": location, "available": 42 });
    let set = post("inventory_levels/set.json", set).send().await.unwrap();
    let set: Value = set.json().await.unwrap();
    assert_eq!(set["inventory_level"]["available"], 42);
    let adjust =
        json!({ "inventory_item_id": item, "location_id": location, "available_adjustment": -5 });
    let adjusted = post("inventory_levels/adjust.json", adjust)
        .send()
        .await
        .unwrap();
    assert_eq!(adjusted.status().as_u16(), 200);
    let path = format!("2026-10/inventory_levels.json?inventory_item_ids={item}");
    let read: Value = get(&sandbox, &opened.access_token, &path)
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(read["inventory_levels"][0]["available"], 37);
    assert_eq!(read["inventory_levels"][0]["inventory_item_id"], item);
    let neither = get(
        &sandbox,
        &opened.access_token,
        "2026-10/inventory_levels.json",
    )
    .await;
    assert_eq!(neither.status().as_u16(), 422);
    let many = vec!["1"; 51].join(",");
    let path = format!("2026-10/inventory_levels.json?inventory_item_ids={many}");
    assert_eq!(
        get(&sandbox, &opened.access_token, &path)
            .await
            .status()
            .as_u16(),
        422
    );
}

#[tokio::test]
async fn orders_are_listed_by_status_and_moment() {
    let (sandbox, opened) = shop(&ShopRequest::new(DOMAIN)).await;
    let request = OrderRequest::online(&[(opened.items[0].item, 1)]);
    let first = sandbox.place_order(DOMAIN, &request).unwrap();
    let second = sandbox.place_order(DOMAIN, &request).unwrap();
    let token = &opened.access_token;
    let ids = |body: &Value| -> Vec<i64> {
        let orders = body["orders"].as_array().unwrap().iter();
        orders.map(|order| order["id"].as_i64().unwrap()).collect()
    };
    let all = get(&sandbox, token, "2026-10/orders.json?status=any&fields=id").await;
    let all: Value = all.json().await.unwrap();
    assert_eq!(ids(&all), [second, first]);
    assert_eq!(all["orders"][0].as_object().unwrap().len(), 1);
    let since = format!("2026-10/orders.json?status=any&since_id={first}");
    let since: Value = get(&sandbox, token, &since).await.json().await.unwrap();
    assert_eq!(ids(&since), [second]);
    let future = "2026-10/orders.json?status=any&updated_at_min=2099-01-01T00:00:00Z";
    let future: Value = get(&sandbox, token, future).await.json().await.unwrap();
    assert!(ids(&future).is_empty());
}

#[tokio::test]
async fn calls_fail_as_told_and_say_so_in_the_log() {
    let (sandbox, opened) = shop(&ShopRequest::new(DOMAIN)).await;
    let token = &opened.access_token;
    let mut faults = Faults::default();
    faults.api.error_per_mille = 1000;
    sandbox.set_faults(faults.clone());
    let failed = get(&sandbox, token, "2026-10/locations.json").await;
    assert_eq!(failed.status().as_u16(), 500);
    faults.api.error_per_mille = 0;
    faults.api.reset_per_mille = 1000;
    sandbox.set_faults(faults.clone());
    let url = format!(
        "{}/admin/api/2026-10/locations.json",
        sandbox.shop_url(DOMAIN)
    );
    let request = client().get(url).header("X-Shopify-Access-Token", token);
    let cut = match request.send().await {
        Ok(response) => response.bytes().await.is_err(),
        Err(_) => true,
    };
    assert!(cut);
    faults.api.reset_per_mille = 0;
    faults.api.ambiguous_per_mille = 1000;
    sandbox.set_faults(faults);
    let (item, location) = (opened.items[0].item, opened.locations[0]);
    let url = format!(
        "{}/admin/api/2026-10/inventory_levels/set.json",
        sandbox.shop_url(DOMAIN)
    );
    let body = json!({ "inventory_item_id": item, "location_id": location, "available": 7 });
    let request = client().post(url).json(&body);
    let request = request.header("X-Shopify-Access-Token", token);
    let cut = match request.send().await {
        Ok(response) => response.bytes().await.is_err(),
        Err(_) => true,
    };
    assert!(cut);
    let levels = sandbox.levels(DOMAIN);
    let (_, level) = levels.iter().find(|(key, _)| key.item == item).unwrap();
    assert_eq!(level.available, 7);
    let faults: Vec<_> = sandbox
        .log(DOMAIN)
        .calls
        .iter()
        .map(|call| call.fault)
        .collect();
    assert_eq!(faults, [Some("error"), Some("reset"), Some("ambiguous")]);
}
