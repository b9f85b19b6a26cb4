//! The one way to change a store: command in, outcome out.

use crate::clock::Timestamp;
use crate::domain::call::{Reply as CallReply, Request, Write};
use crate::domain::order::OrderState;
use crate::domain::store::change::{Change, DeadLetterClass};
use crate::domain::store::command::{Command, Row};
use crate::domain::store::letter_edit::LetterEdit;
use crate::domain::store::outcome::{Outcome, Refusal};
use crate::domain::store::state::{Pause, StoreState, Suspect, dead_letter_id, orders_of};
use crate::ids::{DeadLetterId, OrderId};

/// A row that crashes the keeper this often is given up.
const CRASHES_MAX: u32 = 3;

impl StoreState {
    /// Carries out a command.
    ///
    /// # Errors
    /// A [`Refusal`] when the rules say no; the state is unchanged then.
    pub fn apply(&mut self, now: Timestamp, command: Command) -> Result<Outcome, Refusal> {
        let mut outcome = Outcome::at(now);
        match command {
            Command::TakeRow(row) => self.take_row(&row, &mut outcome)?,
            Command::RowCrashed { seq, reason } => self.row_crashed(seq, reason, &mut outcome),
            Command::PlanCall { fresh } => self.plan_call(fresh, &mut outcome),
            Command::CallAnswered { call, answer } => {
                self.call_answered(call, answer, &mut outcome)?;
            }
            Command::PutBundle(draft) => self.put_bundle(&draft, &mut outcome)?,
            Command::DeleteBundle { id, seen } => {
                self.delete_bundle(id, seen.as_deref(), &mut outcome)?;
            }
            Command::PutPolicy { policy, seen } => {
                self.put_policy(*policy, seen.as_deref(), &mut outcome)?;
            }
            Command::Pause { reason } => self.paused = Some(Pause::ByAdmin { reason }),
            Command::Resume => self.paused = None,
            Command::ReconcileNow => self.reconcile_now(),
            Command::RetryDeadLetter { id, seq, edit } => {
                self.retry_dead_letter((id, seq), edit, &mut outcome)?;
            }
            Command::DiscardDeadLetter(id) => {
                self.counts.dead = (self.counts.dead - 1).max(0);
                outcome.changes.put(Change::DeleteDeadLetter(id));
            }
            Command::SweepNaked { until } => self.order_naked_sweep(until, now),
            Command::TokenRenewed => self.token_renewed(now),
        }
        Ok(outcome)
    }

    /// Orders of the ledger that must be in memory before `command` is applied.
    #[must_use]
    pub fn orders_needed(&self, command: &Command) -> Vec<OrderId> {
        let named = match command {
            Command::TakeRow(row) => order_of(row).into_iter().collect(),
            Command::CallAnswered { call, answer } => self.orders_of_answer(*call, answer),
            Command::RowCrashed { .. }
            | Command::PlanCall { .. }
            | Command::PutBundle(_)
            | Command::DeleteBundle { .. }
            | Command::PutPolicy { .. }
            | Command::Pause { .. }
            | Command::Resume
            | Command::ReconcileNow
            | Command::RetryDeadLetter { .. }
            | Command::DiscardDeadLetter(_)
            | Command::SweepNaked { .. }
            | Command::TokenRenewed => Vec::new(),
        };
        named
            .into_iter()
            .filter(|order| self.ledger.must_load(*order))
            .collect()
    }

    /// Takes orders of the ledger into memory. Those already there are kept.
    pub fn admit(&mut self, orders: Vec<OrderState>) {
        for order in orders {
            self.ledger.admit(order);
        }
    }

    fn orders_of_answer(
        &self,
        call: crate::ids::CallId,
        answer: &crate::domain::call::Answer,
    ) -> Vec<OrderId> {
        let written = self
            .open_calls
            .get(&call)
            .map(|record| orders_of(&record.write))
            .unwrap_or_default();
        let asked = self
            .in_flight
            .as_ref()
            .filter(|in_flight| in_flight.call.id == call);
        let asked = asked.and_then(|in_flight| match &in_flight.call.request {
            Request::Read(read) => read.order(),
            Request::Write(Write::Adjust(_) | Write::Set(_) | Write::Activate { .. }) => None,
        });
        let told = match &answer.result {
            Ok(CallReply::OrdersPage { orders, .. }) => {
                orders.iter().map(|order| order.order).collect()
            }
            Ok(CallReply::OrderOf(order)) => order.iter().copied().collect(),
            Ok(_) | Err(_) => Vec::new(),
        };
        written.into_iter().chain(asked).chain(told).collect()
    }

    /// Remembers a row that crashed the keeper; the third time it is given up, wherever it stands.
    fn row_crashed(&mut self, seq: i64, reason: String, outcome: &mut Outcome) {
        let suspect = self.suspect.as_ref().filter(|suspect| suspect.seq == seq);
        let crashes = suspect.map_or(0, |suspect| suspect.crashes) + 1;
        // A suspect is taken in its order and alone, so it stands right behind the cursor; a row of a lane is done with. One
        // that has brought the keeper down before those in front of it were committed waits for them.
        let taken = &mut self.counts.taken;
        let is_given_up = crashes >= CRASHES_MAX && (taken.contains(seq) || taken.take(seq));
        if !is_given_up {
            self.suspect = Some(Suspect {
                seq,
                crashes,
                reason,
            });
            return;
        }
        self.suspect = None;
        self.counts.dead += 1;
        self.lanes.leave(seq, outcome.at);
        self.bury_row(seq, DeadLetterClass::Poison, reason, outcome);
    }

    /// The app was installed again, or given another token: what was told of the time before is late.
    fn token_renewed(&mut self, now: Timestamp) {
        self.installed_at = Some(self.platform_now(now));
        self.renewed_at = Some(now);
        self.paused.take_if(|pause| pause.ends_with_token());
    }

    fn retry_dead_letter(
        &mut self,
        (id, seq): (DeadLetterId, Option<i64>),
        edit: Option<Box<LetterEdit>>,
        outcome: &mut Outcome,
    ) -> Result<(), Refusal> {
        let Some(seq) = seq else {
            if edit.is_some() {
                return Err(Refusal::NothingToRetry);
            }
            self.retry_refused_writes(id, outcome);
            return Ok(());
        };
        let seq = Some(seq)
            .filter(|seq| dead_letter_id(self.store, *seq) == id)
            .ok_or(Refusal::NothingToRetry)?;
        let parked = self.lanes.revive(seq, &self.settings.retry, outcome.at);
        self.counts.dead = (self.counts.dead - 1).max(0);
        let revived = Change::ReviveDeadLetter { id, parked, edit };
        outcome.changes.put(revived);
        Ok(())
    }

    /// A write that was refused has no row of its own to retry: everything that is refused is tried again.
    fn retry_refused_writes(&mut self, id: DeadLetterId, outcome: &mut Outcome) {
        for item in self.stock.page_after(None, usize::MAX) {
            self.stock.mark_unusable(item, false, &mut outcome.changes);
            self.unblock(item, outcome);
        }
        self.place_unplaced_again(outcome);
        self.dirty_all();
        self.counts.dead = (self.counts.dead - 1).max(0);
        outcome.changes.put(Change::DeleteDeadLetter(id));
    }
}

/// The order that a row is about.
fn order_of(row: &Row) -> Option<OrderId> {
    row.fact.as_ref().ok()?.order()
}
