//! How many stores are read from the database at once: so many for each thread of the keepers. With one line for all
//! threads, the places of those on a thread that stands still would be lost to the others.

use tokio::sync::{Semaphore, SemaphorePermit};

/// Places for those that read their stores.
#[derive(Debug)]
pub(super) struct Activations {
    by_arbiter: Vec<Semaphore>,
}

impl Activations {
    /// So many places in all, shared out among so many threads, one at least for each.
    pub(super) fn new(places: usize, arbiters: usize) -> Self {
        let each = places.div_ceil(arbiters.max(1)).max(1);
        let by_arbiter = (0..arbiters).map(|_| Semaphore::new(each));
        Self {
            by_arbiter: by_arbiter.collect(),
        }
    }

    /// Waits for a place among those on the same thread.
    pub(super) async fn place(&self, arbiter: usize) -> Option<SemaphorePermit<'_>> {
        // The semaphores are never closed; whoever has no place is right all the same, only less bounded.
        self.by_arbiter.get(arbiter)?.acquire().await.ok()
    }
}
