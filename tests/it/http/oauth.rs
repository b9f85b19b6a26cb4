//! Installing: only what the platform signed, answering a redirect of ours, once.

use hmac::{Hmac, KeyInit, Mac};
use reqwest::{Method, StatusCode};
use sha2::Sha256;
use storekeeper::clock::Clock;
use storekeeper::config::{Config, Secret};
use storekeeper::sandbox::{Sandbox, SandboxOptions, ShopOpened, ShopRequest};

use crate::support::app::{Answer, TestApp, sign};
use crate::support::client::client;

const INSTALL: &str = "/oauth/shopify/install?shop=toys.myshopify.com";

fn is_app(config: &mut Config) {
    config.platform.shopify.client_id = "app-1".to_owned();
    config.platform.shopify.client_secret = Secret::new("hush");
}

async fn installable() -> TestApp {
    TestApp::start_with(is_app).await
}

/// A query as the platform signs it: pairs in order, plain words only.
fn signed(pairs: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(b"hush").unwrap();
    mac.update(pairs.as_bytes());
    let hmac = hex::encode(mac.finalize().into_bytes());
    format!("/oauth/shopify/callback?{pairs}&hmac={hmac}")
}

fn now_s() -> i64 {
    Clock::System.now().as_millis() / 1000
}

/// A shop on the sandbox that does not have the app yet, and the server that is the app.
async fn on_sandbox() -> (Sandbox, ShopOpened, TestApp) {
    let sandbox = Sandbox::start(SandboxOptions::default()).await.unwrap();
    let opened = sandbox.open_shop(&ShopRequest {
        webhook_secret: Some("hush".to_owned()),
        ..ShopRequest::new("toys.myshopify.com")
    });
    let shop_url = format!("{}/shops/{{shop}}", sandbox.url());
    let app = TestApp::start_with(|config| {
        is_app(config);
        config.platform.shopify.shop_url = shop_url;
    })
    .await;
    (sandbox, opened.unwrap(), app)
}

#[tokio::test]
async fn without_an_app_there_is_nothing_to_install() {
    let app = TestApp::start().await;
    app.anyone()
        .get(INSTALL)
        .await
        .assert_problem(StatusCode::NOT_FOUND, "route_not_found");
    app.stop().await;
}

#[tokio::test]
async fn a_merchant_is_sent_to_the_shop_and_nowhere_else() {
    let app = installable().await;
    let sent = app.anyone().get(INSTALL).await;
    assert_eq!(sent.status, 303, "{}", sent.text);
    let address = sent.header("location");
    assert!(
        address.starts_with("https://toys.myshopify.com/admin/oauth/authorize?client_id=app-1&")
    );
    assert!(sent.header("set-cookie").contains("HttpOnly"));
    for shop in [
        "",
        "evil.example",
        "evil.example/.myshopify.com",
        "a.b.myshopify.com",
    ] {
        let path = format!("/oauth/shopify/install?shop={shop}");
        app.anyone()
            .get(&path)
            .await
            .assert_problem(StatusCode::BAD_REQUEST, "malformed_query");
    }
    app.stop().await;
}

/// Goes through the whole installation as a merchant's browser does, and gives the server's last answer.
async fn installed(app: &TestApp) -> Answer {
    let sent = app.anyone().get(INSTALL).await;
    let nonce = sent.header("location").split("state=").nth(1).unwrap();
    let cookie = sent.header("set-cookie").split(';').next().unwrap();
    let back = format!(
        "code=c&shop=toys.myshopify.com&state={nonce}&timestamp={}",
        now_s()
    );
    let back = app.anyone().request(Method::GET, &signed(&back));
    Answer::of(back.header("cookie", cookie)).await
}

