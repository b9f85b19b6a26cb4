//! A store's state with what is needed to change it: plain async functions around the pure rules.
//!
//! A step takes the core by value and gives it back when it is over. So a step that panics, or is dropped at any
//! `await`, takes the core with it: nobody ever works on a state that is half changed (INV-J). What a step has not
//! committed is still in the inbox, in the slot, or with the caller.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::OptionFuture;

use crate::clock::{Stopwatch, Timestamp};
use crate::db::{DbError, keepers, orders};
use crate::domain::backlog::Selector;
use crate::domain::store::change::DeadLetterRecord;
use crate::domain::store::command::Command;
use crate::domain::store::state::{Loaded, StoreState};
use crate::ids::GrantId;
use crate::keeper::ahead::Ahead;
use crate::keeper::board::Board;
use crate::keeper::commit::Decided;
use crate::keeper::exit::{Aftermath, Deactivation, Exit};
use crate::keeper::handle::{CommandError, Control};
use crate::keeper::settings::Moment;
use crate::keeper::shared::Shared;
use crate::keeper::slot::Slot;
use crate::keeper::status::KnownStanding;

/// What a commit compares (D6). Known only to the keeper that holds it: it is never read again after activation, only
/// advanced by its own commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fence {
    pub(super) grant: GrantId,
    pub(super) applied_seq: i64,
}

/// What a keeper does after a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// There may be more to do at once.
    Again,
    /// Nothing to do before this, unless somebody rings.
    WaitUntil(Timestamp),
}

/// A store's state with what is needed to change it.
#[derive(Debug)]
pub(super) struct KeeperCore {
    pub(super) shared: Arc<Shared>,
    pub(super) slot: Arc<Slot>,
    pub(super) state: StoreState,
    pub(super) fence: Fence,
    /// Rows read from the log and not yet taken, of one place.
    pub(super) ahead: Ahead,
    pub(super) selector: Selector,
    /// Follows one that rows brought down: nothing is overtaken, so that they are met in their order.
    pub(super) in_order: bool,
    /// There may be rows beyond those in `ahead`.
    pub(super) more_to_read: bool,
    /// So many rows are still to be taken one by one.
    pub(super) one_by_one: usize,
    pub(super) board: Board,
    /// Commits since rows behind the cursor were purged.
    pub(super) commits: u32,
    /// The last row done with, as of the last commit.
    pub(super) cursor: i64,
    /// Rows up to this number have been asked to be purged.
    pub(super) purged_to: i64,
    worked_at: Timestamp,
    /// What was given up, and is yet to be told in the log.
    pub(super) buried: Vec<DeadLetterRecord>,
    /// Since the last turn, if the store rests after it.
    pub(super) caught_up: Option<Stopwatch>,
    /// The last turn left rows of the log.
    pub(super) left_rows: bool,
    /// How long rows were judged for it, and not yet charged.
    pub(super) judging: Duration,
}

impl KeeperCore {
    /// Claims the store with a fresh grant and rebuilds its state from the database. The first thing it does, if its
    /// predecessor was brought down by a row, is to put that down, so that it is not forgotten with the next crash.
    ///
    /// # Errors
    /// [`Exit::LoadFailed`], or how the commit of the crash ended.
    pub(super) async fn activate(
        shared: Arc<Shared>,
        slot: Arc<Slot>,
        aftermath: &mut Aftermath,
    ) -> Result<Box<Self>, Exit> {
        let grant = GrantId(shared.deps.ids.random_uuid());
        let now = shared.deps.clock.now();
        let (db, store, told) = (shared.deps.db.clone(), slot.store, slot.quota.told());
        let activation = shared
            .home
            .serve(async move { Box::pin(keepers::activate(&db, store, grant, now)).await })
            .await
            .map_err(|error| match error {
                DbError::NotFound(_) => Exit::NoSuchStore,
                DbError::Conflict
                | DbError::Busy
                | DbError::Full
                | DbError::Unavailable(_)
                | DbError::Broken(_) => Exit::load_failed("activate the store", &error),
            })?;
        let fence = Fence {
            grant,
            applied_seq: activation.applied_seq,
        };
        let standing = KnownStanding {
            plan: activation.plan,
            record: activation.standing,
        };
        slot.quota.load(standing, told);
        let mut core = Box::new(Self::around(shared, slot, fence, activation.loaded));
        core.one_by_one = aftermath.one_by_one;
        core.in_order = aftermath.in_order || core.one_by_one > 0 || aftermath.crash.is_some();
        core.record_crash(aftermath).await?;
        *aftermath = Aftermath::default();
        core.slot.requeue_deferred();
        core.publish_all(now);
        // What predecessors left, should they have ended before they asked.
        core.purge_behind_cursor();
        Ok(core)
    }

