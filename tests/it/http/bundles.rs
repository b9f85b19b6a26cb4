//! Merchants define bundles; storefronts read what may be sold.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use storekeeper::sandbox::{Sandbox, SandboxOptions, ShopRequest};

use crate::support::app::{Answer, TestApp, TestStore};
use crate::support::client::client;

const DOMAIN: &str = "toys.myshopify.com";

struct Shop {
    app: TestApp,
    sandbox: Sandbox,
    store: TestStore,
    items: Vec<String>,
}

/// A store on the emulated platform.
async fn shop() -> Shop {
    let sandbox = Sandbox::start(SandboxOptions::default()).await.unwrap();
    let app = TestApp::start().await;
    let opened = app_post(&sandbox, ShopRequest::new(DOMAIN)).await;
    let body = json!({
        "platform": "shopify", "domain": DOMAIN, "api_base_url": sandbox.shop_url(DOMAIN),
        "access_token": opened["access_token"], "webhook_secrets": [opened["webhook_secret"]],
    });
    let shown = app.admin().post("/v1/admin/stores", &body).await.json();
    let text = |name: &str| shown[name].as_str().unwrap().to_owned();
    let store = TestStore {
        id: text("id"),
        domain: DOMAIN.to_owned(),
        secret: opened["webhook_secret"].as_str().unwrap().to_owned(),
        intake_path: String::new(),
        secret_key: text("secret_key"),
        publishable_key: text("publishable_key"),
    };
    let items = item_ids(&sandbox).await;
    Shop {
        app,
        sandbox,
        store,
        items,
    }
}

async fn app_post(sandbox: &Sandbox, request: ShopRequest) -> Value {
    let answer = client()
        .post(format!("{}/sandbox/shops", sandbox.url()))
        .json(&json!({"domain": request.domain}))
        .send()
        .await
        .unwrap();
    answer.json().await.unwrap()
}

/// The platform's own items, each once.
async fn item_ids(sandbox: &Sandbox) -> Vec<String> {
    let levels = reqwest::get(format!("{}/sandbox/shops/{DOMAIN}/levels", sandbox.url()))
        .await
        .unwrap();
    let levels: Value = levels.json().await.unwrap();
    let list = levels
        .as_array()
        .or_else(|| levels["levels"].as_array())
        .unwrap()
        .clone();
    let mut items: Vec<String> = Vec::new();
    for level in list {
        let item = level["item"]
            .as_str()
            .map_or_else(|| level["item"].to_string(), str::to_owned);
        if !items.contains(&item) {
            items.push(item);
        }
    }
    items
}

impl Shop {
    fn path(&self, rest: &str) -> String {
        format!("/v1/stores/{}{rest}", self.store.id)
    }

    fn draft(&self) -> Value {
        json!({
            "title": "Kit", "item": self.items[0], "mode": "ship_together",
            "components": [{"item": self.items[1], "quantity": 2}, {"item": self.items[2], "quantity": 1}],
        })
    }

    async fn stop(self) {
        self.app.stop().await;
        self.sandbox.stop().await;
    }
}

#[tokio::test]
async fn of_changes_to_what_all_have_read_one_is_made() {
    let shop = shop().await;
    let merchant = || shop.app.merchant(&shop.store);
    let made = merchant().post(&shop.path("/bundles"), &shop.draft()).await;
    let path = made.header("location").to_owned();
    let tag = merchant().get(&path).await.header("etag").to_owned();
    let change = |cap: i64| {
        let mut changed = shop.draft();
        changed["cap"] = json!(cap);
        let request = merchant().request(Method::PUT, &path);
        Answer::of(request.header("if-match", &tag).json(&changed))
    };
    let answers = futures_util::future::join_all((1..=8).map(change)).await;
    let statuses = answers.iter().map(|answer| answer.status);
    let mut statuses: Vec<_> = statuses.collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412, 412, 412, 412, 412, 412, 412]);
    let end = merchant().request(Method::DELETE, &path);
    Answer::of(end.header("if-match", &tag))
        .await
        .assert_problem(StatusCode::PRECONDITION_FAILED, "revision_mismatch");
    shop.stop().await;
}

