//! What operators see of the webhooks that are kept.

use reqwest::StatusCode;
use sea_orm::ConnectionTrait as _;
use serde_json::json;

use super::dashboard::{read, sign_in_with};
use crate::support::app::TestApp;

#[tokio::test]
async fn webhooks_are_shown_without_what_says_who_somebody_is() {
    let app = TestApp::start().await;
    let store = app.register("one.myshopify.com", "shpss_1").await;
    let reason = json!({"reason": "a test"});
    let path = "/v1/admin/keepers/1/quarantine";
    let rests = app.admin().post(path, &reason).await;
    assert_eq!(rests.status, 202, "{}", rests.text);
    app.keeper_until(&store, |keeper| keeper["state"] == "quarantined")
        .await;
    let body = r#"{"id":1,"email":"anne@example.com","line_items":[{"id":2,"title":"Razor"}]}"#;
    for (number, body) in [(1, body), (2, r#"{"id":2}"#), (3, "Anne")] {
        let webhook = app.platform(&store).id(&format!("delivery-{number}"));
        assert_eq!(webhook.body(body).send().await.status, 200);
    }
    let path = "/v1/admin/keepers/1/inbox";
    let first = app.admin().get(&format!("{path}?limit=2")).await;
    assert!(!first.text.contains("anne"), "{}", first.text);
    let first = first.json();
    let webhook = &first["items"][0];
    assert_eq!(
        (&webhook["seq"], &webhook["waits"]),
        (&json!("1"), &json!(true))
    );
    assert_eq!(webhook["body"]["line_items"][0]["title"], "Razor");
    let next = format!("{path}?cursor={}", first["next"].as_str().unwrap());
    let rest = app.admin().get(&next).await.json();
    assert_eq!(rest["items"].as_array().unwrap().len(), 1, "{rest}");
    assert!(rest["items"][0]["body"].is_null(), "{rest}");
    assert!(rest["next"].is_null(), "{rest}");
    let strange = app.admin().get(&format!("{path}?cursor=eA")).await;
    strange.assert_problem(StatusCode::BAD_REQUEST, "malformed_cursor");
    // Its keeper, were it not at rest, might have taken the newest before others.
    let connection = app.connection().await;
    let taken = "UPDATE keeper SET cursor = 1, near_from = 3, near_to = 4 WHERE store = 1";
    connection.execute_unprepared(taken).await.unwrap();
    connection.close().await.unwrap();
    let all = app.admin().get(path).await.json();
    let waits = all["items"].as_array().unwrap().iter();
    let waits: Vec<_> = waits.map(|webhook| webhook["waits"].as_bool()).collect();
    assert_eq!(waits, [Some(false), Some(true), Some(false)], "{all}");
    let unknown = app.admin().get("/v1/admin/keepers/9/inbox").await;
    unknown.assert_problem(StatusCode::NOT_FOUND, "unknown_store");
    let cookie = sign_in_with(&app, app.admin_token()).await;
    let page = read(&app, &cookie, "/admin/keepers/1/inbox").await;
    assert_eq!(page.status, 200, "{}", page.text);
    assert!(
        page.text.contains("[redacted]") && !page.text.contains("anne"),
        "{}",
        page.text
    );
    app.stop().await;
}
