//! What a merchant decides for the whole store, at the door.

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::support::app::{Answer, TestApp};

#[tokio::test]
async fn a_policy_is_read_decided_and_read_again() {
    let app = TestApp::start().await;
    let store = app.register("one.myshopify.com", "shpss_1").await;
    let path = format!("/v1/stores/{}/policy", store.id);
    let first = app.merchant(&store).get(&path).await;
    let nothing = json!({"consume_on": "created", "safety_stock": {"usual": 0, "items": []}});
    assert_eq!((first.status, first.json()), (200, nothing));

    let body = json!({"consume_on": "paid", "safety_stock": {"usual": 2, "items": [{"item": 9007199254740991_i64, "units": 7}]}});
    let merchant = || app.merchant(&store);
    let decided = merchant().send(Method::PUT, &path, &body).await;
    let mut expected = body.clone();
    expected["safety_stock"]["items"][0]["item"] = json!("9007199254740991");
    assert_eq!((decided.status, decided.json()), (200, expected));
    let read = merchant().get(&path).await;
    assert_eq!(read.json(), decided.json());
    assert_eq!(read.header("etag"), decided.header("etag"));
    let known = merchant().request(Method::GET, &path);
    let known = Answer::of(known.header("if-none-match", read.header("etag"))).await;
    assert_eq!(known.status, 304);

    let stale = merchant().request(Method::PUT, &path);
    let stale = stale.header("if-match", first.header("etag")).json(&body);
    Answer::of(stale)
        .await
        .assert_problem(StatusCode::PRECONDITION_FAILED, "revision_mismatch");
    app.stop().await;
}

#[tokio::test]
async fn of_decisions_by_all_who_read_the_same_one_is_made() {
    let app = TestApp::start().await;
    let store = app.register("one.myshopify.com", "shpss_1").await;
    let path = format!("/v1/stores/{}/policy", store.id);
    let tag = app.merchant(&store).get(&path).await;
    let tag = tag.header("etag").to_owned();
    let decide = |units: i64| {
        let request = app.merchant(&store).request(Method::PUT, &path);
        let body = json!({"safety_stock": {"usual": units}});
        Answer::of(request.header("if-match", &tag).json(&body))
    };
    let answers = futures_util::future::join_all((1..=8).map(decide)).await;
    let mut statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412, 412, 412, 412, 412, 412, 412]);
    app.stop().await;
}

#[tokio::test]
async fn what_is_out_of_range_decides_nothing() {
    let app = TestApp::start().await;
    let store = app.register("one.myshopify.com", "shpss_1").await;
    let path = format!("/v1/stores/{}/policy", store.id);
    let (form, rule) = (StatusCode::BAD_REQUEST, StatusCode::UNPROCESSABLE_ENTITY);
    let many: Vec<_> = (1..=5_001)
        .map(|item| json!({"item": item, "units": 1}))
        .collect();
    for (body, status, code) in [
        (json!({"consume_on": "shipped"}), form, "malformed_json"),
        (json!([]), form, "malformed_json"),
        (json!({"safety_stock": []}), form, "malformed_json"),
        (
            json!({"safety_stock": {"items": [["1", 5]]}}),
            form,
            "malformed_json",
        ),
        (json!({"colour": "red"}), form, "malformed_json"),
        (
            json!({"safety_stock": {"usual": "2"}}),
            form,
            "malformed_json",
        ),
        (
            json!({"safety_stock": {"usual": -1}}),
            rule,
            "invalid_field",
        ),
        (
            json!({"safety_stock": {"usual": 1_000_000_001}}),
            rule,
            "invalid_field",
        ),
        (
            json!({"safety_stock": {"items": [{"item": "1", "units": 1}, {"item": "1", "units": 2}]}}),
            rule,
            "invalid_field",
        ),
        (
            json!({"safety_stock": {"items": many}}),
            rule,
            "invalid_field",
        ),
    ] {
        let refused = app.merchant(&store).send(Method::PUT, &path, &body).await;
        refused.assert_problem(status, code);
    }
    let read = app.merchant(&store).get(&path).await.json();
    assert_eq!(read["safety_stock"], json!({"usual": 0, "items": []}));
    app.stop().await;
}
