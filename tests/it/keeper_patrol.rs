//! What is told of keepers that do not get on and of threads that stand still, and that it is not told of a process
//! that was frozen.

use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use storekeeper::app::AppParts;
use storekeeper::db::keepers;
use storekeeper::domain::store::command::{Command, Row};
use storekeeper::ids::StoreId;
use storekeeper::keeper::{Doing, Envelope, KeeperSettings, Moment, PatrolSettings, Silence};
use tokio::io::AsyncWriteExt;
use tokio::process;

use crate::support::app::{sign, store_body};
use crate::support::keepers::{Gate, Rig, STORE, TurnHold, eventually};
use crate::support::process::{EMBEDDED, Serving};

const NEIGHBOURS: [StoreId; 3] = [StoreId(2), StoreId(3), StoreId(4)];

/// Set for the process that is to hang: where its data is.
const HANGING: &str = "STOREKEEPER_TEST_HANGING";
/// Set if it is to hang only until there is something to be read at this address.
const HANGING_UNTIL: &str = "STOREKEEPER_TEST_HANGING_UNTIL";
/// Its settings, beside its data.
const SETTINGS: &str = "settings.toml";

/// Of Linux: who writes does not wait.
const O_NONBLOCK: i32 = 0o4000;

/// How long a process may take to end; far more than it takes.
const PATIENCE: Duration = Duration::from_secs(60);

const QUICK: PatrolSettings = PatrolSettings {
    interval_ms: 50,
    beats_missed_max: 5,
    silent_exit_ms: 0,
    stuck_ms: 100,
};

