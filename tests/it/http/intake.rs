//! What is answered to webhooks, genuine and otherwise.

use std::time::Duration;

use reqwest::StatusCode;
use storekeeper::db::inbox;
use storekeeper::ids::StoreId;

use crate::support::app::{Answer, TestApp, TestStore, sign};

async fn one_store() -> (TestApp, TestStore) {
    let app = TestApp::start().await;
    let store = app.register("one.myshopify.com", "shpss_1").await;
    (app, store)
}

#[tokio::test]
async fn a_genuine_webhook_is_accepted_once() {
    let (app, store) = one_store().await;
    let webhook = app.platform(&store);
    assert_eq!(webhook.send().await.json()["outcome"], "accepted");
    assert_eq!(webhook.send().await.json()["outcome"], "duplicate");
    let by_domain = app.platform(&store).path("/webhooks/shopify");
    assert_eq!(by_domain.send().await.json()["outcome"], "duplicate");
    let unknown_topic = app
        .platform(&store)
        .topic("weather/changed")
        .id("delivery-2");
    assert_eq!(unknown_topic.send().await.status, 200);
    assert_eq!(app.accepted(&store).await, 2);
    app.stop().await;
}

#[tokio::test]
async fn what_is_not_genuine_changes_nothing() {
    let (app, store) = one_store().await;
    let refused = [
        (
            app.platform(&store).secret("shpss_other"),
            StatusCode::UNAUTHORIZED,
            "bad_signature",
        ),
        (
            app.platform(&store).domain("two.myshopify.com"),
            StatusCode::UNAUTHORIZED,
            "wrong_domain",
        ),
        (
            app.platform(&store).body(""),
            StatusCode::BAD_REQUEST,
            "empty_body",
        ),
        (
            app.platform(&store).topic(" "),
            StatusCode::BAD_REQUEST,
            "missing_header",
        ),
        (
            app.platform(&store).id(" "),
            StatusCode::BAD_REQUEST,
            "missing_header",
        ),
        (
            app.platform(&store).topic(&"t".repeat(300)),
            StatusCode::BAD_REQUEST,
            "malformed_header",
        ),
        (
            app.platform(&store).path("/webhooks/shopify/ski_guess"),
            StatusCode::NOT_FOUND,
            "unknown_store",
        ),
        (
            app.platform(&store).path("/webhooks/etsy/x"),
            StatusCode::NOT_FOUND,
            "unknown_platform",
        ),
        (
            app.platform(&store)
                .path("/webhooks/shopify")
                .domain("no.myshopify.com"),
            StatusCode::NOT_FOUND,
            "unknown_store",
        ),
        (
            app.platform(&store).body(vec![b' '; 2 * 1024 * 1024 + 1]),
            StatusCode::PAYLOAD_TOO_LARGE,
            "payload_too_large",
        ),
    ];
    for (webhook, status, code) in refused {
        webhook.send().await.assert_problem(status, code);
    }
    assert_eq!(app.accepted(&store).await, 0);
    app.stop().await;
}

#[tokio::test]
async fn every_missing_header_is_named() {
    let (app, store) = one_store().await;
    let bare = app
        .anyone()
        .request(reqwest::Method::POST, &store.intake_path)
        .body("{}");
    let answer = Answer::of(bare).await;
    answer.assert_problem(StatusCode::BAD_REQUEST, "missing_header");
    for name in [
        "x-shopify-topic",
        "x-shopify-hmac-sha256",
        "x-shopify-shop-domain",
        "x-shopify-webhook-id",
    ] {
        assert!(answer.text.contains(name), "{}", answer.text);
    }
    app.stop().await;
}

#[tokio::test]
async fn the_newer_family_of_headers_is_understood() {
    let (app, store) = one_store().await;
    let body = "{\"id\":7}";
    let request = app
        .anyone()
        .request(reqwest::Method::POST, &store.intake_path)
        .header("shopify-topic", "orders/create")
        .header("shopify-webhook-id", "delivery-1")
        .header("shopify-shop-domain", "one.myshopify.com")
        .header("shopify-hmac-sha256", sign("shpss_1", body.as_bytes()))
        .body(body);
    assert_eq!(Answer::of(request).await.json()["outcome"], "accepted");
    app.stop().await;
}

