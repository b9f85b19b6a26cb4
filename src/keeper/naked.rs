//! Naked webhooks that intake answered and no commit has counted yet. They outlive keepers.

use std::sync::atomic::{AtomicI64, Ordering};

/// How many there are.
#[derive(Debug, Default)]
pub(super) struct Naked {
    count: AtomicI64,
}

impl Naked {
    pub(super) fn count_one(&self) {
        self.give_back(1);
    }

    pub(super) fn so_far(&self) -> i64 {
        self.count.load(Ordering::Relaxed)
    }

    /// For a commit that counts them.
    pub(super) fn take(&self) -> i64 {
        self.count.swap(0, Ordering::Relaxed)
    }

    /// A commit that took so many has not counted them.
    pub(super) fn give_back(&self, naked: i64) {
        self.count.fetch_add(naked, Ordering::Relaxed);
    }
}
