//! Sweeping naked rows out of a backlog: a keeper reads further than for a turn, has all of it judged at once, and takes
//! the naked rows beside the others of its turn.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::backlog::Place;
use crate::keeper::core::KeeperCore;
use crate::keeper::judge::Judge;

impl KeeperCore {
    /// How the next rows are read: judged, if naked ones are to be swept out. Not while a row is sought that brought a
    /// keeper down, for that is met as always.
    pub(super) fn judge_of_rows(&self) -> Option<Judge> {
        let sweeps = self.state.sweeps_naked(self.now());
        if !sweeps || self.one_by_one > 0 || self.seeks_suspect() {
            return None;
        }
        Some(Judge {
            platform: Arc::clone(&self.shared.deps.platform),
            interest: self.slot.interest()?,
            line: Arc::clone(&self.shared.judges),
        })
    }

    /// Where rows are read that are judged: in order, so that none of them overtakes another.
    pub(super) fn place_of_sweep(&self) -> Place {
        let rows_max = self.shared.settings.naked_rows_max;
        let rows_max = i64::try_from(rows_max).unwrap_or(i64::MAX);
        Place::in_order(self.state.taken().first_segment(), rows_max)
    }

    /// How long others were busy for this store since it was asked last: it is charged as if its keeper had been.
    pub(super) const fn take_judging(&mut self) -> Duration {
        std::mem::replace(&mut self.judging, Duration::ZERO)
    }
}
