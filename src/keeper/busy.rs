//! How long a piece of work keeps its thread busy.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::Stopwatch;

/// For how long a thread was busy with something since that was looked at last.
#[derive(Debug, Default)]
pub(super) struct BusyTime {
    nanoseconds: AtomicU64,
}

impl BusyTime {
    pub(super) fn count(&self, busy: Duration) {
        let nanoseconds = u64::try_from(busy.as_nanos()).unwrap_or(u64::MAX);
        self.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    pub(super) fn take(&self) -> Duration {
        Duration::from_nanos(self.nanoseconds.swap(0, Ordering::Relaxed))
    }
}

/// Does the work and tells how long the thread was at it; what it waited for others does not count.
pub(super) async fn timed<Work: Future>(work: Work) -> (Work::Output, Duration) {
    let mut work = pin!(work);
    let mut busy = Duration::ZERO;
    let done = poll_fn(|context| {
        let watch = Stopwatch::start();
        let polled = work.as_mut().poll(context);
        busy += watch.elapsed();
        polled
    })
    .await;
    (done, busy)
}
