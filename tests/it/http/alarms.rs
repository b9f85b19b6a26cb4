//! Alarms reach those who look, and the address they are posted to.

use std::time::Duration;

use reqwest::Method;
use serde_json::Value;
use storekeeper::clock::{Clock, ManualClock};
use storekeeper::config::Secret;

use crate::sandbox::receiver::{Received, Receiver};
use crate::support::app::{Answer, PATIENCE, TestApp, TestStore};
use crate::support::keepers::START;

/// What everybody is shown.
pub(super) async fn status(app: &TestApp) -> Value {
    let request = app.anyone().request(Method::GET, "/status");
    Answer::of(request.header("accept", "application/json"))
        .await
        .json()
}

/// Waits until what `look` finds is there.
pub(super) async fn until<Found>(look: impl AsyncFn() -> Option<Found>) -> Found {
    let found = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        loop {
            ticks.tick().await;
            if let Some(found) = look().await {
                return found;
            }
        }
    };
    tokio::time::timeout(PATIENCE, found).await.unwrap()
}

#[tokio::test]
async fn a_dead_letter_is_told_of_where_people_look_and_where_it_is_posted() {
    let receiver = Receiver::start();
    receiver.answer_with(500);
    let app = TestApp::start_with(|config| {
        config.alarms.dead_letters = 1;
        config.alarms.post_url = Secret::new(receiver.url());
    })
    .await;
    let store = app.register("one.myshopify.com", "shpss_1").await;
    assert_eq!(status(&app).await["alarms"], serde_json::json!([]));
    let malformed = app.platform(&store).body("{\"id\":\"no number\"}");
    assert_eq!(malformed.send().await.json()["outcome"], "accepted");

    let alarm = until(async || status(&app).await["alarms"].get(0).cloned()).await;
    assert_eq!(alarm["alarm"], "dead_letters");
    let summary = "1 dead letter within 10 min; 1 in all wait for a person";
    assert_eq!(alarm["summary"], summary);
    let page = app.anyone().get("/status").await.text;
    assert!(
        page.contains("role=\"alert\"") && page.contains(summary),
        "{page}"
    );
    let metrics = app.anyone().get("/metrics").await.text;
    assert!(
        metrics.contains("storekeeper_alarms{alarm=\"no_turns\"}"),
        "{metrics}"
    );

    // The address fails once, and is tried again.
    until(async || receiver.all().first().map(drop)).await;
    receiver.answer_with(200);
    let posted = until(async || receiver.all().get(1).map(Received::body)).await;
    assert_eq!(posted["alarm"], "dead_letters");
    assert_eq!(
        (&posted["state"], &posted["summary"]),
        (&"raised".into(), &alarm["summary"])
    );
    assert_eq!(posted["since"], alarm["since"]);
    assert_eq!(posted["text"], format!("Storekeeper: {summary}"));
    app.stop().await;
}

/// Its keeper does not leave, so that what it does not store is counted in memory only.
#[tokio::test]
async fn a_store_that_has_naked_webhooks_only_is_not_silent() {
    const FOREIGN_ORDER: &str =
        r#"{"id":7,"line_items":[{"id":1,"variant_id":2,"product_id":3,"quantity":1}]}"#;
    let clock = ManualClock::starting_at(START);
    let app = TestApp::start_from(|config, parts| {
        (config.alarms.silence_ms, config.alarms.silence_periods) = (60_000, 1);
        config.keeper.idle_ms = 86_400_000;
        parts.clock = Clock::Manual(clock.clone());
    })
    .await;
    let stores = [
        app.register("one.myshopify.com", "shpss_1").await,
        app.register("two.myshopify.com", "shpss_2").await,
    ];
    let runs = |keeper: &Value| keeper["state"] == "running" && !keeper["observation"].is_null();
    for store in &stores {
        app.keeper_until(store, runs).await;
    }
    let has_webhook = async |store: &TestStore, round: u32| {
        let order = app.platform(store).body(FOREIGN_ORDER);
        let sent = order.id(&format!("delivery-{round}")).send().await;
        assert_eq!(sent.json()["outcome"], "naked");
    };
    let round = std::cell::Cell::new(0);
    let alarm = until(async || {
        round.set(round.get() + 1);
        clock.advance_millis(5_000);
        has_webhook(&stores[0], round.get()).await;
        // The other has them for three minutes, and then for as long none.
        if (round.get() / 36).is_multiple_of(2) {
            has_webhook(&stores[1], round.get()).await;
        }
        let alarms = &status(&app).await["alarms"];
        let alarms = alarms.as_array().unwrap().iter();
        alarms
            .clone()
            .find(|alarm| alarm["alarm"] == "silent_stores")
            .cloned()
    })
    .await;
    let summary = "store 2 always has webhooks and has none";
    assert_eq!(alarm["summary"], summary);
    app.stop().await;
}
