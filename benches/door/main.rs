//! How many webhooks a second the intake door makes durable, beside a bare server that reads the same body.
//!
//! `cargo bench --bench door -- [--connections 32,64,128] [--seconds 5] [--rounds 5] [--only NAME]
//! [--beside PROGRAM]`
//!
//! Each server is a process of its own, pinned to the first core where `taskset` exists; the load comes from this
//! process, pinned to the last. All are measured in turn, round by round, and of the rounds the median counts, of the
//! ratios, too: each is to the bare server of its own round, for the machine is not equally fast all the time.
//!
//! `cargo bench --bench door -- parts [--seconds 5] [--only NAME]` tells what each part of the door costs: each server does
//! more than the one before, and for each it says how many microseconds of processor time its parts spend on a webhook.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::float_arithmetic,
    reason = "a measuring program: what is wrong ends it, and what it finds it prints"
)]

mod bare;
mod load;
mod parts;
#[expect(dead_code, reason = "the tests use more of it")]
#[path = "../../tests/it/support/postgres.rs"]
mod postgres;
mod servers;
mod webhook;

use std::time::Duration;

use load::Measured;
use servers::Server;

/// Connections at which parts are told.
const PARTS_CONNECTIONS: usize = 64;

/// What is asked for on the command line.
struct Options {
    connections: Vec<usize>,
    seconds: u64,
    rounds: usize,
    /// Measure only the servers whose names hold this.
    only: String,
    /// Another build of the server, to be measured in turn with this one.
    beside: Option<String>,
    /// Tell what the parts cost.
    parts: bool,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [role, kind] = arguments.as_slice()
        && role == servers::BARE_ROLE
    {
        return bare::serve(kind);
    }
    let options = options(&arguments);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(run(&options));
}

fn options(arguments: &[String]) -> Options {
    let value = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1).cloned()
    };
    let number = |name: &str, default| {
        value(name).map_or(default, |text| text.parse().expect("a whole number"))
    };
    let connections = value("--connections").unwrap_or_else(|| "32,64,128".to_owned());
    Options {
        connections: connections
            .split(',')
            .map(|text| text.parse().expect("numbers of connections"))
            .collect(),
        seconds: number("--seconds", 5),
        rounds: usize::try_from(number("--rounds", 5)).expect("few rounds"),
        only: value("--only").unwrap_or_default(),
        beside: value("--beside"),
        parts: arguments.iter().any(|argument| argument == "parts"),
    }
}

async fn tell_parts(servers: &[Server], options: &Options) {
    let span = Duration::from_secs(options.seconds);
    println!(
        "{:<26} {:>7} {:>8}  of which processor time",
        "server", "req/s", "us each"
    );
    for server in servers {
        // The first webhooks find nothing in memory.
        load::measure(server, PARTS_CONNECTIONS, span).await;
        let before = parts::spent(server.process());
        let measured = load::measure(server, PARTS_CONNECTIONS, span).await;
        let webhooks = measured.per_second * span.as_secs_f64();
        let spent = parts::each(&before, &parts::spent(server.process()), webhooks);
        let told: Vec<_> = spent
            .iter()
            .filter(|(_, each)| **each >= 0.05)
            // A bare server has nothing else.
            .map(|(part, each)| (if server.is_bare() { "http" } else { part }, each))
            .map(|(part, each)| format!("{part} {each:.1}"))
            .collect();
        println!(
            "{:<26} {:>7.0} {:>8.1}  {}",
            server.name,
            measured.per_second,
            1_000_000.0 / measured.per_second,
            told.join(", ")
        );
    }
}

async fn run(options: &Options) {
    let servers = Server::start_all(&options.only, options.beside.as_deref(), options.parts).await;
    servers::pin_this_process();
    if options.parts {
        return tell_parts(&servers, options).await;
    }
    println!(
        "{:<26} {:>5} {:>10} {:>7} {:>8} {:>8} {:>7}",
        "server", "conns", "req/s", "of bare", "p50 ms", "p99 ms", "refused"
    );
    for connections in &options.connections {
        let mut rows: Vec<Vec<Measured>> = servers.iter().map(|_| Vec::new()).collect();
        for _round in 0..options.rounds {
            for (server, row) in servers.iter().zip(&mut rows) {
                let span = Duration::from_secs(options.seconds);
                row.push(load::measure(server, *connections, span).await);
            }
        }
        let bare: Vec<f64> = rows[0].iter().map(|bare| bare.per_second).collect();
        for (server, row) in servers.iter().zip(rows) {
            let ratio = load::median_ratio(&row, &bare);
            let measured = load::median(row);
            println!(
                "{:<26} {:>5} {:>10.0} {:>7.3} {:>8.1} {:>8.1} {:>7}",
                server.name,
                connections,
                measured.per_second,
                ratio,
                measured.p50_ms,
                measured.p99_ms,
                measured.refused
            );
        }
    }
}
