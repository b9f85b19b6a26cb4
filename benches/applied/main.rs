//! How many webhooks a second keepers apply: committed, ledger and calls included.
//!
//! `cargo bench --bench applied -- [backlog|flow|idle|activation] [--stores 1000] [--active 1000] [--rows 100] [--postgres]`
//!
//! - `backlog` (the default): the rows of all stores are there before the first keeper starts; the clock runs until
//!   the last one has nothing left to do.
//! - `flow`: the same rows are accepted while keepers apply them.
//! - `idle`: starts a keeper for each store and tells the resident memory of one.
//! - `activation`: brings stores to life one after the other and tells how long that takes.
//!
//! Of `--stores` that are installed, `--active` have something to do: all, when not given.
//!
//! Half of the rows are naked, four in ten cold, one in ten sells a bundle. The platform is in this process and answers
//! at once; its buckets are never empty, and it sends no webhooks of its own.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::float_arithmetic,
    reason = "a measuring program: what is wrong ends it, and what it finds it prints"
)]

mod fleet;
mod platform;
#[expect(dead_code, reason = "the tests use more of it")]
#[path = "../../tests/it/support/postgres.rs"]
mod postgres;
mod rows;

use std::time::Duration;

use fleet::Fleet;
use postgres::TestPostgres;
use storekeeper::clock::Stopwatch;

/// What is asked for on the command line.
struct Options {
    stores: i64,
    active: i64,
    rows: i64,
    postgres: bool,
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |name: &str, default| {
        let at = arguments.iter().position(|argument| argument == name);
        let text = at.and_then(|at| arguments.get(at + 1));
        text.map_or(default, |text| text.parse().expect("a whole number"))
    };
    let stores = number("--stores", 1_000);
    let options = Options {
        stores,
        active: number("--active", stores),
        rows: number("--rows", 100),
        postgres: arguments.iter().any(|argument| argument == "--postgres"),
    };
    let url = match options.postgres {
        true => Some(TestPostgres::start().database_url().await),
        false => None,
    };
    let fleet = Fleet::open(url, options.stores, options.active).await;
    match arguments.first().map(String::as_str) {
        Some("flow") => flow(&fleet, &options).await,
        Some("idle") => idle(&fleet, &options).await,
        Some("activation") => activation(&fleet, &options).await,
        _ => backlog(&fleet, &options).await,
    }
}

async fn backlog(fleet: &Fleet, options: &Options) {
    fleet.define_bundles().await;
    fleet.accept_rows(options.rows, None).await;
    let all = options.active * options.rows;
    println!("{all} rows of {} stores wait", options.active);
    let watch = Stopwatch::start();
    let directory = fleet.start_keepers();
    fleet.applied(&directory).await;
    report("applied from a backlog", all, watch.elapsed(), fleet);
    directory.shutdown(Duration::from_secs(30)).await;
}

async fn flow(fleet: &Fleet, options: &Options) {
    fleet.define_bundles().await;
    let all = options.active * options.rows;
    let directory = fleet.start_keepers();
    fleet.applied(&directory).await;
    let watch = Stopwatch::start();
    fleet.accept_rows(options.rows, Some(&directory)).await;
    let accepted = watch.elapsed();
    fleet.applied(&directory).await;
    let behind = watch.elapsed().saturating_sub(accepted);
    report("accepted and applied", all, watch.elapsed(), fleet);
    println!(
        "the last was applied {} ms after the last was accepted",
        behind.as_millis()
    );
    directory.shutdown(Duration::from_secs(30)).await;
}

async fn idle(fleet: &Fleet, options: &Options) {
    let before = resident_kb();
    let directory = fleet.start_keepers();
    fleet.applied(&directory).await;
    let grown = resident_kb().saturating_sub(before);
    let each = grown * 1_024 / u64::try_from(options.active).expect("stores");
    println!(
        "{} idle keepers of {} stores: {} MiB resident, {each} bytes each; a search takes {} ms",
        options.active,
        options.stores,
        grown / 1_024,
        fleet.search().await.as_millis()
    );
    directory.shutdown(Duration::from_secs(30)).await;
}

async fn activation(fleet: &Fleet, options: &Options) {
    fleet.define_bundles().await;
    let took = fleet.activate_one_by_one().await;
    let at = |percent: usize| took[(took.len() - 1) * percent / 100].as_micros();
    println!(
        "{} activations of {} stores: p50 {} µs, p99 {} µs; a search takes {} ms",
        options.active,
        options.stores,
        at(50),
        at(99),
        fleet.search().await.as_millis()
    );
}

fn report(what: &str, rows: i64, took: Duration, fleet: &Fleet) {
    let per_second = f64::from(u32::try_from(rows).expect("a short run")) / took.as_secs_f64();
    println!(
        "{what}: {per_second:.0}/s ({rows} in {:.1} s, {} calls), {} MiB resident",
        took.as_secs_f64(),
        fleet.calls(),
        resident_kb() / 1_024
    );
}

/// Resident memory of this process.
fn resident_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|rest| rest.trim().strip_suffix(" kB"));
    number
        .and_then(|number| number.trim().parse().ok())
        .unwrap_or(0)
}
