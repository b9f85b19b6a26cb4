//! Supervision of one store (D7): starts its keeper, survives its panics, and decides what follows its end.
//!
//! actix's own supervisor survives no panic, rebuilds nothing, has no limit and no back-off; this task does it instead.
//! A keeper that crashed is thrown away; its successor loads from the database.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use actix::{Actor, Addr, Context};
use futures_util::FutureExt;
use metrics::counter;

use crate::clock::Timestamp;
use crate::keeper::actor::{ExitNote, Keeper};
use crate::keeper::arbiters::Seat;
use crate::keeper::core::KeeperCore;
use crate::keeper::exit::{Aftermath, Blame, Caught, Deactivation, Exit};
use crate::keeper::handle::{CommandError, Control};
use crate::keeper::lifecycle::LifecycleStep;
use crate::keeper::living::Entry;
use crate::keeper::progress::Doing;
use crate::keeper::restart_budget::{RestartBudget, Verdict};
use crate::keeper::settings::RestartSettings;
use crate::keeper::shared::Shared;
use crate::keeper::slot::Slot;
use crate::keeper::status::KeeperState;
use crate::telemetry::metric_name;

/// What a store's crashes so far mean for its next keeper. It outlives the guard, so that a keeper that leaves for want
/// of work does not come back with a clean record.
#[derive(Clone, Debug)]
pub(super) struct Past {
    pub(super) budget: RestartBudget,
    aftermath: Aftermath,
}

impl Past {
    pub(super) fn none(settings: RestartSettings) -> Self {
        Self {
            budget: RestartBudget::new(settings),
            aftermath: Aftermath::default(),
        }
    }

    /// Whether there is nothing to remember.
    pub(super) fn is_clean(&self) -> bool {
        self.budget.is_clean() && self.aftermath == Aftermath::default()
    }
}

/// The claim of one guard on one store; however it ends, nothing of a keeper stays published after it.
#[derive(Debug)]
pub(super) struct Tenure {
    shared: Arc<Shared>,
    slot: Arc<Slot>,
    released: bool,
    /// Dropped last.
    _entry: Entry,
}

impl Tenure {
    /// For who has claimed the slot.
    pub(super) fn new(shared: Arc<Shared>, slot: Arc<Slot>) -> Self {
        Self {
            _entry: shared.living.enter(&slot),
            shared,
            slot,
            released: false,
        }
    }
}

impl Drop for Tenure {
    fn drop(&mut self) {
        // Once released, the slot may have another guard already.
        if !self.released {
            self.slot.withdraw();
            self.slot.abandon();
        }
        if self.shared.is_shutting_down() {
            self.slot.refuse_waiting(&CommandError::ShuttingDown);
        }
    }
}

/// What a guard does after a keeper's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    End,
    /// End, whatever waits.
    Abandon,
    StartNow,
    /// The next keeper lives elsewhere.
    Move,
    Restart {
        at: Timestamp,
    },
    Quarantine {
        until: Timestamp,
    },
}

/// Starts to guard a store on this thread.
pub(super) fn start(tenure: Tenure, seat: Seat) {
    // Ends by itself; what waits for it watches the count of guarded stores.
    let slot = Arc::clone(&tenure.slot);
    drop(actix::spawn(seat.attend(slot, guard(tenure))));
}

/// Goes on on another thread. The claim goes with it, so that nobody else starts a keeper in between; what comes
/// meanwhile waits in the slot.
fn go_on_at(seat: Seat, tenure: Tenure, past: Past) {
    let detail = format!("to thread {}", seat.arbiter());
    tenure
        .shared
        .record(tenure.slot.store, LifecycleStep::Moved, detail);
    counter!(metric_name::KEEPERS_MOVED_TOTAL).increment(1);
    tenure.slot.remember(past);
    // Should the thread be gone, the tenure ends here, and the store counts as stopped again.
    let _seated = seat.there(move |seat| start(tenure, seat));
}

