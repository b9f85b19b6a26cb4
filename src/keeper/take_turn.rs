//! A turn: a fair slice of a store's inbox, decided and committed as one.
//!
//! Parked rows that are due come first, then the longest prefix of the log that stays within the bounds: distinct
//! resources, rows, and time spent parsing and deciding. The fence is captured before anything is read (D6).

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use metrics::counter;

use crate::clock::{Stopwatch, Timestamp};
use crate::db::inbox::InboxRow;
use crate::db::{inbox, parking};
use crate::deps::Platform;
use crate::domain::fact::Fact;
use crate::domain::store::command::{Command, Row};
use crate::domain::store::outcome::{Outcome, Refusal, Reply, RowEnd};
use crate::ids::{ItemId, OrderId, ProductId};
use crate::keeper::ahead;
use crate::keeper::busy::timed;
use crate::keeper::commit::Decided;
use crate::keeper::core::KeeperCore;
use crate::keeper::exit::{Deactivation, Exit, panic_reason};
use crate::keeper::progress::Doing;
use crate::keeper::purge::Purge;
use crate::keeper::scheduler::{Scheduler, Taken, Temperature, TurnPermit, Weight};
use crate::keeper::slot::Slot;
use crate::telemetry::metric_name;

/// A turn parses new rows for at most this part of its time, so that it decides what it has parsed.
const PARSING_PART: u64 = 2;

/// What a row is about; a turn is bounded by how many different ones it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Resource {
    Order(OrderId),
    Item(ItemId),
    Product(ProductId),
    Store,
}

/// A row of the parking lane that is due.
#[derive(Debug)]
enum Parked {
    Found(InboxRow),
    /// Its body is not there.
    Missing(i64),
}

impl Parked {
    fn parse(self, platform: &dyn Platform, slot: &Slot) -> Row {
        match self {
            Self::Found(row) => ahead::parse(platform, slot, row, true),
            Self::Missing(seq) => Row {
                seq,
                topic: String::new(),
                fact: Err("its body is gone from the parking lane".to_owned()),
                triggered_at: None,
                from_lane: true,
            },
        }
    }
}

