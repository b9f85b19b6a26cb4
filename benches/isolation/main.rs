//! What fifty quiet stores notice of a noisy neighbour: how long after it was accepted a webhook of theirs is applied.
//!
//! `cargo bench --bench isolation -- [--short] [--seconds 120] [--rounds 3] [--backlog 1000000] [--only NAME] [--postgres]`
//!
//! Each quiet store has one order of its bundle a second. Every case has a database of its own and the same load, one
//! case after the other in this process, and of the rounds the one in the middle counts. The webhooks come by the
//! writer and the doorbell, as from the intake door and without HTTP; the platform is in this process and answers at
//! once. `--short` runs each case once, for a few seconds: it shows that all works, and measures little.
//!
//! First-in-first-out is no mode of the product. Here it is one store that has everybody's webhooks: so there is one
//! queue, taken in order, and by the same code, in the same turns and commits as all else.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::float_arithmetic,
    reason = "a measuring program: what is wrong ends it, and what it finds it prints"
)]

mod case;
mod noise;
#[expect(dead_code, reason = "its calls are counted elsewhere")]
#[path = "../applied/platform.rs"]
mod platform;
#[expect(dead_code, reason = "the tests use more of it")]
#[path = "../../tests/it/support/postgres.rs"]
mod postgres;
mod quiet;
#[path = "../applied/rows.rs"]
mod rows;
mod seed;
mod stage;
mod table;
mod witness;

use std::sync::Arc;
use std::time::Duration;

use case::Case;
use quiet::Measured;
use stage::Stage;

/// Orders of the quiet stores that are not counted, while everything warms up.
const WARM_UP: Duration = Duration::from_secs(2);

/// What is asked for on the command line.
struct Options {
    seconds: u64,
    rounds: usize,
    backlog: i64,
    only: String,
    postgres: bool,
}

#[tokio::main]
async fn main() {
    stage::keep_wanted_panics_quiet();
    let options = options();
    let cases: Vec<_> = Case::ALL
        .into_iter()
        .filter(|case| case.name().contains(&options.only))
        .collect();
    let mut rounds: Vec<Vec<Measured>> = cases.iter().map(|_| Vec::new()).collect();
    for _round in 0..options.rounds {
        for (case, measured) in cases.iter().zip(&mut rounds) {
            measured.push(run(*case, &options).await);
            println!(
                "{}",
                table::line(*case, measured.last().expect("one"), None)
            );
        }
    }
    table::print(cases.into_iter().zip(rounds));
}

fn options() -> Options {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let value = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1).cloned()
    };
    let number = |name: &str, default: u64| {
        value(name).map_or(default, |text| text.parse().expect("a whole number"))
    };
    let has = |name: &str| arguments.iter().any(|argument| argument == name);
    let (seconds, rounds, backlog) = match has("--short") {
        true => (4, 1, 50_000),
        false => (120, 3, 1_000_000),
    };
    Options {
        seconds: number("--seconds", seconds),
        rounds: usize::try_from(number("--rounds", rounds)).expect("few rounds"),
        backlog: i64::try_from(number("--backlog", backlog)).expect("rows"),
        only: value("--only").unwrap_or_default(),
        postgres: has("--postgres"),
    }
}

/// One case from an empty database to its end.
async fn run(case: Case, options: &Options) -> Measured {
    let stage = Arc::new(Stage::open(case, options.postgres).await);
    if case.has_backlog() {
        seed::backlog(&stage, options.backlog).await;
    }
    let directory = stage.start_keepers();
    let span = WARM_UP + Duration::from_secs(options.seconds);
    let noise = noise::begin(case, &stage, &directory, span);
    let mut measured = quiet::measure(&stage, &directory, span).await;
    measured.noisy = noise.end().await;
    directory.shutdown(Duration::from_secs(30)).await;
    measured
}
