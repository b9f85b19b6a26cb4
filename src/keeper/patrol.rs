//! Looks after keepers from a thread of its own, which no keeper can hold up: marks those that do not get on, and
//! tells of threads that no longer beat.
//!
//! It counts time in rounds. A round that comes late, because the machine slept, the process was frozen, or the clock
//! jumped, counts no longer than two; so only what was seen standing still through many rounds counts as silent or
//! stuck.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use metrics::gauge;
use tokio::sync::watch;

use crate::clock::Stopwatch;
use crate::ids::StoreId;
use crate::keeper::beat::{Heard, Heartbeat};
use crate::keeper::progress::Watchlist;
use crate::keeper::settings::PatrolSettings;
use crate::keeper::shared::Shared;
use crate::keeper::teller::{Finding, Teller};
use crate::telemetry::metric_name;

/// A round counts for at most so many intervals.
const INTERVALS_COUNTED_MAX: u32 = 2;

/// A thread of the keepers that has not beaten for so long that it never will.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Silence {
    pub arbiter: usize,
    pub lasted: Duration,
    /// What it was busy with.
    pub store: Option<StoreId>,
    /// The inbox row that it was deciding.
    pub row: Option<i64>,
}

/// What the last round found.
#[derive(Debug)]
pub(super) struct Findings {
    stuck: AtomicUsize,
    silent: AtomicUsize,
    /// Set once; the first is enough.
    lost: watch::Sender<Option<Silence>>,
}

impl Default for Findings {
    fn default() -> Self {
        Self {
            stuck: AtomicUsize::new(0),
            silent: AtomicUsize::new(0),
            lost: watch::Sender::new(None),
        }
    }
}

impl Findings {
    /// Keepers that do not get on.
    pub(super) fn stuck(&self) -> usize {
        self.stuck.load(Ordering::Relaxed)
    }

    /// Threads that do not beat.
    pub(super) fn silent(&self) -> usize {
        self.silent.load(Ordering::Relaxed)
    }

    /// Waits until a thread is given up.
    pub(super) async fn lost(&self) -> Silence {
        let mut lost = self.lost.subscribe();
        loop {
            if let Some(silence) = *lost.borrow_and_update() {
                return silence;
            }
            // The sender lives in `self`, so the channel cannot close while this waits.
            let _closed = lost.changed().await.is_err();
        }
    }
}

/// The thread that patrols; ends when dropped, and with the end of the keepers.
#[derive(Debug)]
pub(super) struct Patrol {
    _stop: mpsc::SyncSender<()>,
    pub(super) teller: Teller,
}

impl Patrol {
    /// Starts to patrol.
    pub(super) fn start(shared: &Arc<Shared>) -> io::Result<Self> {
        let (stop, stopped) = mpsc::sync_channel(1);
        let teller = Teller::start()?;
        let mut rounds = Rounds::new(Arc::clone(shared), teller.clone());
        thread::Builder::new()
            .name("keepers-patrol".to_owned())
            .spawn(move || {
                while stopped.recv_timeout(rounds.interval) == Err(RecvTimeoutError::Timeout)
                    && !rounds.shared.is_shutting_down()
                {
                    rounds.go();
                }
            })?;
        Ok(Self {
            _stop: stop,
            teller,
        })
    }
}

struct Rounds {
    shared: Arc<Shared>,
    interval: Duration,
    late_after: Duration,
    /// `None`: a thread is never given up.
    lost_after: Option<Duration>,
    /// Time as rounds count it.
    now: Duration,
    since_last: Stopwatch,
    heartbeats: Vec<Heartbeat>,
    watchlist: Watchlist,
    teller: Teller,
}

impl Rounds {
    fn new(shared: Arc<Shared>, teller: Teller) -> Self {
        let PatrolSettings {
            interval_ms,
            beats_missed_max,
            silent_exit_ms,
            stuck_ms,
        } = shared.settings.patrol;
        let interval = Duration::from_millis(interval_ms.max(1));
        let heartbeats = shared.arbiters.all().map(|_desk| Heartbeat::default());
        Self {
            interval,
            late_after: interval.saturating_mul(beats_missed_max),
            lost_after: (silent_exit_ms > 0).then(|| Duration::from_millis(silent_exit_ms)),
            now: Duration::ZERO,
            since_last: Stopwatch::start(),
            heartbeats: heartbeats.collect(),
            watchlist: Watchlist::new(Duration::from_millis(stuck_ms)),
            teller,
            shared,
        }
    }

    fn go(&mut self) {
        self.now += counted(self.since_last.elapsed(), self.interval);
        self.since_last = Stopwatch::start();
        self.mark_stuck();
        self.listen();
    }

    fn mark_stuck(&mut self) {
        let slots = self.shared.living.all();
        let at_work = slots.iter().filter_map(|slot| {
            let work = slot.progress.work()?;
            Some((slot.store, work.number))
        });
        for (store, number) in self.watchlist.overdue(self.now, at_work) {
            let slot = slots.iter().find(|slot| slot.store == store);
            let newly = slot.and_then(|slot| slot.progress.mark(number));
            if let Some(stuck) = newly {
                self.teller.tell(Finding::Stuck { store, stuck });
            }
        }
        let stuck = slots.iter().filter(|slot| slot.progress.stuck().is_some());
        let stuck = stuck.count();
        self.shared.findings.stuck.store(stuck, Ordering::Relaxed);
        gauge!(metric_name::KEEPERS, "state" => "stuck")
            .set(u32::try_from(stuck).unwrap_or(u32::MAX));
    }

    fn listen(&mut self) {
        let mut silent: u32 = 0;
        for (desk, heartbeat) in self.shared.arbiters.all().zip(&mut self.heartbeats) {
            let arbiter = desk.index();
            let has_beaten = desk.has_beaten();
            let lasted = match heartbeat.look(self.now, has_beaten, self.late_after) {
                Heard::Beating => continue,
                Heard::Returns => {
                    desk.set_silent(false);
                    self.teller.tell(Finding::Returned { arbiter });
                    continue;
                }
                Heard::FallsSilent(lasted) => {
                    desk.set_silent(true);
                    let store = desk.in_hand();
                    self.teller.tell(Finding::Silent { arbiter, store });
                    lasted
                }
                Heard::Silent(lasted) => lasted,
            };
            silent += 1;
            if self.lost_after.is_some_and(|limit| lasted >= limit) {
                let store = desk.in_hand();
                let slot = store.and_then(|store| self.shared.living.find(store));
                let silence = Silence {
                    arbiter,
                    lasted,
                    store,
                    row: slot.and_then(|slot| slot.row.seq()),
                };
                let lost = &self.shared.findings.lost;
                let _first = lost.send_if_modified(|lost| lost.get_or_insert(silence) == &silence);
            }
        }
        let count = usize::try_from(silent).unwrap_or(usize::MAX);
        self.shared.findings.silent.store(count, Ordering::Relaxed);
        gauge!(metric_name::ARBITERS_SILENT).set(silent);
    }
}

/// What a round counts that came so long after the last.
fn counted(passed: Duration, interval: Duration) -> Duration {
    passed.min(interval.saturating_mul(INTERVALS_COUNTED_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_asleep_counts_as_two_rounds() {
        let interval = Duration::from_secs(2);
        let counted = [0, 2, 3, 4, 5, 3_600].map(|passed| {
            let passed = Duration::from_secs(passed);
            counted(passed, interval).as_secs()
        });
        assert_eq!(counted, [0, 2, 3, 4, 4, 4]);
    }
}
