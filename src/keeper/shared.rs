//! What all keepers of this process share, and how one is started.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{Semaphore, mpsc};

use crate::deps::Deps;
use crate::ids::StoreId;
use crate::keeper::activations::Activations;
use crate::keeper::arbiters::{Arbiters, Seat};
use crate::keeper::guard;
use crate::keeper::home::Home;
use crate::keeper::judge::JUDGES_MAX;
use crate::keeper::lifecycle::{Lifecycle, LifecycleEvent, LifecycleStep};
use crate::keeper::living::Living;
use crate::keeper::naked_count::NakedCounts;
use crate::keeper::patrol::Findings;
use crate::keeper::purge::Purge;
use crate::keeper::safe_mode::SafeMode;
use crate::keeper::scheduler::Scheduler;
use crate::keeper::settings::{KeeperSettings, Moment};
use crate::keeper::slot::Slot;
use crate::keeper::storm::StormWatch;

/// What all keepers of this process share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) deps: Deps,
    pub(super) settings: KeeperSettings,
    pub(super) home: Home,
    pub(super) turns: Scheduler,
    /// Calls under way.
    pub(super) calls: Semaphore,
    pub(super) lifecycle: Lifecycle,
    /// Stores being read from the database.
    pub(super) activations: Activations,
    purges: mpsc::Sender<Purge>,
    pub(super) naked_counts: NakedCounts,
    /// Where rows are judged.
    pub(super) judges: Arc<Semaphore>,
    pub(super) arbiters: Arbiters,
    shutting_down: AtomicBool,
    /// Stores that have a keeper or a guard that rests.
    pub(super) living: Arc<Living>,
    /// What the patrol found last.
    pub(super) findings: Findings,
    pub(super) safe_mode: SafeMode,
    pub(super) storm: StormWatch,
}

impl Shared {
    pub(super) fn new(
        deps: Deps,
        settings: KeeperSettings,
        arbiters: Arbiters,
        purges: mpsc::Sender<Purge>,
    ) -> Self {
        Self {
            turns: Scheduler::new(
                settings.turns_in_flight_max,
                arbiters.count(),
                settings.turn_quantum_us,
            ),
            calls: Semaphore::new(settings.calls_in_flight_max.max(1)),
            lifecycle: Lifecycle::new(settings.lifecycle_events_max),
            activations: Activations::new(settings.activations_in_flight_max, arbiters.count()),
            purges,
            naked_counts: NakedCounts::default(),
            judges: Arc::new(Semaphore::new(JUDGES_MAX)),
            arbiters,
            shutting_down: AtomicBool::new(false),
            living: Living::new(),
            findings: Findings::default(),
            safe_mode: SafeMode::new(settings.safe_mode),
            storm: StormWatch::new(settings.storm),
            home: Home::here(),
            deps,
            settings,
        }
    }

    /// Makes sure that the store has a keeper, or a guard that will give it one. One per store, whoever asks.
    pub(super) fn activate(self: &Arc<Self>, slot: &Arc<Slot>) {
        if self.is_shutting_down() || !slot.is_stopped() {
            return;
        }
        let seat = self.seat();
        if !slot.claim(seat.arbiter()) {
            return;
        }
        let tenure = guard::Tenure::new(Arc::clone(self), Arc::clone(slot));
        // Should the thread be gone, the tenure ends here, and the store counts as stopped again.
        let _seated = seat.there(move |seat| guard::start(tenure, seat));
    }

    /// Takes note of a crash by a store's own fault, or ours; too many at once are safe mode.
    pub(super) fn crashed(&self, store: StoreId) {
        let (living, now) = (self.living.count(), self.deps.clock.now());
        if let Some(status) = self.safe_mode.crashed(store, living, now) {
            tracing::error!(
                crashed = status.crashed,
                of = status.of,
                until = %status.until,
                "safe mode: too many stores crash; webhooks are accepted, nothing else is done"
            );
            self.alert_all();
        }
    }

    /// Ends safe mode if its time has come; tells whether it holds.
    pub(super) fn holds_safe_mode(&self) -> bool {
        if self.safe_mode.look(self.deps.clock.now()) {
            tracing::warn!("safe mode ends: no store has crashed for a while");
            self.alert_all();
        }
        self.safe_mode.is_on()
    }

    /// Ends safe mode because an operator wants it.
    pub(super) fn end_safe_mode(&self) {
        if self.safe_mode.end() {
            tracing::warn!("safe mode was ended by an operator");
            self.alert_all();
        }
    }

    /// Makes every keeper look around.
    fn alert_all(&self) {
        for slot in self.living.all() {
            slot.alert();
        }
    }

    /// Tells a test, if there is one, where a keeper is.
    pub(super) fn reach(&self, store: StoreId, moment: Moment) {
        if let Some(hook) = &self.settings.on_moment {
            hook(store, moment);
        }
    }

    /// Lets a test, if there is one, hold a turn that has begun.
    pub(super) async fn hold_turn(&self, store: StoreId) {
        if let Some(hook) = &self.settings.hold_turn {
            hook(store).await;
        }
    }

    /// A place for a keeper.
    pub(super) fn seat(&self) -> Seat {
        self.arbiters.least_loaded()
    }

    /// Runs a task that belongs to no store; `false` when the threads have ended.
    pub(super) fn run(&self, task: impl Future<Output = ()> + Send + 'static) -> bool {
        self.arbiters.run(task)
    }

    pub(super) fn is_shutting_down(&self) -> bool {
        self.shutting_down.load(Ordering::SeqCst)
    }

    pub(super) fn begin_shutdown(&self) {
        self.shutting_down.store(true, Ordering::SeqCst);
    }

    /// Asks for rows to be deleted; `false`: too many ask, this is to be asked again.
    pub(super) fn purge(&self, purge: Purge) -> bool {
        self.purges.try_send(purge).is_ok()
    }

    pub(super) fn record(&self, store: StoreId, step: LifecycleStep, detail: String) {
        self.lifecycle.record(LifecycleEvent {
            at: self.deps.clock.now(),
            store,
            step,
            detail,
        });
    }
}
