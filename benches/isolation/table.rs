//! What was measured, for a person.

use crate::case::Case;
use crate::quiet::Measured;

/// A quiet store may wait so many times as long as alone, or so many milliseconds longer, whichever is more.
const BOUND_TIMES: f64 = 1.5;
const BOUND_MS: f64 = 10.0;

/// Of each case the round whose p99 is in the middle.
pub(crate) fn print(cases: impl Iterator<Item = (Case, Vec<Measured>)>) {
    let medians: Vec<_> = cases
        .map(|(case, mut rounds)| {
            rounds.sort_by(|left, right| left.p99_ms.total_cmp(&right.p99_ms));
            (case, rounds[rounds.len() / 2])
        })
        .collect();
    println!(
        "\n{:<20} {:>7} {:>11} {:>9} {:>9} {:>9} {:>8} {:>10}  bound",
        "50 quiet stores",
        "samples",
        "accept p99",
        "p50 ms",
        "p99 ms",
        "max ms",
        "of alone",
        "neighbour"
    );
    for (case, measured) in &medians {
        let alone = medians.iter().find(|(other, _)| *other == case.baseline());
        println!(
            "{}",
            line(*case, measured, alone.map(|(_, alone)| alone.p99_ms))
        );
    }
}

pub(crate) fn line(case: Case, measured: &Measured, alone: Option<f64>) -> String {
    let times = alone.map_or(String::new(), |alone| {
        format!("{:.2}", measured.p99_ms / alone.max(0.001))
    });
    let verdict = alone.map_or("", |alone| {
        let bound = (alone * BOUND_TIMES).max(alone + BOUND_MS);
        match measured.p99_ms <= bound {
            true => "kept",
            false => "broken",
        }
    });
    format!(
        "{:<20} {:>7} {:>11.1} {:>9.1} {:>9.1} {:>9.1} {:>8} {:>10}  {verdict}",
        case.name(),
        measured.samples,
        measured.accept_p99_ms,
        measured.p50_ms,
        measured.p99_ms,
        measured.max_ms,
        times,
        measured.noisy
    )
}
