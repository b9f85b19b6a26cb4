//! Alarms reach those who look, and the address they are posted to.

use std::time::Duration;

use reqwest::Method;
use serde_json::Value;
use storekeeper::config::Secret;

use crate::sandbox::receiver::{Received, Receiver};
use crate::support::app::{Answer, PATIENCE, TestApp};

async fn status(app: &TestApp) -> Value {
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
