//! Where sockets live: the runtime that keepers were started from, not the threads that keepers run on.
//!
//! A socket is served by the runtime that was current when it was opened, for as long as it stays in its pool. Opened
//! from a keeper's thread it would stand still whenever that thread is busy with somebody else's turn, and die with it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::runtime::Handle;

/// The runtime that serves sockets; `None`: that of whoever asks.
#[derive(Clone, Debug)]
pub(super) struct Home(Option<Handle>);

impl Home {
    /// The runtime this is called from.
    pub(super) fn here() -> Self {
        Self(Handle::try_current().ok())
    }

    /// Polls `visit` on this thread, with what it opens and starts belonging to the home runtime.
    pub(super) async fn serve<Visit: Future>(&self, visit: Visit) -> Visit::Output {
        let visit = Box::pin(visit);
        Entered {
            handle: self.0.as_ref(),
            visit,
        }
        .await
    }
}

struct Entered<'home, Visit> {
    handle: Option<&'home Handle>,
    visit: Pin<Box<Visit>>,
}

impl<Visit: Future> Future for Entered<'_, Visit> {
    type Output = Visit::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let _entered = this.handle.map(Handle::enter);
        this.visit.as_mut().poll(context)
    }
}
