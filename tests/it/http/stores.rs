//! Registering stores and changing them.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use storekeeper::clock::Clock;

use crate::support::app::{Answer, PATIENCE, TestApp, TestStore, store_body};

const STORES: &str = "/v1/admin/stores";

#[tokio::test]
async fn what_is_malformed_registers_nothing() {
    let app = TestApp::start().await;
    let with = |field: &str, value: Value| {
        let mut body = store_body("one.myshopify.com", "shpss_1");
        body[field] = value;
        body
    };
    let refused = [
        (
            with("platform", json!("etsy")),
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid_field",
        ),
        (
            with("domain", json!("no host")),
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid_field",
        ),
        (
            with("api_base_url", json!("ftp://x")),
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid_field",
        ),
        (
            with("name", json!("")),
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid_field",
        ),
        (
            with("webhook_secrets", json!("shpss_1")),
            StatusCode::BAD_REQUEST,
            "malformed_json",
        ),
        (
            with("access_token", json!("")),
            StatusCode::BAD_REQUEST,
            "malformed_json",
        ),
        (
            with("unknown", json!(1)),
            StatusCode::BAD_REQUEST,
            "malformed_json",
        ),
        (
            with("name", json!("a\0b")),
            StatusCode::BAD_REQUEST,
            "malformed_json",
        ),
        (
            with("plan", json!("a\nb")),
            StatusCode::BAD_REQUEST,
            "malformed_json",
        ),
        (json!({}), StatusCode::BAD_REQUEST, "malformed_json"),
        (json!([]), StatusCode::BAD_REQUEST, "malformed_json"),
    ];
    for (body, status, code) in refused {
        let answer = app.admin().post(STORES, &body).await;
        answer.assert_problem(status, code);
        assert!(
            !answer.text.contains("shpss_1"),
            "a secret is never repeated: {}",
            answer.text
        );
    }
    assert_eq!(app.admin().get(STORES).await.json()["items"], json!([]));
    app.stop().await;
}

