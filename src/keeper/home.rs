//! Where the work that keepers wait for is done: on the runtime that they were started from, never on the threads that
//! they run on.
//!
//! Such a thread may stand still, with all its keepers, at one row. What one of them had taken by then, a connection or
//! a place in the line for one, would be lost to all others: a fair line gives to who is next, also to who never looks.
//! And a socket is served by the runtime that was current when it was opened: opened from a keeper's thread, it would
//! stand still with it.

use std::future::pending;
use std::panic::{AssertUnwindSafe, resume_unwind};

use futures_util::FutureExt;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::keeper::panics::{leave_trace, take_trace};

/// The runtime that does the work; `None`: whoever asks does it.
#[derive(Clone, Debug)]
pub(super) struct Home(Option<Handle>);

impl Home {
    /// The runtime this is called from.
    pub(super) fn here() -> Self {
        Self(Handle::try_current().ok())
    }

    /// No runtime: whoever asks does the work.
    #[cfg(test)]
    pub(super) const fn nowhere() -> Self {
        Self(None)
    }

    /// Does `work` at home and waits for it; a panic comes back to who waits. Who stops waiting ends the work at its
    /// next `await`, as if it had done the work itself; who does not look any more lets it come to its end.
    pub(super) async fn serve<Work, Output>(&self, work: Work) -> Output
    where
        Work: Future<Output = Output> + Send + 'static,
        Output: Send + 'static,
    {
        let Some(handle) = &self.0 else {
            return work.await;
        };
        let work = AssertUnwindSafe(work).catch_unwind();
        let work = work.map(|ended| ended.map_err(|payload| (payload, take_trace())));
        let mut errand = Errand(handle.spawn(work));
        match (&mut errand.0).await {
            Ok(Ok(output)) => output,
            Ok(Err((payload, trace))) => {
                leave_trace(trace);
                resume_unwind(payload)
            }
            Err(error) => match error.try_into_panic() {
                // While the finished work was dropped.
                Ok(payload) => resume_unwind(payload),
                // The runtime has ended, and with it the process.
                Err(_cancelled) => pending().await,
            },
        }
    }
}

/// Ends the work when nobody waits for it.
struct Errand<Output>(JoinHandle<Output>);

impl<Output> Drop for Errand<Output> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
