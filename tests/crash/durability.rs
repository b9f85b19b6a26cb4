//! Commits that a power cut could undo: the server is not ready, says why, and accepts nothing.

use std::time::Duration;

use tokio::time::Instant;

use crate::checker::{Evidence, Fault, assert_caught, assert_clean};
use crate::server::{Launch, PATIENCE, free_address};
use crate::stage::{Opening, complaints};
use crate::support::postgres::TestPostgres;

/// How long people act.
const SPELL: Duration = Duration::from_secs(2);

/// A file system without shared memory (here: SQLite's own emulation of one) leaves no write-ahead log.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn durability_off_is_caught_on_sqlite() {
    let directory = tempfile::tempdir().unwrap();
    let data_dir = directory.path().join("data");
    std::fs::create_dir(&data_dir).unwrap();
    let file = data_dir.join("storekeeper.db");
    let launch = Launch {
        address: free_address(),
        data_dir,
        database_url: Some(format!("sqlite://{}?vfs=unix-none", file.display())),
        settings: Vec::new(),
        log: directory.path().join("log"),
    };
    let mut server = launch.spawn();
    assert!(server.comes_up(Instant::now() + PATIENCE).await);
    assert_eq!(server.status_of("/readyz").await, Some(503));
    server.stop().await;
    let evidence = Evidence {
        durability_complaints: complaints(&launch),
        ..Evidence::default()
    };
    assert_caught(&evidence, Fault::DurabilityOff);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a PostgreSQL server; run tests/run"]
async fn durability_off_is_caught_on_postgres() {
    let url = TestPostgres::start().database_url().await;
    let (mut stage, server) = Opening::new().postgres(url).open().await;
    server.stop().await;
    assert_clean(&stage.evidence().await, stage.seed);
    let set = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET synchronous_commit = off', current_database()); END $$";
    stage.database.run(set).await;

    let server = stage.launch.start().await;
    assert_eq!(server.status_of("/readyz").await, Some(503));
    let accepted = stage.answered(200);
    stage.act_for(SPELL).await;
    assert_eq!(stage.answered(200), accepted, "a 200 means durable");
    assert!(stage.answered(503) > 0);
    server.stop().await;
    assert_caught(&stage.evidence().await, Fault::DurabilityOff);

    // Put right, nothing is missing: the platform sends again what was refused.
    let reset = set.replace("SET synchronous_commit = off", "RESET synchronous_commit");
    stage.database.run(&reset).await;
    let server = stage.launch.start().await;
    assert_eq!(server.status_of("/readyz").await, Some(200));
    stage.settles().await;
    server.stop().await;
    let mut evidence = stage.evidence().await;
    evidence.durability_complaints.clear();
    assert_clean(&evidence, stage.seed);
}
