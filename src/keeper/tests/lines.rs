//! What the log tells of keepers.

use super::bench::Bench;
use crate::telemetry::Lines;

#[tokio::test]
async fn each_webhook_that_becomes_a_dead_letter_is_one_warning_without_its_body() {
    let bench = Bench::set_up().await;
    bench.accept(1).await;
    bench.accept_body(2, r#""Anne Smith""#).await;
    bench.accept_body(3, "{}").await;
    let (lines, _capturing) = Lines::capture();
    bench.live().await.unwrap();
    bench.live().await.unwrap();
    let told = lines.saying("dead letter");
    assert_eq!(told.len(), 2, "{told:?}");
    for part in [
        " WARN ",
        "store=1",
        r#"topic="inventory_levels/update""#,
        r#"class="malformed""#,
        "reason=",
    ] {
        let all = told.iter().all(|line| line.contains(part));
        assert!(all, "{part}: {told:?}");
    }
    assert!(told[1].contains("inventory_item_id"), "{told:?}");
    assert_eq!(lines.saying("Anne"), [""; 0]);
}