impl KeeperCore {
    /// Takes one turn if there may be rows; tells whether there were any.
    ///
    /// # Errors
    /// How the keeper ends.
    pub(super) async fn take_turn(&mut self) -> Result<bool, Exit> {
        self.more_to_read |= self.slot.take_backlog_hint();
        if !self.may_have_rows() {
            return Ok(false);
        }
        let shared = Arc::clone(&self.shared);
        let Some(permit) = self.wait_for_turn(&shared.turns).await? else {
            return Ok(false);
        };
        self.slot.progress.begin(Doing::Turn, self.now());
        let (taken, busy) = timed(self.take_rows()).await;
        let taken = taken?;
        permit.end(taken, busy);
        let is_caught_up = self.ahead.is_empty() && !self.more_to_read;
        self.caught_up = is_caught_up.then(Stopwatch::start);
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
        let (store, rest) = (self.slot.store, self.rest());
        let mut granted = pin!(async move {
            if !rest.is_zero() {
                tokio::time::sleep(rest).await;
            }
            turns.grant(store, Weight::FULL).await
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
    /// more: so a burst becomes few turns. A backlog never waits.
    fn rest(&self) -> Duration {
        let rested = self.caught_up.map(Stopwatch::elapsed);
        rested.map_or(Duration::ZERO, |rested| {
            Duration::from_millis(self.shared.settings.turn_spacing_ms).saturating_sub(rested)
        })
    }

    /// Takes the rows of one turn.
    async fn take_rows(&mut self) -> Result<Taken, Exit> {
        let fence = self.fence;
        let (rows, parsing) = self.gather().await?;
        if rows.is_empty() {
            return Ok(Taken::default());
        }
        let (decided, taken) = self.decide_rows(rows, parsing)?;
        self.commit(fence, decided).await?;
        Ok(taken)
    }

    fn may_have_rows(&self) -> bool {
        self.more_to_read
            || !self.ahead.is_empty()
            || !self.state.due_parked(self.now(), 1).is_empty()
    }

    /// Reads what this turn may take: parked rows first, then rows of the log, with the orders that they need. Rows
    /// of the log stay in `ahead` until they are decided. Tells also how long it took to parse them.
    async fn gather(&mut self) -> Result<(Vec<Row>, Duration), Exit> {
        let parked = self.due_parked_rows().await?;
        let last_seq = self.read_ahead().await?;
        self.state.saw_head(last_seq);
        let backlog = usize::try_from(last_seq.saturating_sub(self.read_to))
            .unwrap_or(0)
            .saturating_add(self.ahead.len());
        let watch = Stopwatch::start();
        let rows = self.select(parked, backlog);
        let parsing = watch.elapsed();
        let commands: Vec<_> = rows.into_iter().map(Command::TakeRow).collect();
        self.load_orders(&commands).await?;
        let rows = commands.into_iter().filter_map(into_row).collect();
        Ok((rows, parsing))
    }

    async fn due_parked_rows(&self) -> Result<Vec<Parked>, Exit> {
        let due = self
            .state
            .due_parked(self.now(), self.shared.settings.turn_parked_max);
        if due.is_empty() {
            return Ok(Vec::new());
        }
        let (db, store, wanted) = (self.shared.deps.db.clone(), self.slot.store, due.clone());
        let mut found = self
            .shared
            .home
            .serve(async move { parking::load(&db, store, &wanted).await })
            .await
            .map_err(|error| Exit::load_failed("read parked rows", &error))?;
        // The order in which the rules want them, whatever the order in which the database gave them.
        let rows = due
            .iter()
            .map(|&seq| match found.iter().position(|row| row.seq == seq) {
                Some(index) => Parked::Found(found.swap_remove(index)),
                None => Parked::Missing(seq),
            });
        Ok(rows.collect())
    }

    /// Reads rows of the log unless some are left of the last time; gives the number of the log's last row.
    async fn read_ahead(&mut self) -> Result<i64, Exit> {
        let settings = &self.shared.settings;
        let rows_max = if self.ahead.is_empty() {
            u64::try_from(settings.turn_rows_max).unwrap_or(u64::MAX)
        } else {
            0
        };
        let (db, store) = (self.shared.deps.db.clone(), self.slot.store);
        let (read_to, bytes_max) = (self.read_to, settings.turn_bytes_max);
        let look = async move { inbox::look_ahead(&db, store, read_to, rows_max, bytes_max).await };
        let found = self
            .shared
            .home
            .serve(look)
            .await
            .map_err(|error| Exit::load_failed("read the inbox", &error))?;
        if self.state.installation() != found.installed_at {
            // Whoever installed the app anew may not have come to tell. The successor learns it as it loads.
            let reason = "the app was installed anew".to_owned();
            return Err(Exit::Deactivated(Deactivation::Restart { reason }));
        }
        self.read_to = found.rows.last().map_or(self.read_to, |row| row.seq);
        // What comes after this look rings anew.
        self.more_to_read = self.read_to < found.last_seq;
        self.ahead.extend(found.rows);
        Ok(found.last_seq)
    }

    /// The rows of this turn, parsed. A row that brought the keeper down before is taken alone, so that it takes
    /// nothing with it when it does so again; after a refused commit, so is every row.
    fn select(&mut self, parked: Vec<Parked>, backlog: usize) -> Vec<Row> {
        let (watch, platform) = (Stopwatch::start(), &*self.shared.deps.platform);
        let slot = &*self.slot;
        let settings = &self.shared.settings;
        let parsing_max = Duration::from_micros(settings.turn_decide_us_max / PARSING_PART);
        let alone = self.state.suspect().map(|suspect| suspect.seq);
        let resources_max = backlog
            .max(settings.turn_resources_min)
            .min(settings.turn_resources_max);
        let rows_max = if self.one_by_one > 0 {
            1
        } else {
            settings.turn_rows_max
        };
        let mut resources = BTreeSet::new();
        let mut rows = Vec::new();
        let parked = parked.into_iter().map(|row| row.parse(platform, slot));
        let mut parked = parked.peekable();
        // Once the parked rows have filled a turn, those of the log wait for the next.
        while rows.len() < rows_max && (rows.is_empty() || watch.elapsed() < parsing_max) {
            let Some(next) = parked.peek().or_else(|| self.ahead.peek(platform, slot)) else {
                break;
            };
            let is_alone = alone == Some(next.seq);
            resources.extend(resource_of(next));
            if !rows.is_empty() && (is_alone || resources.len() > resources_max) {
                break;
            }
            rows.extend(parked.next().or_else(|| self.ahead.pop()));
            if is_alone {
                break;
            }
        }
        rows
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
        self.slot.take_row_in_hand(seq);
        let applied = catch_unwind(AssertUnwindSafe(|| {
            if let Some(hook) = hook {
                hook(&row);
            }
            self.state.apply(now, Command::TakeRow(row))
        }));
        self.slot.put_down_row();
        match applied {
            Ok(Ok(outcome)) => Ok(outcome),
            Ok(Err(refusal)) => Err(refused(seq, &refusal)),
            Err(payload) => Err(Exit::RowPanicked {
                seq,
                reason: panic_reason(payload.as_ref()),
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
        reason: format!("refused: {refusal}"),
    }
}

fn only(rows: &[Row]) -> Option<i64> {
    match rows {
        [row] => Some(row.seq),
        [] | [_, _, ..] => None,
    }
}

fn into_row(command: Command) -> Option<Row> {
    if let Command::TakeRow(row) = command {
        Some(row)
    } else {
        None
    }
}

fn resource_of(row: &Row) -> Option<Resource> {
    match row.fact.as_ref().ok()? {
        Fact::Order(order) => Some(Resource::Order(order.order)),
        Fact::Refund(refund) => Some(Resource::Order(refund.order)),
        Fact::OrderTouched(order) | Fact::OrderDeleted(order) => Some(Resource::Order(*order)),
        Fact::PartTouched(_) => Some(Resource::Store),
        Fact::Level(level) => Some(Resource::Item(level.item)),
        Fact::LevelGone { item, .. } | Fact::ItemGone(item) => Some(Resource::Item(*item)),
        Fact::Item(item) => Some(Resource::Item(item.item)),
        Fact::Product(product) => Some(Resource::Product(product.product)),
        Fact::ProductGone(product) => Some(Resource::Product(*product)),
        Fact::LocationsTouched | Fact::Uninstalled => Some(Resource::Store),
        Fact::Unneeded => None,
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
