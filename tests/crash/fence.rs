//! A server that was frozen in the middle of a turn and wakes up after another has taken its stores.

use std::net::SocketAddr;

use sea_orm::{ConnectionTrait, TransactionTrait};
use storekeeper::db::writer::{CommitError, Share};
use storekeeper::sandbox::{OrderRequest, Plan};

use crate::checker::{Evidence, Fault, KeeperVersion, StoreEvidence, assert_caught, assert_clean};
use crate::database::{Database, rows};
use crate::kills::ends_well;
use crate::server::{Launch, Server, free_address};
use crate::sql_proxy::SqlProxy;
use crate::stage::{Opening, Stage, until};
use crate::support::database::{TestDb, delivery, share};
use crate::support::postgres::TestPostgres;

/// The store whose commit is held up, and the one whose commit waits behind it.
const DECOY: usize = 0;
const VICTIM: usize = 1;
/// Questions to the server that show that it had time to come as far as it can.
const KNOCKS: u32 = 20;
/// What a fenced keeper's end is logged as.
const FENCED: &str = "another keeper of this store has taken over";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a PostgreSQL server; run tests/run"]
async fn a_frozen_server_commits_nothing_when_it_wakes() {
    let url = TestPostgres::start().database_url().await;
    let (stage, server) = opening(&url).open().await;
    overtake(&stage, server, &url, "successor_intact").await;
    let printed = stage.launch.printed();
    assert!(
        printed.contains(FENCED),
        "it was not frozen in a turn: {printed}"
    );
    let server = stage.launch.start().await;
    ends_well(&stage, server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a PostgreSQL server; run tests/run"]
async fn fence_off_is_caught_on_postgres() {
    let url = TestPostgres::start().database_url().await;
    let (before, after) = url.split_once('@').unwrap();
    let (address, path) = after.split_once('/').unwrap();
    let target: SocketAddr = address.parse().unwrap();
    let proxy = SqlProxy::start(target).await;
    let through = format!("{before}@{}/{path}", proxy.address);
    let (stage, server) = opening(&url).through(through).open().await;
    overtake(&stage, server, &url, "successor_planted").await;
    assert_caught(&stage.evidence().await, Fault::FenceOff);
}

/// Two shops, and statements that may be held up for as long as it takes.
fn opening(url: &str) -> Opening {
    Opening::new()
        .postgres(url.to_owned())
        .shops(&[(Plan::Plus, 1), (Plan::Plus, 1)])
        .setting("DATABASE__STATEMENT_TIMEOUT_MS", "60000")
        .setting("WRITER__GROUP_TIMEOUT_MS", "60000")
}

/// Freezes the server in a turn of the victim, lets a successor under another name take the stores, and wakes it.
/// Returns when both have ended.
async fn overtake(stage: &Stage, server: Server, url: &str, successor: &str) {
    freeze_in_a_turn(stage, &server).await;
    // The process lock goes with its connection; the server itself will notice only when it wakes.
    let steal = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' \
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    stage.database.run(steal).await;
    let create = format!("CREATE ROLE {successor} SUPERUSER LOGIN");
    stage.database.run(&create).await;
    let other = tempfile::tempdir().unwrap();
    let launch = Launch {
        address: free_address(),
        data_dir: other.path().to_owned(),
        database_url: Some(url.replace("storekeeper@", &format!("{successor}@"))),
        ..stage.launch.clone()
    };
    let next = launch.start().await;
    let victim = &stage.shops[VICTIM].domain;
    until("the successor applies what waited", async || {
        is_taken_by(&stage.database, victim, successor).await
    })
    .await;
    server.signal("CONT").await;
    assert_eq!(server.ended().await, Some(1), "without its lock it ends");
    next.stop().await;
}

/// Stops the process while a share of the victim is decided and not yet sent: an intruder's lock holds up the decoy's
/// commit, behind which the victim's has to wait.
async fn freeze_in_a_turn(stage: &Stage, server: &Server) {
    let intruder = stage.database.connect().await;
    let held = intruder.begin().await.unwrap();
    let decoy = &stage.shops[DECOY].domain;
    held.execute_unprepared(&format!(
        "SELECT 1 FROM keeper JOIN store ON store.id = keeper.store WHERE domain = '{decoy}' FOR UPDATE OF keeper"
    ))
    .await
    .unwrap();
    sell(stage, DECOY);
    until("the decoy's commit is held up", async || {
        counts(
            &stage.database,
            "SELECT COUNT(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' \
            AND datname = current_database()",
        )
        .await
    })
    .await;
    sell(stage, VICTIM);
    let victim = &stage.shops[VICTIM].domain;
    until("the victim's webhook is accepted", async || {
        backlog(&stage.database, victim).await > 0
    })
    .await;
    for _ in 0..KNOCKS {
        assert_eq!(server.status_of("/status").await, Some(200));
    }
    server.signal("STOP").await;
    held.rollback().await.unwrap();
    intruder.close().await.unwrap();
}

fn sell(stage: &Stage, position: usize) {
    let shop = &stage.shops[position];
    let order = OrderRequest::online(&[(shop.bundles()[0], 1)]);
    stage.sandbox.place_order(&shop.domain, &order).unwrap();
}

async fn counts(database: &Database, sql: &str) -> bool {
    number(database, sql).await > 0
}

async fn number(database: &Database, sql: &str) -> i64 {
    let connection = database.connect().await;
    let found = rows(&connection, sql).await;
    connection.close().await.unwrap();
    found[0].try_get_by_index(0).unwrap()
}

async fn backlog(database: &Database, domain: &str) -> i64 {
    let sql = format!(
        "SELECT h.next_seq - 1 - k.cursor FROM inbox_head h JOIN keeper k ON k.store = h.store \
         JOIN store s ON s.id = h.store WHERE s.domain = '{domain}'"
    );
    number(database, &sql).await
}

/// Whether this writer has committed a turn of the store, and nothing is left of its backlog.
async fn is_taken_by(database: &Database, domain: &str, author: &str) -> bool {
    let sql = format!(
        "SELECT COUNT(*) FROM witness_keeper w JOIN store s ON s.id = w.store \
         WHERE s.domain = '{domain}' AND w.author = '{author}' AND w.applied_seq > 0"
    );
    number(database, &sql).await > 1 && backlog(database, domain).await == 0
}

#[tokio::test]
async fn a_former_keepers_share_is_refused_on_sqlite() {
    let (evidence, refused) =
        overtaken_share(async |test, share| test.writer.commit(share).await).await;
    assert_eq!(refused, Err(CommitError::Fenced));
    assert_clean(&evidence, 0);
}

#[tokio::test]
async fn fence_off_is_caught_on_sqlite() {
    let (evidence, taken) = overtaken_share(async |test, share: Share| {
        // What the commit would be without its comparison.
        let advance = format!(
            "UPDATE keeper SET applied_seq = applied_seq + 1, cursor = {} WHERE store = {}",
            share.record.cursor, share.store.0
        );
        file(test).run(&advance).await;
        Ok(())
    })
    .await;
    assert_eq!(taken, Ok(()));
    assert_caught(&evidence, Fault::FenceOff);
}

fn file(test: &TestDb) -> Database {
    let path = test.options.url.strip_prefix("sqlite://").unwrap();
    Database::Sqlite(path.into())
}

/// A keeper decides about a webhook; before it commits, its successor is granted the store and applies the webhook.
async fn overtaken_share(
    submit: impl AsyncFnOnce(&TestDb, Share) -> Result<(), CommitError>,
) -> (Evidence, Result<(), CommitError>) {
    let test = TestDb::sqlite().await;
    let database = file(&test);
    database.witness().await;
    let store = test.store("toys.myshopify.com").await;
    test.writer.accept(delivery(store, "only")).await.unwrap();
    let (former_grant, former) = test.activate(store).await;
    let mut late = share(store, former_grant, &former);
    late.record.cursor = 1;
    let (grant, activation) = test.activate(store).await;
    let mut timely = share(store, grant, &activation);
    timely.record.cursor = 1;
    test.writer.commit(timely).await.unwrap();
    let before = versions(&database).await;
    let submitted = submit(&test, late).await;
    let mut keeper = versions(&database).await;
    for version in keeper.iter_mut().skip(before.len()) {
        "the former keeper".clone_into(&mut version.author);
    }
    let of_database = database.stores().await.into_values().next().unwrap();
    let store = StoreEvidence {
        keeper,
        ..of_database
    };
    let evidence = Evidence {
        stores: vec![store],
        ..Evidence::default()
    };
    (evidence, submitted)
}

async fn versions(database: &Database) -> Vec<KeeperVersion> {
    let stores = database.stores().await;
    stores.into_values().next().unwrap().keeper
}
