//! The threads that keepers live on: an actix system of our own, so that keepers work below any runtime.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use actix::{Arbiter, ArbiterHandle, System};
use metrics::gauge;
use tokio::sync::oneshot;

use crate::ids::StoreId;
use crate::keeper::beat::Pulse;
use crate::keeper::slot::Slot;
use crate::telemetry::metric_name;

/// A thread that has been at the same store for so long takes in nobody.
const HELD_UP_AFTER: Duration = Duration::from_secs(1);

/// Threads that are busy for less than this, in nanoseconds of a second, are calm alike.
const CALM: u64 = 50_000_000;

/// What of its time keepers keep a thread busy with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArbiterLoad {
    pub arbiter: usize,
    /// In thousandths, averaged over the last while.
    pub busy_per_mille: u64,
}

/// The threads, and how many keepers each has.
#[derive(Debug)]
pub(super) struct Arbiters {
    first: Arc<Desk>,
    others: Vec<Arc<Desk>>,
    /// Has no keepers: what belongs to no store goes on whatever a keeper does to its thread.
    housekeeping: Arc<Desk>,
    /// What a newcomer is expected to keep a thread busy with, in nanoseconds of a second.
    newcomer_load: AtomicU64,
}

#[derive(Debug)]
pub(super) struct Desk {
    index: usize,
    handle: ArbiterHandle,
    keepers: AtomicUsize,
    pulse: Pulse,
    is_silent: AtomicBool,
    /// What its keepers kept it busy with when that was looked at last, in nanoseconds of a second.
    load: AtomicU64,
    /// Keepers that were seated here since.
    newcomers: AtomicU64,
}

impl Desk {
    fn new(index: usize, handle: ArbiterHandle) -> Self {
        Self {
            index,
            handle,
            keepers: AtomicUsize::new(0),
            pulse: Pulse::default(),
            is_silent: AtomicBool::new(false),
            load: AtomicU64::new(0),
            newcomers: AtomicU64::new(0),
        }
    }

    /// What speaks against a newcomer here: a thread that does not get on, then what it has to do, then the keepers
    /// that it has.
    fn against_newcomers(&self, newcomer_load: u64) -> (bool, u64, usize) {
        let newcomers = self.newcomers.load(Ordering::Relaxed);
        let expected = newcomers.saturating_mul(newcomer_load);
        let load = self.load.load(Ordering::Relaxed).saturating_add(expected);
        let keepers = self.keepers.load(Ordering::Relaxed);
        (!self.is_open(), load.max(CALM), keepers)
    }

    /// Whether the thread gets on, as far as can be seen.
    fn is_open(&self) -> bool {
        !self.is_silent.load(Ordering::Relaxed) && self.pulse.held_for() < HELD_UP_AFTER
    }

    fn seat(self: &Arc<Self>) -> Seat {
        self.keepers.fetch_add(1, Ordering::Relaxed);
        Seat {
            desk: Arc::clone(self),
        }
    }

    pub(super) const fn index(&self) -> usize {
        self.index
    }

    /// Whether the thread has gone round since this was asked last, and asks it again if so.
    pub(super) fn has_beaten(self: &Arc<Self>) -> bool {
        let has_beaten = self.pulse.take();
        if has_beaten {
            let desk = Arc::clone(self);
            // A thread that has ended will never answer, and that is what it is asked for.
            let _asked = self.handle.spawn_fn(move || desk.pulse.beat());
        }
        has_beaten
    }

    /// The store that the thread is busy with at this moment.
    pub(super) fn in_hand(&self) -> Option<StoreId> {
        self.pulse.in_hand()
    }

    /// Keeps newcomers away from a thread that does not answer, as long as there is another.
    pub(super) fn set_silent(&self, is_silent: bool) {
        self.is_silent.store(is_silent, Ordering::Relaxed);
    }
}

/// A keeper's place on a thread; given back when dropped.
#[derive(Debug)]
pub(super) struct Seat {
    desk: Arc<Desk>,
}

/// The actix system behind the threads.
#[derive(Debug)]
pub(super) struct Engine {
    system: System,
    ended: oneshot::Receiver<()>,
}