/// Guards a store until it has nothing to do, or the process ends.
pub(super) async fn guard(mut tenure: Tenure) {
    let (shared, slot) = (Arc::clone(&tenure.shared), Arc::clone(&tenure.slot));
    let past = slot.past().map(|past| *past);
    let mut past = past.unwrap_or_else(|| Past::none(shared.settings.restart));
    loop {
        let began = shared.deps.clock.now();
        let exit = live(&shared, &slot, &mut past.aftermath).await;
        past.budget.ran(began, shared.deps.clock.now());
        past.aftermath.learn(&exit, shared.settings.turn_rows_max);
        let decision = decide(&shared, &exit, &mut past.budget);
        tell(&shared, &slot, &exit, decision);
        let goes_on = match decision {
            Decision::StartNow => true,
            Decision::Move => match slot.take_new_seat() {
                Some(seat) => return go_on_at(seat, tenure, past),
                None => true,
            },
            Decision::Restart { at } => {
                let state = KeeperState::Restarting { until: at };
                rest(&shared, &slot, &mut past.budget, state).await
            }
            Decision::Quarantine { until } => {
                let state = KeeperState::Quarantined { until };
                rest(&shared, &slot, &mut past.budget, state).await
            }
            Decision::End => false,
            Decision::Abandon => {
                slot.refuse_waiting(&CommandError::UnknownStore);
                break;
            }
        };
        if shared.is_shutting_down() {
            break;
        }
        if !goes_on {
            slot.remember(past.clone());
            if slot.release() {
                tenure.released = true;
                break;
            }
        }
        slot.set_state(KeeperState::Starting);
    }
    drop(tenure);
}

/// One keeper's life, from activation to its end. Nothing of it is published when this returns.
async fn live(shared: &Arc<Shared>, slot: &Arc<Slot>, aftermath: &mut Aftermath) -> Exit {
    let reading = shared.activations.place(slot.arbiter()).await;
    slot.progress
        .begin(Doing::Activation, shared.deps.clock.now());
    let activation = KeeperCore::activate(Arc::clone(shared), Arc::clone(slot), aftermath);
    let activated = AssertUnwindSafe(Box::pin(activation)).catch_unwind().await;
    drop(reading);
    slot.moved();
    let exit = match activated {
        Ok(Ok(core)) => run_keeper(shared, slot, core).await,
        Ok(Err(exit)) => exit,
        Err(payload) => Exit::Panicked(Caught::of(payload.as_ref())),
    };
    slot.withdraw();
    exit
}

async fn run_keeper(shared: &Arc<Shared>, slot: &Arc<Slot>, core: Box<KeeperCore>) -> Exit {
    let note = ExitNote::default();
    let keeper = Keeper::new(Arc::clone(shared), core, ExitNote::clone(&note));
    shared.record(slot.store, LifecycleStep::Activated, String::new());
    let publish = |addr: Addr<Keeper>| slot.running(addr, shared.deps.clock.now());
    let ended = run_actor(keeper, publish, || slot.withdraw()).await;
    let left = note.borrow_mut().take();
    match (ended, left) {
        (Err(panic), _) => Exit::Panicked(panic),
        (Ok(()), Some(exit)) => exit,
        (Ok(()), None) => Exit::Panicked("ended without a reason".to_owned().into()),
    }
}

/// Runs an actor to its end and survives its panics, also those of `stopping` and `stopped`: the context is dropped
/// only after the panic was caught, since a second panic during unwinding would abort the process.
async fn run_actor<A>(
    actor: A,
    publish: impl FnOnce(Addr<A>),
    withdraw: impl FnOnce(),
) -> Result<(), Caught>
where
    A: Actor<Context = Context<A>>,
{
    let context = Context::new();
    publish(actix::AsyncContext::address(&context));
    let mut running = Box::pin(context.into_future(actor));
    let caught = |payload: Box<dyn Any + Send>| Caught::of(payload.as_ref());
    let ended = AssertUnwindSafe(running.as_mut()).catch_unwind().await;
    let ended = ended.map_err(caught);
    withdraw();
    let dropped = catch_unwind(AssertUnwindSafe(|| drop(running)));
    ended.and(dropped.map_err(caught))
}

