//! Faults planted from outside, each caught by its name.

use std::time::Duration;

use serde_json::Value;
use storekeeper::sandbox::Plan;
use tokio::time::Instant;

use crate::checker::{Evidence, Fault, assert_caught, assert_clean};
use crate::database::{Database, rows};
use crate::relay::Relay;
use crate::server::{LOOK_EVERY, PATIENCE, Server, free_address};
use crate::stage::{Opening, Stage, until};

/// How long people act.
const SPELL: Duration = Duration::from_secs(2);
/// How often a server is killed over an empty bucket.
const DRAINS: u32 = 12;

async fn ended(stage: &Stage, server: Server) -> Evidence {
    stage.settles().await;
    server.stop().await;
    stage.evidence().await
}

/// One shop, so that a run that cannot settle is read when people have left.
fn one_shop() -> Opening {
    Opening::new().shops(&[(Plan::Plus, 1)])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ack_before_commit_is_caught() {
    let address = free_address();
    let relay = Relay::start(&address);
    let opening = one_shop().setting("SERVER__PUBLIC_URL", &relay.url);
    let (mut stage, server) = opening.at(&address).open().await;
    stage.act_for(SPELL).await;
    // Nobody repairs what was lost, so it is not waited for.
    until("all is delivered", async || stage.sandbox.pending() == 0).await;
    server.stop().await;
    assert_caught(&stage.evidence().await, Fault::AckBeforeCommit);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dedup_off_is_caught() {
    // Ids are filed at once, and the index that they are filed into forgets.
    let opening = one_shop().setting("WRITER__RECENT_IDS_MAX", "1");
    let opening = opening.setting("WRITER__BULK_ROWS_MAX", "2");
    let (mut stage, server) = opening.open().await;
    let forget = "CREATE TRIGGER forget AFTER INSERT ON delivery BEGIN \
        DELETE FROM delivery WHERE store = NEW.store AND delivery_id = NEW.delivery_id; END";
    stage.database.run(forget).await;
    stage.begin_mishaps();
    stage.act_for(SPELL).await;
    assert_caught(&ended(&stage, server).await, Fault::DedupOff);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_is_kept_over_a_restart() {
    let (stage, server) = killed_when_drained(async |_| {}).await;
    assert_clean(&ended(&stage, server).await, stage.seed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bucket_forgotten_over_a_restart_is_caught() {
    let (stage, server) = killed_when_drained(forget_buckets).await;
    assert_caught(&ended(&stage, server).await, Fault::BucketForgotten);
}

/// A server that uses its whole bucket, and is killed whenever nothing is left of it; before it starts again something
/// is done to the database. What it forgot it learns from the first answer, so only the first call can be too much.
async fn killed_when_drained(meanwhile: impl AsyncFn(&Database)) -> (Stage, Server) {
    let opening = Opening::new().shops(&[(Plan::Standard, 1)]);
    let opening = opening.setting("CALLS__HEADROOM_PERCENT", "0");
    let (mut stage, mut server) = opening.open().await;
    let mut seen = 0;
    for _ in 0..DRAINS {
        let deadline = Instant::now() + PATIENCE;
        while !is_drained(&stage, seen) {
            stage.act_for(LOOK_EVERY).await;
            let log = stage.sandbox.log(&stage.shops[0].domain);
            let last = log.calls.last();
            assert!(Instant::now() < deadline, "the bucket is drained: {last:?}");
        }
        server.kill().await;
        meanwhile(&stage.database).await;
        seen = calls(&stage);
        server = stage.launch.start().await;
    }
    (stage, server)
}

fn calls(stage: &Stage) -> usize {
    stage.sandbox.log(&stage.shops[0].domain).calls.len()
}

/// Whether levels, which are read again after every sale, have just been read as often as the platform allows.
fn is_drained(stage: &Stage, seen: usize) -> bool {
    let log = stage.sandbox.log(&stage.shops[0].domain);
    let mut fresh = log.calls.iter().skip(seen);
    let last = fresh.rfind(|call| call.operation.is_empty());
    last.is_some_and(|call| call.throttled || call.bucket_used + 1 >= call.bucket_size)
}

async fn forget_buckets(database: &Database) {
    let connection = database.connect().await;
    let found = rows(&connection, "SELECT memo FROM keeper").await;
    let memo: String = found[0].try_get_by_index(0).unwrap();
    connection.close().await.unwrap();
    let mut memo: Value = serde_json::from_str(&memo).unwrap();
    assert_ne!(memo["buckets"], serde_json::json!({}));
    memo["buckets"] = serde_json::json!({});
    let memo = memo.to_string().replace('\'', "''");
    database
        .run(&format!("UPDATE keeper SET memo = '{memo}'"))
        .await;
}
