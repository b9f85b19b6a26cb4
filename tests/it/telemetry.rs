//! Logs and metrics.

use storekeeper::telemetry::{LogFormat, Metrics, init_logs, metric_name};

use crate::support::process::Serving;

#[test]
fn metrics_render_under_their_fixed_names() {
    let metrics = Metrics::install();
    let again = Metrics::install();
    metrics::counter!(metric_name::FENCED_COMMITS_TOTAL).increment(2);
    metrics::gauge!(metric_name::INBOX_BACKLOG).set(7.0);
    metrics::histogram!(metric_name::COMMIT_SECONDS).record(0.003);
    metrics.upkeep();
    let text = again.render();
    assert!(
        text.contains(
            "# HELP storekeeper_fenced_commits_total Commits refused because another keeper"
        ),
        "{text}"
    );
    assert!(
        text.contains("# TYPE storekeeper_commit_seconds histogram"),
        "{text}"
    );
    assert!(
        text.contains("storekeeper_commit_seconds_bucket{le=\"0.005\"}"),
        "{text}"
    );
}

#[test]
fn every_metric_has_our_prefix_its_kinds_suffix_and_a_sentence() {
    for metric in metric_name::CATALOGUE {
        assert!(metric.name.starts_with("storekeeper_"), "{}", metric.name);
        let counter = matches!(metric.kind, metric_name::MetricKind::Counter);
        assert_eq!(counter, metric.name.ends_with("_total"), "{}", metric.name);
        assert!(metric.about.ends_with('.'), "{}", metric.about);
    }
}

#[test]
fn logs_can_be_set_up_twice_and_a_bad_filter_is_refused() {
    init_logs(LogFormat::Text, "warn,storekeeper=info").unwrap();
    init_logs(LogFormat::Json, "warn").unwrap();
    assert!(init_logs(LogFormat::Text, "storekeeper=loud").is_err());
}

#[tokio::test]
async fn a_scrape_right_after_the_start_has_every_metric() {
    let directory = tempfile::tempdir().unwrap();
    let server = Serving::start(directory.path(), &[]).await;
    let scraped = reqwest::get(format!("http://{}/metrics", server.address));
    let text = scraped.await.unwrap().text().await.unwrap();
    for metric in metric_name::CATALOGUE {
        let kind = format!("# TYPE {} ", metric.name);
        assert!(text.contains(&kind), "{}: {text}", metric.name);
    }
    for series in [
        r#"storekeeper_webhooks_received_total{platform="shopify",outcome="accepted"} 0"#,
        r#"storekeeper_webhooks_received_total{platform="shopify",outcome="request_timeout"} 0"#,
        r#"storekeeper_platform_calls_total{platform="shopify",outcome="throttled"} 0"#,
        r#"storekeeper_keeper_restarts_total{reason="row_panicked"} 0"#,
        r#"storekeeper_turns_total{temperature="hot"} 0"#,
        r#"storekeeper_keepers{state="paused"} 0"#,
        "storekeeper_platform_throttled_total 0",
        "storekeeper_commit_seconds_count ",
    ] {
        assert!(text.contains(series), "{series}: {text}");
    }
    assert_eq!(server.end_with("-TERM").await, Some(0));
}