pub(super) fn decide(shared: &Shared, exit: &Exit, budget: &mut RestartBudget) -> Decision {
    let now = shared.deps.clock.now();
    let verdict = match exit {
        Exit::ShutDown
        | Exit::Deactivated(
            Deactivation::Idle | Deactivation::Dismissed | Deactivation::Requested { .. },
        ) => return Decision::End,
        Exit::NoSuchStore => return Decision::Abandon,
        Exit::Deactivated(Deactivation::Moved { .. }) if shared.is_shutting_down() => {
            return Decision::End;
        }
        Exit::Deactivated(Deactivation::Moved { .. }) => return Decision::Move,
        Exit::Deactivated(Deactivation::Restart { .. }) => return Decision::StartNow,
        Exit::Deactivated(Deactivation::Quarantine { .. }) => budget.quarantine(now),
        Exit::Fenced
        | Exit::CommitFailed { .. }
        | Exit::CommitRefused { .. }
        | Exit::Panicked(_)
        | Exit::RowPanicked { .. }
        | Exit::LoadFailed { .. } => {
            let [chance] = shared.deps.ids.random_bytes();
            budget.crashed(now, exit.blame(), chance)
        }
    };
    match verdict {
        Verdict::Restart { at } => Decision::Restart { at },
        Verdict::Quarantine { until } => Decision::Quarantine { until },
    }
}

/// Tells of a keeper's end, with what follows: one line.
fn tell(shared: &Shared, slot: &Slot, exit: &Exit, decision: Decision) {
    shared.record(slot.store, LifecycleStep::Ended, exit.to_string());
    let is_crash = exit.blame() != Blame::Nobody;
    if exit.blame() == Blame::Store {
        shared.crashed(slot.store);
    }
    if is_crash {
        counter!(metric_name::KEEPER_RESTARTS_TOTAL, "reason" => exit.name()).increment(1);
        slot.crashed(exit);
    }
    match decision {
        Decision::Quarantine { until } if is_crash => {
            tracing::error!(store = %slot.store, %until, %exit, "keeper crashed too often, quarantined");
        }
        Decision::Quarantine { until } => {
            tracing::warn!(store = %slot.store, %until, %exit, "keeper quarantined by an operator");
        }
        Decision::End
        | Decision::Abandon
        | Decision::StartNow
        | Decision::Move
        | Decision::Restart { .. } => tell_of_end(shared, slot, exit),
    }
}

fn tell_of_end(shared: &Shared, slot: &Slot, exit: &Exit) {
    // Of ten thousand stores, ten thousand lines would be no news: they are counted. A move was told before.
    let is_no_news = shared.is_shutting_down()
        || matches!(
            exit,
            Exit::Deactivated(Deactivation::Dismissed | Deactivation::Moved { .. })
        );
    if exit.blame() != Blame::Nobody {
        tracing::warn!(store = %slot.store, %exit, "keeper crashed");
    } else if is_no_news {
        tracing::debug!(store = %slot.store, %exit, "keeper ended");
    } else {
        tracing::info!(store = %slot.store, %exit, "keeper ended");
    }
}

/// Waits in `state` until its time has come or an admin ends it; `false`: there is to be no keeper after it.
async fn rest(
    shared: &Shared,
    slot: &Slot,
    budget: &mut RestartBudget,
    mut state: KeeperState,
) -> bool {
    loop {
        let Some(until) = begin_rest(shared, slot, state) else {
            return true;
        };
        tokio::select! {
            () = shared.deps.clock.sleep_until(until) => return true,
            () = slot.attention() => {}
        }
        if shared.is_shutting_down() {
            return false;
        }
        slot.hear();
        match slot.take_control() {
            None => {}
            Some((Control::Restart | Control::Release, reason)) => {
                budget.forgive();
                shared.record(slot.store, LifecycleStep::Released, reason);
                return true;
            }
            // Who is quarantined does not run; to stop it until there is work would end the quarantine.
            Some((Control::Deactivate, _)) if matches!(state, KeeperState::Quarantined { .. }) => {}
            Some((Control::Deactivate, _)) => return false,
            Some((Control::Quarantine, reason)) => {
                let now = shared.deps.clock.now();
                if let Verdict::Quarantine { until } = budget.quarantine(now) {
                    tracing::warn!(store = %slot.store, %until, reason, "keeper quarantined by an operator");
                    state = KeeperState::Quarantined { until };
                }
            }
        }
    }
}

