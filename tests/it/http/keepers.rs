//! What operators see of keepers and make them do; dead letters.

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::support::app::{Answer, TestApp};

#[tokio::test]
async fn a_keeper_pauses_says_why_and_resumes() {
    let app = TestApp::start().await;
    app.register("one.myshopify.com", "shpss_1").await;
    let reason = json!({"reason": "stocktaking"});
    assert_eq!(
        app.admin()
            .post("/v1/admin/keepers/1/pause", &reason)
            .await
            .status,
        202
    );
    let why = app.admin().get("/v1/admin/keepers/1/why").await.json();
    assert_eq!(why["cause"], "paused", "{why}");
    let sentence = why["sentence"].as_str().unwrap();
    assert!(sentence.contains("by api paused it: stocktaking"), "{why}");
    assert_eq!(
        app.admin()
            .post("/v1/admin/keepers/1/resume", &reason)
            .await
            .status,
        202
    );
    let why = app.admin().get("/v1/admin/keepers/1/why").await;
    assert!(!why.text.contains("stocktaking"), "{}", why.text);
    let listed = app.admin().get("/v1/admin/keepers?sort=store").await.json();
    assert_eq!(listed["items"][0]["store"], "1");
    assert_eq!(
        app.admin().get("/v1/admin/keepers/1").await.json()["observation"]["store"],
        "1"
    );
    app.stop().await;
}

#[tokio::test]
async fn controls_need_a_store_a_verb_and_a_reason() {
    let app = TestApp::start().await;
    app.register("one.myshopify.com", "shpss_1").await;
    let reason = json!({"reason": "test"});
    let post = |path: &'static str, body: serde_json::Value| {
        Answer::of(app.admin().request(Method::POST, path).json(&body))
    };
    let missing = post("/v1/admin/keepers/9/restart", reason.clone()).await;
    missing.assert_problem(StatusCode::NOT_FOUND, "unknown_store");
    let verb = post("/v1/admin/keepers/1/dance", reason).await;
    verb.assert_problem(StatusCode::NOT_FOUND, "route_not_found");
    let empty = post("/v1/admin/keepers/1/restart", json!({"reason": " "})).await;
    empty.assert_problem(StatusCode::UNPROCESSABLE_ENTITY, "invalid_field");
    let absent = post("/v1/admin/keepers/1/restart", json!({})).await;
    absent.assert_problem(StatusCode::BAD_REQUEST, "malformed_json");
    app.stop().await;
}

#[tokio::test]
async fn dead_letters_are_counted_before_they_are_settled_in_bulk() {
    let app = TestApp::start().await;
    assert_eq!(
        app.admin().get("/v1/admin/dead-letters/count").await.json()["count"],
        0
    );
    assert_eq!(
        app.admin().get("/v1/admin/dead-letters").await.json()["items"],
        json!([])
    );
    let bulk = |expected: u64| json!({"action": "discard", "expected": expected});
    let wrong = app
        .admin()
        .post("/v1/admin/dead-letters/bulk", &bulk(3))
        .await;
    wrong.assert_problem(StatusCode::PRECONDITION_FAILED, "revision_mismatch");
    let done = app
        .admin()
        .post("/v1/admin/dead-letters/bulk", &bulk(0))
        .await
        .json();
    assert_eq!(done["settled"], 0);
    let unknown = "/v1/admin/dead-letters/00000000-0000-7000-8000-000000000000/retry";
    let answer = Answer::of(app.admin().request(Method::POST, unknown)).await;
    answer.assert_problem(StatusCode::NOT_FOUND, "unknown_dead_letter");
    let malformed = Answer::of(
        app.admin()
            .request(Method::POST, "/v1/admin/dead-letters/7/retry"),
    )
    .await;
    malformed.assert_problem(StatusCode::BAD_REQUEST, "malformed_path");
    app.stop().await;
}

