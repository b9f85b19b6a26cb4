//! A turn: a fair slice of a store's inbox, decided and committed as one.
//!
//! It takes what `gather` finds, as far as its time allows. The fence is captured before anything is read (D6).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use metrics::counter;

use crate::clock::{Stopwatch, Timestamp};
use crate::domain::store::command::{Command, Row};
use crate::domain::store::outcome::{Outcome, Refusal, Reply, RowEnd};
use crate::keeper::busy::timed;
use crate::keeper::commit::Decided;
use crate::keeper::core::KeeperCore;
use crate::keeper::exit::{Caught, Exit};
use crate::keeper::progress::Doing;
use crate::keeper::purge::Purge;
use crate::keeper::scheduler::{Scheduler, Taken, Temperature, TurnPermit};
use crate::telemetry::metric_name;

impl KeeperCore {
    /// Takes one turn if there may be rows; tells whether there were any.
    ///
    /// # Errors
    /// How the keeper ends.
    pub(super) async fn take_turn(&mut self) -> Result<bool, Exit> {
        self.more_to_read |= self.slot.take_backlog_hint();
        self.mind_allowance();
        if !self.may_have_rows() {
            return Ok(false);
        }
        let shared = Arc::clone(&self.shared);
        let Some(permit) = self.wait_for_turn(&shared.turns).await? else {
            return Ok(false);
        };
        self.slot.progress.begin(Doing::Turn, self.now());
        let (taken, busy) = timed(self.take_rows()).await;
        let (taken, busy) = (taken?, busy + self.take_judging());
        permit.end(taken, busy);
        let is_caught_up = self.ahead.is_empty() && !self.more_to_read;
        let rests = is_caught_up || self.state.coalesces(self.now());
        self.caught_up = rests.then(Stopwatch::start);
        self.left_rows = !is_caught_up;
        let hottest = taken.hottest();
        // Who was told of rows and finds none has not moved.
        if hottest.is_some() || !self.more_to_read {
            self.slot.moved();
        }
        let Some(hottest) = hottest else {
            return Ok(false);
        };
        counter!(metric_name::TURNS_TOTAL, "temperature" => hottest.name()).increment(1);
        self.slot.count_turn(self.now(), busy);
        self.purge_now_and_then();
        Ok(true)
    }

