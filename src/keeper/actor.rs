//! The actix actor of a store: a shell that runs one step at a time and waits for the next reason to run one.
//!
//! While a step runs the core is out of the actor and the mailbox stands still (`ctx.wait`), so a step never meets
//! another. After each step the thread is given away (the explicit yield of D7), so that no store starves the others
//! on it.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use actix::{
    Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Handler, Message, SpawnHandle,
    WrapFuture,
};

use crate::clock::Timestamp;
use crate::ids::StoreId;
use crate::keeper::core::{KeeperCore, Next};
use crate::keeper::exit::Exit;
use crate::keeper::settings::Moment;
use crate::keeper::shared::Shared;

/// Something may have come for the store. What, stands in its slot.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Doorbell;

/// Where a keeper leaves how it ended, for its guard.
pub(super) type ExitNote = Rc<RefCell<Option<Exit>>>;

/// The actor of a store.
#[derive(Debug)]
pub(super) struct Keeper {
    shared: Arc<Shared>,
    store: StoreId,
    /// Absent while a step runs, and after the last one.
    core: Option<Box<KeeperCore>>,
    exit: ExitNote,
    timer: Option<SpawnHandle>,
}

impl Keeper {
    pub(super) fn new(shared: Arc<Shared>, core: Box<KeeperCore>, exit: ExitNote) -> Self {
        Self {
            shared,
            store: core.slot.store,
            core: Some(core),
            exit,
            timer: None,
        }
    }

    fn step(&mut self, context: &mut Context<Self>) {
        let Some(core) = self.core.take() else { return };
        if let Some(timer) = self.timer.take() {
            context.cancel_future(timer);
        }
        let step = Box::pin(core.step()).into_actor(self);
        context.wait(step.map(|stepped, keeper, context| keeper.stepped(stepped, context)));
    }

    fn stepped(
        &mut self,
        stepped: Result<(Box<KeeperCore>, Next), Exit>,
        context: &mut Context<Self>,
    ) {
        match stepped {
            Ok((core, next)) => {
                self.core = Some(core);
                match next {
                    Next::Again => self.step_after_yield(context),
                    Next::WaitUntil(deadline) => self.step_at(deadline, context),
                }
            }
            Err(exit) => {
                self.exit.replace(Some(exit));
                context.stop();
            }
        }
    }

    fn step_after_yield(&self, context: &mut Context<Self>) {
        let others_run = tokio::task::yield_now().into_actor(self);
        context.wait(others_run.map(|(), keeper, context| keeper.step(context)));
    }

    fn step_at(&mut self, deadline: Timestamp, context: &mut Context<Self>) {
        let clock = self.shared.deps.clock.clone();
        let reached = async move { clock.sleep_until(deadline).await }.into_actor(self);
        self.timer = Some(context.spawn(reached.map(|(), keeper, context| keeper.step(context))));
    }
}

impl Actor for Keeper {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        self.shared.reach(self.store, Moment::Started);
        self.step(context);
    }
}

impl Handler<Doorbell> for Keeper {
    type Result = ();

    fn handle(&mut self, Doorbell: Doorbell, context: &mut Self::Context) {
        self.shared.reach(self.store, Moment::Doorbell);
        self.step(context);
    }
}
