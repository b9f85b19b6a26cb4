//! What is told of keepers that do not get on and of threads that stand still, and that it is not told of a process
//! that was frozen.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use storekeeper::app::AppParts;
use storekeeper::db::keepers;
use storekeeper::domain::store::command::{Command, Row};
use storekeeper::ids::StoreId;
use storekeeper::keeper::{Doing, Envelope, KeeperSettings, PatrolSettings};
use tokio::process;

use crate::support::app::{sign, store_body};
use crate::support::keepers::{Gate, Rig, STORE, eventually};
use crate::support::process::Serving;

const NEIGHBOURS: [StoreId; 3] = [StoreId(2), StoreId(3), StoreId(4)];

/// Set for the process that is to hang: where its data is.
const HANGING: &str = "STOREKEEPER_TEST_HANGING";

const QUICK: PatrolSettings = PatrolSettings {
    interval_ms: 10,
    beats_missed_max: 3,
    silent_exit_ms: 0,
    stuck_ms: 100,
};

/// Rows of the first store go through a gate on their way, on the thread of its keeper.
fn gated(settings: &mut KeeperSettings, patrol: PatrolSettings) -> Arc<Gate> {
    let gate: Arc<Gate> = Arc::default();
    let gate_of_hook = Arc::clone(&gate);
    settings.patrol = patrol;
    settings.before_apply = Some(Arc::new(move |row: &Row| {
        if row.topic == "orders/create" {
            gate_of_hook.pass();
        }
    }));
    gate
}

#[tokio::test]
async fn a_keeper_that_takes_turns_and_moves_nothing_is_marked_until_it_moves() {
    let rig = Rig::start(|settings| settings.patrol = QUICK).await;
    // Its head tells of a row that is not there.
    rig.sql("UPDATE inbox_head SET next_seq = 2, received = 1 WHERE store = 1")
        .await;
    rig.directory.ring(STORE);
    let stuck = || {
        let status = rig.directory.status(STORE);
        status.and_then(|status| status.stuck)
    };
    eventually("the mark", || stuck().is_some()).await;
    assert_eq!(stuck().map(|stuck| stuck.doing), Some(Doing::Turn));
    eventually("the count", || rig.directory.stuck() == 1).await;
    rig.deliver(StoreId(2), 1).await;
    eventually("its neighbour's row", || rig.cursor(StoreId(2)) == 1).await;
    rig.deliver(STORE, 1).await;
    eventually("the row behind", || rig.cursor(STORE) == 2).await;
    eventually("the end of the mark", || stuck().is_none()).await;
    eventually("the count", || rig.directory.stuck() == 0).await;
}

#[tokio::test]
async fn a_handler_that_hangs_is_told_of_and_newcomers_go_to_another_thread() {
    let mut gate = Arc::default();
    let rig = Rig::start_with(4, |settings| gate = gated(settings, QUICK)).await;
    rig.accept_malformed(STORE).await;
    rig.directory.ring(STORE);
    eventually("the row", || gate.is_reached()).await;
    eventually("silence", || rig.directory.silent_arbiters() == 1).await;
    eventually("the mark", || rig.directory.stuck() == 1).await;
    for store in NEIGHBOURS {
        rig.deliver(store, 1).await;
        eventually("a neighbour's row", || rig.cursor(store) == 1).await;
    }
    let told = rig
        .directory
        .command(NEIGHBOURS[0], Envelope::plain(Command::Resume))
        .await;
    assert!(told.is_ok(), "{told:?}");
    // What belongs to no store goes on as well: nobody rings for this row.
    rig.accept_level(NEIGHBOURS[1], 7).await;
    rig.pass_time(eventually("a search", || rig.cursor(NEIGHBOURS[1]) == 2))
        .await;
    gate.open();
    eventually("an answer", || rig.directory.silent_arbiters() == 0).await;
    eventually("the end of the mark", || rig.directory.stuck() == 0).await;
    eventually("the row", || rig.cursor(STORE) == 1).await;
}

#[tokio::test]
async fn the_row_that_holds_up_a_thread_for_good_is_written_down_as_one_that_crashes() {
    let mut gate = Arc::default();
    let rig = Rig::start(|settings| {
        let patrol = PatrolSettings {
            silent_exit_ms: 200,
            ..QUICK
        };
        gate = gated(settings, patrol);
    })
    .await;
    rig.accept_malformed(STORE).await;
    rig.directory.ring(STORE);
    eventually("the row", || gate.is_reached()).await;
    let silence = tokio::time::timeout(Duration::from_secs(20), rig.directory.lost())
        .await
        .expect("given up");
    assert_eq!((silence.store, silence.row), (Some(STORE), Some(1)));
    let record = keepers::find(&rig.db, STORE).await.expect("read");
    let suspect = record
        .and_then(|record| record.memo.suspect)
        .expect("written");
    assert_eq!((suspect.seq, suspect.crashes), (1, 1));
    // The keeper that hung is not the store's any more.
    gate.open();
    rig.let_restart(STORE).await;
    eventually("the row", || rig.cursor(STORE) == 1).await;
}

