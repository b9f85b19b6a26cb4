//! A store's place in the directory: what outlives its keepers.
//!
//! Everything that can be asked of a store waits here, bounded, and not in an actor's mailbox, which has no bound worth
//! the name (D7) and dies with the actor. The mailbox carries one kind of message, the doorbell, and at most one of it:
//! `rung` says that one is there already.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix::Addr;
use arc_swap::ArcSwapOption;
use metrics::gauge;
use tokio::sync::{Notify, watch};

use crate::clock::Timestamp;
use crate::domain::call::Answer;
use crate::domain::interest::Interest;
use crate::domain::store::observation::Observation;
use crate::ids::{CallId, StoreId};
use crate::keeper::actor::{Doorbell, Keeper};
use crate::keeper::allowance::SlotQuota;
use crate::keeper::arbiters::Seat;
use crate::keeper::board::Board;
use crate::keeper::busy::BusyTime;
use crate::keeper::exit::{Blame, Exit};
use crate::keeper::guard::Past;
use crate::keeper::handle::{CommandError, Control, Waiting};
use crate::keeper::naked::Naked;
use crate::keeper::progress::{InHand, Progress, RowInHand};
use crate::keeper::status::{KeeperState, KeeperStatus};
use crate::telemetry::metric_name;

/// A store's place in the directory.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) store: StoreId,
    /// Set only while a keeper runs (D10).
    interest: ArcSwapOption<Interest>,
    /// Set only while a keeper runs.
    board: ArcSwapOption<Board>,
    pub(super) naked: Naked,
    states: watch::Sender<KeeperState>,
    /// Wakes a guard that rests.
    attention: Notify,
    /// Wakes a keeper that waits for a turn.
    call: Notify,
    pub(super) progress: Progress,
    pub(super) row: RowInHand,
    pub(super) quota: SlotQuota,
    /// How long its thread was busy with it.
    pub(super) busy: BusyTime,
    life: Mutex<Life>,
}

/// Whether a keeper has anything to do, as far as it knows itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sleep {
    Awake,
    /// It has had nothing to do since then.
    Idle {
        since: Timestamp,
    },
    /// Neither, and its place in memory is wanted.
    Dismissed,
}

#[derive(Debug)]
struct Life {
    addr: Option<Addr<Keeper>>,
    /// A doorbell is in the mailbox, or will be looked at when a keeper starts.
    rung: bool,
    /// The log may hold rows that the keeper has not seen.
    backlog_hint: bool,
    commands: VecDeque<Waiting>,
    /// Commands that wait for the platform's next answer.
    deferred: Vec<Waiting>,
    call_in_flight: bool,
    answer: Option<(CallId, Answer)>,
    control: Option<(Control, String)>,
    sleep: Sleep,
    /// Where its keeper is to live on; wanted only of one that runs.
    new_seat: Option<Seat>,
    /// What the next guard must know of the last ones.
    past: Option<Box<Past>>,
    status: KeeperStatus,
}

impl Life {
    /// Since when a keeper that sleeps has had nothing to do; `None`: it has.
    fn idle(&self) -> Option<Timestamp> {
        let is_called = self.rung || self.backlog_hint || self.control.is_some();
        let has_work = self.call_in_flight
            || self.answer.is_some()
            || !self.commands.is_empty()
            || !self.deferred.is_empty();
        match self.sleep {
            Sleep::Idle { since } if !is_called && !has_work => Some(since),
            Sleep::Idle { .. } | Sleep::Awake | Sleep::Dismissed => None,
        }
    }

    fn nudge(&mut self) {
        if std::mem::replace(&mut self.rung, true) {
            return;
        }
        if let Some(addr) = &self.addr {
            // A mailbox that is closed belongs to a keeper that ends; its successor looks at everything when it starts.
            let _sent = addr.try_send(Doorbell).is_ok();
        }
    }
}