#[tokio::test]
async fn secrets_rotate_without_a_gap() {
    let (app, store) = one_store().await;
    let path = format!("/v1/admin/stores/{}", store.id);
    let add = serde_json::json!({"add_webhook_secrets": ["shpss_2"]});
    assert_eq!(
        app.admin()
            .send(reqwest::Method::PATCH, &path, &add)
            .await
            .status,
        200
    );
    let old = app.platform(&store).id("old");
    let new = app.platform(&store).secret("shpss_2").id("new");
    assert_eq!(old.send().await.status, 200);
    assert_eq!(new.send().await.status, 200);
    let revoke = serde_json::json!({"revoke_webhook_secrets": ["1"]});
    assert_eq!(
        app.admin()
            .send(reqwest::Method::PATCH, &path, &revoke)
            .await
            .status,
        200
    );
    app.platform(&store)
        .id("late")
        .send()
        .await
        .assert_problem(StatusCode::UNAUTHORIZED, "bad_signature");
    app.stop().await;
}

#[tokio::test]
async fn a_body_made_for_another_store_is_refused_when_the_secret_is_shared() {
    let app = TestApp::start().await;
    let one = app.register("one.myshopify.com", "shpss_shared").await;
    let two = app.register("two.myshopify.com", "shpss_shared").await;
    assert_eq!(
        app.platform(&one).send().await.json()["outcome"],
        "accepted"
    );
    let replay = app.platform(&two).id("forged");
    replay
        .send()
        .await
        .assert_problem(StatusCode::CONFLICT, "shared_secret_replay");
    assert_eq!(app.accepted(&two).await, 0);
    assert_eq!(
        app.platform(&two).id("sample").test().send().await.json()["outcome"],
        "accepted"
    );
    assert_eq!(
        app.platform(&two)
            .id("own")
            .body("{\"id\":2}")
            .send()
            .await
            .status,
        200
    );
    app.stop().await;
}

#[tokio::test]
async fn app_wide_secrets_sign_for_every_store() {
    let app = TestApp::start_with(|config| {
        config.platform.shopify.app_secrets = vec![storekeeper::config::Secret::new("shpss_app")];
    })
    .await;
    let one = app.register("one.myshopify.com", "shpss_1").await;
    let two = app.register("two.myshopify.com", "shpss_2").await;
    assert_eq!(
        app.platform(&one).secret("shpss_app").send().await.status,
        200
    );
    let replay = app.platform(&two).secret("shpss_app").send().await;
    replay.assert_problem(StatusCode::CONFLICT, "shared_secret_replay");
    app.stop().await;
}

#[tokio::test]
async fn a_secret_of_a_store_that_is_the_apps_too_is_shared() {
    for (first, second) in [(0, 1), (1, 0)] {
        let app = TestApp::start_with(|config| {
            config.platform.shopify.app_secrets =
                vec![storekeeper::config::Secret::new("shpss_app")];
        })
        .await;
        let stores = [
            app.register("own.myshopify.com", "shpss_app").await,
            app.register("other.myshopify.com", "shpss_other").await,
        ];
        let signed = |store| app.platform(store).secret("shpss_app");
        let made = signed(&stores[first]).send().await;
        assert_eq!(made.json()["outcome"], "accepted");
        let replay = signed(&stores[second]).id("forged").send().await;
        replay.assert_problem(StatusCode::CONFLICT, "shared_secret_replay");
        app.stop().await;
    }
}

#[tokio::test]
async fn a_body_that_never_ends_is_not_waited_for() {
    let (app, store) = one_store().await;
    let mut stream = tokio::net::TcpStream::connect(app.url().trim_start_matches("http://"))
        .await
        .unwrap();
    let head = format!(
        "POST {} HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n",
        store.intake_path
    );
    tokio::io::AsyncWriteExt::write_all(&mut stream, head.as_bytes())
        .await
        .unwrap();
    let mut answer = vec![0; 64];
    let reading = tokio::io::AsyncReadExt::read(&mut stream, &mut answer);
    let read = tokio::time::timeout(Duration::from_secs(60), reading).await;
    let read = read.expect("an answer").unwrap();
    assert!(
        answer[..read].starts_with(b"HTTP/1.1 408"),
        "{}",
        String::from_utf8_lossy(&answer)
    );
    app.stop().await;
}

