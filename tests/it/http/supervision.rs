//! What operators see of the threads that keepers live on.

use super::alarms::until;
use super::dashboard::{read, sign_in};
use crate::support::app::TestApp;

/// Threads that keepers live on.
const THREADS: usize = 2;

#[tokio::test]
async fn what_keeps_threads_busy_is_in_the_api_on_the_page_and_in_the_metrics() {
    let app = TestApp::start_with(|config| {
        config.keeper.arbiters = THREADS;
        config.placement.interval_ms = 100;
    })
    .await;
    let tree = app.admin().get("/v1/admin/supervision").await.json();
    let threads = tree["arbiters"].as_array().unwrap();
    assert_eq!(threads.len(), THREADS, "also those without keepers: {tree}");
    for (index, thread) in threads.iter().enumerate() {
        assert_eq!(thread["arbiter"], index);
        assert!(thread["load_per_mille"].is_u64(), "{tree}");
    }
    let cookie = sign_in(&app).await;
    let page = read(&app, &cookie, "/admin/supervision").await.text;
    assert_eq!(page.matches(" % busy").count(), THREADS, "{page}");
    let shown = async || {
        let metrics = app.anyone().get("/metrics").await.text;
        let is_shown = |thread| metrics.contains(&busy(thread));
        (0..THREADS).all(is_shown).then_some(())
    };
    until(shown).await;
    app.stop().await;
}

fn busy(thread: usize) -> String {
    format!("storekeeper_arbiter_busy{{arbiter=\"{thread}\"}} ")
}
