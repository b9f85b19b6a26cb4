//! Whether a thread of the keepers still goes round.
//!
//! Everything on such a thread takes its place by giving it away again. What does not (a loop without an end, a lock
//! that is never free) stands in the way of all stores on it, and nothing on the thread can tell: it is asked from
//! outside, and while it does not answer, what it has in hand is known.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::Stopwatch;
use crate::ids::StoreId;

/// What a thread shows of itself.
#[derive(Debug)]
pub(super) struct Pulse {
    has_beaten: AtomicBool,
    /// The store that it is busy with at this moment; 0: none.
    in_hand: AtomicI64,
    /// When it took that in hand, in nanoseconds of `watch`.
    since_ns: AtomicU64,
    watch: Stopwatch,
}

impl Default for Pulse {
    fn default() -> Self {
        Self {
            has_beaten: AtomicBool::new(true),
            in_hand: AtomicI64::new(0),
            since_ns: AtomicU64::new(0),
            watch: Stopwatch::start(),
        }
    }
}

impl Pulse {
    /// On the thread itself.
    pub(super) fn beat(&self) {
        self.has_beaten.store(true, Ordering::Release);
    }

    /// Whether it has beaten since it was asked last; from now on it is asked anew.
    pub(super) fn take(&self) -> bool {
        self.has_beaten.swap(false, Ordering::AcqRel)
    }

    /// Gives the moment, to be told when it puts it down.
    pub(super) fn takes_in_hand(&self, store: StoreId) -> Duration {
        let taken = self.watch.elapsed();
        let since_ns = u64::try_from(taken.as_nanos()).unwrap_or(u64::MAX);
        self.since_ns.store(since_ns, Ordering::Relaxed);
        self.in_hand.store(store.0, Ordering::Release);
        taken
    }

    /// Gives how long it had in hand what it took then.
    pub(super) fn puts_down(&self, taken: Duration) -> Duration {
        self.in_hand.store(0, Ordering::Relaxed);
        self.watch.elapsed().saturating_sub(taken)
    }

    /// For how long it has been busy with the same store, without giving its place away.
    pub(super) fn held_for(&self) -> Duration {
        if self.in_hand.load(Ordering::Acquire) == 0 {
            return Duration::ZERO;
        }
        let since = Duration::from_nanos(self.since_ns.load(Ordering::Relaxed));
        self.watch.elapsed().saturating_sub(since)
    }

    pub(super) fn in_hand(&self) -> Option<StoreId> {
        let store = self.in_hand.load(Ordering::Relaxed);
        (store != 0).then_some(StoreId(store))
    }
}

/// What is known of one thread's beats. Pure: time comes in as an argument.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Heartbeat {
    heard_at: Duration,
    is_late: bool,
}

/// What a look at a thread told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    Beating,
    /// It has not beaten for so long, which is told now.
    FallsSilent(Duration),
    Silent(Duration),
    /// It was silent, and beats again.
    Returns,
}

impl Heartbeat {
    /// Takes note of a look at `now`; without a beat for `late_after`, it is late.
    pub(super) fn look(&mut self, now: Duration, has_beaten: bool, late_after: Duration) -> Heard {
        if has_beaten {
            self.heard_at = now;
            return if std::mem::take(&mut self.is_late) {
                Heard::Returns
            } else {
                Heard::Beating
            };
        }
        let silent = now.saturating_sub(self.heard_at);
        if silent < late_after {
            Heard::Beating
        } else if std::mem::replace(&mut self.is_late, true) {
            Heard::Silent(silent)
        } else {
            Heard::FallsSilent(silent)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_told_once_after_several_missed_beats_and_so_is_its_end() {
        let (seconds, late_after) = (Duration::from_secs, Duration::from_secs(6));
        let mut heartbeat = Heartbeat::default();
        let looks = [
            (2, true),
            (4, false),
            (6, false),
            (8, false),
            (10, false),
            (12, true),
            (14, true),
        ];
        let heard = looks.map(|(now, beat)| heartbeat.look(seconds(now), beat, late_after));
        assert_eq!(
            heard,
            [
                Heard::Beating,
                Heard::Beating,
                Heard::Beating,
                Heard::FallsSilent(seconds(6)),
                Heard::Silent(seconds(8)),
                Heard::Returns,
                Heard::Beating,
            ]
        );
    }
}
