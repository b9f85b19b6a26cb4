//! The simulation: the rules and the commit semantics in one thread, with virtual time, a seeded network and a model
//! of the platform; a crash can come between any two steps. The same seed is the same run.
//!
//! `cargo test --test sim -- --seeds 50000` plays more seeds, `--first N` others, `--seed S` one with every
//! step, and `--planted FAULT` that one with a fault (their names are printed).
//! It owns its arguments and ignores those of the usual harness.
#![cfg(test)]

mod acts;
mod arguments;
mod calls;
mod chance;
mod commit;
mod door;
mod host;
mod merchant;
mod plan;
mod planted;
mod reference;
mod rules;
mod run;
mod series;
mod shop;
mod tables;
mod turn;
mod verdict;

use std::process::ExitCode;

use arguments::Task;

fn main() -> ExitCode {
    match arguments::read(std::env::args().skip(1)) {
        Ok(Task::List) => {
            println!("sim: test\n\n1 test, 0 benchmarks");
            ExitCode::SUCCESS
        }
        Ok(Task::Nothing) => ExitCode::SUCCESS,
        Ok(Task::Trace(seed, planted)) => series::trace(seed, planted),
        Ok(Task::Seeds { first, count }) => series::play(first, count),
        Err(complaint) => {
            eprintln!("sim: {complaint}");
            ExitCode::FAILURE
        }
    }
}
