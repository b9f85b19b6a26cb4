//! The description names every route, and every route that it names is served.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::Value;
use storekeeper::http::catalogue;

use crate::support::app::{Answer, TestApp};

#[tokio::test]
async fn every_described_route_is_served() {
    let app = TestApp::start().await;
    let api = app.anyone().get("/openapi.json").await.json();
    assert!(
        api["openapi"].as_str().unwrap().starts_with("3.1"),
        "{}",
        api["openapi"]
    );
    for (path, item) in api["paths"].as_object().unwrap() {
        let address = path
            .replace("{verb}", "pause")
            .replace("{platform}", "shopify");
        let address = address
            .replace("{store}", "1")
            .replace("{intake_token}", "t")
            .replace("{bundle}", "b");
        let address = address.replace("{id}", "i").replace("{token}", "0");
        for method in item.as_object().unwrap().keys() {
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let answer = Answer::of(app.anyone().request(method.clone(), &address)).await;
            assert!(
                !answer.text.contains("\"code\":\"route_not_found\"") || path.contains("oauth"),
                "{method} {path}"
            );
            assert_ne!(answer.status, 405, "{method} {path}");
        }
    }
    app.stop().await;
}

#[tokio::test]
async fn the_contract_is_described() {
    let app = TestApp::start().await;
    let api = app.anyone().get("/openapi.json").await.json();
    for (method, path) in [
        ("post", "/webhooks/{platform}"),
        ("post", "/webhooks/{platform}/{intake_token}"),
        ("post", "/v1/admin/stores"),
        ("get", "/v1/admin/stores"),
        ("get", "/v1/admin/stores/{store}"),
        ("patch", "/v1/admin/stores/{store}"),
        ("delete", "/v1/admin/stores/{store}"),
        ("post", "/v1/stores/{store}/bundles"),
        ("get", "/v1/stores/{store}/bundles"),
        ("get", "/v1/stores/{store}/bundles/{bundle}"),
        ("put", "/v1/stores/{store}/bundles/{bundle}"),
        ("delete", "/v1/stores/{store}/bundles/{bundle}"),
        ("get", "/v1/stores/{store}/bundles/{bundle}/why"),
        ("get", "/v1/stores/{store}/availability"),
        ("get", "/healthz"),
        ("get", "/readyz"),
        ("get", "/metrics"),
        ("get", "/status"),
        ("get", "/v1/admin/keepers"),
        ("get", "/v1/admin/keepers/{store}"),
        ("get", "/v1/admin/keepers/{store}/why"),
        ("post", "/v1/admin/keepers/{store}/{verb}"),
        ("get", "/v1/admin/dead-letters"),
        ("post", "/v1/admin/dead-letters/{id}/retry"),
        ("post", "/v1/admin/dead-letters/{id}/discard"),
        ("get", "/v1/admin/dead-letters/{id}"),
        ("get", "/v1/admin/dead-letters/{id}/body"),
        ("get", "/v1/admin/keepers/{store}/bucket"),
        ("get", "/v1/admin/tokens"),
        ("post", "/v1/admin/tokens"),
        ("post", "/v1/admin/tokens/{token}/revoke"),
        ("get", "/v1/admin/audit"),
        ("get", "/admin"),
        ("get", "/admin/live"),
        ("get", "/openapi.json"),
        ("get", "/docs"),
    ] {
        assert!(api["paths"][path][method].is_object(), "{method} {path}");
    }
    app.stop().await;
}

#[tokio::test]
async fn every_reading_has_a_tag_and_says_so() {
    let app = TestApp::start().await;
    app.register("one.myshopify.com", "shpss_1").await;
    let api = app.anyone().get("/openapi.json").await.json();
    let mut read = 0;
    for (path, item) in api["paths"].as_object().unwrap() {
        if !path.starts_with("/v1/") || !item["get"].is_object() {
            continue;
        }
        let responses = &item["get"]["responses"];
        assert!(responses["304"].is_object(), "{path}");
        let mut address = path.replace("{store}", "1");
        if path.ends_with("/availability") {
            address.push_str("?items=1");
        }
        let answer = app.admin().get(&address).await;
        if answer.status == 200 {
            read += 1;
            assert!(!answer.header("etag").is_empty(), "{path}");
        }
    }
    assert!(read >= 15, "{read}");
    app.stop().await;
}

/// The codes that a description names between back-ticks.
fn codes(description: &str) -> impl Iterator<Item = &str> {
    description.split('`').skip(1).step_by(2)
}

#[tokio::test]
async fn every_described_code_is_in_the_catalogue_with_its_status() {
    let app = TestApp::start().await;
    let api = app.anyone().get("/openapi.json").await.json();
    let known: BTreeSet<(String, &str)> = catalogue()
        .map(|problem| (problem.status().as_u16().to_string(), problem.code()))
        .collect();
    for (path, item) in api["paths"].as_object().unwrap() {
        for operation in item.as_object().unwrap().values() {
            check_answers(path, &operation["responses"], &known);
        }
    }
    app.stop().await;
}

fn check_answers(path: &str, responses: &Value, known: &BTreeSet<(String, &str)>) {
    for (status, response) in responses.as_object().unwrap() {
        if !status.starts_with(['4', '5']) {
            continue;
        }
        let described = codes(response["description"].as_str().unwrap());
        for code in described.filter(|code| *code != "Retry-After") {
            assert!(
                known.contains(&(status.clone(), code)),
                "{path}: {status} {code}"
            );
        }
        assert!(
            response["content"]["application/problem+json"].is_object(),
            "{path}: {status}"
        );
    }
}

#[tokio::test]
async fn the_page_tells_what_a_door_takes() {
    let app = TestApp::start().await;
    let page = app.anyone().get("/docs").await.text;
    for told in [
        "<dt><code>api_base_url</code></dt><dd>body, required",
        "<code>ship_together</code>",
        "<code>item</code>, <code>optional</code>, <code>quantity</code>",
        "<dt><code>If-Match</code></dt><dd>header",
    ] {
        assert!(page.contains(told), "{told}: {page}");
    }
    assert!(!page.contains('`'), "back-ticks are for sources");
    app.stop().await;
}
