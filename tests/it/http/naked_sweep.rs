//! The sweep of naked webhooks at the doors: counted first, ordered by operators, written down.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::dashboard::{form_token, read, sign_in};
use crate::support::app::{Answer, TestApp};

const PATH: &str = "/v1/admin/stores/1/naked-sweep";

/// What is told, once `awaited` holds of it.
async fn once(app: &TestApp, what: &str, awaited: impl Fn(&Value) -> bool) -> Value {
    let looking = async {
        let mut looks = tokio::time::interval(Duration::from_millis(5));
        loop {
            looks.tick().await;
            let told = app.admin().get(PATH).await.json();
            if awaited(&told) {
                return told;
            }
        }
    };
    let told = tokio::time::timeout(Duration::from_secs(60), looking).await;
    told.unwrap_or_else(|_elapsed| panic!("waited in vain for {what}"))
}

#[tokio::test]
async fn a_sweep_is_counted_ordered_and_written_down() {
    let app = TestApp::start().await;
    app.register("one.myshopify.com", "shpss_1").await;
    let told = app.admin().get(PATH).await.json();
    let nothing = json!({"store": "1", "count": null, "sweep": null});
    assert_eq!(told, nothing);
    let counting = json!({"dry_run": true, "reason": "to see"});
    let begun = app.admin().post(PATH, &counting).await;
    assert_eq!(begun.status, 202, "{}", begun.text);
    assert!(begun.json()["sweep"].is_null(), "it changes nothing");
    let is_counted = |told: &Value| told["count"]["state"] == "finished";
    let told = once(&app, "the count", is_counted).await;
    assert_eq!(
        (&told["count"]["naked"], &told["sweep"]),
        (&json!(0), &Value::Null)
    );
    let ordered = app.admin().post(PATH, &json!({"reason": "a flood"})).await;
    assert_eq!(ordered.status, 202, "{}", ordered.text);
    // Nothing waits, so it is over as soon as it is ordered.
    let sweep = &ordered.json()["sweep"];
    assert_eq!(
        (&sweep["is_under_way"], &sweep["naked"]),
        (&json!(false), &json!(0))
    );
    assert!(sweep["finished_at"].is_string(), "{sweep}");
    let audit = app.admin().get("/v1/admin/audit?store=1").await.text;
    for deed in ["count naked", "to see", "sweep naked", "a flood"] {
        assert!(audit.contains(deed), "{deed}: {audit}");
    }
    app.stop().await;
}

#[tokio::test]
async fn a_sweep_without_a_reason_or_a_store_is_refused() {
    let app = TestApp::start().await;
    app.register("one.myshopify.com", "shpss_1").await;
    let refused = app.admin().post(PATH, &json!({"reason": " "})).await;
    refused.assert_problem(StatusCode::UNPROCESSABLE_ENTITY, "invalid_field");
    let nowhere = "/v1/admin/stores/9/naked-sweep";
    let unknown = app.admin().post(nowhere, &json!({"reason": "x"})).await;
    unknown.assert_problem(StatusCode::NOT_FOUND, "unknown_store");
    app.admin()
        .get(nowhere)
        .await
        .assert_problem(StatusCode::NOT_FOUND, "unknown_store");
    let told = app.admin().get(PATH).await.json();
    assert!(told["sweep"].is_null(), "{told}");
    app.stop().await;
}

#[tokio::test]
async fn the_page_counts_first_and_offers_the_sweep_then() {
    let app = TestApp::start().await;
    app.register("one.myshopify.com", "shpss_1").await;
    let cookie = sign_in(&app).await;
    let sweep_button = "name=\"act\" value=\"sweep\"";
    let page = read(&app, &cookie, "/admin/keepers/1").await;
    assert!(!page.text.contains(sweep_button), "{}", page.text);
    let send = |act: &str, token: &str| {
        let request = app
            .anyone()
            .request(Method::POST, "/admin/keepers/1/naked-sweep")
            .header("cookie", &cookie);
        Answer::of(request.body(format!("form_token={token}&reason=a+flood&act={act}")))
    };
    let forged = send("sweep", "forged").await;
    assert_eq!(forged.status, 403, "{}", forged.text);
    let done = send("count", form_token(&page.text)).await;
    assert_eq!(done.status, 303, "{}", done.text);
    once(&app, "the count", |told| {
        told["count"]["state"] == "finished"
    })
    .await;
    let page = read(&app, &cookie, done.header("location")).await;
    for shown in [
        sweep_button,
        "data-count=\"finished\"",
        "0 of 0 webhooks looked at",
    ] {
        assert!(page.text.contains(shown), "{shown}: {}", page.text);
    }
    let done = send("sweep", form_token(&page.text)).await;
    let page = read(&app, &cookie, done.header("location")).await;
    for shown in ["data-sweep=\"false\"", "being swept out"] {
        assert!(page.text.contains(shown), "{shown}: {}", page.text);
    }
    app.stop().await;
}