fn settings_file(directory: &std::path::Path, patrol: &str) -> String {
    let file = directory.join("settings.toml");
    let settings =
        format!("[keeper]\narbiters = 1\n[server]\nstop_deadline_ms = 1000\n[patrol]\n{patrol}\n");
    std::fs::write(&file, settings).unwrap();
    file.to_str().unwrap().to_owned()
}

/// Not a test of its own: what the next one starts as another process, the program with a handler that hangs.
#[test]
fn a_process_with_a_handler_that_hangs() {
    let Some(directory) = std::env::var_os(HANGING) else {
        return;
    };
    drop(rustls::crypto::ring::default_provider().install_default());
    let directory = directory.into_string().unwrap();
    let file = settings_file(
        directory.as_ref(),
        "interval_ms = 20\nbeats_missed_max = 3\nsilent_exit_ms = 1000",
    );
    let arguments = [
        "storekeeper",
        "serve",
        "--bind",
        "127.0.0.1:0",
        "--data-dir",
        &directory,
    ];
    let arguments = arguments.into_iter().chain(["--config", &file]);
    let parts = AppParts {
        before_apply: Some(Arc::new(|_row: &Row| Gate::default().pass())),
        ..AppParts::of_system()
    };
    let code = storekeeper::cli::run_with(arguments.map(Into::into), parts);
    std::process::exit(i32::from(code));
}

#[tokio::test]
async fn a_process_whose_keepers_stand_still_ends_itself_and_its_successor_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = process::Command::new(std::env::current_exe().unwrap());
    command
        .args([
            "--exact",
            "keeper_patrol::a_process_with_a_handler_that_hangs",
        ])
        .arg("--nocapture")
        .env(HANGING, directory.path());
    let errors = directory.path().join("errors");
    command.stderr(std::fs::File::create(&errors).unwrap());
    let mut hanging = Serving::of(&mut command).await;
    let told = accept_webhook(&hanging).await;
    assert_eq!(told["outcome"], "accepted");
    let code = hanging.ends_within(Duration::from_secs(60)).await;
    let errors = std::fs::read_to_string(&errors).unwrap();
    assert_eq!(code, Some(Some(70)), "{errors}");
    assert!(
        errors.contains("a thread of the keepers does not answer: thread 0"),
        "{errors}"
    );
    assert!(
        errors.contains("busy with store 1 at inbox row 1"),
        "{errors}"
    );
    let successor = Serving::start(directory.path(), &[]).await;
    successor
        .wait_for("/metrics", "storekeeper_turns_total{temperature=\"hot\"} 1")
        .await;
    assert_eq!(successor.end_with("-TERM").await, Some(0));
}

async fn accept_webhook(server: &Serving) -> Value {
    drop(rustls::crypto::ring::default_provider().install_default());
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = |path: &str| format!("http://{}{path}", server.address);
    let registered = client
        .post(url("/v1/admin/stores"))
        .bearer_auth(server.admin_token.as_deref().unwrap())
        .json(&store_body("one.myshopify.com", "shpss_1"))
        .send()
        .await
        .unwrap();
    assert_eq!(registered.status(), 201);
    let body = json!({}).to_string();
    let answer = client
        .post(url("/webhooks/shopify"))
        .header("x-shopify-topic", "orders/create")
        .header("x-shopify-shop-domain", "one.myshopify.com")
        .header("x-shopify-webhook-id", "delivery-1")
        .header("x-shopify-api-version", "2026-10")
        .header("x-shopify-hmac-sha256", sign("shpss_1", body.as_bytes()))
        .body(body)
        .send()
        .await
        .unwrap();
    answer.json().await.unwrap()
}

#[tokio::test]
async fn a_process_that_was_frozen_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let file = settings_file(
        directory.path(),
        "interval_ms = 250\nbeats_missed_max = 2\nsilent_exit_ms = 1000",
    );
    let mut frozen = Serving::start(directory.path(), &["--config", &file]).await;
    for _nap in 0..2 {
        frozen.signal("-STOP").await;
        assert_eq!(frozen.ends_within(Duration::from_secs(3)).await, None);
        frozen.signal("-CONT").await;
        assert_eq!(frozen.ends_within(Duration::from_secs(1)).await, None);
    }
    let (_status, metrics) = frozen.get("/metrics").await;
    assert!(
        metrics.contains("storekeeper_arbiters_silent 0"),
        "{metrics}"
    );
    assert_eq!(frozen.end_with("-TERM").await, Some(0));
}
