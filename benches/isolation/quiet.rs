//! The quiet stores: one order each a second, and how long each waits.

use std::sync::Arc;
use std::time::Duration;

use storekeeper::clock::Stopwatch;
use storekeeper::keeper::Directory;
use tokio::task::JoinSet;

use crate::WARM_UP;
use crate::stage::{QUIET_STORES, Stage};
use crate::witness::Witness;

/// Each quiet store's orders have numbers of their own.
const NUMBERS_EACH: i64 = 10_000_000;
const FIRST_NUMBER: i64 = 10_000_000_000;

/// What one case brought.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measured {
    pub(crate) samples: usize,
    /// From sending to accepted.
    pub(crate) accept_p99_ms: f64,
    /// From accepted to applied.
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) max_ms: f64,
    /// Rows of the neighbour that were done with when the last quiet one was.
    pub(crate) noisy: i64,
}

pub(crate) async fn measure(stage: &Arc<Stage>, directory: &Directory, span: Duration) -> Measured {
    let witness = Witness::start(directory.clone());
    let every = Duration::from_secs(1) / u32::try_from(QUIET_STORES).expect("few");
    let mut pace = tokio::time::interval(every);
    let watch = Stopwatch::start();
    let mut sending = JoinSet::new();
    for tick in 0.. {
        pace.tick().await;
        let since = watch.elapsed();
        if since >= span {
            break;
        }
        let quiet = 1 + tick % QUIET_STORES;
        let number = FIRST_NUMBER + quiet * NUMBERS_EACH + tick * 10;
        let (stage, directory) = (Arc::clone(stage), directory.clone());
        let report = (since >= WARM_UP).then(|| witness.reporter());
        sending.spawn(async move {
            let (sent, store) = (Stopwatch::start(), stage.case.inbox_of(quiet));
            let seq = stage.accept(&directory, store, number).await;
            let took = sent.elapsed();
            report?.accepted(store, seq);
            Some(took)
        });
    }
    let accepting = sending.join_all().await.into_iter().flatten().collect();
    let (accepting, applying) = (Sorted::of(accepting), Sorted::of(witness.end()));
    Measured {
        samples: applying.0.len(),
        accept_p99_ms: accepting.at(99),
        p50_ms: applying.at(50),
        p99_ms: applying.at(99),
        max_ms: applying.at(100),
        noisy: 0,
    }
}

struct Sorted(Vec<Duration>);

impl Sorted {
    fn of(mut all: Vec<Duration>) -> Self {
        all.sort_unstable();
        Self(all)
    }

    /// Milliseconds below which so many percent are.
    fn at(&self, percent: usize) -> f64 {
        let rank = (self.0.len() * percent).div_ceil(100).saturating_sub(1);
        self.0
            .get(rank)
            .map_or(0.0, |wait| wait.as_secs_f64() * 1_000.0)
    }
}