/// Starts a system with `count` arbiters for keepers, and one for what belongs to no store, on threads of their own.
pub(super) fn start(count: usize) -> io::Result<(Arbiters, Engine)> {
    let (report, started) = mpsc::sync_channel(1);
    let (end, ended) = oneshot::channel();
    thread::Builder::new()
        .name("keepers".to_owned())
        .spawn(move || run_system(count, &report, end))?;
    let (system, handles) = started
        .recv()
        .map_err(|_gone| io::Error::other("the actix system did not start"))??;
    let mut desks = handles
        .into_iter()
        .enumerate()
        .map(|(index, handle)| Arc::new(Desk::new(index, handle)));
    let none = || io::Error::other("the actix system has no threads");
    let first = desks.next().ok_or_else(none)?;
    let mut others: Vec<_> = desks.collect();
    let housekeeping = others.pop().ok_or_else(none)?;
    let arbiters = Arbiters {
        first,
        others,
        housekeeping,
        newcomer_load: AtomicU64::new(0),
    };
    Ok((arbiters, Engine { system, ended }))
}

type Started = io::Result<(System, Vec<ArbiterHandle>)>;

fn run_system(count: usize, report: &mpsc::SyncSender<Started>, end: oneshot::Sender<()>) {
    let runner = System::new();
    let arbiters: io::Result<Vec<Arbiter>> =
        (0..=count.max(1)).map(|_| Arbiter::try_new()).collect();
    let arbiters = match arbiters {
        Ok(arbiters) => arbiters,
        Err(error) => {
            // The receiver waits for exactly this message.
            let _told = report.send(Err(error)).is_ok();
            return;
        }
    };
    let handles = arbiters.iter().map(Arbiter::handle).collect();
    let _told = report.send(Ok((System::current(), handles))).is_ok();
    if let Err(error) = runner.run() {
        tracing::error!(%error, "the system of the keepers failed");
    }
    for arbiter in arbiters {
        if arbiter.join().is_err() {
            tracing::error!("a thread of the keepers panicked");
        }
    }
    // Nobody may be waiting for the end.
    let _told = end.send(()).is_ok();
}

impl Arbiters {
    /// A seat for a newcomer, on the thread that has least to do; among those that are calm, the fewest keepers.
    pub(super) fn least_loaded(&self) -> Seat {
        let newcomer_load = self.newcomer_load.load(Ordering::Relaxed);
        let desk = self.others.iter().fold(&self.first, |best, desk| {
            if desk.against_newcomers(newcomer_load) < best.against_newcomers(newcomer_load) {
                desk
            } else {
                best
            }
        });
        desk.newcomers.fetch_add(1, Ordering::Relaxed);
        desk.seat()
    }

    /// A seat on this thread, if there is one.
    pub(super) fn seat_on(&self, arbiter: usize) -> Option<Seat> {
        let desk = self.with_keepers().nth(arbiter)?;
        Some(desk.seat())
    }

    /// Whether keepers may move there or away from there.
    pub(super) fn is_open(&self, arbiter: usize) -> bool {
        let desk = self.with_keepers().nth(arbiter);
        desk.is_some_and(|desk| desk.is_open())
    }

    /// Shows what each thread has to do, and what is expected of a newcomer.
    pub(super) fn show_loads(&self, loads: &[u64], of_one: u64) {
        for (desk, load) in self.with_keepers().zip(loads) {
            desk.load.store(*load, Ordering::Relaxed);
            let part = Duration::from_nanos(*load).as_secs_f64();
            gauge!(metric_name::ARBITER_BUSY, "arbiter" => desk.index.to_string()).set(part);
            desk.newcomers.store(0, Ordering::Relaxed);
        }
        self.newcomer_load.store(of_one, Ordering::Relaxed);
    }

    /// Keepers that live on this thread.
    #[cfg(test)]
    pub(super) fn keepers_on(&self, arbiter: usize) -> usize {
        let desk = self.with_keepers().nth(arbiter);
        desk.map_or(0, |desk| desk.keepers.load(Ordering::Relaxed))
    }

