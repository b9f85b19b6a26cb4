//! How long a piece of work keeps its thread busy.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::time::Duration;

use crate::clock::Stopwatch;

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
