//! The command line: our own arguments, and what `cargo test` passes to every test binary.

use crate::planted::Plant;

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// One seed, with a trace of every step, and a planted fault if one is named.
    Trace(u64, Option<Plant>),
    /// So many seeds from the first on, and every planted fault.
    Seeds { first: u64, count: u64 },
    /// Say what there is.
    List,
    /// A filter names other tests.
    Nothing,
}

/// Seeds of a run without arguments.
const SEEDS: u64 = 2_000;
/// The name under which a filter finds this binary.
const NAME: &str = "sim";
/// Arguments of the usual test harness that take a value.
const VALUED: [&str; 7] = [
    "--test-threads",
    "--skip",
    "--format",
    "--color",
    "--logfile",
    "--report-time",
    "-Z",
];

/// Reads the arguments after the program's name. What is unknown is taken for the usual harness's.
pub(crate) fn read(arguments: impl Iterator<Item = String>) -> Result<Task, String> {
    let (mut count, mut first, mut seed, mut planted) = (SEEDS, 0, None, None);
    let (mut lists, mut filters) = (false, Vec::new());
    let mut arguments = arguments;
    while let Some(argument) = arguments.next() {
        let (name, inline) = match argument.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (argument, None),
        };
        let mut number = || -> Result<u64, String> {
            let value = inline.clone().or_else(|| arguments.next());
            let value = value.and_then(|value| value.parse().ok());
            value.ok_or_else(|| format!("{name} takes a number"))
        };
        match name.as_str() {
            "--seeds" => count = number()?,
            "--first" => first = number()?,
            "--seed" => seed = Some(number()?),
            "--planted" => {
                let value = inline.or_else(|| arguments.next()).unwrap_or_default();
                let known = Plant::ALL.into_iter().find(|plant| plant.name() == value);
                planted = Some(known.ok_or_else(|| format!("no planted fault is called {value}"))?);
            }
            "--list" => lists = true,
            valued if VALUED.contains(&valued) && inline.is_none() => drop(arguments.next()),
            flag if flag.starts_with('-') => {}
            filter => filters.push(filter.to_owned()),
        }
    }
    let is_meant =
        filters.is_empty() || filters.iter().any(|filter| NAME.contains(filter.as_str()));
    Ok(match (lists, is_meant, seed) {
        (true, _, _) => Task::List,
        (_, false, _) => Task::Nothing,
        (_, _, Some(seed)) => Task::Trace(seed, planted),
        (_, _, None) => Task::Seeds { first, count },
    })
}
