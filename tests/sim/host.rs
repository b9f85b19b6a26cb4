//! A process as one store sees it: the slot, the keeper in it, and what the keeper is about to do.

use std::collections::VecDeque;

use storekeeper::clock::Timestamp;
use storekeeper::domain::backlog::{Manner, Selector};
use storekeeper::domain::call::{Answer, Call};
use storekeeper::domain::interest::Interest;
use storekeeper::domain::store::change::{Change, Changes};
use storekeeper::domain::store::command::Row;
use storekeeper::domain::store::outcome::{Outcome, Reply};
use storekeeper::domain::store::state::StoreState;
use storekeeper::ids::{CallId, DeadLetterId};

use crate::reference::{KeptBack, Version};
use crate::tables::Fence;

/// What a keeper does next.
#[derive(Debug)]
pub(crate) enum Phase {
    /// It looks for work, from this stage of a step on.
    Ready(Stage),
    /// It has decided and is about to commit.
    Decided(Box<Decided>),
    /// It has committed and is about to perform.
    Committed(Box<After>),
}

/// The stages of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Commands,
    Turn,
    Call,
    Wait,
}

/// What a keeper wants committed, and what follows.
#[derive(Debug, Default)]
pub(crate) struct Decided {
    pub(crate) changes: Changes,
    pub(crate) interest_changed: bool,
    /// Rows of the log that are decided with it.
    pub(crate) taken: Vec<i64>,
    /// A row that crashed the keeper and is noted, or given up.
    pub(crate) crashed_row: Option<i64>,
    pub(crate) after: After,
    /// What the merchant has changed, should this be committed.
    pub(crate) defined: Vec<Definition>,
    /// The keeper ends with this commit.
    pub(crate) leaves: bool,
}

/// What a command changes for the reference.
#[derive(Clone, Debug)]
pub(crate) enum Definition {
    Saved(Version),
    Deleted(storekeeper::ids::BundleId, Timestamp),
    KeptBack(KeptBack),
}

/// What is performed after a commit.
#[derive(Debug, Default)]
pub(crate) struct After {
    pub(crate) call: Option<Call>,
    /// Requests that are answered.
    pub(crate) answered: Vec<u64>,
    pub(crate) next: Option<Stage>,
}

impl Decided {
    /// Adds an outcome; gives back what is left of it.
    pub(crate) fn absorb(&mut self, outcome: Outcome) -> Reply {
        self.changes.merge(outcome.changes);
        self.interest_changed |= outcome.interest_changed;
        if outcome.call.is_some() {
            self.after.call = outcome.call;
        }
        outcome.reply
    }

    /// Whether it settles a dead letter already.
    pub(crate) fn settles(&self, id: DeadLetterId) -> bool {
        let mut settled = self.changes.rows().filter_map(Change::settled_letter);
        settled.any(|settled| settled == id)
    }

    /// Whether it answers this key already.
    pub(crate) fn replies_to(&self, key: &str) -> bool {
        self.changes
            .rows()
            .any(|change| matches!(change, Change::PutIdempotentReply(reply) if reply.key == key))
    }
}

/// A running keeper.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a field of the real keeper"
)]
pub(crate) struct Keeper {
    pub(crate) state: StoreState,
    pub(crate) fence: Fence,
    /// Rows of one place, and what they may do.
    pub(crate) ahead: VecDeque<Row>,
    pub(crate) manner: Manner,
    pub(crate) selector: Selector,
    /// Follows one that a row brought down: nothing is overtaken.
    pub(crate) in_order: bool,
    pub(crate) more_to_read: bool,
    pub(crate) one_by_one: usize,
    /// Naked rows are swept out of its log, as they are when a person orders it.
    pub(crate) sweeps: bool,
    pub(crate) worked: bool,
    pub(crate) worked_at: Timestamp,
    pub(crate) phase: Phase,
}

/// What survives the keeper in its process.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    pub(crate) interest: Option<Interest>,
    /// Naked webhooks that were answered and not yet written down.
    pub(crate) naked: i64,
    pub(crate) waiting: VecDeque<u64>,
    pub(crate) deferred: Vec<u64>,
    pub(crate) answer: Option<(CallId, Answer)>,
    pub(crate) call_in_flight: bool,
    pub(crate) backlog_hint: bool,
}

/// What a keeper's end leaves to its successor in the same process.
#[derive(Debug, Default)]
pub(crate) struct Aftermath {
    pub(crate) crash: Option<i64>,
    pub(crate) one_by_one: usize,
}

/// A process, as far as one store is concerned.
#[derive(Debug, Default)]
pub(crate) struct Host {
    pub(crate) epoch: u64,
    /// The one timer that counts; older ones are void.
    pub(crate) alarm: u64,
    /// When it rings.
    pub(crate) rings_at: Option<Timestamp>,
    pub(crate) slot: Slot,
    pub(crate) keeper: Option<Box<Keeper>>,
    pub(crate) aftermath: Aftermath,
    /// Not before this is a keeper started.
    pub(crate) rests_until: Timestamp,
    /// Frozen until then.
    pub(crate) frozen_until: Option<Timestamp>,
}

impl Host {
    pub(crate) fn fresh(epoch: u64) -> Self {
        Self {
            epoch,
            ..Self::default()
        }
    }

    /// The keeper has ended: intake stores everything again.
    pub(crate) fn end_keeper(&mut self) {
        self.keeper = None;
        self.slot.interest = None;
        // Those not answered yet are asked again by their callers.
        self.slot.waiting.extend(self.slot.deferred.drain(..));
    }
}
