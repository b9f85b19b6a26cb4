//! The one way to change a store: command in, outcome out.

use crate::clock::Timestamp;
use crate::domain::call::{Reply as CallReply, Request, Write};
use crate::domain::fact::Fact;
use crate::domain::order::OrderState;
use crate::domain::store::change::{Change, DeadLetterClass};
use crate::domain::store::command::{Command, Row};
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
        match command {
            Command::TakeRow(row) => Ok(self.take_row(now, &row)),
            Command::RowCrashed { seq, reason } => Ok(self.row_crashed(now, seq, reason)),
            Command::PlanCall { fresh } => Ok(self.plan_call(now, fresh)),
            Command::CallAnswered { call, answer } => self.call_answered(now, call, answer),
            Command::PutBundle(draft) => self.put_bundle(now, &draft),
            Command::DeleteBundle(id) => self.delete_bundle(now, id),
            Command::Pause { reason } => Ok(self.pause(reason)),
            Command::Resume => Ok(self.resume()),
            Command::ReconcileNow => {
                self.reconcile_now();
                Ok(Outcome::default())
            }
            Command::RetryDeadLetter { id, seq } => self.retry_dead_letter(now, id, seq),
            Command::DiscardDeadLetter(id) => Ok(discard(id)),
            Command::TokenRenewed => Ok(self.token_renewed()),
        }
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
            | Command::DeleteBundle(_)
            | Command::Pause { .. }
            | Command::Resume
            | Command::ReconcileNow
            | Command::RetryDeadLetter { .. }
            | Command::DiscardDeadLetter(_)
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
            Ok(_) | Err(_) => Vec::new(),
        };
        written.into_iter().chain(asked).chain(told).collect()
    }

    /// Remembers a row that crashed the keeper; the third time it is given up, wherever it stands.
    fn row_crashed(&mut self, now: Timestamp, seq: i64, reason: String) -> Outcome {
        let mut outcome = Outcome::default();
        let crashes = self
            .suspect
            .as_ref()
            .filter(|suspect| suspect.seq == seq)
            .map_or(0, |suspect| suspect.crashes);
        if crashes + 1 < CRASHES_MAX {
            self.suspect = Some(Suspect {
                seq,
                crashes: crashes + 1,
                reason,
            });
            return outcome;
        }
        self.suspect = None;
        self.counts.dead += 1;
        // Taken alone, so it stands right behind the cursor; a row of a lane is behind it already.
        if seq == self.counts.cursor + 1 {
            self.counts.cursor = seq;
        }
        self.lanes.leave(seq, now);
        self.bury_row(seq, DeadLetterClass::Poison, reason, now, &mut outcome);
        outcome
    }

    fn pause(&mut self, reason: String) -> Outcome {
        self.paused = Some(Pause::ByAdmin { reason });
        Outcome::default()
    }

    fn resume(&mut self) -> Outcome {
        self.paused = None;
        Outcome::default()
    }

    fn token_renewed(&mut self) -> Outcome {
        if matches!(self.paused, Some(Pause::Barred(_) | Pause::Uninstalled)) {
            self.paused = None;
        }
        Outcome::default()
    }

    fn retry_dead_letter(
        &mut self,
        now: Timestamp,
        id: DeadLetterId,
        seq: Option<i64>,
    ) -> Result<Outcome, Refusal> {
        let seq = seq
            .filter(|seq| dead_letter_id(self.store, *seq) == id)
            .ok_or(Refusal::NothingToRetry)?;
        let parked = self.lanes.revive(seq, &self.settings.retry, now);
        self.counts.dead -= 1;
        let mut outcome = Outcome::default();
        outcome.changes.put(Change::ReviveDeadLetter { id, parked });
        Ok(outcome)
    }
}

fn discard(id: DeadLetterId) -> Outcome {
    let mut outcome = Outcome::default();
    outcome.changes.put(Change::DeleteDeadLetter(id));
    outcome
}

/// The order that a row is about.
fn order_of(row: &Row) -> Option<OrderId> {
    match row.fact.as_ref().ok()? {
        Fact::Order(snapshot) => Some(snapshot.order),
        Fact::Refund(refund) => Some(refund.order),
        Fact::OrderTouched(order) | Fact::OrderDeleted(order) => Some(*order),
        Fact::Level(_)
        | Fact::LevelGone { .. }
        | Fact::Item(_)
        | Fact::ItemGone(_)
        | Fact::Product(_)
        | Fact::ProductGone(_)
        | Fact::LocationsTouched
        | Fact::Uninstalled
        | Fact::Unneeded => None,
    }
}