    fn around(shared: Arc<Shared>, slot: Arc<Slot>, fence: Fence, loaded: Loaded) -> Self {
        shared.reach(slot.store, Moment::Restore);
        let now = shared.deps.clock.now();
        let cursor = loaded.keeper.cursor;
        let selector = Selector::new(
            shared.settings.selection,
            i64::try_from(shared.settings.turn_rows_max).unwrap_or(i64::MAX),
        );
        let state = StoreState::restore(slot.store, loaded, shared.settings.store.clone(), now);
        let board = Board::draw(slot.store, &state, now);
        Self {
            shared,
            slot,
            state,
            fence,
            ahead: Ahead::default(),
            selector,
            in_order: false,
            more_to_read: true,
            one_by_one: 0,
            board,
            commits: 0,
            cursor,
            purged_to: 0,
            worked_at: now,
            buried: Vec::new(),
            caught_up: None,
            left_rows: false,
            judging: Duration::ZERO,
        }
    }

    async fn record_crash(&mut self, aftermath: &Aftermath) -> Result<(), Exit> {
        let Some((seq, reason)) = aftermath.crash.clone() else {
            return Ok(());
        };
        let fence = self.fence;
        let command = Command::RowCrashed { seq, reason };
        self.load_orders([&command]).await?;
        let mut decided = Decided::default();
        match self.state.apply(self.now(), command) {
            Ok(outcome) => drop(decided.absorb(outcome)),
            Err(refusal) => {
                tracing::error!(store = %self.slot.store, seq, %refusal, "crash of a row not recorded");
            }
        }
        self.commit(fence, decided).await
    }

    /// Does what there is to do now: admin's wishes, commands and an answer, one turn of rows, one call.
    ///
    /// # Errors
    /// How the keeper ends; its core is gone then.
    pub(super) async fn step(mut self: Box<Self>) -> Result<(Box<Self>, Next), Exit> {
        let is_dismissed = self.slot.hear();
        let is_ending = self.shared.is_shutting_down();
        let worked = self.work().await;
        // Also of a step that fails: what it committed before stands.
        self.tell_of_dead_letters().await;
        let worked = worked?;
        if is_ending && !self.slot.call_in_flight() {
            return Err(Exit::ShutDown);
        }
        self.wait(worked, is_dismissed && !is_ending).await
    }

    /// Commands first, then rows, then a call. Whether there was anything to do.
    async fn work(&mut self) -> Result<bool, Exit> {
        self.obey()?;
        if self.shared.safe_mode.is_on() && !self.shared.is_shutting_down() {
            self.slot.refuse_waiting(&CommandError::SafeMode);
            return Ok(false);
        }
        let mut worked = self.take_commands().await?;
        if !self.shared.is_shutting_down() {
            worked |= self.take_turn().await?;
            worked |= self.call_turn().await?;
        }
        Ok(worked)
    }

    pub(super) fn obey(&self) -> Result<(), Exit> {
        let Some((control, reason)) = self.slot.take_control() else {
            return self.leave_for_new_seat();
        };
        match control {
            Control::Restart => Err(Exit::Deactivated(Deactivation::Restart { reason })),
            Control::Deactivate => Err(Exit::Deactivated(Deactivation::Requested { reason })),
            Control::Quarantine => Err(Exit::Deactivated(Deactivation::Quarantine { reason })),
            Control::Release => Ok(()),
        }
    }

