//! `[patrol]`.

use super::setting::{Range, settings};

settings! {
    /// When keepers, and the threads that they live on, count as standing still. Time in which the machine sleeps or
    /// the whole process is frozen does not count.
    ["patrol"]
    pub struct PatrolConfig {
        /// Between two rounds. In each, every thread of the keepers is asked to answer.
        interval_ms: u64 = 2_000, "milliseconds", Range::Between(10, 60_000);
        /// A thread that missed so many answers is told of: log, `/status`, `storekeeper_arbiters_silent`.
        beats_missed_max: u32 = 3, "answers", Range::Between(1, 1_000);
        /// A thread that has not answered for so long will not: the process ends itself with exit code 70, so that
        /// whatever watches it starts another. At least four intervals. 0: it goes on without the thread.
        silent_exit_ms: u64 = 30_000, "milliseconds", Range::Between(0, 3_600_000);
        /// A keeper that has work in hand for so long and moves nothing is marked as `stuck`.
        stuck_ms: u64 = 30_000, "milliseconds", Range::Between(10, 3_600_000);
    }
}