impl Slot {
    pub(super) fn new(store: StoreId) -> Self {
        let life = Life {
            addr: None,
            rung: false,
            backlog_hint: false,
            commands: VecDeque::new(),
            deferred: Vec::new(),
            call_in_flight: false,
            answer: None,
            control: None,
            sleep: Sleep::Awake,
            new_seat: None,
            past: None,
            status: KeeperStatus::unasked(store),
        };
        Self {
            store,
            interest: ArcSwapOption::empty(),
            board: ArcSwapOption::empty(),
            naked: Naked::default(),
            states: watch::Sender::new(KeeperState::Stopped),
            attention: Notify::new(),
            call: Notify::new(),
            progress: Progress::default(),
            row: RowInHand::default(),
            quota: SlotQuota::default(),
            busy: BusyTime::default(),
            life: Mutex::new(life),
        }
    }

    fn life(&self) -> MutexGuard<'_, Life> {
        // Every critical section leaves `Life` consistent at each step, so one that panicked did no harm.
        self.life.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// For those outside.
impl Slot {
    /// Rows may have come. Never waits; repeated rings are one.
    pub(super) fn ring(&self) {
        let mut life = self.life();
        life.backlog_hint = true;
        life.nudge();
    }

    pub(super) fn interest(&self) -> Option<Arc<Interest>> {
        self.interest.load_full()
    }

    pub(super) fn board(&self) -> Option<Arc<Board>> {
        self.board.load_full()
    }

    pub(super) fn status(&self) -> KeeperStatus {
        let mut status = self.life().status.clone();
        status.stuck = self.progress.stuck();
        (status.standing, status.today) = self.quota.shown();
        status.in_hand = self.progress.work().map(|work| InHand {
            doing: work.doing,
            since: work.since,
        });
        status
    }

    /// Which thread its keeper, or the last one, is on.
    pub(super) fn arbiter(&self) -> usize {
        self.life().status.arbiter
    }

    pub(super) fn watch_states(&self) -> watch::Receiver<KeeperState> {
        self.states.subscribe()
    }

    /// Puts a command in line.
    pub(super) fn enqueue(&self, waiting: Waiting, waiting_max: usize) -> Result<(), CommandError> {
        let mut life = self.life();
        match life.status.state {
            KeeperState::Restarting { until } | KeeperState::Quarantined { until } => {
                return Err(CommandError::Unavailable { until });
            }
            KeeperState::Starting | KeeperState::Running | KeeperState::Stopped => {}
        }
        if life.commands.len() + life.deferred.len() >= waiting_max {
            // Those whose callers left were not carried out, and are when they are asked for again.
            life.deferred.retain(|waiting| !waiting.reply.is_closed());
        }
        if life.commands.len() + life.deferred.len() >= waiting_max {
            return Err(CommandError::Busy);
        }
        life.commands.push_back(waiting);
        life.nudge();
        drop(life);
        self.call.notify_one();
        Ok(())
    }

    /// Leaves an admin's wish; a later one replaces it.
    pub(super) fn control(&self, control: Control, reason: String) {
        self.life().control = Some((control, reason));
        self.alert();
    }

    /// Since when the keeper has had nothing to do; `None`: it has, or there is no keeper that sleeps.
    pub(super) fn idle_since(&self) -> Option<Timestamp> {
        self.life().idle()
    }

    /// Asks the keeper to leave unless it has something to do; `false`: it has.
    pub(super) fn dismiss(&self) -> bool {
        let mut life = self.life();
        let is_idle = life.idle().is_some();
        if is_idle {
            life.sleep = Sleep::Dismissed;
            life.nudge();
        }
        is_idle
    }

    /// Wants its keeper to live on there, as soon as its step is over and its call is answered; `false`: none runs.
    pub(super) fn want_elsewhere(&self, seat: Seat) -> bool {
        let mut life = self.life();
        let runs = life.status.state == KeeperState::Running;
        life.new_seat = runs.then_some(seat);
        drop(life);
        if runs {
            self.alert();
        }
        runs
    }

    /// Whether its keeper is wanted elsewhere and has not gone yet.
    pub(super) fn is_wanted_elsewhere(&self) -> bool {
        self.life().new_seat.is_some()
    }

