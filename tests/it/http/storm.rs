//! A retry storm as it is seen from outside: everything is accepted, and everybody is told.

use futures_util::future::join_all;
use serde_json::Value;

use super::alarms::{status, until};
use crate::support::app::TestApp;

/// Deliveries at once: some of them wait for the commit of others.
const AT_ONCE: usize = 50;

#[tokio::test]
async fn a_retry_storm_is_told_of_while_it_lasts_and_refuses_nothing() {
    let app = TestApp::start_with(|config| {
        let storm = &mut config.storm;
        (storm.webhooks_min, storm.resent_percent) = (1, 1);
        (storm.slow_accept_ms, storm.calm_accept_ms) = (1, 1);
        (storm.window_ms, storm.quiet_ms) = (2_000, 6_000);
    })
    .await;
    let store = app.register("one.myshopify.com", "shpss_1").await;
    assert_eq!(status(&app).await["retry_storm"], Value::Null);
    let resent = app.platform(&store);
    let storm = until(async || {
        let answers = join_all((0..AT_ONCE).map(|_| resent.send())).await;
        assert!(answers.iter().all(|answer| answer.status == 200));
        let storm = status(&app).await["retry_storm"].clone();
        (!storm.is_null()).then_some(storm)
    })
    .await;
    assert!(storm["resent"].as_i64() >= Some(1), "{storm}");
    let told = "webhooks were sent again, and accepted late";
    let page = async || {
        // It may be over before the alarms are judged, on a machine that is very slow.
        join_all((0..AT_ONCE).map(|_| resent.send())).await;
        let page = app.anyone().get("/status").await.text;
        page.contains(told).then_some(page)
    };
    let page = until(page).await;
    assert!(page.contains("role=\"alert\""), "{page}");
    let metrics = app.anyone().get("/metrics").await.text;
    assert!(metrics.contains("storekeeper_retry_storm "), "{metrics}");
    assert!(metrics.contains("storekeeper_alarms{alarm=\"retry_storm\"}"));
    assert_eq!(app.anyone().get("/readyz").await.status, 200);
    let fresh = app.platform(&store).id("delivery-2");
    assert_eq!(fresh.send().await.status, 200);
    until(async || status(&app).await["retry_storm"].is_null().then_some(())).await;
    app.stop().await;
}
