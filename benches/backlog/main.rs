//! How the program works off what has piled up over many stores: how long it takes to be ready, what `/status` costs
//! meanwhile, what memory it needs, and how fast the backlog falls.
//!
//! `cargo bench --bench backlog -- [--rows 7500000] [--stores 1500]`
//!
//! The rows are put into a SQLite database as if they had been accepted, nine in ten of them cold and one naked; then
//! the real program is started on it. Its platform cannot be reached, and nothing needs it.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::float_arithmetic,
    reason = "a measuring program: what is wrong ends it, and what it finds it prints"
)]

#[expect(dead_code, reason = "other benches use more of it")]
#[path = "../applied/fleet.rs"]
mod fleet;
#[path = "../applied/platform.rs"]
mod platform;
#[path = "../applied/rows.rs"]
mod rows;
mod seed;
mod server;

use std::path::Path;
use std::time::Duration;

use fleet::Fleet;
use server::Server;
use storekeeper::clock::Stopwatch;

/// Between two looks at `/status`.
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);
/// After this nothing more is expected.
const PATIENCE: Duration = Duration::from_secs(3_600);
/// The embedded database's file in a data directory.
const DATABASE_FILE: &str = "storekeeper.db";

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |name: &str, default: i64| {
        let at = arguments.iter().position(|argument| argument == name);
        let text = at.and_then(|at| arguments.get(at + 1));
        text.map_or(default, |text| text.parse().expect("a whole number"))
    };
    let (rows, stores) = (number("--rows", 7_500_000), number("--stores", 1_500));
    let data = tempfile::tempdir().expect("a directory");
    prepare(data.path(), rows, stores).await;
    let begun = Stopwatch::start();
    let server = Server::start(data.path());
    server.ready().await;
    println!(
        "ready after {:.2} s, with {} MiB",
        begun.elapsed().as_secs_f64(),
        server.resident_kb() / 1_024
    );
    watch(&server, rows).await;
}

async fn prepare(data: &Path, rows: i64, stores: i64) {
    let url = format!("sqlite://{}", data.join(DATABASE_FILE).display());
    let fleet = Fleet::open(Some(url.clone()), stores, stores).await;
    fleet.define_bundles().await;
    drop(fleet);
    let watch = Stopwatch::start();
    seed::backlog(&url, rows / stores, stores).await;
    println!(
        "{rows} rows of {stores} stores wait, put there in {:.1} s",
        watch.elapsed().as_secs_f64()
    );
}

/// Looks at `/status` until nothing waits.
async fn watch(server: &Server, rows: i64) {
    let (watch, mut looks) = (Stopwatch::start(), tokio::time::interval(BETWEEN_LOOKS));
    let (mut took, mut resident_kb) = (Vec::new(), 0);
    loop {
        looks.tick().await;
        let look = Stopwatch::start();
        let backlog = server.backlog().await;
        took.push(look.elapsed());
        resident_kb = resident_kb.max(server.resident_kb());
        assert!(watch.elapsed() < PATIENCE, "{backlog} rows still wait");
        if backlog == 0 {
            break;
        }
    }
    took.sort_unstable();
    let at = |percent: usize| took[(took.len() - 1) * percent / 100].as_secs_f64() * 1_000.0;
    let seconds = watch.elapsed().as_secs_f64();
    println!(
        "/status {} times: p50 {:.1} ms, p99 {:.1} ms, longest {:.1} ms",
        took.len(),
        at(50),
        at(99),
        at(100)
    );
    println!(
        "drained in {seconds:.1} s, {:.0} rows/s; at most {} MiB resident",
        f64::from(u32::try_from(rows).expect("fewer")) / seconds,
        resident_kb / 1_024
    );
}
