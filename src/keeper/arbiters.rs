//! The threads that keepers live on: an actix system of our own, so that keepers work below any runtime.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use actix::{Arbiter, ArbiterHandle, System};
use tokio::sync::oneshot;

use crate::ids::StoreId;
use crate::keeper::beat::Pulse;

/// The threads, and how many keepers each has.
#[derive(Debug)]
pub(super) struct Arbiters {
    first: Arc<Desk>,
    others: Vec<Arc<Desk>>,
    /// Has no keepers: what belongs to no store goes on whatever a keeper does to its thread.
    housekeeping: Arc<Desk>,
}

#[derive(Debug)]
pub(super) struct Desk {
    index: usize,
    handle: ArbiterHandle,
    keepers: AtomicUsize,
    pulse: Pulse,
    is_silent: AtomicBool,
}

impl Desk {
    /// What speaks against a newcomer here: a thread that does not answer, then the keepers that it has.
    fn load(&self) -> (bool, usize) {
        let is_silent = self.is_silent.load(Ordering::Relaxed);
        (is_silent, self.keepers.load(Ordering::Relaxed))
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
    let mut desks = handles.into_iter().enumerate().map(|(index, handle)| {
        Arc::new(Desk {
            index,
            handle,
            keepers: AtomicUsize::new(0),
            pulse: Pulse::default(),
            is_silent: AtomicBool::new(false),
        })
    });
    let none = || io::Error::other("the actix system has no threads");
    let first = desks.next().ok_or_else(none)?;
    let mut others: Vec<_> = desks.collect();
    let housekeeping = others.pop().ok_or_else(none)?;
    let arbiters = Arbiters {
        first,
        others,
        housekeeping,
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
    /// A seat on the thread that has the fewest keepers.
    pub(super) fn least_loaded(&self) -> Seat {
        let desk = self.others.iter().fold(&self.first, |best, desk| {
            if desk.load() < best.load() {
                desk
            } else {
                best
            }
        });
        desk.keepers.fetch_add(1, Ordering::Relaxed);
        Seat {
            desk: Arc::clone(desk),
        }
    }
}

impl Arbiters {
    /// Threads that keepers are spread over.
    pub(super) const fn count(&self) -> usize {
        1 + self.others.len()
    }

    /// All threads.
    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Desk>> {
        let seated = std::iter::once(&self.first).chain(&self.others);
        seated.chain([&self.housekeeping])
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

    /// Does a store's work, and shows at every moment whether the thread is busy with it.
    pub(super) async fn attend<Work: Future>(self, store: StoreId, work: Work) -> Work::Output {
        let mut work = pin!(work);
        poll_fn(|context| {
            self.desk.pulse.takes_in_hand(store);
            let polled = work.as_mut().poll(context);
            self.desk.pulse.puts_down();
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