    /// Waits in line for a turn, and meanwhile does what need not wait for one: people's commands, answers of the
    /// platform, and calls when their time has come. Its place in line is kept. `None`: no turn begins any more.
    async fn wait_for_turn<'turns>(
        &mut self,
        turns: &'turns Scheduler,
    ) -> Result<Option<TurnPermit<'turns>>, Exit> {
        let (store, arbiter, rest) = (self.slot.store, self.slot.arbiter(), self.rest());
        let (shared, has_backlog) = (Arc::clone(&self.shared), self.left_rows);
        let weight = self.weight();
        let mut granted = pin!(async move {
            if !rest.is_zero() {
                tokio::time::sleep(rest).await;
            }
            if has_backlog {
                shared.storm.give_way().await;
            }
            turns.grant(arbiter, store, weight).await
        });
        let mut look_at = self.state.next_call_at(self.now());
        loop {
            tokio::select! {
                biased;
                // Ends with the permit, should safe mode have begun meanwhile.
                permit = &mut granted => return Ok(self.may_work().then_some(permit)),
                () = self.called(look_at) => {}
            }
            self.obey()?;
            if !self.may_work() {
                return Ok(None);
            }
            self.take_commands().await?;
            let may_be_more = self.call_turn().await?;
            look_at = if may_be_more {
                Some(self.now())
            } else {
                self.next_look()
            };
        }
    }

    /// Whether turns and calls may begin.
    pub(super) fn may_work(&self) -> bool {
        !self.shared.is_shutting_down() && !self.shared.safe_mode.is_on()
    }

    /// How long the store still rests from its last turn. One that was offered all there was may wait a moment for
    /// more: so a burst becomes few turns. A backlog never waits, unless the store is beyond its allowance.
    fn rest(&self) -> Duration {
        let rested = self.caught_up.map(Stopwatch::elapsed);
        let usual_ms = self.spacing_ms();
        let stormy_ms = self.shared.storm.spacing_ms().unwrap_or(0);
        let spacing_ms = usual_ms.max(stormy_ms);
        rested.map_or(Duration::ZERO, |rested| {
            Duration::from_millis(spacing_ms).saturating_sub(rested)
        })
    }

    /// Takes the rows of one turn.
    async fn take_rows(&mut self) -> Result<Taken, Exit> {
        let fence = self.fence;
        self.shared.hold_turn(self.slot.store).await;
        let (rows, parsing) = self.gather().await?;
        if rows.is_empty() {
            if self.state.taken().cursor() > self.cursor {
                // Rows were missing, and passed.
                self.commit(fence, Decided::default()).await?;
            }
            return Ok(Taken::default());
        }
        let (decided, taken) = self.decide_rows(rows, parsing)?;
        self.commit(fence, decided).await?;
        Ok(taken)
    }

    /// Decides rows until all are decided or the time for it is over, of which parsing took some; the rest goes back.
    fn decide_rows(&mut self, rows: Vec<Row>, parsing: Duration) -> Result<(Decided, Taken), Exit> {
        let (watch, now) = (Stopwatch::start(), self.now());
        let decide_max = Duration::from_micros(self.shared.settings.turn_decide_us_max);
        let mut decided = Decided {
            only_row: only(&rows),
            ..Decided::default()
        };
        let mut taken = Taken::default();
        let mut rows = rows.into_iter();
        for row in rows.by_ref() {
            self.one_by_one = self.one_by_one.saturating_sub(1);
            let outcome = self.decide_row(row, now)?;
            let (reply, _no_call) = decided.absorb(outcome);
            taken.add(temperature_of(&reply));
            if parsing + watch.elapsed() >= decide_max {
                break;
            }
        }
        // Parked rows are still in their lane.
        for row in rows.rev().filter(|row| !row.from_lane) {
            self.ahead.put_back(row);
        }
        Ok((decided, taken))
    }

    /// Decides one row. A panic ends the keeper, for nobody can vouch for the state then; what is known of it is
    /// which row it was.
    fn decide_row(&mut self, row: Row, now: Timestamp) -> Result<Outcome, Exit> {
        let seq = row.seq;
        let hook = self.shared.settings.before_apply.clone();
        self.slot.row.take(seq);
        let applied = catch_unwind(AssertUnwindSafe(|| {
            if let Some(hook) = hook {
                hook(&row);
            }
            self.state.apply(now, Command::TakeRow(row))
        }));
        self.slot.row.put_down();
        match applied {
            Ok(Ok(outcome)) => Ok(outcome),
            Ok(Err(refusal)) => Err(refused(seq, &refusal)),
            Err(payload) => Err(Exit::RowPanicked {
                seq,
                panic: Caught::of(payload.as_ref()),
            }),
        }
    }

    fn purge_now_and_then(&mut self) {
        if self.commits < self.shared.settings.purge_every_commits {
            return;
        }
        self.commits = 0;
        self.purge_behind_cursor();
    }

    /// Asks for the rows that are done with to be deleted, unless there are none since it last asked.
    pub(super) fn purge_behind_cursor(&mut self) {
        let purge = Purge {
            store: self.slot.store,
            up_to_seq: self.cursor,
        };
        if self.cursor > self.purged_to && self.shared.purge(purge) {
            self.purged_to = self.cursor;
        }
    }
}

/// The rules refuse no row; should they do so, it must not stand before the others for ever.
fn refused(seq: i64, refusal: &Refusal) -> Exit {
    Exit::RowPanicked {
        seq,
        panic: format!("refused: {refusal}").into(),
    }
}

fn only(rows: &[Row]) -> Option<i64> {
    match rows {
        [row] => Some(row.seq),
        [] | [_, _, ..] => None,
    }
}

const fn temperature_of(reply: &Reply) -> Temperature {
    match reply {
        Reply::Row(RowEnd::Naked) => Temperature::Naked,
        Reply::Row(RowEnd::Cold) => Temperature::Cold,
        Reply::Row(RowEnd::Hot | RowEnd::Parked | RowEnd::Dead)
        | Reply::Done
        | Reply::Bundle(_)
        | Reply::Waiting
        | Reply::NoCall => Temperature::Hot,
    }
}
