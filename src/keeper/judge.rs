//! Which rows of a log concern nobody: judged many at once, by what the store's keeper published, and off the threads
//! that keepers live on.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::clock::Stopwatch;
use crate::db::inbox::InboxRow;
use crate::deps::Platform;
use crate::domain::interest::{Interest, Mentions};

/// So many stores are judged for at once; it computes, so more would take the machine from all others.
pub(super) const JUDGES_MAX: usize = 1;

/// What it takes to judge rows.
#[derive(Clone, Debug)]
pub(super) struct Judge {
    pub(super) platform: Arc<dyn Platform>,
    pub(super) interest: Arc<Interest>,
    /// Where judges stand in line. They must not do so on a thread of keepers.
    pub(super) line: Arc<Semaphore>,
}

/// What was found of some rows.
#[derive(Debug)]
pub(super) struct Judged {
    /// By what it was judged: it holds as long as that is what the keeper publishes.
    pub(super) interest: Arc<Interest>,
    /// What naked rows mention, by their numbers.
    pub(super) naked: HashMap<i64, Mentions>,
    /// How long a thread was busy with it.
    pub(super) took: Duration,
}

impl Judge {
    /// Judges rows, on a thread for what computes. Should there be none any more, no row is naked.
    pub(super) async fn judge(self, rows: Vec<InboxRow>) -> (Vec<InboxRow>, Judged) {
        let (rows, interest) = (Arc::new(rows), Arc::clone(&self.interest));
        let of_thread = Arc::clone(&rows);
        let found = match Arc::clone(&self.line).acquire_owned().await {
            Ok(place) => {
                let computing = tokio::task::spawn_blocking(move || {
                    let _place = place;
                    self.look_at_all(&of_thread)
                });
                computing.await.ok()
            }
            Err(_closed) => None,
        };
        let (naked, took) = found.unwrap_or_default();
        let rows = Arc::try_unwrap(rows).unwrap_or_else(|shared| Vec::clone(&shared));
        let judged = Judged {
            interest,
            naked,
            took,
        };
        (rows, judged)
    }

    fn look_at_all(&self, rows: &[InboxRow]) -> (HashMap<i64, Mentions>, Duration) {
        let watch = Stopwatch::start();
        let naked = rows.iter().filter_map(|row| {
            let mentions = self.look_at(row)?;
            Some((row.seq, mentions))
        });
        (naked.collect(), watch.elapsed())
    }

    /// What the row mentions if that concerns nobody. A body at which this panics is left to who takes rows.
    fn look_at(&self, row: &InboxRow) -> Option<Mentions> {
        let mentions = || self.platform.mentions(&row.topic, &row.body);
        let mentions = catch_unwind(AssertUnwindSafe(mentions)).ok().flatten()?;
        self.interest
            .is_naked(&row.topic, &mentions)
            .then_some(mentions)
    }
}