    /// What each thread had to do when that was looked at last.
    pub(super) fn loads(&self) -> impl Iterator<Item = ArbiterLoad> {
        self.with_keepers().map(|desk| ArbiterLoad {
            arbiter: desk.index,
            busy_per_mille: desk.load.load(Ordering::Relaxed) / 1_000_000,
        })
    }

    fn with_keepers(&self) -> impl Iterator<Item = &Arc<Desk>> {
        std::iter::once(&self.first).chain(&self.others)
    }
}

impl Arbiters {
    /// Threads that keepers are spread over.
    pub(super) const fn count(&self) -> usize {
        1 + self.others.len()
    }

    /// All threads.
    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Desk>> {
        self.with_keepers().chain([&self.housekeeping])
    }

    /// Runs a task that belongs to no store; `false` when the threads have ended.
    pub(super) fn run(&self, task: impl Future<Output = ()> + Send + 'static) -> bool {
        self.housekeeping.handle.spawn(task)
    }
}

impl Seat {
    /// Which thread it is on.
    pub(super) fn arbiter(&self) -> usize {
        self.desk.index
    }

    /// Whether its thread gets on, as far as can be seen.
    pub(super) fn is_open(&self) -> bool {
        self.desk.is_open()
    }

    /// Does a store's work, shows at every moment whether the thread is busy with it, and counts for how long it was.
    pub(super) async fn attend<Work: Future>(self, slot: Arc<Slot>, work: Work) -> Work::Output {
        let mut work = pin!(work);
        poll_fn(|context| {
            let taken = self.desk.pulse.takes_in_hand(slot.store);
            let polled = work.as_mut().poll(context);
            slot.busy.count(self.desk.pulse.puts_down(taken));
            polled
        })
        .await
    }

    /// Does something on the seat's thread; `false` when that thread has ended.
    pub(super) fn there(self, act: impl FnOnce(Self) + Send + 'static) -> bool {
        let handle = self.desk.handle.clone();
        handle.spawn_fn(move || act(self))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.desk.keepers.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Engine {
    /// Stops all threads as soon as what they are just running yields.
    pub(super) fn stop(&self) {
        self.system.stop();
    }

    /// Waits until all threads have ended.
    pub(super) async fn ended(&mut self) {
        // An error means that the thread ended without a word: ended all the same.
        let _ended = (&mut self.ended).await.is_ok();
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.stop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_threads() -> (Arbiters, Engine) {
        start(2).unwrap()
    }

    /// The threads that the next newcomers are seated on.
    fn seated(arbiters: &Arbiters, newcomers: usize) -> Vec<usize> {
        let seats: Vec<_> = (0..newcomers).map(|_| arbiters.least_loaded()).collect();
        seats.iter().map(Seat::arbiter).collect()
    }

    #[test]
    fn newcomers_go_where_least_is_to_be_done_until_it_is_expected_to_be_as_much() {
        let (arbiters, _engine) = two_threads();
        arbiters.show_loads(&[500_000_000, 200_000_000], 100_000_000);
        assert_eq!(seated(&arbiters, 5), [1, 1, 1, 0, 1]);
    }

    #[test]
    fn threads_that_are_calm_have_as_many_keepers_each() {
        let (arbiters, _engine) = two_threads();
        assert_eq!(seated(&arbiters, 4), [0, 1, 0, 1]);
        arbiters.show_loads(&[40_000_000, 1], 1_000);
        assert_eq!(seated(&arbiters, 4), [0, 1, 0, 1]);
    }

    #[test]
    fn newcomers_avoid_a_thread_that_has_been_at_one_store_for_long() {
        let (arbiters, _engine) = two_threads();
        arbiters.first.pulse.takes_in_hand(StoreId(1));
        let watch = crate::clock::Stopwatch::start();
        while watch.elapsed() <= HELD_UP_AFTER {
            std::thread::yield_now();
        }
        assert_eq!(seated(&arbiters, 3), [1, 1, 1]);
        assert_eq!(
            [0, 1, 2].map(|index| arbiters.is_open(index)),
            [false, true, false]
        );
        arbiters.first.pulse.puts_down(Duration::ZERO);
        assert_eq!(seated(&arbiters, 2), [0, 1]);
    }
}