const GIVES_UP: PatrolSettings = PatrolSettings {
    silent_exit_ms: 1_000,
    ..QUICK
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

async fn given_up(rig: &Rig) -> Silence {
    let lost = tokio::time::timeout(Duration::from_secs(20), rig.directory.lost());
    lost.await.expect("given up")
}

/// The row that is written down as one that crashes, and how often it did.
async fn suspect(rig: &Rig, store: StoreId) -> Option<(i64, u32)> {
    let record = keepers::find(&rig.db, store).await.expect("read");
    let suspect = record.and_then(|record| record.memo.suspect)?;
    Some((suspect.seq, suspect.crashes))
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
    let rig = Rig::start(|settings| gate = gated(settings, GIVES_UP)).await;
    rig.accept_malformed(STORE).await;
    rig.directory.ring(STORE);
    eventually("the row", || gate.is_reached()).await;
    let silence = given_up(&rig).await;
    assert_eq!((silence.store, silence.row), (Some(STORE), Some(1)));
    assert_eq!(suspect(&rig, STORE).await, Some((1, 1)));
    // The keeper that hung is not the store's any more.
    gate.open();
    rig.let_restart(STORE).await;
    eventually("the row", || rig.cursor(STORE) == 1).await;
}

#[tokio::test]
async fn a_body_whose_parser_does_not_come_to_an_end_is_written_down_as_well() {
    let gate: Arc<Gate> = Arc::default();
    let rig = Rig::start(|settings| settings.patrol = GIVES_UP).await;
    rig.platform.parse_through(&gate);
    rig.accept_malformed(STORE).await;
    rig.directory.ring(STORE);
    eventually("the row", || gate.is_reached()).await;
    let silence = given_up(&rig).await;
    assert_eq!((silence.store, silence.row), (Some(STORE), Some(1)));
    assert_eq!(suspect(&rig, STORE).await, Some((1, 1)));
    gate.open();
}

/// At a start with many stores that have work, those on the thread that stands still have taken nothing with them: no
/// connection, no place among those that read their stores.
#[tokio::test]
async fn a_thread_that_stands_still_takes_nothing_from_other_stores() {
    const STORES: i64 = 60;
    const HANGS: StoreId = StoreId(20);
    let mut gate = Arc::default();
    let rig = Rig::start_with(STORES, |settings| {
        settings.activations_in_flight_max = 4;
        gate = gated(settings, GIVES_UP);
    })
    .await;
    let stores: Vec<_> = (1..=STORES).map(StoreId).collect();
    for &store in &stores {
        if store == HANGS {
            rig.accept_malformed(store).await;
        } else {
            rig.accept_level(store, 1).await;
        }
    }
    for &store in &stores {
        rig.directory.ring(store);
    }
    eventually("the row", || gate.is_reached()).await;
    let accepting = tokio::time::timeout(Duration::from_secs(20), rig.accept_level(StoreId(2), 2));
    assert!(accepting.await.is_ok(), "nothing can be accepted any more");
    let silence = given_up(&rig).await;
    assert_eq!((silence.store, silence.row), (Some(HANGS), Some(1)));
    assert_eq!(suspect(&rig, HANGS).await, Some((1, 1)));
    let stands_still = |store: StoreId| {
        let status = rig.directory.status(store);
        status.is_none_or(|status| status.arbiter == silence.arbiter)
    };
    let others = || stores.iter().filter(|store| !stands_still(**store));
    eventually("the stores elsewhere", || {
        others().all(|store| rig.cursor(*store) >= 1)
    })
    .await;
    assert!(others().count() >= 20, "{}", others().count());
    gate.open();
}

/// When the thread stands still its stores hold all the turns that they can have, or stand in line for one.
#[tokio::test]
async fn a_thread_that_stands_still_takes_no_turns_from_stores_elsewhere() {
    const STORES: i64 = 24;
    let (mut hold, gate, hangs) = (None, Arc::<Gate>::default(), Arc::<AtomicI64>::default());
    let (gate_of_hook, hangs_of_hook) = (Arc::clone(&gate), Arc::clone(&hangs));
    let rig = Rig::start_with(STORES, |settings| {
        settings.turns_in_flight_max = 4;
        settings.patrol = QUICK;
        hold = Some(TurnHold::over(settings, |_any| true));
        settings.on_moment = Some(Arc::new(move |store, moment| {
            let hangs = StoreId(hangs_of_hook.load(Ordering::SeqCst));
            if (store, moment) == (hangs, Moment::Command) {
                gate_of_hook.pass();
            }
        }));
    })
    .await;
    let hold = hold.expect("it started");
    let stores: Vec<_> = (1..=STORES).map(StoreId).collect();
    for &store in &stores {
        rig.deliver(store, 1).await;
    }
    let in_line = |store: &&StoreId| rig.directory.turn_place(**store).is_some();
    eventually("a turn or a place in line for each", || {
        hold.held() + stores.iter().filter(in_line).count() == stores.len()
    })
    .await;
    assert_eq!(hold.held(), 4);
    let hanging = *stores.iter().find(in_line).expect("it waits");
    hangs.store(hanging.0, Ordering::SeqCst);
    let directory = rig.directory.clone();
    let asked = Envelope::plain(Command::Resume);
    drop(tokio::spawn(async move {
        directory.command(hanging, asked).await
    }));
    eventually("the command", || gate.is_reached()).await;
    let thread = |store| rig.directory.status(store).map(|status| status.arbiter);
    hold.let_go();
    let beside = |store: &&StoreId| thread(**store) == thread(hanging);
    let (here, elsewhere): (Vec<_>, Vec<_>) = stores.iter().partition(beside);
    assert!(
        here.len() > 4 && elsewhere.len() > 4,
        "{here:?} {elsewhere:?}"
    );
    let all_rows = |stores: &[&StoreId]| stores.iter().all(|store| rig.cursor(**store) == 1);
    eventually("the rows elsewhere", || all_rows(&elsewhere)).await;
    gate.open();
    eventually("all rows", || all_rows(&here)).await;
}

fn settings_file(directory: &std::path::Path, patrol: &str) {
    let settings =
        format!("[keeper]\narbiters = 1\n[server]\nstop_deadline_ms = 1000\n[patrol]\n{patrol}\n");
    std::fs::write(directory.join(SETTINGS), settings).unwrap();
}

/// Not a test of its own: what others start as another process, the program with a handler that hangs; until there is
/// something to be read at an address, if one is given.
#[test]
fn a_process_with_a_handler_that_hangs() {
    let Some(directory) = std::env::var_os(HANGING) else {
        return;
    };
    drop(rustls::crypto::ring::default_provider().install_default());
    let directory = directory.into_string().unwrap();
    let settings = format!("{directory}/{SETTINGS}");
    let arguments = [
        "storekeeper",
        "serve",
        "--bind",
        "127.0.0.1:0",
        "--data-dir",
        &directory,
        "--config",
        &settings,
    ];
    let until = std::env::var_os(HANGING_UNTIL).map(|address| address.into_string().unwrap());
    let parts = AppParts {
        before_apply: Some(Arc::new(move |_row: &Row| match &until {
            None => Gate::default().pass(),
            Some(address) => {
                let mut stream = std::net::TcpStream::connect(address).unwrap();
                stream.read_exact(&mut [0]).unwrap();
            }
        })),
        ..AppParts::of_system()
    };
    let code = storekeeper::cli::run_with(arguments.map(Into::into).into_iter(), parts);
    std::process::exit(i32::from(code));
}

/// The program, to hang at its first row, with these settings of its patrol.
fn hanging(directory: &std::path::Path, patrol: &str) -> process::Command {
    settings_file(directory, patrol);
    let mut command = process::Command::new(std::env::current_exe().unwrap());
    command
        .args([
            "--exact",
            "keeper_patrol::a_process_with_a_handler_that_hangs",
        ])
        .arg("--nocapture")
        .env(HANGING, directory);
    command
}

#[tokio::test]
async fn a_process_whose_keepers_stand_still_ends_itself_and_its_successor_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = hanging(
        directory.path(),
        "interval_ms = 20\nbeats_missed_max = 3\nsilent_exit_ms = 1000",
    );
    let errors = directory.path().join("errors");
    command.stderr(std::fs::File::create(&errors).unwrap());
    let mut hanging = Serving::of(&mut command).await;
    accept_webhook(&hanging).await;
    let code = hanging.ends_within(PATIENCE).await;
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
    let successor = Serving::start(directory.path(), &EMBEDDED).await;
    successor
        .wait_for("/metrics", "storekeeper_turns_total{temperature=\"hot\"} 1")
        .await;
    assert_eq!(successor.end_with("-TERM").await, Some(0));
}

