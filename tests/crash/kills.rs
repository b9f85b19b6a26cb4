//! The server is killed again and again, at any moment, and stopped in the middle of it all.

use std::time::Duration;

use tokio::time::Instant;

use crate::checker::assert_clean;
use crate::server::{PATIENCE, Server};
use crate::stage::{Opening, Stage, print_load};
use crate::support::postgres::TestPostgres;

/// Kills in a run.
const KILLS: u32 = 52;
/// How long a server serves before it is killed, milliseconds.
const SERVES_MS: std::ops::Range<u64> = 150..1_000;
/// How long a server lives that is killed while it starts, milliseconds.
const STARTS_MS: std::ops::Range<u64> = 0..300;
/// One in so many servers is killed while it starts.
const KILLED_AT_START: u32 = 6;
/// Stops by SIGTERM in a run.
const STOPS: u32 = 3;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes; run tests/run"]
async fn killed_at_any_moment_on_sqlite() {
    // So few that delivery ids are being filed at any moment, too.
    let opening = Opening::new().setting("WRITER__RECENT_IDS_MAX", "40");
    let opening = opening.setting("WRITER__BULK_ROWS_MAX", "8");
    let (stage, server) = opening.open().await;
    survives_kills(stage, server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a PostgreSQL server; run tests/run"]
async fn killed_at_any_moment_on_postgres() {
    let url = TestPostgres::start().database_url().await;
    let (stage, server) = Opening::new().postgres(url).open().await;
    survives_kills(stage, server).await;
}

async fn survives_kills(mut stage: Stage, mut server: Server) {
    let began = Instant::now();
    for _ in 0..KILLS {
        stage.begin_mishaps();
        let dies_early = stage.people.once_in(KILLED_AT_START);
        if !dies_early && !server.comes_up(Instant::now() + PATIENCE).await {
            // The database had not noticed yet that its predecessor was dead.
            server = stage.launch.start().await;
        }
        let lives = stage
            .people
            .moment(if dies_early { STARTS_MS } else { SERVES_MS });
        stage.act_for(lives).await;
        server.kill().await;
        server = stage.launch.spawn();
    }
    if !server.comes_up(Instant::now() + PATIENCE).await {
        server = stage.launch.start().await;
    }
    println!("{KILLS} kills in {:?}", began.elapsed());
    ends_well(&stage, server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopped_under_load_on_sqlite() {
    let (stage, server) = Opening::new().open().await;
    survives_stops(stage, server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a PostgreSQL server; run tests/run"]
async fn stopped_under_load_on_postgres() {
    let url = TestPostgres::start().database_url().await;
    let (stage, server) = Opening::new().postgres(url).open().await;
    survives_stops(stage, server).await;
}

async fn survives_stops(mut stage: Stage, mut server: Server) {
    for _ in 0..STOPS {
        stage.begin_mishaps();
        let serves = stage.people.moment(SERVES_MS);
        stage.act_for(serves).await;
        // People go on while it stops.
        let (sandbox, shops) = (&stage.sandbox, &stage.shops);
        tokio::join!(
            server.stop(),
            stage
                .people
                .act_for(sandbox, shops, Duration::from_millis(500)),
        );
        // No retrying: a server that stopped well has let go of everything.
        server = stage.launch.spawn();
        assert!(server.comes_up(Instant::now() + PATIENCE).await);
    }
    ends_well(&stage, server).await;
}

/// Settles, stops, and finds nothing wrong.
pub(crate) async fn ends_well(stage: &Stage, server: Server) {
    let began = Instant::now();
    stage.settles().await;
    println!("settled in {:?}", began.elapsed());
    server.stop().await;
    let evidence = stage.evidence().await;
    print_load(&evidence);
    assert_clean(&evidence, stage.seed);
}
