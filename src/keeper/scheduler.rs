//! Who may take a turn now.
//!
//! At most so many turns are under way in the whole process; who wants one more waits in line, first come, first
//! served. A store asks anew for each turn, so a busy store stands behind every quiet one that asked meanwhile. Issue 4
//! puts deficit round robin here, charged by what hot, cold and naked rows really cost.

use metrics::histogram;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::clock::Stopwatch;
use crate::telemetry::metric_name;

/// Grants turns.
#[derive(Debug)]
pub(super) struct Scheduler {
    turns: Semaphore,
}

/// The right to take one turn; ends with it.
#[derive(Debug)]
pub(super) struct TurnPermit<'scheduler> {
    _permit: Option<SemaphorePermit<'scheduler>>,
}

impl Scheduler {
    pub(super) fn new(turns_in_flight_max: usize) -> Self {
        Self {
            turns: Semaphore::new(turns_in_flight_max.max(1)),
        }
    }

    /// Waits in line for a turn.
    pub(super) async fn grant(&self) -> TurnPermit<'_> {
        let waited = Stopwatch::start();
        // The semaphore is never closed; were it so, a turn without a permit is still right, only less fair.
        let permit = self.turns.acquire().await.ok();
        histogram!(metric_name::TURN_WAIT_SECONDS).record(waited.elapsed().as_secs_f64());
        TurnPermit { _permit: permit }
    }
}
