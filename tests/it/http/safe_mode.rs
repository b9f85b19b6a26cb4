//! The doors while too many stores crash: what is accepted, what is answered, and who ends it.

use std::sync::Arc;

use reqwest::StatusCode;
use serde_json::{Value, json};
use storekeeper::domain::store::command::Row;

use super::alarms::{status, until};
use crate::support::app::TestApp;

#[tokio::test]
async fn in_safe_mode_webhooks_and_readers_are_served_and_writers_are_told() {
    let app = TestApp::start_from(|config, parts| {
        config.safe_mode.crashed_stores_min = 1;
        parts.before_apply = Some(Arc::new(|row: &Row| panic!("row {} is poison", row.seq)));
    })
    .await;
    let store = app.register("one.myshopify.com", "shpss_1").await;
    assert_eq!(app.platform(&store).send().await.status, 200);
    let crashed = |keeper: &Value| keeper["restarts"] != 0;
    app.keeper_until(&store, crashed).await;
    let safe_mode = status(&app).await["safe_mode"].clone();
    assert_eq!(safe_mode["crashed_stores"], 1, "{safe_mode}");
    let told = "safe mode: 1 of 1 stores crashed";
    let page = async || {
        let page = app.anyone().get("/status").await.text;
        page.contains(told).then_some(page)
    };
    assert!(until(page).await.contains("role=\"alert\""));
    assert_eq!(app.anyone().get("/readyz").await.status, 200);
    assert_eq!(
        app.platform(&store).id("delivery-2").send().await.status,
        200
    );
    app.keeper_until(&store, |keeper| keeper["state"] == "running")
        .await;
    let read = format!("/v1/stores/{}/availability?items=1", store.id);
    assert_eq!(app.shopper(&store).get(&read).await.status, 200);
    let paused = app
        .admin()
        .post(
            &format!("/v1/admin/keepers/{}/pause", store.id),
            &json!({"reason": "test"}),
        )
        .await;
    paused.assert_problem(StatusCode::SERVICE_UNAVAILABLE, "safe_mode");
    let metrics = app.anyone().get("/metrics").await;
    // The gauge is the whole process's: another server's safe mode may have ended since.
    assert!(metrics.text.contains("storekeeper_safe_mode "));
    let path = "/v1/admin/safe-mode/off";
    let anyone = app
        .merchant(&store)
        .post(path, &json!({"reason": "test"}))
        .await;
    anyone.assert_problem(StatusCode::FORBIDDEN, "wrong_role");
    let empty = app.admin().post(path, &json!({"reason": ""})).await;
    empty.assert_problem(StatusCode::UNPROCESSABLE_ENTITY, "invalid_field");
    let shown = app.admin().get("/v1/admin/safe-mode").await.json();
    assert_eq!(shown["safe_mode"]["of_stores"], 1);
    let ended = app.admin().post(path, &json!({"reason": "mended"})).await;
    assert_eq!(
        (ended.status, ended.json()["safe_mode"].is_null()),
        (200, true)
    );
    app.stop().await;
}
