//! Each door opens to its own keys only.

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::support::app::{Answer, TestApp};

/// Every door that needs a key, with the least that it takes.
const GUARDED: [(&str, &str); 22] = [
    ("GET", "/v1/admin/stores"),
    ("POST", "/v1/admin/stores"),
    ("GET", "/v1/admin/stores/1"),
    ("PATCH", "/v1/admin/stores/1"),
    ("DELETE", "/v1/admin/stores/1"),
    ("GET", "/v1/admin/keepers"),
    ("GET", "/v1/admin/keepers/1"),
    ("GET", "/v1/admin/keepers/1/why"),
    ("POST", "/v1/admin/keepers/1/restart"),
    ("GET", "/v1/admin/dead-letters"),
    ("GET", "/v1/admin/dead-letters/count"),
    ("POST", "/v1/admin/dead-letters/bulk"),
    ("GET", "/v1/admin/tokens"),
    ("POST", "/v1/admin/tokens"),
    ("POST", "/v1/admin/tokens/0/revoke"),
    ("GET", "/v1/admin/audit"),
    ("GET", "/v1/stores/1/bundles"),
    ("POST", "/v1/stores/1/bundles"),
    (
        "PUT",
        "/v1/stores/1/bundles/00000000-0000-7000-8000-000000000000",
    ),
    (
        "DELETE",
        "/v1/stores/1/bundles/00000000-0000-7000-8000-000000000000",
    ),
    (
        "GET",
        "/v1/stores/1/bundles/00000000-0000-7000-8000-000000000000/why",
    ),
    ("GET", "/v1/stores/1/availability?items=1"),
];

#[tokio::test]
async fn no_door_opens_without_a_key() {
    let app = TestApp::start().await;
    app.register("one.myshopify.com", "shpss_1").await;
    for (method, path) in GUARDED {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let bare = app.anyone().send(method.clone(), path, &json!({})).await;
        bare.assert_problem(StatusCode::UNAUTHORIZED, "missing_credentials");
        let wrong = app
            .with_token("sks_wrong")
            .send(method, path, &json!({}))
            .await;
        wrong.assert_problem(StatusCode::UNAUTHORIZED, "unknown_credentials");
    }
    assert_eq!(app.admin().get("/v1/admin/stores/1").await.status, 200);
    app.stop().await;
}

#[tokio::test]
async fn keys_open_their_own_doors_only() {
    let app = TestApp::start().await;
    let one = app.register("one.myshopify.com", "shpss_1").await;
    let two = app.register("two.myshopify.com", "shpss_2").await;
    for (method, path) in GUARDED {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let other = app.merchant(&two).send(method, path, &json!({})).await;
        other.assert_problem(StatusCode::FORBIDDEN, "wrong_role");
    }
    let bundles = format!("/v1/stores/{}/bundles", one.id);
    app.shopper(&one)
        .get(&bundles)
        .await
        .assert_problem(StatusCode::FORBIDDEN, "wrong_role");
    assert_eq!(app.merchant(&one).get(&bundles).await.status, 200);
    let availability = format!("/v1/stores/{}/availability?items=5", one.id);
    for caller in [app.shopper(&one), app.merchant(&one), app.admin()] {
        assert_eq!(caller.get(&availability).await.status, 200);
    }
    app.stop().await;
}

#[tokio::test]
async fn a_deleted_store_shuts_its_doors_at_once() {
    let app = TestApp::start().await;
    let store = app.register("one.myshopify.com", "shpss_1").await;
    let bundles = format!("/v1/stores/{}/bundles", store.id);
    assert_eq!(app.merchant(&store).get(&bundles).await.status, 200);
    let path = format!("/v1/admin/stores/{}", store.id);
    assert_eq!(
        Answer::of(app.admin().request(Method::DELETE, &path))
            .await
            .status,
        204
    );
    app.merchant(&store)
        .get(&bundles)
        .await
        .assert_problem(StatusCode::UNAUTHORIZED, "unknown_credentials");
    app.admin()
        .get(&bundles)
        .await
        .assert_problem(StatusCode::NOT_FOUND, "unknown_store");
    app.platform(&store)
        .send()
        .await
        .assert_problem(StatusCode::NOT_FOUND, "unknown_store");
    app.stop().await;
}

#[tokio::test]
async fn strangers_are_not_told_what_else_is_wrong() {
    let app = TestApp::start().await;
    app.register("one.myshopify.com", "shpss_1").await;
    for (method, path) in [
        ("GET", "/v1/admin/stores?unknown=1"),
        ("GET", "/v1/admin/stores/no-id"),
        ("PATCH", "/v1/admin/stores/no-id"),
        ("DELETE", "/v1/admin/stores/no-id"),
        ("GET", "/v1/admin/keepers?limit=many"),
        ("GET", "/v1/admin/keepers/no-id"),
        ("GET", "/v1/admin/keepers/no-id/why"),
        ("POST", "/v1/admin/keepers/no-id/pause"),
        ("GET", "/v1/admin/dead-letters?unknown=1"),
        ("GET", "/v1/admin/dead-letters/count?unknown=1"),
        ("POST", "/v1/admin/dead-letters/no-id/retry"),
        ("POST", "/v1/admin/dead-letters/no-id/discard"),
        ("GET", "/v1/stores/1/bundles?unknown=1"),
        ("GET", "/v1/stores/1/bundles/no-id"),
        ("PUT", "/v1/stores/1/bundles/no-id"),
        ("DELETE", "/v1/stores/1/bundles/no-id"),
        ("GET", "/v1/stores/1/bundles/no-id/why"),
        ("GET", "/v1/stores/1/availability?unknown=1"),
    ] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        for token in ["ska_wrong", "sks_wrong"] {
            let caller = app.with_token(token);
            let answer = caller.send(method.clone(), path, &json!({})).await;
            answer.assert_problem(StatusCode::UNAUTHORIZED, "unknown_credentials");
        }
    }
    app.stop().await;
}

#[tokio::test]
async fn scripts_of_every_origin_may_read_why_availability_is_refused() {
    let app = TestApp::start().await;
    for path in [
        "/v1/stores/1/availability",
        "/v1/stores/1/availability?items=1",
    ] {
        let refused = app.with_token("skp_wrong").get(path).await;
        refused.assert_problem(StatusCode::UNAUTHORIZED, "unknown_credentials");
        assert_eq!(refused.header("access-control-allow-origin"), "*");
        assert!(
            refused
                .header("access-control-expose-headers")
                .contains("retry-after")
        );
    }
    app.stop().await;
}