#[tokio::test]
async fn bodies_are_json_and_bounded() {
    let app = TestApp::start().await;
    let text = app.admin().request(Method::POST, STORES).body("x");
    Answer::of(text)
        .await
        .assert_problem(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type");
    let json = || {
        app.admin()
            .request(Method::POST, STORES)
            .header("content-type", "application/json")
    };
    Answer::of(json())
        .await
        .assert_problem(StatusCode::BAD_REQUEST, "empty_body");
    let large = Answer::of(json().body(vec![b' '; 300_000])).await;
    large.assert_problem(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large");
    assert_eq!(app.admin().get(STORES).await.json()["items"], json!([]));
    app.stop().await;
}

#[tokio::test]
async fn the_same_key_and_request_give_the_same_answer() {
    let app = TestApp::start().await;
    let body = store_body("one.myshopify.com", "shpss_1");
    let ask = |key: &'static str| {
        app.admin()
            .request(Method::POST, STORES)
            .header("idempotency-key", key)
            .json(&body)
    };
    let first = Answer::of(ask("key-1")).await;
    assert_eq!(first.status, 201);
    let again = Answer::of(ask("key-1")).await;
    assert_eq!((again.status, again.json()), (201, first.json()));
    assert_eq!(again.header("idempotency-replayed"), "true");
    Answer::of(ask("key-2"))
        .await
        .assert_problem(StatusCode::CONFLICT, "store_exists");
    Answer::of(ask("two words"))
        .await
        .assert_problem(StatusCode::BAD_REQUEST, "malformed_header");
    assert_eq!(
        app.admin().get(STORES).await.json()["items"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    app.stop().await;
}

#[tokio::test]
async fn a_store_is_read_listed_and_changed_without_its_secrets() {
    let app = TestApp::start().await;
    for number in 1..=3 {
        app.register(&format!("s{number}.myshopify.com"), "shpss_secret")
            .await;
    }
    let read = app.admin().get("/v1/admin/stores/1").await;
    assert!(
        !read.text.contains("shpss") && !read.text.contains("shpat"),
        "{}",
        read.text
    );
    let page = app.admin().get("/v1/admin/stores?limit=2").await.json();
    assert_eq!(page["items"][1]["id"], "2");
    let next = format!(
        "/v1/admin/stores?limit=2&cursor={}",
        page["next"].as_str().unwrap()
    );
    let rest = app.admin().get(&next).await.json();
    assert_eq!(rest["items"][0]["id"], "3");
    assert_eq!(rest["next"], Value::Null);
    let changed = app
        .admin()
        .send(Method::PATCH, "/v1/admin/stores/1", &json!({"name": "One"}))
        .await;
    assert_eq!(changed.json()["name"], "One");
    let stale = app
        .admin()
        .request(Method::PATCH, "/v1/admin/stores/1")
        .header("if-match", read.header("etag"))
        .json(&json!({"name": "Two"}));
    Answer::of(stale)
        .await
        .assert_problem(StatusCode::PRECONDITION_FAILED, "revision_mismatch");
    let same = app
        .admin()
        .request(Method::GET, "/v1/admin/stores/1")
        .header("if-none-match", changed.header("etag"));
    assert_eq!(Answer::of(same).await.status, 304);
    app.stop().await;
}

#[tokio::test]
async fn a_store_is_deleted_only_as_it_was_seen() {
    let app = TestApp::start().await;
    app.register("one.myshopify.com", "shpss_1").await;
    let path = "/v1/admin/stores/1";
    let seen = app.admin().get(path).await;
    let changed = app
        .admin()
        .send(Method::PATCH, path, &json!({"name": "One"}))
        .await;
    let delete = |tag: &str| {
        let request = app.admin().request(Method::DELETE, path);
        Answer::of(request.header("if-match", tag))
    };
    delete(seen.header("etag"))
        .await
        .assert_problem(StatusCode::PRECONDITION_FAILED, "revision_mismatch");
    assert_eq!(app.admin().get(path).await.status, 200);
    assert_eq!(delete(changed.header("etag")).await.status, 204);
    delete("*")
        .await
        .assert_problem(StatusCode::NOT_FOUND, "unknown_store");
    app.stop().await;
}

#[tokio::test]
async fn lists_and_paths_are_bounded_and_typed() {
    let app = TestApp::start().await;
    for (path, code) in [
        ("/v1/admin/stores?limit=0", "malformed_query"),
        ("/v1/admin/stores?limit=251", "malformed_query"),
        ("/v1/admin/stores?limit=x", "malformed_query"),
        ("/v1/admin/stores?colour=red", "malformed_query"),
        ("/v1/admin/stores?cursor=!", "malformed_cursor"),
        ("/v1/admin/stores/abc", "malformed_path"),
        ("/v1/admin/stores/0", "malformed_path"),
        ("/v1/admin/keepers?state=happy", "malformed_query"),
        ("/v1/admin/keepers?sort=colour", "malformed_query"),
        ("/v1/admin/dead-letters?class=sad", "malformed_query"),
    ] {
        app.admin()
            .get(path)
            .await
            .assert_problem(StatusCode::BAD_REQUEST, code);
    }
    app.admin()
        .get("/v1/admin/stores/9")
        .await
        .assert_problem(StatusCode::NOT_FOUND, "unknown_store");
    app.stop().await;
}

#[tokio::test]
async fn a_key_of_another_request_registers_nothing() {
    let app = TestApp::start().await;
    let ask = |domain: &str| {
        let request = app
            .admin()
            .request(Method::POST, STORES)
            .header("idempotency-key", "key-1")
            .json(&store_body(domain, "shpss_1"));
        Answer::of(request)
    };
    let first = ask("one.myshopify.com").await;
    assert_eq!(first.status, 201);
    let other = ask("two.myshopify.com").await;
    other.assert_problem(StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused");
    let again = ask("one.myshopify.com").await;
    assert_eq!((again.status, again.json()), (201, first.json()));
    let listed = app.admin().get(STORES).await.json();
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    app.stop().await;
}

#[tokio::test]
async fn a_store_that_was_uninstalled_says_so() {
    let app = TestApp::start().await;
    let store = app.register("one.myshopify.com", "shpss_1").await;
    let gone = app.platform(&store).topic("app/uninstalled").send().await;
    assert_eq!(gone.json()["outcome"], "accepted");
    app.keeper_until(&store, |keeper| keeper["state"] == "paused")
        .await;
    let listed = app.admin().get(STORES).await.json();
    assert_eq!(listed["items"][0]["status"], "uninstalled");
    let read = app.admin().get("/v1/admin/stores/1").await.json();
    assert_eq!(read["status"], "uninstalled");
    app.stop().await;
}

/// Waits until the keeper's reasons to wait are as `expected` says.
async fn keeper_waits(app: &TestApp, store: &TestStore, expected: impl Fn(&str) -> bool) {
    let path = format!("/v1/admin/keepers/{}/why", store.id);
    let waiting = async {
        while !expected(&app.admin().get(&path).await.text) {
            tokio::task::yield_now().await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, waiting).await;
    waited.expect("the keeper waits for something else");
}

async fn say_uninstalled(app: &TestApp, store: &TestStore, at: &str) {
    let webhook = app.platform(store).topic("app/uninstalled").id(at);
    let request = webhook.request().header("x-shopify-triggered-at", at);
    assert_eq!(Answer::of(request).await.status, 200);
}

#[tokio::test]
async fn a_new_token_brings_a_removed_store_back_for_good() {
    const REMOVED: &str = "the merchant to install the app again";
    let app = TestApp::start().await;
    let store = app.register("one.myshopify.com", "shpss_1").await;
    let path = format!("{STORES}/{}", store.id);
    let installed_at = async || app.admin().get(&path).await.json()["installed_at"].clone();
    let patch = async |body: Value| {
        let answer = app.admin().send(Method::PATCH, &path, &body).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
    };
    let first = installed_at().await;
    let removed_at = Clock::System.now();
    say_uninstalled(&app, &store, &removed_at.to_rfc3339()).await;
    keeper_waits(&app, &store, |reasons| reasons.contains(REMOVED)).await;
    patch(json!({"name": "One"})).await;
    assert_eq!(installed_at().await, first);

    patch(json!({"access_token": "shpat_anew"})).await;
    assert_ne!(installed_at().await, first);
    keeper_waits(&app, &store, |reasons| !reasons.contains(REMOVED)).await;
    // Said of the installation before, and late.
    let late = removed_at.plus_millis(-1).to_rfc3339();
    say_uninstalled(&app, &store, &late).await;
    let row = format!("/v1/admin/keepers/{}", store.id);
    let applied = async {
        while app.admin().get(&row).await.json()["observation"]["cursor"] != 2 {
            tokio::task::yield_now().await;
        }
    };
    let applied = tokio::time::timeout(PATIENCE, applied).await;
    applied.expect("the late webhook is not applied");
    keeper_waits(&app, &store, |reasons| !reasons.contains(REMOVED)).await;
    app.stop().await;
}