fn begin_rest(shared: &Shared, slot: &Slot, state: KeeperState) -> Option<Timestamp> {
    let (step, until) = match state {
        KeeperState::Restarting { until } => (LifecycleStep::Restarting, until),
        KeeperState::Quarantined { until } => {
            slot.refuse_waiting(&CommandError::Unavailable { until });
            (LifecycleStep::Quarantined, until)
        }
        KeeperState::Starting | KeeperState::Running | KeeperState::Stopped => return None,
    };
    if slot.status().state != state {
        slot.set_state(state);
        shared.record(slot.store, step, format!("until {until}"));
    }
    Some(until)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use actix::{ActorContext, Handler, Message, Running, System};

    use super::*;

    /// What an actor does in its life.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Step {
        Started,
        Handle,
        Stopping,
        Stopped,
    }

    /// Panics at every one of these, and tells whether it was stopped.
    struct Nasty {
        panics_at: &'static [Step],
        stopped: Rc<Cell<bool>>,
    }

    impl Nasty {
        fn reach(&self, step: Step) {
            assert!(!self.panics_at.contains(&step), "{step:?}");
        }
    }

    #[derive(Message)]
    #[rtype(result = "()")]
    struct Stop;

    impl Actor for Nasty {
        type Context = Context<Self>;

        fn started(&mut self, context: &mut Self::Context) {
            self.reach(Step::Started);
            let stop = actix::AsyncContext::address(context).try_send(Stop);
            assert!(stop.is_ok());
        }

        fn stopping(&mut self, _context: &mut Self::Context) -> Running {
            self.reach(Step::Stopping);
            Running::Stop
        }

        fn stopped(&mut self, _context: &mut Self::Context) {
            self.stopped.set(true);
            self.reach(Step::Stopped);
        }
    }

    impl Handler<Stop> for Nasty {
        type Result = ();

        fn handle(&mut self, Stop: Stop, context: &mut Self::Context) {
            self.reach(Step::Handle);
            context.stop();
        }
    }

    /// Runs it to its end, and gives how it ended and whether it was stopped.
    fn life_of(panics_at: &'static [Step]) -> (Result<(), String>, bool) {
        let (stopped, mut withdrawn, mut address) = (Rc::new(Cell::new(false)), false, None);
        let nasty = Nasty {
            panics_at,
            stopped: Rc::clone(&stopped),
        };
        let running = run_actor(nasty, |addr| address = Some(addr), || withdrawn = true);
        let ended = System::new().block_on(running);
        assert!(withdrawn);
        assert!(address.is_some_and(|address| !address.connected()));
        (ended.map_err(|panic| panic.reason), stopped.get())
    }

    #[test]
    fn an_actor_that_panics_anywhere_in_its_life_does_not_take_the_process_with_it() {
        use Step::{Handle, Started, Stopped, Stopping};
        assert_eq!(life_of(&[]), (Ok(()), true));
        let lives: [(&'static [Step], &str); 8] = [
            (&[Started], "Started"),
            (&[Handle], "Handle"),
            (&[Stopping], "Stopping"),
            (&[Stopped], "Stopped"),
            (&[Started, Stopped], "Started"),
            (&[Handle, Stopping], "Handle"),
            (&[Stopping, Stopped], "Stopping"),
            (&[Started, Handle, Stopping, Stopped], "Started"),
        ];
        for (panics_at, first) in lives {
            let (ended, _stopped) = life_of(panics_at);
            assert_eq!(ended, Err(first.to_owned()), "{panics_at:?}");
        }
    }
}