/// An order of something that is in no bundle.
const FOREIGN_ORDER: &str =
    r#"{"id":7,"line_items":[{"id":1,"variant_id":2,"product_id":3,"quantity":1}]}"#;

#[tokio::test]
async fn a_body_made_for_another_store_is_refused_even_if_it_is_naked_here() {
    let app = TestApp::start().await;
    let one = app.register("one.myshopify.com", "shpss_shared").await;
    let two = app.register("two.myshopify.com", "shpss_shared").await;
    let reason = serde_json::json!({"reason": "so that it finds nothing naked"});
    let runs = |keeper: &serde_json::Value| {
        keeper["state"] == "running" && !keeper["observation"].is_null()
    };
    app.keeper_until(&one, runs).await;
    app.keeper_until(&two, runs).await;
    let admin = app.admin();
    let rest = admin.post("/v1/admin/keepers/1/quarantine", &reason).await;
    assert_eq!(rest.status, 202);
    app.keeper_until(&one, |keeper| keeper["state"] == "quarantined")
        .await;
    let order = |store| app.platform(store).body(FOREIGN_ORDER);
    assert_eq!(order(&one).send().await.json()["outcome"], "accepted");
    let replay = order(&two).id("forged").send().await;
    replay.assert_problem(StatusCode::CONFLICT, "shared_secret_replay");
    let sample = order(&two).id("sample").test().send().await;
    assert_eq!(sample.json()["outcome"], "naked");
    let own = FOREIGN_ORDER.replace('7', "8");
    let own = app.platform(&two).id("own").body(own).send().await;
    assert_eq!(own.json()["outcome"], "naked");
    app.stop().await;
}

#[tokio::test]
async fn what_the_headers_tell_is_kept_with_the_body() {
    let (app, store) = one_store().await;
    let webhook = app
        .platform(&store)
        .topic("orders/updated")
        .id("delivery-7");
    let told = webhook
        .request()
        .header("x-shopify-event-id", "event-7")
        .header("x-shopify-triggered-at", "2026-11-22T05:36:21.5Z");
    assert_eq!(Answer::of(told).await.json()["outcome"], "accepted");
    let bare = app.platform(&store).id("delivery-8").body("{\"id\":2}");
    assert_eq!(bare.send().await.json()["outcome"], "accepted");

    let db = app.db().await;
    let id = StoreId(store.id.parse().unwrap());
    let kept = inbox::look_ahead(&db, id, 0, 10, usize::MAX).await.unwrap();
    let [first, second] = &kept.rows[..] else {
        panic!("{kept:?}")
    };
    assert_eq!(
        (first.topic.as_str(), first.delivery_id.as_str()),
        ("orders/updated", "delivery-7")
    );
    assert_eq!(first.event_id.as_deref(), Some("event-7"));
    assert_eq!(first.api_version.as_deref(), Some("2026-10"));
    let at = first.triggered_at.unwrap().to_rfc3339();
    assert!(at.starts_with("2026-11-22T05:36:21.5"), "{at}");
    assert_eq!(&first.body[..], b"{\"id\":1}");
    assert_eq!((&second.event_id, second.triggered_at), (&None, None));
    db.close().await.unwrap();
    app.stop().await;
}

#[tokio::test]
async fn a_sample_of_an_uninstallation_ends_nothing() {
    let (app, store) = one_store().await;
    for topic in ["app/uninstalled", "shop/redact"] {
        let sample = app.platform(&store).topic(topic).id(topic).test();
        assert_eq!(sample.send().await.json()["outcome"], "naked", "{topic}");
    }
    assert_eq!(app.accepted(&store).await, 0);
    app.stop().await;
}
