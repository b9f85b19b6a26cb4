//! Dead letters that are alike: grouped, counted, and settled together.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::dashboard::{form_token, read, sign_in_with};
use crate::support::app::{Answer, PATIENCE, TestApp, TestStore};

const GROUPS: &str = "/v1/admin/dead-letters/groups";
const COUNT: &str = "/v1/admin/dead-letters/count";

/// Three that are alike but for a name, of two stores, and one that is not.
async fn given_up(app: &TestApp) -> [TestStore; 2] {
    let one = app.register("one.myshopify.com", "shpss_1").await;
    let two = app.register("two.myshopify.com", "shpss_2").await;
    for (store, number, body) in [
        (&one, 1, r#"{"id":"Anne"}"#),
        (&one, 2, r#"{"id":"Bob"}"#),
        (&two, 3, r#"{"id":"Cleo"}"#),
        (&two, 4, "[1]"),
    ] {
        let webhook = app.platform(store).id(&format!("delivery-{number}"));
        assert_eq!(webhook.body(body).send().await.status, 200);
    }
    until_there_are(app, 4).await;
    [one, two]
}

async fn until_there_are(app: &TestApp, count: u64) {
    let counted = async {
        while app.admin().get(COUNT).await.json()["count"] != count {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, counted).await.unwrap();
}

async fn groups(app: &TestApp, query: &str) -> Vec<Value> {
    let answer = app.admin().get(&format!("{GROUPS}{query}")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.json()["whole"], true);
    answer.json()["groups"].as_array().unwrap().clone()
}

#[tokio::test]
async fn those_that_are_alike_are_one_group() {
    let app = TestApp::start().await;
    given_up(&app).await;
    let all = groups(&app, "").await;
    assert_eq!(all.len(), 2, "{all:?}");
    assert_eq!(
        (&all[0]["count"], &all[0]["stores"]),
        (&json!(3), &json!(2))
    );
    assert_eq!(
        (&all[0]["class"], &all[1]["count"]),
        (&json!("malformed"), &json!(1))
    );
    assert!(!all[0].to_string().contains("Anne"), "{}", all[0]);
    let of_one = groups(&app, "?store=1").await;
    assert_eq!((of_one.len(), &of_one[0]["count"]), (1, &json!(2)));
    assert_eq!(of_one[0]["fingerprint"], all[0]["fingerprint"]);
    let fingerprint = all[0]["fingerprint"].as_str().unwrap();
    let list = |more: &str| format!("/v1/admin/dead-letters?fingerprint={fingerprint}{more}");
    let first = app.admin().get(&list("&limit=2")).await.json();
    assert_eq!(first["items"].as_array().unwrap().len(), 2);
    let next = format!("&limit=2&cursor={}", first["next"].as_str().unwrap());
    let rest = app.admin().get(&list(&next)).await.json();
    assert_eq!(rest["items"].as_array().unwrap().len(), 1, "{rest}");
    assert!(rest["next"].is_null(), "{rest}");
    let of_group = format!("{COUNT}?fingerprint={fingerprint}");
    let counted = app.admin().get(&of_group).await.json();
    assert_eq!(counted["count"], 3);
    let strange = app.admin().get(&format!("{COUNT}?fingerprint=7")).await;
    strange.assert_problem(StatusCode::BAD_REQUEST, "malformed_query");
    app.stop().await;
}

#[tokio::test]
async fn a_group_is_settled_as_it_was_counted_and_with_a_reason() {
    let app = TestApp::start().await;
    given_up(&app).await;
    let group = groups(&app, "").await[0]["fingerprint"].clone();
    let settle = async |action: &str, expected: u64, reason: &str| {
        let body =
            json!({"action": action, "fingerprint": group, "expected": expected, "reason": reason});
        app.admin().post("/v1/admin/dead-letters/bulk", &body).await
    };
    let stale = settle("discard", 2, "a test").await;
    stale.assert_problem(StatusCode::PRECONDITION_FAILED, "revision_mismatch");
    let silent = settle("discard", 3, " ").await;
    silent.assert_problem(StatusCode::UNPROCESSABLE_ENTITY, "invalid_field");
    let retried = settle("retry", 3, "the parser was mended").await.json();
    assert_eq!(
        (&retried["settled"], &retried["left"]),
        (&json!(3), &json!(0)),
        "{retried}"
    );
    // It was not, so they come back.
    until_there_are(&app, 4).await;
    let done = settle("discard", 3, "of no use").await.json();
    assert_eq!(done["settled"], 3, "{done}");
    assert_eq!(groups(&app, "").await.len(), 1);
    let audit = app.admin().get("/v1/admin/audit?limit=6").await.json();
    let deeds = audit["items"].as_array().unwrap().iter();
    let reasons = deeds.filter(|deed| deed["detail"].as_str().unwrap().ends_with(": of no use"));
    assert_eq!(reasons.count(), 3, "{audit}");
    app.stop().await;
}

#[tokio::test]
async fn the_page_settles_what_it_showed() {
    let app = TestApp::start().await;
    given_up(&app).await;
    let cookie = sign_in_with(&app, app.admin_token()).await;
    let page = read(&app, &cookie, "/admin/dead-letters").await;
    assert!(page.text.contains("retry all 3"), "{}", page.text);
    let group = groups(&app, "").await[0]["fingerprint"].clone();
    let send = async |expected: u64, reason: &str| {
        let form = format!(
            "form_token={}&fingerprint={}&expected={expected}&store=&reason={reason}&verb=discard",
            form_token(&page.text),
            group.as_str().unwrap()
        );
        let request = app.anyone().request(Method::POST, "/admin/dead-letters");
        Answer::of(request.header("cookie", &cookie).body(form)).await
    };
    let silent = send(3, "").await;
    silent.assert_problem(StatusCode::UNPROCESSABLE_ENTITY, "invalid_field");
    let stale = send(9, "test").await;
    stale.assert_problem(StatusCode::PRECONDITION_FAILED, "revision_mismatch");
    let done = send(3, "test").await;
    assert_eq!(done.status, 303, "{}", done.text);
    let page = read(&app, &cookie, done.header("location")).await;
    let notice = "3 were forgotten; 0 were refused, 0 are left.";
    assert!(page.text.contains(notice), "{}", page.text);
    app.stop().await;
}
