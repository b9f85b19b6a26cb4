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

/// Grants turns.
#[derive(Debug)]
pub(in crate::keeper) struct Scheduler {
    quantum_us: u64,
    books: Mutex<Books>,
}

/// Where a store stands in the line for turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TurnPlace {
    /// Stores that come before it, at most.
    pub ahead: usize,
    /// Stores in line, itself included.
    pub waiting: usize,
}

#[derive(Debug)]
struct Books {
    rounds: Rounds<oneshot::Sender<Begun>>,
    costs: Costs,
}

/// The right to take one turn; ends with it. While it is waited for, a place in line.
#[derive(Debug)]
pub(in crate::keeper) struct TurnPermit<'scheduler> {
    scheduler: &'scheduler Scheduler,
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
    /// At most so many turns at once; the quantum is what a store has in each round, in microseconds.
    pub(in crate::keeper) fn new(turns_in_flight_max: usize, quantum_us: u64) -> Self {
        Self {
            quantum_us,
            books: Mutex::new(Books {
                rounds: Rounds::new(quantum_us, turns_in_flight_max),
                costs: Costs::default(),
            }),
        }
    }

    /// Waits in line for a turn. A store asks for one at a time; dropped, it has left the line.
    pub(in crate::keeper) async fn grant(&self, store: StoreId, weight: Weight) -> TurnPermit<'_> {
        let waited = Stopwatch::start();
        let mut permit = TurnPermit {
            scheduler: self,
            store,
            weight,
            begun: None,
            bill: None,
        };
        permit.begun = match self.ask(store) {
            Asked::Granted(begun) => Some(begun),
            // The sender stands in the line for as long as the permit lives.
            Asked::Waits(granted) => granted.await.ok(),
        };
        histogram!(metric_name::TURN_WAIT_SECONDS).record(waited.elapsed().as_secs_f64());
        permit
    }

    /// A store's place in line; `None`: it does not wait.
    pub(in crate::keeper) fn place(&self, store: StoreId) -> Option<TurnPlace> {
        let books = self.books();
        Some(TurnPlace {
            ahead: books.rounds.ahead_of(store)?,
            waiting: books.rounds.waiting(),
        })
    }

    fn ask(&self, store: StoreId) -> Asked {
        let mut books = self.books();
        if let Some(begun) = books.rounds.try_begin(store) {
            return Asked::Granted(begun);
        }
        let (waiter, granted) = oneshot::channel();
        books.rounds.wait(store, waiter);
        show_waiting(&books);
        Asked::Waits(granted)
    }

    fn leave(&self, permit: &TurnPermit<'_>) {
        let mut books = self.books();
        let somebody_waited = books.rounds.waiting() > 0;
        if let Some(begun) = permit.begun {
            let cost_us = self.charge(&mut books, permit.bill);
            books.rounds.end(&begun, permit.weight, cost_us);
        } else if !books.rounds.give_up(permit.store) {
            // It was granted its turn, and never looked.
            books.rounds.give_back();
        }
        books.pass_on();
        if somebody_waited {
            show_waiting(&books);
        }
    }

    /// A turn that broke off costs a quantum, since nobody knows what it took.
    fn charge(&self, books: &mut Books, bill: Option<(Taken, Duration)>) -> u64 {
        let Some((taken, busy)) = bill else {
            return self.quantum_us;
        };
        books.costs.learn(&taken, busy);
        if let Some(hottest) = taken.hottest() {
            show_cost(&books.costs, hottest);
        }
        books.costs.of_turn(&taken)
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        // Nothing in a critical section panics half-way.
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
impl Scheduler {
    /// Stores in line.
    pub(in crate::keeper) fn waiting(&self) -> usize {
        self.books().rounds.waiting()
    }

    /// No turn is under way, and nobody waits.
    pub(super) fn is_idle(&self) -> bool {
        self.books().rounds.is_idle()
    }
}

impl Books {
    /// Grants what is free to those who wait.
    fn pass_on(&mut self) {
        while let Some((begun, waiter)) = self.rounds.begin_next() {
            // One that is about to leave finds that it was granted its turn, and gives it back.
            let _told = waiter.send(begun).is_ok();
        }
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
        self.scheduler.leave(self);
    }
}

fn show_waiting(books: &Books) {
    let waiting = u32::try_from(books.rounds.waiting()).unwrap_or(u32::MAX);
    gauge!(metric_name::TURNS_WAITING).set(f64::from(waiting));
}

fn show_cost(costs: &Costs, temperature: Temperature) {
    gauge!(metric_name::TURN_ROW_COST_SECONDS, "temperature" => temperature.name())
        .set(costs.of_row(temperature).as_secs_f64());
}