#[tokio::test]
async fn a_process_whose_keepers_stand_still_ends_in_order_when_it_is_told_to() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = hanging(directory.path(), "silent_exit_ms = 0");
    command.stderr(Stdio::null());
    let mut hanging = Serving::of(&mut command).await;
    accept_webhook(&hanging).await;
    hanging.signal("-TERM").await;
    assert_eq!(hanging.ends_within(PATIENCE).await, Some(Some(0)));
}

/// What somebody who is on call wants of it, in the log and on the screen: where it was, and how it came there.
#[tokio::test]
async fn a_panic_tells_where_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let nobody_there = "127.0.0.1:1";
    let mut command = hanging(directory.path(), "");
    let errors = directory.path().join("errors");
    command.stderr(std::fs::File::create(&errors).unwrap());
    let server = Serving::of(command.env(HANGING_UNTIL, nobody_there)).await;
    accept_webhook(&server).await;
    let here = "tests/it/keeper_patrol.rs";
    let shown = async {
        loop {
            let keeper = as_admin(&server, "/v1/admin/keepers/1").await;
            let trace = keeper["last_panic"].as_str();
            if trace.is_some_and(|trace| trace.contains(here)) {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, shown)
        .await
        .expect("a trace");
    let errors = std::fs::read_to_string(&errors).unwrap();
    let told = errors
        .lines()
        .find(|line| line.contains("panicked: called"));
    assert!(told.is_some(), "{errors}");
    assert_eq!(server.end_with("-TERM").await, Some(0));
}

/// Writes to a pipe until not a byte more fits.
fn fill(mut pipe: std::fs::File) {
    for bytes in [4_096, 1] {
        let full = loop {
            if let Err(full) = pipe.write(&vec![b'\n'; bytes]) {
                break full;
            }
        };
        assert_eq!(full.kind(), std::io::ErrorKind::WouldBlock);
    }
}

/// The code with which it ends when what it says is read no more, so that whoever says something stands still as well.
async fn ends_unheard(patrol: &str, signal: Option<&str>) -> Option<Option<i32>> {
    let directory = tempfile::tempdir().unwrap();
    let (_never_read, errors) = std::io::pipe().unwrap();
    let end = format!("/proc/self/fd/{}", errors.as_raw_fd());
    let mut filling = std::fs::OpenOptions::new();
    filling.write(true).custom_flags(O_NONBLOCK);
    let filling = filling.open(end).unwrap();
    let mut command = hanging(directory.path(), patrol);
    command.stderr(errors);
    let mut hanging = Serving::of(&mut command).await;
    accept_webhook(&hanging).await;
    fill(filling);
    if let Some(signal) = signal {
        hanging.signal(signal).await;
    }
    hanging.ends_within(PATIENCE).await
}

#[tokio::test]
async fn a_process_that_nobody_listens_to_ends_when_it_is_told_to() {
    let ended = ends_unheard("silent_exit_ms = 0", Some("-TERM")).await;
    assert_eq!(ended, Some(Some(1)));
}

#[tokio::test]
async fn a_process_that_nobody_listens_to_ends_itself() {
    let patrol = "interval_ms = 250\nbeats_missed_max = 4\nsilent_exit_ms = 2000";
    assert_eq!(ends_unheard(patrol, None).await, Some(Some(70)));
}

async fn accept_webhook(server: &Serving) {
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
    let told: Value = answer.json().await.unwrap();
    assert_eq!(told["outcome"], "accepted");
}

/// What an admin is answered.
async fn as_admin(server: &Serving, path: &str) -> Value {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = client.get(format!("http://{}{path}", server.address));
    let request = request.bearer_auth(server.admin_token.as_deref().unwrap());
    request.send().await.unwrap().json().await.unwrap()
}

/// Frozen while a thread has not answered yet: what was seen standing still before it froze is not seen longer for that.
#[tokio::test]
async fn a_process_that_was_frozen_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let gate = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut command = hanging(
        directory.path(),
        "interval_ms = 500\nbeats_missed_max = 1\nsilent_exit_ms = 6000",
    );
    command
        .stderr(Stdio::null())
        .env(HANGING_UNTIL, gate.local_addr().unwrap().to_string());
    let mut frozen = Serving::of(&mut command).await;
    accept_webhook(&frozen).await;
    let (mut row, _address) = gate.accept().await.unwrap();
    // A beat is asked for and does not come: else the first look after the thaw finds that of before.
    frozen
        .wait_for("/metrics", "storekeeper_arbiters_silent 1")
        .await;
    frozen.signal("-STOP").await;
    assert_eq!(frozen.ends_within(Duration::from_secs(7)).await, None);
    frozen.signal("-CONT").await;
    // The patrol goes round meanwhile.
    assert_eq!(frozen.ends_within(Duration::from_secs(1)).await, None);
    row.write_all(b".").await.unwrap();
    frozen
        .wait_for("/metrics", "storekeeper_arbiters_silent 0")
        .await;
    assert_eq!(frozen.end_with("-TERM").await, Some(0));
}
