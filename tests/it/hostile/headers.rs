//! Headers of webhooks that are missing, doubled, too long, not text, or not true.

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode};

use crate::support::app::{Answer, TestApp, TestStore, sign};

const BODY: &[u8] = b"{\"id\":1}";
const SECRET: &str = "shpss_1";
const DOMAIN: &str = "one.myshopify.com";
const TOPIC: &str = "x-shopify-topic";
const SIGNATURE: &str = "x-shopify-hmac-sha256";
const SHOP_DOMAIN: &str = "x-shopify-shop-domain";
const WEBHOOK_ID: &str = "x-shopify-webhook-id";
const REQUIRED: [&str; 4] = [TOPIC, SIGNATURE, SHOP_DOMAIN, WEBHOOK_ID];
/// Headers that may be anything: nothing depends on them but what they mean when they can be read.
const OPTIONAL: [&str; 4] = [
    "x-shopify-event-id",
    "x-shopify-triggered-at",
    "x-shopify-api-version",
    "x-shopify-test",
];

fn genuine() -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in [
        (TOPIC, "orders/create"),
        (SHOP_DOMAIN, DOMAIN),
        (WEBHOOK_ID, "delivery-1"),
    ] {
        headers.insert(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    }
    headers.insert(
        SIGNATURE,
        HeaderValue::from_str(&sign(SECRET, BODY)).unwrap(),
    );
    headers
}

fn bytes(value: &[u8]) -> HeaderValue {
    HeaderValue::from_bytes(value).unwrap()
}

async fn send(app: &TestApp, path: &str, headers: HeaderMap) -> Answer {
    Answer::of(
        app.anyone()
            .request(Method::POST, path)
            .headers(headers)
            .body(BODY),
    )
    .await
}

async fn one_store() -> (TestApp, TestStore) {
    let app = TestApp::start().await;
    let store = app.register(DOMAIN, SECRET).await;
    (app, store)
}

#[tokio::test]
async fn a_required_header_is_there_once_as_text() {
    let (app, store) = one_store().await;
    for name in REQUIRED {
        for path in [store.intake_path.as_str(), "/webhooks/shopify"] {
            let mut headers = genuine();
            headers.remove(name);
            send(&app, path, headers)
                .await
                .assert_problem(StatusCode::BAD_REQUEST, "missing_header");
            for unreadable in [&b""[..], b" ", b"\t", b"\xff\xfe\xfd", b"caf\xc3\xa9"] {
                let mut headers = genuine();
                headers.insert(name, bytes(unreadable));
                let answer = send(&app, path, headers).await;
                assert_eq!(answer.status, 400, "{name} {unreadable:?}: {}", answer.text);
            }
            let mut headers = genuine();
            headers.insert(name, bytes(&[b'x'; 256]));
            send(&app, path, headers)
                .await
                .assert_problem(StatusCode::BAD_REQUEST, "malformed_header");
        }
    }
    assert_eq!(app.accepted(&store).await, 0);
    app.stop().await;
}

#[tokio::test]
async fn a_doubled_header_is_refused_unless_both_say_the_same() {
    let (app, store) = one_store().await;
    for name in REQUIRED {
        let mut headers = genuine();
        headers.append(name, bytes(b"something-else"));
        let answer = send(&app, &store.intake_path, headers).await;
        answer.assert_problem(StatusCode::BAD_REQUEST, "missing_header");
    }
    assert_eq!(app.accepted(&store).await, 0);
    let mut headers = genuine();
    for name in REQUIRED {
        let value = headers[name].clone();
        headers.append(name, value);
    }
    assert_eq!(send(&app, &store.intake_path, headers).await.status, 200);
    app.stop().await;
}

#[tokio::test]
async fn a_signature_in_another_alphabet_is_none() {
    let (app, store) = one_store().await;
    let genuine_signature = sign(SECRET, BODY);
    let raw = base64::Engine::decode(
        &base64::engine::general_purpose::STANDARD,
        &genuine_signature,
    )
    .unwrap();
    let wrong = [
        hex::encode(&raw),
        hex::encode(&raw).to_uppercase(),
        base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, &raw),
        genuine_signature.trim_end_matches('=').to_owned(),
        genuine_signature.to_lowercase(),
        genuine_signature.to_uppercase(),
        format!("sha256={genuine_signature}"),
        format!("{genuine_signature}="),
        format!("{genuine_signature},{genuine_signature}"),
        format!("\"{genuine_signature}\""),
        "=".repeat(44),
        "A".repeat(43) + "=",
        sign(SECRET, b"{\"id\":2}"),
        sign("", BODY),
    ];
    for signature in wrong {
        let mut headers = genuine();
        headers.insert(SIGNATURE, HeaderValue::from_str(&signature).unwrap());
        let answer = send(&app, &store.intake_path, headers).await;
        answer.assert_problem(StatusCode::UNAUTHORIZED, "bad_signature");
    }
    assert_eq!(app.accepted(&store).await, 0);
    app.stop().await;
}

#[tokio::test]
async fn a_domain_that_is_not_the_stores_is_refused() {
    let (app, store) = one_store().await;
    app.register("two.myshopify.com", "shpss_2").await;
    for domain in [
        "two.myshopify.com",
        "one.myshopify.com.",
        "one.myshopify.com.evil.example",
        "one.myshopify.com:443",
        "https://one.myshopify.com",
        "one.myshopify.com/",
        "xn--one.myshopify.com",
        "*.myshopify.com",
        "%",
        "'; --",
        "..",
        "127.0.0.1",
    ] {
        let mut headers = genuine();
        headers.insert(SHOP_DOMAIN, HeaderValue::from_static(domain));
        let by_token = send(&app, &store.intake_path, headers.clone()).await;
        by_token.assert_problem(StatusCode::UNAUTHORIZED, "wrong_domain");
        let by_domain = send(&app, "/webhooks/shopify", headers).await;
        // Of a store that is there, the signature is wrong.
        assert!(
            matches!(by_domain.status, 401 | 404),
            "{domain}: {}",
            by_domain.text
        );
    }
    assert_eq!(app.accepted(&store).await, 0);
    app.stop().await;
}

#[tokio::test]
async fn what_is_optional_may_be_anything() {
    let (app, store) = one_store().await;
    let values: [&[u8]; 9] = [
        b"",
        b"\xff\xfe",
        b"never",
        b"0",
        b"9999-12-31T23:59:59.999999999Z",
        b"-262143-01-01T00:00:00Z",
        b"2026-02-30T00:00:00Z",
        b"99999999999999999999999999",
        b"true, false",
    ];
    let mut sent = 0;
    for name in OPTIONAL {
        for value in values {
            sent += 1;
            let mut headers = genuine();
            headers.insert(name, bytes(value));
            headers.append(name, bytes(b"twice"));
            headers.insert(
                WEBHOOK_ID,
                HeaderValue::from_str(&format!("delivery-{sent}")).unwrap(),
            );
            let answer = send(&app, &store.intake_path, headers).await;
            assert_eq!(answer.status, 200, "{name} {value:?}: {}", answer.text);
        }
    }
    let keeper = app
        .keeper_until(&store, |keeper| keeper["backlog"] == 0)
        .await;
    assert_eq!(keeper["restarts"], 0, "{keeper}");
    app.stop().await;
}