#[tokio::test]
async fn a_merchant_who_agreed_is_installed_and_installed_again() {
    let (sandbox, opened, app) = on_sandbox().await;
    let item = opened.items[0].item;
    let first = installed(&app).await;
    assert_eq!(first.status, 201, "{}", first.text);
    let first = first.json();
    let text = |key: &str| first[key].as_str().unwrap().to_owned();
    assert!(text("intake_url").starts_with(&format!("{}/webhooks/shopify/", app.url())));
    // The granted token works: the keeper asks the platform about the bundle's items.
    let bundle = serde_json::json!({
        "title": "Kit", "item": item.to_string(), "mode": "ship_together",
        "components": [{"item": "1", "quantity": 1}],
    });
    let path = format!("/v1/stores/{}/bundles", text("id"));
    app.with_token(&text("secret_key"))
        .post(&path, &bundle)
        .await
        .assert_problem(StatusCode::UNPROCESSABLE_ENTITY, "unknown_item");
    // The platform signs with the secret that signed the callback.
    let intake = text("intake_url");
    let body = br#"{"id":1}"#;
    let webhook = app.anyone();
    let webhook = webhook
        .request(Method::POST, intake.strip_prefix(&app.url()).unwrap())
        .header("x-shopify-topic", "orders/create")
        .header("x-shopify-shop-domain", "toys.myshopify.com")
        .header("x-shopify-webhook-id", "delivery-1")
        .header("x-shopify-hmac-sha256", sign("hush", body))
        .body(body.to_vec());
    let taken = Answer::of(webhook).await;
    assert_eq!(taken.status, 200, "{}", taken.text);
    let again = installed(&app).await;
    assert_eq!(again.status, 200, "{}", again.text);
    assert_eq!(again.json(), serde_json::json!({"id": text("id")}));
    app.stop().await;
    sandbox.stop().await;
}

/// The whole way, as a browser goes it: each redirect is followed, whoever sent it.
#[tokio::test]
async fn a_browser_that_follows_the_redirects_installs_the_app() {
    let (sandbox, _opened, app) = on_sandbox().await;
    let sent = app.anyone().get(INSTALL).await;
    let cookie = sent.header("set-cookie").split(';').next().unwrap();
    let address = sent.header("location");
    let agreed = Answer::of(client().get(address)).await;
    assert_eq!(agreed.status, 302, "{}", agreed.text);
    let back = agreed.header("location");
    assert!(
        back.starts_with(&format!("{}/oauth/shopify/callback?code=", app.url())),
        "{back}"
    );
    let forged = back.replace("toys.", "toys2.");
    Answer::of(client().get(forged).header("cookie", cookie))
        .await
        .assert_problem(StatusCode::BAD_REQUEST, "oauth_refused");
    let installed = Answer::of(client().get(back).header("cookie", cookie)).await;
    assert_eq!(installed.status, 201, "{}", installed.text);
    // Nothing that the platform needs may be missing.
    for name in ["client_id", "scope", "redirect_uri", "state"] {
        let without = address.replace(&format!("{name}="), "other=");
        let refused = Answer::of(client().get(without)).await;
        assert_eq!(refused.status, 400, "{name}");
        assert!(refused.text.contains(name), "{}", refused.text);
    }
    app.stop().await;
    sandbox.stop().await;
}

#[tokio::test]
async fn of_two_first_installations_at_once_one_is_first() {
    let (sandbox, _opened, app) = on_sandbox().await;
    let answers = futures_util::future::join_all((0..8).map(|_| installed(&app))).await;
    let statuses = |wanted: u16| answers.iter().filter(move |answer| answer.status == wanted);
    assert_eq!(
        (statuses(201).count(), statuses(200).count()),
        (1, 7),
        "{answers:?}"
    );
    app.stop().await;
    sandbox.stop().await;
}

#[tokio::test]
async fn a_way_back_that_is_not_genuine_installs_nothing() {
    let app = installable().await;
    let sent = app.anyone().get(INSTALL).await;
    let nonce = sent
        .header("location")
        .split("state=")
        .nth(1)
        .unwrap()
        .to_owned();
    let good = |state: &str, at: i64| {
        format!("code=c&shop=toys.myshopify.com&state={state}&timestamp={at}")
    };
    let refused = [
        format!("/oauth/shopify/callback?{}&hmac=00", good(&nonce, now_s())),
        format!("/oauth/shopify/callback?{}", good(&nonce, now_s())),
        signed(&good(&nonce, now_s() - 600)),
        signed(&good("guess", now_s())),
        // Genuine, but from a browser that was not given the redirect; and now the nonce is spent.
        signed(&good(&nonce, now_s())),
    ];
    for path in refused {
        app.anyone()
            .get(&path)
            .await
            .assert_problem(StatusCode::BAD_REQUEST, "oauth_refused");
    }
    let cookie = sent
        .header("set-cookie")
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    let spent = app
        .anyone()
        .request(Method::GET, &signed(&good(&nonce, now_s())))
        .header("cookie", cookie);
    Answer::of(spent)
        .await
        .assert_problem(StatusCode::BAD_REQUEST, "oauth_refused");
    assert_eq!(
        app.admin().get("/v1/admin/stores").await.json()["items"],
        serde_json::json!([])
    );
    app.stop().await;
}
