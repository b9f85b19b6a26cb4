//! What a store may take: read, decided by a person, and felt at the intake door.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::dashboard::{form_token, read, sign_in};
use crate::support::app::{Answer, TestApp, TestStore};

const PATH: &str = "/v1/admin/stores/1/standing";

/// Whether the day may be over before the test is.
fn is_nearly_midnight() -> bool {
    let now = storekeeper::clock::Clock::System.now();
    storekeeper::domain::standing::Day::end_of(now).millis_since(now) < 120_000
}

async fn put_on(app: &TestApp, plan: &str) -> u16 {
    let body = json!({ "plan": plan });
    let path = "/v1/admin/stores/1";
    let answer = app.admin().send(Method::PATCH, path, &body).await;
    answer.status
}

/// A webhook that concerns nobody knows what, so that it is never naked.
async fn send(app: &TestApp, store: &TestStore, number: u32) {
    let webhook = app.platform(store).topic("weather/changed");
    let answer = webhook.id(&format!("d{number}")).send().await;
    assert_eq!(answer.json()["outcome"], "accepted");
}

async fn decide(app: &TestApp, body: Value) -> Answer {
    app.admin().send(Method::PUT, PATH, &body).await
}

#[tokio::test]
async fn the_definitions_are_published_as_they_are_configured() {
    let app = TestApp::start_with(|config| {
        config.quota.plans = vec!["basic=20000".to_owned(), "plus=0".to_owned()];
        config.standing.noisy_share_percent = 60;
    })
    .await;
    let told = app.admin().get("/v1/admin/standings").await.json();
    let names: Vec<_> = told["standings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["standing"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["good", "noisy", "quarantined", "suspended"]);
    assert_eq!(told["standings"][1]["limits"]["share_percent"], 60);
    assert_eq!(told["standings"][3]["beyond_allowance"], "refuse_410");
    let plans = json!([{"plan": "basic", "daily": 20000}, {"plan": "plus", "daily": null}]);
    assert_eq!(
        (&told["plans"], &told["daily_default"]),
        (&plans, &Value::Null)
    );
    app.stop().await;
}

#[tokio::test]
async fn a_suspended_stores_webhooks_are_refused_until_it_is_released() {
    let app = TestApp::start().await;
    let store = app.register("one.myshopify.com", "shpss_1").await;
    let webhook = |id: &'static str| app.platform(&store).topic("weather/changed").id(id);
    assert_eq!(webhook("d1").send().await.status, 200);
    let decided = decide(
        &app,
        json!({"standing": "suspended", "reason": "does not pay"}),
    )
    .await;
    let told = decided.json();
    assert_eq!(
        (decided.status, &told["standing"], &told["beyond_allowance"]),
        (200, &json!("suspended"), &json!("refuse_410"))
    );
    assert_eq!(told["suspension"]["reason"], "does not pay");
    let refused = webhook("d2").send().await;
    refused.assert_problem(StatusCode::GONE, "store_suspended");
    // Who is not its platform learns nothing of it.
    let stranger = webhook("d3").secret("shpss_other").send().await;
    stranger.assert_problem(StatusCode::UNAUTHORIZED, "bad_signature");
    // What is owed to the merchant's customers, and the end of it, pass.
    for topic in ["customers/redact", "app/uninstalled"] {
        let owed = webhook(topic).topic(topic).test().send().await;
        assert_eq!(owed.status, 200, "{topic}: {}", owed.text);
    }
    let released = decide(&app, json!({"standing": "good", "reason": "paid"}))
        .await
        .json();
    assert_eq!(
        (&released["standing"], &released["suspension"]),
        (&json!("good"), &Value::Null)
    );
    assert_eq!(webhook("d2").send().await.status, 200);
    let audit = app.admin().get("/v1/admin/audit?store=1").await.text;
    for deed in ["set standing", "suspended: does not pay", "good: paid"] {
        assert!(audit.contains(deed), "{deed}: {audit}");
    }
    app.stop().await;
}

#[tokio::test]
async fn a_suspension_with_notice_refuses_nothing_before_its_time() {
    let app = TestApp::start().await;
    let store = app.register("one.myshopify.com", "shpss_1").await;
    let tomorrow = storekeeper::clock::Clock::System
        .now()
        .plus_millis(86_400_000)
        .to_rfc3339();
    let notice = json!({"standing": "suspended", "reason": "as agreed", "effective_at": tomorrow});
    let told = decide(&app, notice).await.json();
    assert_eq!(
        (&told["standing"], &told["suspension"]["effective_at"]),
        (&json!("good"), &json!(tomorrow))
    );
    assert_eq!(app.platform(&store).send().await.status, 200);
    app.stop().await;
}

#[tokio::test]
async fn what_cannot_be_decided_changes_nothing() {
    let app = TestApp::start().await;
    app.register("one.myshopify.com", "shpss_1").await;
    for (body, code) in [
        (json!({"standing": "bad", "reason": "x"}), "invalid_field"),
        (json!({"standing": "noisy", "reason": " "}), "invalid_field"),
        (
            json!({"standing": "noisy", "reason": "x", "effective_at": "2020-01-01T00:00:00Z"}),
            "invalid_field",
        ),
        (
            json!({"standing": "suspended", "reason": "x", "effective_at": "2999-01-01T00:00:00Z"}),
            "invalid_field",
        ),
        (
            json!({"standing": "suspended", "reason": "x", "effective_at": "soon"}),
            "invalid_field",
        ),
    ] {
        let refused = decide(&app, body).await;
        refused.assert_problem(StatusCode::UNPROCESSABLE_ENTITY, code);
    }
    let body = json!({"standing": "good", "reason": "x"});
    let nowhere = "/v1/admin/stores/9/standing";
    let unknown = app.admin().send(Method::PUT, nowhere, &body).await;
    unknown.assert_problem(StatusCode::NOT_FOUND, "unknown_store");
    let told = app.admin().get(PATH).await.json();
    assert_eq!(
        (&told["standing"], &told["since"], &told["weight_percent"]),
        (&json!("good"), &Value::Null, &json!(100))
    );
    app.stop().await;
}

#[tokio::test]
async fn webhooks_beyond_a_plan_are_held_and_another_plan_lets_them_go() {
    if is_nearly_midnight() {
        return;
    }
    let app = TestApp::start_with(|config| {
        config.quota.plans = vec!["tiny=2".to_owned()];
        config.quota.beyond_good = storekeeper::config::BeyondConfig::Hold;
        config.standing.automatic = false;
    })
    .await;
    let store = app.register("one.myshopify.com", "shpss_1").await;
    assert_eq!(put_on(&app, "tiny").await, 200);
    // The first is taken before the others come, so that the day is known.
    send(&app, &store, 1).await;
    app.keeper_until(&store, |keeper| keeper["observation"]["taken"] == 1)
        .await;
    for number in 2..=5 {
        send(&app, &store, number).await;
    }
    app.keeper_until(&store, |keeper| {
        keeper["observation"]["taken"] == 2 && keeper["backlog"] == 3
    })
    .await;
    let until_told = async {
        let mut looks = tokio::time::interval(std::time::Duration::from_millis(5));
        loop {
            looks.tick().await;
            let why = app.admin().get("/v1/admin/keepers/1/why").await.json();
            if why["cause"] == "held" {
                return why;
            }
        }
    };
    let why = tokio::time::timeout(std::time::Duration::from_secs(30), until_told)
        .await
        .expect("held");
    assert!(
        why["sentence"].as_str().unwrap().contains("allowance of 2"),
        "{why}"
    );
    let standing = app.admin().get(PATH).await.json();
    assert_eq!(
        (&standing["held_until"], &standing["waiting"]),
        (&standing["day_ends_at"], &json!(3)),
        "{standing}"
    );
    assert_eq!(put_on(&app, "large").await, 200);
    app.keeper_until(&store, |keeper| keeper["backlog"] == 0)
        .await;
    app.stop().await;
}

/// What came before anything was held counts for the day, too.
#[tokio::test]
async fn the_day_is_told_whole_while_webhooks_are_held() {
    if is_nearly_midnight() {
        return;
    }
    let app = TestApp::start_with(|config| {
        config.quota.plans = vec!["tiny=2".to_owned()];
        config.standing.automatic = false;
    })
    .await;
    let store = app.register("one.myshopify.com", "shpss_1").await;
    assert_eq!(put_on(&app, "tiny").await, 200);
    for number in 1..=4 {
        send(&app, &store, number).await;
        app.keeper_until(&store, |keeper| keeper["observation"]["taken"] == number)
            .await;
    }
    let body = json!({"standing": "quarantined", "reason": "too many"});
    assert_eq!(decide(&app, body).await.status, 200);
    send(&app, &store, 5).await;
    let until_held = async {
        let mut looks = tokio::time::interval(std::time::Duration::from_millis(5));
        loop {
            looks.tick().await;
            let standing = app.admin().get(PATH).await.json();
            if !standing["held_until"].is_null() && standing["waiting"] == 1 {
                return standing;
            }
        }
    };
    let standing = tokio::time::timeout(std::time::Duration::from_secs(30), until_held)
        .await
        .expect("held");
    assert_eq!(
        (&standing["today"], &standing["beyond_today"]),
        (&json!(5), &json!(3)),
        "{standing}"
    );
    app.stop().await;
}

#[tokio::test]
async fn the_page_shows_the_standing_and_admins_decide_it_there() {
    let app = TestApp::start().await;
    app.register("one.myshopify.com", "shpss_1").await;
    let cookie = sign_in(&app).await;
    let page = read(&app, &cookie, "/admin/keepers/1").await;
    assert!(
        page.text.contains("data-standing=\"good\""),
        "{}",
        page.text
    );
    let form = format!(
        "form_token={}&reason=too+loud&standing=quarantined",
        form_token(&page.text)
    );
    let request = app
        .anyone()
        .request(Method::POST, "/admin/keepers/1/standing")
        .header("cookie", &cookie);
    let done = Answer::of(request.body(form)).await;
    assert_eq!(done.status, 303, "{}", done.text);
    let page = read(&app, &cookie, done.header("location")).await;
    for shown in [
        "data-standing=\"quarantined\"",
        "too loud",
        "10 % of a share",
    ] {
        assert!(page.text.contains(shown), "{shown}: {}", page.text);
    }
    app.stop().await;
}
