//! Many seeds, on every core; and the planted faults, each of which must be found.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use storekeeper::clock::{Stopwatch, Timestamp};

use crate::planted::Plant;
use crate::rules::{Rule, Violation};
use crate::run::{Run, Tally};

/// Within so many seeds a planted fault must be found.
const PLANTED_SEEDS: u64 = 300;
/// After so many failures nobody reads on.
const FAILURES_MAX: usize = 10;

type Failure = (u64, Violation);

/// Plays one seed and says every step.
pub(crate) fn trace(seed: u64, planted: Option<Plant>) -> ExitCode {
    match play_one(seed, planted, true) {
        Ok(tally) => {
            println!("seed {seed}: ok, {tally:?}");
            ExitCode::SUCCESS
        }
        Err(violation) => {
            println!("seed {seed}: {violation}");
            ExitCode::FAILURE
        }
    }
}

/// Plays the planted faults and so many seeds.
pub(crate) fn play(first: u64, count: u64) -> ExitCode {
    let watch = Stopwatch::start();
    std::panic::set_hook(Box::new(|_| {}));
    let missed = play_planted();
    let (tally, failures) = play_seeds(first, count);
    drop(std::panic::take_hook());
    println!(
        "sim: {count} seeds, {} events, {} webhooks accepted, {} writes, {} crashes, {} fenced, {} dead letters; {:?}",
        tally.events,
        tally.accepted,
        tally.effects,
        tally.crashes,
        tally.fenced,
        tally.dead,
        watch.elapsed()
    );
    for (seed, violation) in &failures {
        println!("sim: seed {seed}: {violation}");
        println!("     again, with every step: cargo test --test sim -- --seed {seed}");
    }
    if failures.is_empty() && missed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn play_one(seed: u64, planted: Option<Plant>, traced: bool) -> Result<Tally, Violation> {
    let played = catch_unwind(AssertUnwindSafe(|| Run::new(seed, planted, traced).play()));
    played.unwrap_or_else(|payload| {
        let text = payload.downcast_ref::<String>().cloned();
        let text = text.or_else(|| {
            payload
                .downcast_ref::<&str>()
                .map(|text| (*text).to_owned())
        });
        Err(Violation {
            rule: Rule::NoPanic,
            at: Timestamp::EPOCH,
            detail: text.unwrap_or_default(),
        })
    })
}

fn play_seeds(first: u64, count: u64) -> (Tally, Vec<Failure>) {
    let next = AtomicU64::new(first);
    let all = Mutex::new((Tally::default(), Vec::<Failure>::new()));
    std::thread::scope(|scope| {
        for _ in 0..threads() {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    let is_over = all.lock().unwrap().1.len() >= FAILURES_MAX;
                    if seed >= first + count || is_over {
                        break;
                    }
                    let played = play_one(seed, None, false);
                    let mut all = all.lock().unwrap();
                    match played {
                        Ok(tally) => all.0.add(tally),
                        Err(violation) => all.1.push((seed, violation)),
                    }
                }
            });
        }
    });
    let (tally, mut failures) = all.into_inner().unwrap();
    failures.sort_by_key(|failure| failure.0);
    (tally, failures)
}

/// The planted faults that were not found, or not by their name.
fn play_planted() -> Vec<Plant> {
    let next = AtomicUsize::new(0);
    let missed = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..threads() {
            scope.spawn(|| {
                while let Some(plant) = Plant::ALL.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if !is_found(*plant) {
                        missed.lock().unwrap().push(*plant);
                    }
                }
            });
        }
    });
    missed.into_inner().unwrap()
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(2, std::num::NonZero::get)
}

fn is_found(plant: Plant) -> bool {
    let name = plant.name();
    for seed in 0..PLANTED_SEEDS {
        let Err(violation) = play_one(seed, Some(plant), false) else {
            continue;
        };
        let is_right = plant.breaks().contains(&violation.rule);
        let verdict = if is_right { "found" } else { "MISTAKEN" };
        println!("sim: planted {name}: {verdict} with seed {seed}: {violation}");
        return is_right;
    }
    println!("sim: planted {name}: NOT FOUND in {PLANTED_SEEDS} seeds");
    false
}