#[tokio::test]
async fn a_malformed_webhook_becomes_a_dead_letter_that_can_be_discarded() {
    let app = TestApp::start().await;
    let store = app.register("one.myshopify.com", "shpss_1").await;
    assert_eq!(
        app.platform(&store)
            .body("{\"id\":\"x\"}")
            .send()
            .await
            .status,
        200
    );
    let deadline = tokio::time::Instant::now() + crate::support::app::PATIENCE;
    let letter = loop {
        let listed = app
            .admin()
            .get("/v1/admin/dead-letters?store=1&class=malformed")
            .await
            .json();
        if let Some(letter) = listed["items"].get(0) {
            break letter.clone();
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "the keeper gives the webhook up"
        );
        tokio::task::yield_now().await;
    };
    assert_eq!(letter["topic"], "orders/create");
    let path = format!(
        "/v1/admin/dead-letters/{}/discard",
        letter["id"].as_str().unwrap()
    );
    assert_eq!(
        Answer::of(app.admin().request(Method::POST, &path))
            .await
            .status,
        204
    );
    assert_eq!(
        app.admin().get("/v1/admin/dead-letters/count").await.json()["count"],
        0
    );
    app.stop().await;
}

#[tokio::test]
async fn a_paused_keeper_does_not_look_like_a_running_one() {
    let app = TestApp::start().await;
    let store = app.register("one.myshopify.com", "shpss_1").await;
    app.register("two.myshopify.com", "shpss_2").await;
    let reason = json!({"reason": "stocktaking"});
    let admin = app.admin();
    let pause = admin.post("/v1/admin/keepers/1/pause", &reason).await;
    assert_eq!(pause.status, 202);
    let keeper = app
        .keeper_until(&store, |keeper| keeper["state"] == "paused")
        .await;
    let waits_for = keeper["waits_for"].as_str().unwrap();
    assert!(waits_for.contains("stocktaking"), "{keeper}");
    assert!(
        keeper["last_error"].is_null(),
        "a wish is no error: {keeper}"
    );
    let at = keeper["observation"]["at"].as_str().unwrap();
    assert!(at.ends_with('Z'), "{at}");
    let listed = app.admin().get("/v1/admin/keepers?state=paused").await;
    let listed = listed.json()["items"].as_array().unwrap().clone();
    assert_eq!((listed.len(), &listed[0]["store"]), (1, &json!("1")));
    let status = app.anyone().request(Method::GET, "/status");
    let status = Answer::of(status.header("accept", "application/json")).await;
    let status = status.json();
    let states = &status["per_store"];
    let paused = states.as_array().unwrap().iter();
    assert_eq!(paused.filter(|row| row["state"] == "paused").count(), 1);
    assert_eq!(status["keepers_ailing"], 0, "an admin wanted it: {status}");
    app.stop().await;
}

#[tokio::test]
async fn keepers_are_searched_and_counted_by_state() {
    let app = TestApp::start().await;
    for name in ["toys", "shaving-kits", "garden"] {
        app.register(&format!("{name}.myshopify.com"), &format!("shpss_{name}"))
            .await;
    }
    let found = async |search: &str| {
        let path = format!("/v1/admin/keepers?sort=store&search={search}");
        let listed = app.admin().get(&path).await;
        assert_eq!(listed.status, 200, "{}", listed.text);
        let items = listed.json()["items"].as_array().unwrap().clone();
        let stores = items.iter().map(|row| row["store"].as_str().unwrap());
        stores.map(str::to_owned).collect::<Vec<String>>()
    };
    assert_eq!(found("").await, ["1", "2", "3"]);
    assert_eq!(found("ING-K").await, ["2"]);
    assert_eq!(found("3").await, ["3"], "an id, too");
    assert_eq!(found("nowhere").await, [""; 0]);
    for strange in ["%25", "a_b", "%27"] {
        let path = format!("/v1/admin/keepers?search={strange}");
        let refused = app.admin().get(&path).await;
        refused.assert_problem(StatusCode::BAD_REQUEST, "malformed_query");
    }
    let reason = json!({"reason": "a test"});
    let paused = app.admin().post("/v1/admin/keepers/1/pause", &reason).await;
    assert_eq!(paused.status, 202, "{}", paused.text);
    let cookie = super::dashboard::sign_in_with(&app, app.admin_token()).await;
    let page = super::dashboard::read(&app, &cookie, "/admin?search=toys").await;
    assert!(page.text.contains("all <b>3</b>"), "{}", page.text);
    assert!(page.text.contains("paused <b>1</b>"), "{}", page.text);
    assert!(
        page.text.contains("data-store=\"1\"") && !page.text.contains("data-store=\"2\""),
        "{}",
        page.text
    );
    app.stop().await;
}
