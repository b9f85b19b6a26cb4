//! Turns as keepers take them: asked for, waited for, and ended with the permit.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use metrics::{gauge, histogram};
use tokio::sync::oneshot;

use crate::clock::Stopwatch;
use crate::ids::StoreId;
use crate::keeper::scheduler::cost::{Costs, Taken, Temperature};
use crate::keeper::scheduler::rounds::{Begun, Rounds, Weight};
use crate::telemetry::metric_name;

/// Grants turns, to the stores of each thread of the keepers from a line of their own. With one line for all threads,
/// the turns granted to stores on a thread that stands still would be lost to the others.
#[derive(Debug)]
pub(in crate::keeper) struct Scheduler {
    quantum_us: u64,
    first: Line,
    others: Vec<Line>,
    costs: Mutex<Costs>,
}

/// The line of one thread.
#[derive(Debug)]
struct Line {
    rounds: Mutex<Waiting>,
}

type Waiting = Rounds<oneshot::Sender<Begun>>;

/// Where a store stands in the line for turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TurnPlace {
    /// Stores that come before it, at most.
    pub ahead: usize,
    /// Stores in the same line, itself included.
    pub waiting: usize,
}

/// The right to take one turn; ends with it. While it is waited for, a place in line.
#[derive(Debug)]
pub(in crate::keeper) struct TurnPermit<'scheduler> {
    scheduler: &'scheduler Scheduler,
    line: &'scheduler Line,
    store: StoreId,
    weight: Weight,
    /// `None`: not granted yet, as far as its holder knows.
    begun: Option<Begun>,
    bill: Option<(Taken, Duration)>,
}

#[derive(Debug)]
enum Asked {
    Granted(Begun),
    Waits(oneshot::Receiver<Begun>),
}

impl Scheduler {
    /// At most so many turns at once in all, shared out among so many threads, one at least for each; the quantum is
    /// what a store has in each round, in microseconds.
    pub(in crate::keeper) fn new(
        turns_in_flight_max: usize,
        arbiters: usize,
        quantum_us: u64,
    ) -> Self {
        let each = (turns_in_flight_max / arbiters.max(1)).max(1);
        let others = (1..arbiters).map(|_arbiter| Line::new(quantum_us, each));
        Self {
            quantum_us,
            first: Line::new(quantum_us, each),
            others: others.collect(),
            costs: Mutex::default(),
        }
    }

    /// Waits for a turn, in the line of the thread that the store's keeper is on. A store asks for one at a time;
    /// dropped, it has left the line.
    pub(in crate::keeper) async fn grant(
        &self,
        arbiter: usize,
        store: StoreId,
        weight: Weight,
    ) -> TurnPermit<'_> {
        let waited = Stopwatch::start();
        let line = self.line(arbiter);
        let mut permit = TurnPermit {
            scheduler: self,
            line,
            store,
            weight,
            begun: None,
            bill: None,
        };
        permit.begun = match line.ask(store) {
            Asked::Granted(begun) => Some(begun),
            // The sender stands in the line for as long as the permit lives.
            Asked::Waits(granted) => granted.await.ok(),
        };
        histogram!(metric_name::TURN_WAIT_SECONDS).record(waited.elapsed().as_secs_f64());
        permit
    }

    /// A store's place in the line of its thread; `None`: it does not wait.
    pub(in crate::keeper) fn place(&self, arbiter: usize, store: StoreId) -> Option<TurnPlace> {
        let rounds = self.line(arbiter).lock();
        Some(TurnPlace {
            ahead: rounds.ahead_of(store)?,
            waiting: rounds.waiting(),
        })
    }

    fn line(&self, arbiter: usize) -> &Line {
        let other = arbiter
            .checked_sub(1)
            .and_then(|other| self.others.get(other));
        other.unwrap_or(&self.first)
    }

    /// What a turn costs. One that broke off costs a quantum, since nobody knows what it took.
    fn charge(&self, bill: Option<(Taken, Duration)>) -> u64 {
        let Some((taken, busy)) = bill else {
            return self.quantum_us;
        };
        let mut costs = self.costs.lock().unwrap_or_else(PoisonError::into_inner);
        costs.learn(&taken, busy);
        if let Some(hottest) = taken.hottest() {
            show_cost(&costs, hottest);
        }
        costs.of_turn(&taken)
    }
}

#[cfg(test)]
impl Scheduler {
    fn lines(&self) -> impl Iterator<Item = &Line> {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// Stores in line.
    pub(in crate::keeper) fn waiting(&self) -> usize {
        self.lines().map(|line| line.lock().waiting()).sum()
    }

    /// No turn is under way, and nobody waits.
    pub(super) fn is_idle(&self) -> bool {
        self.lines().all(|line| line.lock().is_idle())
    }
}

impl Line {
    fn new(quantum_us: u64, turns_in_flight_max: usize) -> Self {
        Self {
            rounds: Mutex::new(Rounds::new(quantum_us, turns_in_flight_max)),
        }
    }

    fn ask(&self, store: StoreId) -> Asked {
        let mut rounds = self.lock();
        if let Some(begun) = rounds.try_begin(store) {
            return Asked::Granted(begun);
        }
        let (waiter, granted) = oneshot::channel();
        let waited = rounds.waiting();
        rounds.wait(store, waiter);
        show_waiting(waited, rounds.waiting());
        Asked::Waits(granted)
    }

    /// Ends what the permit stands for, a turn that cost so much or a place in line, and grants what is free to those
    /// who wait.
    fn leave(&self, permit: &TurnPermit<'_>, cost_us: u64) {
        let mut rounds = self.lock();
        let waited = rounds.waiting();
        if let Some(begun) = permit.begun {
            rounds.end(&begun, permit.weight, cost_us);
        } else if !rounds.give_up(permit.store) {
            // It was granted its turn, and never looked.
            rounds.give_back();
        }
        while let Some((begun, waiter)) = rounds.begin_next() {
            // One that is about to leave finds that it was granted its turn, and gives it back.
            let _told = waiter.send(begun).is_ok();
        }
        show_waiting(waited, rounds.waiting());
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Nothing in a critical section panics half-way.
        self.rounds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TurnPermit<'_> {
    /// The turn is over, took these rows, and kept its thread busy for so long.
    pub(in crate::keeper) fn end(mut self, taken: Taken, busy: Duration) {
        self.bill = Some((taken, busy));
    }
}

impl Drop for TurnPermit<'_> {
    fn drop(&mut self) {
        let cost_us = self.scheduler.charge(self.bill);
        self.line.leave(self, cost_us);
    }
}

/// Shows that so many wait in a line where so many waited.
fn show_waiting(waited: usize, waits: usize) {
    if waited == waits {
        return;
    }
    let difference = f64::from(u32::try_from(waits.abs_diff(waited)).unwrap_or(u32::MAX));
    let shown = gauge!(metric_name::TURNS_WAITING);
    if waits > waited {
        shown.increment(difference);
    } else {
        shown.decrement(difference);
    }
}

fn show_cost(costs: &Costs, temperature: Temperature) {
    gauge!(metric_name::TURN_ROW_COST_SECONDS, "temperature" => temperature.name())
        .set(costs.of_row(temperature).as_secs_f64());
}