#[tokio::test]
async fn a_bundle_is_defined_read_explained_changed_and_ended() {
    let shop = shop().await;
    let merchant = || shop.app.merchant(&shop.store);
    let made = merchant().post(&shop.path("/bundles"), &shop.draft()).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let path = made.header("location").to_owned();
    let read = merchant().get(&path).await;
    assert_eq!(read.json(), made.json());
    assert_eq!(read.json()["components"][0]["quantity"], 2);
    let why = merchant().get(&format!("{path}/why")).await.json();
    assert_eq!(why["item"], shop.items[0].as_str());
    let listed = merchant().get(&shop.path("/bundles?limit=1")).await.json();
    assert_eq!(listed["items"][0], read.json());
    let mut changed = shop.draft();
    changed["cap"] = json!(5);
    let stale = merchant()
        .request(Method::PUT, &path)
        .header("if-match", "\"old\"")
        .json(&changed);
    Answer::of(stale)
        .await
        .assert_problem(StatusCode::PRECONDITION_FAILED, "revision_mismatch");
    let put = merchant().send(Method::PUT, &path, &changed).await;
    assert_eq!(
        (put.status, &put.json()["cap"]),
        (200, &json!(5)),
        "{}",
        put.text
    );
    let items = format!("/availability?items={},{}", shop.items[0], shop.items[1]);
    let available = shop.app.shopper(&shop.store).get(&shop.path(&items)).await;
    assert_eq!(available.header("access-control-allow-origin"), "*");
    assert_eq!(available.json()["items"][0]["kind"], "bundle");
    assert_eq!(available.json()["items"][1]["kind"], "plain");
    assert_eq!(
        Answer::of(merchant().request(Method::DELETE, &path))
            .await
            .status,
        204
    );
    merchant()
        .get(&path)
        .await
        .assert_problem(StatusCode::NOT_FOUND, "unknown_bundle");
    shop.stop().await;
}

#[tokio::test]
async fn the_same_key_defines_one_bundle() {
    let shop = shop().await;
    let ask = |body: &Value| {
        shop.app
            .merchant(&shop.store)
            .request(Method::POST, &shop.path("/bundles"))
            .header("idempotency-key", "kit-1")
            .json(body)
    };
    let first = Answer::of(ask(&shop.draft())).await;
    assert_eq!(first.status, 201, "{}", first.text);
    let again = Answer::of(ask(&shop.draft())).await;
    assert_eq!((again.status, again.json()), (201, first.json()));
    for header in ["etag", "location", "content-type", "cache-control"] {
        assert!(!first.header(header).is_empty(), "{header}");
        assert_eq!(again.header(header), first.header(header), "{header}");
    }
    assert_eq!(first.header("idempotency-replayed"), "");
    assert_eq!(again.header("idempotency-replayed"), "true");
    let mut other = shop.draft();
    other["title"] = json!("Other");
    let reused = Answer::of(ask(&other)).await;
    reused.assert_problem(StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused");
    let listed = shop
        .app
        .merchant(&shop.store)
        .get(&shop.path("/bundles"))
        .await
        .json();
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    shop.stop().await;
}

#[tokio::test]
async fn what_breaks_a_rule_defines_nothing() {
    let shop = shop().await;
    let with = |field: &str, value: Value| {
        let mut body = shop.draft();
        body[field] = value;
        body
    };
    let rule = StatusCode::UNPROCESSABLE_ENTITY;
    let form = StatusCode::BAD_REQUEST;
    for (body, status, code) in [
        (with("components", json!([])), rule, "no_components"),
        (with("title", json!("")), rule, "title_length"),
        (with("cap", json!(-1)), rule, "cap_out_of_range"),
        (with("item", json!("999999999")), rule, "unknown_item"),
        (with("item", json!("x")), form, "malformed_json"),
        (with("mode", json!("sideways")), form, "malformed_json"),
        (
            with("components", json!([{"item": "5", "quantity": "two"}])),
            form,
            "malformed_json",
        ),
        (with("colour", json!("red")), form, "malformed_json"),
    ] {
        let answer = shop
            .app
            .merchant(&shop.store)
            .post(&shop.path("/bundles"), &body)
            .await;
        answer.assert_problem(status, code);
    }
    let listed = shop
        .app
        .merchant(&shop.store)
        .get(&shop.path("/bundles"))
        .await
        .json();
    assert_eq!(listed["items"], json!([]));
    for query in ["", "?items=", "?items=x", "?items=1,,2", "?colour=red"] {
        let answer = shop
            .app
            .shopper(&shop.store)
            .get(&shop.path(&format!("/availability{query}")))
            .await;
        answer.assert_problem(StatusCode::BAD_REQUEST, "malformed_query");
    }
    let many: Vec<String> = (1..=101).map(|item| item.to_string()).collect();
    let query = shop.path(&format!("/availability?items={}", many.join(",")));
    let answer = shop.app.shopper(&shop.store).get(&query).await;
    answer.assert_problem(StatusCode::BAD_REQUEST, "malformed_query");
    shop.stop().await;
}

#[tokio::test]
async fn what_is_wrong_by_itself_is_refused_although_the_platform_is_away() {
    let app = TestApp::start().await;
    let store = app.register("one.myshopify.com", "shpss_1").await;
    let part = json!({"item": "2", "quantity": 1});
    for (title, parts, code) in [
        ("", json!([part]), "title_length"),
        ("Set", json!([]), "no_components"),
        ("Set", json!([part, part]), "duplicate_component"),
    ] {
        let body = json!({"title": title, "item": "1", "mode": "pooled", "components": parts});
        let path = format!("/v1/stores/{}/bundles", store.id);
        let refused = app.merchant(&store).post(&path, &body).await;
        refused.assert_problem(StatusCode::UNPROCESSABLE_ENTITY, code);
    }
    app.stop().await;
}