    /// Makes a keeper, or a guard that rests, look around.
    pub(super) fn alert(&self) {
        self.life().nudge();
        self.attention.notify_one();
        self.call.notify_one();
    }
}

/// For the keeper.
impl Slot {
    /// A step begins: what rings from now on rings anew. Tells whether the keeper is to leave if it has nothing to do.
    pub(super) fn hear(&self) -> bool {
        let mut life = self.life();
        life.rung = false;
        std::mem::replace(&mut life.sleep, Sleep::Awake) == Sleep::Dismissed
    }

    /// The keeper goes to sleep.
    pub(super) fn rests(&self, since: Timestamp) {
        self.life().sleep = Sleep::Idle { since };
    }

    pub(super) fn take_backlog_hint(&self) -> bool {
        std::mem::take(&mut self.life().backlog_hint)
    }

    pub(super) fn take_control(&self) -> Option<(Control, String)> {
        self.life().control.take()
    }

    /// It stays where it is, wherever it is wanted.
    pub(super) fn stay(&self) {
        self.life().new_seat = None;
    }

    /// The next commands in line, at most `limit`.
    pub(super) fn take_commands(&self, limit: usize) -> Vec<Waiting> {
        let mut life = self.life();
        let count = limit.min(life.commands.len());
        life.commands.drain(..count).collect()
    }

    pub(super) fn has_commands(&self) -> bool {
        !self.life().commands.is_empty()
    }

    /// Whether something has come that need not wait for a turn.
    pub(super) fn is_called(&self) -> bool {
        let life = self.life();
        // Who is to move waits for the answer to its call first.
        let leaves = life.new_seat.is_some() && !life.call_in_flight;
        !life.commands.is_empty() || life.answer.is_some() || life.control.is_some() || leaves
    }

    /// Wakes when such a thing, or the end of the process, may have come since it woke last.
    pub(super) async fn call(&self) {
        self.call.notified().await;
    }

    /// Keeps a command until the platform's next answer.
    pub(super) fn defer(&self, waiting: Waiting) {
        self.life().deferred.push(waiting);
    }

    /// Puts the commands that waited for an answer back in line, at its front.
    pub(super) fn requeue_deferred(&self) {
        let mut life = self.life();
        let deferred = std::mem::take(&mut life.deferred);
        for waiting in deferred.into_iter().rev() {
            life.commands.push_front(waiting);
        }
    }

    pub(super) fn call_in_flight(&self) -> bool {
        let life = self.life();
        life.call_in_flight || life.answer.is_some()
    }

    pub(super) fn call_sent(&self) {
        self.life().call_in_flight = true;
    }

    pub(super) fn call_answered(&self, call: CallId, answer: Answer) {
        let mut life = self.life();
        life.call_in_flight = false;
        life.answer = Some((call, answer));
        life.nudge();
        drop(life);
        self.call.notify_one();
    }

    pub(super) fn take_answer(&self) -> Option<(CallId, Answer)> {
        self.life().answer.take()
    }

    /// What was in hand has moved.
    pub(super) fn moved(&self) {
        if self.progress.moved().is_some() {
            tracing::info!(store = %self.store, "keeper gets on again");
        }
    }

    pub(super) fn publish_interest(&self, interest: Arc<Interest>) {
        self.interest.store(Some(interest));
    }

    pub(super) fn publish_board(&self, board: Arc<Board>) {
        self.board.store(Some(board));
    }

    pub(super) fn publish_observation(&self, observation: Observation) {
        self.life().status.observation = Some(Arc::new(observation));
    }

    /// A turn is over that kept the thread busy for so long.
    pub(super) fn count_turn(&self, now: Timestamp, busy: Duration) {
        let busy_us = u64::try_from(busy.as_micros()).unwrap_or(u64::MAX);
        let mut life = self.life();
        life.status.busy_us = life.status.busy_us.saturating_add(busy_us);
        life.status.turns += 1;
        life.status.last_turn_at = Some(now);
    }
}

/// For the guard.
impl Slot {
    /// Claims the right to guard this store; only one caller gets it.
    pub(super) fn claim(&self, arbiter: usize) -> bool {
        let mut life = self.life();
        if life.status.state != KeeperState::Stopped {
            return false;
        }
        life.status.arbiter = arbiter;
        self.enter(&mut life, KeeperState::Starting);
        true
    }