    /// Ends here if it is to live on elsewhere: not before the answer to its call is there, since its successor knows
    /// of no call, and not when something is wrong with the store.
    fn leave_for_new_seat(&self) -> Result<(), Exit> {
        if !self.slot.is_wanted_elsewhere() || self.shared.is_shutting_down() {
            return Ok(());
        }
        let is_unwell = self.state.is_left_alone(self.now())
            || self.slot.progress.stuck().is_some()
            || self.shared.safe_mode.is_on();
        if is_unwell {
            self.slot.stay();
            return Ok(());
        }
        if self.slot.call_in_flight() {
            return Ok(());
        }
        Err(Exit::Deactivated(Deactivation::Moved {
            one_by_one: self.one_by_one,
            in_order: self.in_order,
        }))
    }

    /// What follows a step. Who worked stays, also when it was told to leave for want of work.
    async fn wait(
        mut self: Box<Self>,
        worked: bool,
        is_dismissed: bool,
    ) -> Result<(Box<Self>, Next), Exit> {
        let now = self.now();
        if worked {
            self.worked_at = now;
            return Ok((self, Next::Again));
        }
        let idle_at = self.worked_at.plus_millis(self.shared.settings.idle_ms);
        let may_leave = idle_at <= now || is_dismissed;
        if may_leave && !self.slot.call_in_flight() && !self.slot.has_commands() {
            self.leave_tidy().await?;
            self.purge_behind_cursor();
            return Err(Exit::Deactivated(if idle_at <= now {
                Deactivation::Idle
            } else {
                Deactivation::Dismissed
            }));
        }
        self.slot.rests(self.worked_at);
        let deadline = self
            .state
            .next_deadline(now)
            .map_or(idle_at, |deadline| deadline.min(idle_at));
        let deadline = self.not_at_once(deadline);
        Ok((self, Next::WaitUntil(deadline)))
    }

    /// A deadline that has passed and brought no work must not become a loop without a pause.
    fn not_at_once(&self, deadline: Timestamp) -> Timestamp {
        let now = self.now();
        if deadline <= now {
            now.plus_millis(self.shared.settings.stall_ms)
        } else {
            deadline
        }
    }

    /// When the next call can be made, having just looked; `None`: not before something comes.
    pub(super) fn next_look(&self) -> Option<Timestamp> {
        let deadline = self.state.next_call_at(self.now())?;
        Some(self.not_at_once(deadline))
    }

    /// Waits for what need not wait for a turn: a command, an answer, an admin's wish, the end of the process, or
    /// `look_at`.
    pub(super) async fn called(&self, look_at: Option<Timestamp>) {
        let clock = &self.shared.deps.clock;
        let look = OptionFuture::from(look_at.map(|deadline| clock.sleep_until(deadline)));
        let mut look = pin!(look);
        while !self.slot.is_called() && !self.shared.is_shutting_down() {
            tokio::select! {
                Some(()) = &mut look => return,
                () = self.slot.call() => {}
            }
        }
    }

    /// Writes what only memory knows: naked webhooks counted, and when to be woken.
    async fn leave_tidy(&mut self) -> Result<(), Exit> {
        let fence = self.fence;
        self.commit(fence, Decided::default()).await
    }

    pub(super) fn now(&self) -> Timestamp {
        self.shared.deps.clock.now()
    }

    /// Brings the orders that `commands` need into memory, with one query.
    pub(super) async fn load_orders<'command>(
        &mut self,
        commands: impl IntoIterator<Item = &'command Command>,
    ) -> Result<(), Exit> {
        let needed: BTreeSet<_> = commands
            .into_iter()
            .flat_map(|command| self.state.orders_needed(command))
            .collect();
        if needed.is_empty() {
            return Ok(());
        }
        let needed: Vec<_> = needed.into_iter().collect();
        let (db, store) = (self.shared.deps.db.clone(), self.slot.store);
        let orders = self
            .shared
            .home
            .serve(async move { orders::load(&db, store, &needed).await })
            .await
            .map_err(|error| Exit::load_failed("load orders", &error))?;
        self.state.admit(orders);
        Ok(())
    }
}
