//! The neighbour: what it sends, and how fast.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use storekeeper::clock::Stopwatch;
use storekeeper::keeper::Directory;
use tokio::task::JoinHandle;

use crate::case::Case;
use crate::stage::{PANICS_FROM, Stage, applied, cursor};

/// Webhooks of one flood.
const FLOOD: i64 = 10_000;
/// Time over which a flood is spread.
const SPREAD: Duration = Duration::from_secs(120);
/// Webhooks of a flood that are being accepted at once.
const FLOODING: usize = 64;
/// Of the neighbour's rows one in so many is an order of its bundle; the others are echoes of levels.
pub(crate) const ORDERS_ONE_IN: i64 = 5;
/// Between two orders of the stores that only want to be a nuisance.
const TRICKLE: Duration = Duration::from_millis(100);

/// A neighbour at work.
pub(crate) struct Noise {
    task: JoinHandle<()>,
    stage: Arc<(Directory, Case)>,
    before: i64,
}

impl Noise {
    /// Waits for its end; gives how many of its rows are done with.
    pub(crate) async fn end(self) -> i64 {
        let (directory, case) = &*self.stage;
        let done = cursor(directory, case.noisy_inbox()) - self.before;
        self.task.await.expect("the neighbour ends");
        // Of one queue nobody can say whose rows these were.
        if case.is_fifo() { 0 } else { done }
    }
}

pub(crate) fn begin(
    case: Case,
    stage: &Arc<Stage>,
    directory: &Directory,
    span: Duration,
) -> Noise {
    let (stage, own) = (Arc::clone(stage), directory.clone());
    let before = cursor(directory, case.noisy_inbox());
    let task = tokio::spawn(async move {
        match case {
            Case::Alone | Case::FifoAlone => {}
            Case::Flood | Case::FifoFlood => flood(&stage, &own, span).await,
            Case::Spread | Case::FifoSpread => {
                let every = SPREAD / u32::try_from(FLOOD).expect("few");
                trickle(&stage, &own, span, every, flood_row).await;
            }
            Case::Backlog => own.ring(case.noisy_inbox()),
            Case::EmptyBucket => trickle(&stage, &own, span, TRICKLE, |number| number * 10).await,
            Case::Panics => {
                trickle(&stage, &own, span, TRICKLE, |number| {
                    PANICS_FROM + number * 10
                })
                .await;
            }
        }
    });
    Noise {
        task,
        stage: Arc::new((directory.clone(), case)),
        before,
    }
}

/// The number of a flood's row: an order, and then echoes.
const fn flood_row(number: i64) -> i64 {
    number / ORDERS_ONE_IN * 10 + number % ORDERS_ONE_IN
}

/// Floods, one after the other, until the time is over.
async fn flood(stage: &Stage, directory: &Directory, span: Duration) {
    let (watch, store) = (Stopwatch::start(), stage.case.noisy_inbox());
    for round in 0.. {
        let numbers = (round * FLOOD..(round + 1) * FLOOD).map(flood_row);
        let accepting = stream::iter(numbers)
            .map(|number| stage.accept(directory, store, number))
            .buffer_unordered(FLOODING);
        let last = accepting
            .fold(0, async |last: i64, seq| last.max(seq))
            .await;
        applied(directory, store, last).await;
        if watch.elapsed() >= span {
            return;
        }
    }
}

/// One row after the other at a steady pace.
async fn trickle(
    stage: &Stage,
    directory: &Directory,
    span: Duration,
    every: Duration,
    row: impl Fn(i64) -> i64,
) {
    let (watch, store) = (Stopwatch::start(), stage.case.noisy_inbox());
    let mut pace = tokio::time::interval(every);
    for number in 0.. {
        pace.tick().await;
        if watch.elapsed() >= span {
            return;
        }
        stage.accept(directory, store, row(number)).await;
    }
}