    /// Where the next keeper is to live on, if that still is wanted and that thread gets on. From now on it counts there.
    pub(super) fn take_new_seat(&self) -> Option<Seat> {
        let mut life = self.life();
        let seat = life.new_seat.take().filter(Seat::is_open)?;
        life.status.arbiter = seat.arbiter();
        self.enter(&mut life, KeeperState::Starting);
        Some(seat)
    }

    /// Whether there is no keeper and no guard.
    pub(super) fn is_stopped(&self) -> bool {
        self.life().status.state == KeeperState::Stopped
    }

    pub(super) fn set_state(&self, state: KeeperState) {
        self.enter(&mut self.life(), state);
    }

    pub(super) fn running(&self, addr: Addr<Keeper>, now: Timestamp) {
        let mut life = self.life();
        life.addr = Some(addr);
        life.status.activated_at = Some(now);
        self.enter(&mut life, KeeperState::Running);
    }

    /// Takes back everything that holds only while a keeper runs; interest first (D10).
    pub(super) fn withdraw(&self) {
        self.interest.store(None);
        self.board.store(None);
        let mut life = self.life();
        life.addr = None;
        life.sleep = Sleep::Awake;
        drop(life);
        self.row.put_down();
        self.moved();
    }

    /// What the last guard left.
    pub(super) fn past(&self) -> Option<Box<Past>> {
        self.life().past.take()
    }

    /// Leaves what the next guard must know.
    pub(super) fn remember(&self, past: Past) {
        self.life().past = (!past.is_clean()).then(|| Box::new(past));
    }

    pub(super) fn crashed(&self, exit: &Exit) {
        let mut life = self.life();
        life.status.restarts += 1;
        life.status.crashes += u64::from(exit.blame() == Blame::Store);
        life.status.last_error = Some(exit.to_string());
        if let Some(trace) = exit.panic().and_then(|panic| panic.trace.clone()) {
            life.status.last_panic = Some(trace);
        }
    }

    /// Ends the guard's claim, unless work came meanwhile: then it is `false`, and the guard goes on.
    pub(super) fn release(&self) -> bool {
        let mut life = self.life();
        if life.rung || !life.commands.is_empty() {
            self.enter(&mut life, KeeperState::Starting);
            return false;
        }
        self.enter(&mut life, KeeperState::Stopped);
        true
    }

    /// Ends the guard's claim, whatever waits.
    pub(super) fn abandon(&self) {
        let mut life = self.life();
        life.rung = false;
        self.enter(&mut life, KeeperState::Stopped);
    }

    /// Tells all who wait that they wait in vain.
    pub(super) fn refuse_waiting(&self, error: &CommandError) {
        let mut life = self.life();
        let deferred = std::mem::take(&mut life.deferred);
        let commands = std::mem::take(&mut life.commands);
        drop(life);
        for waiting in commands.into_iter().chain(deferred) {
            // A caller that left needs no answer.
            let _told = waiting.reply.send(Err(error.clone())).is_ok();
        }
    }

    /// Wakes when an admin or the end of the process wants attention.
    pub(super) async fn attention(&self) {
        self.attention.notified().await;
    }

    fn enter(&self, life: &mut Life, state: KeeperState) {
        if life.status.state != KeeperState::Stopped {
            gauge!(metric_name::KEEPERS, "state" => life.status.state.name()).decrement(1.0);
        }
        if state != KeeperState::Stopped {
            gauge!(metric_name::KEEPERS, "state" => state.name()).increment(1.0);
        }
        if state != KeeperState::Running {
            // Of a keeper that ends nobody wants anything any more: a seat that is held counts as a keeper.
            life.new_seat = None;
        }
        life.status.state = state;
        self.states.send_replace(state);
    }
}
