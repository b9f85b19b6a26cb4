//! A keeper's step, as `keeper` does it: commands and an answer, a turn of rows, a call; each decided here, committed
//! and performed later, with everything that can come in between.

use std::collections::BTreeSet;

use storekeeper::clock::Timestamp;
use storekeeper::domain::backlog::{Manner, Selector};
use storekeeper::domain::fact::Fact;
use storekeeper::domain::interest::Interest;
use storekeeper::domain::store::command::{Command, Row};
use storekeeper::domain::store::outcome::Reply;
use storekeeper::domain::store::state::StoreState;
use storekeeper::ids::CallId;

use crate::door::mentions;
use crate::host::{Aftermath, Decided, Host, Keeper, Phase, Stage};
use crate::planted::Plant;
use crate::rules::Rule;
use crate::run::{Event, Run};
use crate::tables::{InboxRow, Tables};

/// As in the keeper's settings.
const RESOURCES_MIN: usize = 5;
const RESOURCES_MAX: usize = 20;
const ROWS_MAX: usize = 60;
const LOOKS_MAX: usize = 3;
const PARKED_MAX: usize = 20;
const COMMANDS_MAX: usize = 20;
const STALL_MS: i64 = 1_000;
/// The longest between two searches for stores to wake.
const SCAN_MS: i64 = 1_000;

/// What a row is about; bounds a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Resource {
    Order(i64),
    Item(i64),
    Product(i64),
    Store,
}

/// What goes wrong at a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mishap {
    Keeper,
    Process,
    Freeze,
}

impl Run {
    /// A host's alarm rings: its keeper takes a step, or is started.
    pub(crate) fn ring(&mut self, index: usize, epoch: u64, alarm: u64) {
        let Some(mut host) = self.lift(index, epoch, alarm) else {
            return;
        };
        host.rings_at = None;
        let now = self.now;
        if host.rests_until > now || self.down_until > now {
            let until = host.rests_until.max(self.down_until);
            self.put_back(index, host);
            self.wake_at(index, epoch, until);
            return;
        }
        if host.keeper.is_none() {
            self.activate_if_due(index, &mut host);
        } else {
            self.step(index, &mut host);
        }
        self.put_back(index, host);
    }

    /// Takes the host out whose alarm this is.
    fn lift(&mut self, index: usize, epoch: u64, alarm: u64) -> Option<Box<Host>> {
        let site = self.site(index);
        if site.host.epoch == epoch && site.host.alarm == alarm {
            return Some(std::mem::take(&mut site.host));
        }
        let former = site
            .frozen
            .iter()
            .position(|host| host.epoch == epoch && host.alarm == alarm)?;
        Some(Box::new(site.frozen.swap_remove(former)))
    }

    /// Puts a host back. A keeper that has ended in a former host is gone for good; what it wrote before, the search for
    /// stores to wake finds.
    fn put_back(&mut self, index: usize, host: Box<Host>) {
        let now = self.now;
        let site = self.site(index);
        if site.host.epoch == 0 {
            site.host = host;
            return;
        }
        let (epoch, is_asleep) = (site.host.epoch, site.host.keeper.is_none());
        if host.keeper.is_some() {
            site.frozen.push(*host);
        }
        if is_asleep {
            self.wake_at(index, epoch, now.plus_millis(SCAN_MS));
        }
    }

    /// Sets a host's alarm, unless it rings before.
    pub(crate) fn wake_at(&mut self, index: usize, epoch: u64, at: Timestamp) {
        let alarm = self.number();
        let now = self.now;
        let site = self.site(index);
        let mut hosts = std::iter::once(&mut *site.host).chain(&mut site.frozen);
        let Some(host) = hosts
            .find(|host| host.epoch == epoch && host.rings_at.is_none_or(|before| before > at))
        else {
            return;
        };
        let at = at.max(host.frozen_until.unwrap_or(now));
        host.alarm = alarm;
        host.rings_at = Some(at);
        let event = Event::Ring {
            site: index,
            epoch,
            alarm,
        };
        self.at(at.millis_since(now), event);
    }

    /// Sets the alarm of a host that is taken out.
    pub(crate) fn alarm(&mut self, index: usize, host: &mut Host, at: Timestamp) {
        if host.rings_at.is_some_and(|before| before <= at) {
            return;
        }
        host.alarm = self.number();
        host.rings_at = Some(at);
        let event = Event::Ring {
            site: index,
            epoch: host.epoch,
            alarm: host.alarm,
        };
        self.at(at.millis_since(self.now), event);
    }

    /// Starts a keeper when the store has something to do, as the search for stores would find it.
    fn activate_if_due(&mut self, index: usize, host: &mut Host) {
        let now = self.now;
        let tables = &self.site(index).tables;
        let has_backlog = tables.keeper.cursor < tables.head;
        let wake_at = tables.keeper.wake_at;
        let is_installed_anew = tables.is_installed_anew();
        let has_commands = !host.slot.waiting.is_empty() || host.slot.answer.is_some();
        if has_backlog || has_commands || is_installed_anew || wake_at.is_some_and(|at| at <= now) {
            self.activate(index, host);
        } else if let Some(at) = wake_at {
            let found_after_ms = self.chance.between(0, SCAN_MS);
            self.alarm(index, host, at.plus_millis(found_after_ms));
        }
    }

    /// Claims the store and rebuilds its state; a crash may come right after the claim.
    fn activate(&mut self, index: usize, host: &mut Host) {
        let grant = storekeeper::ids::GrantId(self.chance.uuid());
        let (now, planted) = (self.now, self.planted);
        let site = self.site(index);
        let fence = site.tables.claim(grant);
        let loaded = site.tables.load(planted);
        let cursor = loaded.keeper.cursor;
        let settings = site.plan.settings.clone();
        let store = site.store;
        let state = StoreState::restore(store, loaded, settings, now);
        let one_by_one = std::mem::take(&mut host.aftermath.one_by_one);
        let selector = Selector::new(site.plan.selection, site.plan.stretch);
        let mut keeper = Box::new(Keeper {
            state,
            fence,
            ahead: std::collections::VecDeque::new(),
            manner: Manner::InOrder,
            selector,
            in_order: one_by_one > 0 || host.aftermath.crash.is_some(),
            more_to_read: true,
            one_by_one,
            sweeps: self.now.as_millis() % 2 == 0,
            worked: false,
            worked_at: now,
            phase: Phase::Ready(Stage::Commands),
        });
        self.say(|| format!("store {store}: activated at cursor {cursor}"));
        if let Some(seq) = host.aftermath.crash {
            keeper.phase = Phase::Decided(Box::new(crash_noted(&mut keeper, seq, now)));
        }
        host.slot.interest = Some(keeper.state.interest());
        let deferred = std::mem::take(&mut host.slot.deferred);
        host.slot.waiting.extend(deferred);
        host.keeper = Some(keeper);
        let after_ms = self.chance.between(0, 20);
        self.alarm(index, host, now.plus_millis(after_ms));
    }

    fn step(&mut self, index: usize, host: &mut Host) {
        let Some(mut keeper) = host.keeper.take() else {
            return;
        };
        if let Some(mishap) = self.mishap() {
            host.keeper = Some(keeper);
            self.befall(index, host, mishap);
            return;
        }
        let phase = std::mem::replace(&mut keeper.phase, Phase::Ready(Stage::Commands));
        let going_on = match phase {
            Phase::Ready(stage) => self.look_for_work(index, host, &mut keeper, stage),
            Phase::Decided(decided) => self.commit(index, host, &mut keeper, *decided),
            Phase::Committed(after) => {
                self.perform(index, host, *after, &mut keeper);
                true
            }
        };
        if going_on {
            host.keeper = Some(keeper);
        } else {
            self.end(index, host);
        }
    }

    fn mishap(&mut self) -> Option<Mishap> {
        if self.chance.hits(self.weather.keeper_crashes) {
            return Some(Mishap::Keeper);
        }
        if self.chance.hits(self.weather.process_crashes) {
            return Some(Mishap::Process);
        }
        self.chance
            .hits(self.weather.freezes)
            .then_some(Mishap::Freeze)
    }

    fn befall(&mut self, index: usize, host: &mut Host, mishap: Mishap) {
        let store = self.site(index).store;
        self.site(index).ghost.crashes += 1;
        self.say(|| format!("store {store}: {mishap:?}"));
        let is_former = self.site(index).host.epoch != 0;
        if is_former {
            // Another has taken over already; it ends without a trace.
            self.end(index, host);
            return;
        }
        match mishap {
            Mishap::Keeper => self.end(index, host),
            Mishap::Process => self.crash_process(index, host),
            Mishap::Freeze => self.freeze(index, host),
        }
    }

    /// A keeper is over, with its memory; its successor comes after a rest.
    pub(crate) fn end(&mut self, index: usize, host: &mut Host) {
        host.end_keeper();
        let rest_ms = self
            .chance
            .delay_ms(self.weather.rest_ms, self.weather.rest_ms * 25);
        host.rests_until = self.now.plus_millis(rest_ms);
        let at = host.rests_until;
        host.rings_at = None;
        self.alarm(index, host, at);
    }

    /// Every keeper of the process is over, and what only memory knew.
    fn crash_process(&mut self, index: usize, host: &mut Host) {
        let down_ms = self.chance.delay_ms(2_000, 60_000);
        let up_at = self.now.plus_millis(down_ms);
        self.down_until = up_at;
        *host = Host::fresh(self.number());
        self.alarm(index, host, up_at);
        for other in (0..self.sites.len()).filter(|other| *other != index) {
            let epoch = self.number();
            *self.site(other).host = Host::fresh(epoch);
            self.wake_at(other, epoch, up_at);
        }
    }

    /// The process is over while none of its keepers is at work.
    pub(crate) fn crash_all(&mut self) {
        let down_ms = self.chance.delay_ms(2_000, 60_000);
        let up_at = self.now.plus_millis(down_ms);
        self.down_until = up_at;
        for site in 0..self.sites.len() {
            let epoch = self.number();
            *self.site(site).host = Host::fresh(epoch);
            self.wake_at(site, epoch, up_at);
        }
    }

    /// The host is held up; another takes over, and meets it later.
    fn freeze(&mut self, index: usize, host: &mut Host) {
        let held_ms = self.chance.delay_ms(5_000, 90_000);
        let until = self.now.plus_millis(held_ms);
        let fresh = Host::fresh(self.number());
        let mut held = std::mem::replace(host, fresh);
        held.frozen_until = Some(until);
        held.rings_at = None;
        self.alarm(index, &mut held, until);
        let epoch = held.epoch;
        self.site(index).frozen.push(held);
        self.at(held_ms, Event::Thaw { site: index, epoch });
        let taken_over_ms = self.chance.delay_ms(1_000, 10_000);
        let at = self.now.plus_millis(taken_over_ms);
        self.alarm(index, host, at);
    }

    pub(crate) fn thaw(&mut self, index: usize, epoch: u64) {
        let held = self.site(index).frozen.iter_mut();
        for host in held.filter(|host| host.epoch == epoch) {
            host.frozen_until = None;
        }
    }

    /// Goes through the stages until there is something to commit; a keeper that has nothing to do waits, or leaves.
    fn look_for_work(
        &mut self,
        index: usize,
        host: &mut Host,
        keeper: &mut Box<Keeper>,
        from: Stage,
    ) -> bool {
        let mut stage = from;
        loop {
            let (found, next) = match stage {
                Stage::Commands => (self.take_commands(index, host, keeper), Stage::Turn),
                Stage::Turn => match self.take_turn(index, host, keeper) {
                    Ok(found) => (found, Stage::Call),
                    Err(seq) => {
                        host.aftermath.crash = Some(seq);
                        return false;
                    }
                },
                Stage::Call => (self.plan_call(index, host, keeper), Stage::Wait),
                Stage::Wait => return self.wait(index, host, keeper),
            };
            if let Some(mut decided) = found {
                keeper.worked |= stage != Stage::Call;
                decided.after.next = Some(next);
                self.decided(index, host, keeper, decided);
                return true;
            }
            stage = next;
        }
    }

    /// What was decided waits for its commit.
    fn decided(
        &mut self,
        index: usize,
        host: &mut Host,
        keeper: &mut Keeper,
        mut decided: Decided,
    ) {
        if self.planted == Some(Plant::CallBeforeCommit)
            && let Some(call) = decided.after.call.take()
        {
            self.send(index, host, call);
        }
        if decided.interest_changed && self.planted != Some(Plant::InterestNotWidened) {
            let mut wider = keeper.state.interest();
            if let Some(current) = &host.slot.interest {
                wider.widen(current);
            }
            host.slot.interest = Some(wider);
        }
        keeper.phase = Phase::Decided(Box::new(decided));
        let after_ms = self.chance.between(0, 30);
        let at = self.now.plus_millis(after_ms);
        self.alarm(index, host, at);
    }

    fn take_commands(
        &mut self,
        index: usize,
        host: &mut Host,
        keeper: &mut Keeper,
    ) -> Option<Decided> {
        let now = self.now;
        let answer = host.slot.answer.take();
        if answer.is_some() {
            let deferred = std::mem::take(&mut host.slot.deferred);
            for ticket in deferred.into_iter().rev() {
                host.slot.waiting.push_front(ticket);
            }
        }
        let count = host.slot.waiting.len().min(COMMANDS_MAX);
        let tickets: Vec<u64> = host.slot.waiting.drain(..count).collect();
        if answer.is_none() && tickets.is_empty() {
            return None;
        }
        let mut decided = Decided::default();
        if let Some((call, answer)) = answer {
            let store = self.site(index).store;
            self.say(|| format!("store {store}: answer {:?}", answer.result));
            let command = Command::CallAnswered { call, answer };
            self.load_orders(index, keeper, &command);
            // The answer to a question that a predecessor asked is of no use.
            if let Ok(outcome) = keeper.state.apply(now, command) {
                decided.absorb(outcome);
            }
        }
        for ticket in tickets {
            self.decide_request(index, (&mut *host, &mut *keeper), ticket, &mut decided);
        }
        Some(decided)
    }

    /// Gathers the rows of a turn and decides them.
    ///
    /// # Errors
    /// The row that brought the keeper down.
    fn take_turn(
        &mut self,
        index: usize,
        host: &mut Host,
        keeper: &mut Keeper,
    ) -> Result<Option<Decided>, i64> {
        let now = self.now;
        keeper.more_to_read |= std::mem::take(&mut host.slot.backlog_hint);
        let nothing_due = keeper.state.due_parked(now, 1).is_empty();
        if !keeper.more_to_read && keeper.ahead.is_empty() && nothing_due {
            return Ok(None);
        }
        let rows = self.gather(index, keeper);
        if rows.is_empty() {
            return Ok(None);
        }
        let mut decided = Decided::default();
        let cut = if self.chance.hits(50) {
            usize::try_from(self.chance.between(1, 5)).unwrap_or(1)
        } else {
            rows.len()
        };
        let mut rows = rows.into_iter();
        for row in rows.by_ref().take(cut) {
            keeper.one_by_one = keeper.one_by_one.saturating_sub(1);
            self.decide_row(index, keeper, row, &mut decided)?;
        }
        for row in rows.rev().filter(|row| !row.from_lane) {
            let row = if row.fact == Ok(Fact::Naked) {
                let read = self.site(index).tables.rows_after(row.seq - 1, 1);
                read.first().map_or(row, |row| parsed(row, false))
            } else {
                row
            };
            keeper.ahead.push_front(row);
        }
        Ok(Some(decided))
    }

    fn decide_row(
        &mut self,
        index: usize,
        keeper: &mut Keeper,
        row: Row,
        decided: &mut Decided,
    ) -> Result<(), i64> {
        let (seq, from_lane) = (row.seq, row.from_lane);
        if row.topic == "deadly" {
            return Err(seq);
        }
        let told = self.traced.then(|| format!("{} {:?}", row.topic, row.fact));
        match keeper.state.apply(self.now, Command::TakeRow(row)) {
            Ok(outcome) => {
                let reply = decided.absorb(outcome);
                let store = self.site(index).store;
                self.say(|| format!("store {store}: row {seq} {told:?} -> {reply:?}"));
            }
            Err(refusal) => {
                self.fail(Rule::RowsTaken, || format!("row {seq} refused: {refusal}"));
            }
        }
        if !from_lane {
            decided.taken.push(seq);
        }
        Ok(())
    }

    fn gather(&mut self, index: usize, keeper: &mut Keeper) -> Vec<Row> {
        let (now, planted) = (self.now, self.planted);
        let due = keeper.state.due_parked(now, PARKED_MAX);
        let site = self.site(index);
        let head = site.tables.head;
        keeper.state.saw_head(head);
        let mut parked: Vec<Row> = due
            .iter()
            .map(|seq| match site.tables.parked_row(*seq, planted) {
                Some(row) => parsed(row, true),
                None => missing(*seq),
            })
            .collect();
        let left = |keeper: &Keeper| usize::try_from(keeper.state.taken().left(head)).unwrap_or(0);
        let mut rows = Vec::new();
        for _look in 0..LOOKS_MAX {
            read_ahead(keeper, &site.tables);
            let backlog = left(keeper);
            rows = select(keeper, std::mem::take(&mut parked), backlog, (now, planted));
            let of_log = rows.iter().filter(|row| !row.from_lane).count();
            keeper.more_to_read = left(keeper) > of_log + keeper.ahead.len();
            if !rows.is_empty() || !keeper.more_to_read {
                break;
            }
        }
        for row in &rows {
            self.load_orders(index, keeper, &Command::TakeRow(row.clone()));
        }
        rows
    }

    /// Brings the orders that a command needs into memory.
    pub(crate) fn load_orders(&mut self, index: usize, keeper: &mut Keeper, command: &Command) {
        let needed = keeper.state.orders_needed(command);
        if !needed.is_empty() {
            keeper.state.admit(self.site(index).tables.orders(&needed));
        }
    }

    fn plan_call(&mut self, index: usize, host: &Host, keeper: &mut Keeper) -> Option<Decided> {
        let now = self.now;
        let in_flight = host.slot.call_in_flight || host.slot.answer.is_some();
        if in_flight || !keeper.state.wants_call(now) {
            return None;
        }
        let fresh = CallId(self.chance.uuid());
        let mut decided = Decided::default();
        match keeper.state.apply(now, Command::PlanCall { fresh }) {
            Ok(outcome) => {
                let reply = decided.absorb(outcome);
                keeper.worked |= reply != Reply::NoCall;
            }
            Err(refusal) => self.fail(Rule::NoPanic, || format!("no call planned: {refusal}")),
        }
        let store = self.site(index).store;
        self.say(|| format!("store {store}: plans {:?}", decided.after.call));
        Some(decided)
    }

    fn wait(&mut self, index: usize, host: &mut Host, keeper: &mut Keeper) -> bool {
        let now = self.now;
        if std::mem::take(&mut keeper.worked) {
            keeper.worked_at = now;
            self.alarm(index, host, now);
            return true;
        }
        let idle_at = keeper.worked_at.plus_millis(self.site(index).plan.idle_ms);
        let is_busy = host.slot.call_in_flight || !host.slot.waiting.is_empty();
        if idle_at <= now && !is_busy {
            let decided = Decided {
                leaves: true,
                ..Decided::default()
            };
            self.decided(index, host, keeper, decided);
            return true;
        }
        let deadline = keeper.state.next_deadline(now);
        let deadline = deadline.map_or(idle_at, |deadline| deadline.min(idle_at));
        let deadline = if deadline <= now {
            now.plus_millis(STALL_MS)
        } else {
            deadline
        };
        self.alarm(index, host, deadline);
        true
    }
}

/// The first commit after a row brought the predecessor down.
fn crash_noted(keeper: &mut Keeper, seq: i64, now: Timestamp) -> Decided {
    let mut decided = Decided {
        crashed_row: Some(seq),
        ..Decided::default()
    };
    let reason = "deadly".to_owned();
    if let Ok(outcome) = keeper.state.apply(now, Command::RowCrashed { seq, reason }) {
        decided.absorb(outcome);
    }
    decided.after.next = Some(Stage::Commands);
    decided
}

/// Reads the rows of the next place, unless some are left. Rows that are not there are passed.
fn read_ahead(keeper: &mut Keeper, tables: &Tables) {
    if !keeper.ahead.is_empty() {
        return;
    }
    let in_order = keeper.in_order || keeper.one_by_one > 0 || keeper.state.suspect().is_some();
    let head = keeper.state.head();
    let place = keeper.selector.next(keeper.state.taken(), head, in_order);
    let rows_max = usize::try_from(place.rows_max).unwrap_or(1).min(ROWS_MAX);
    let rows = tables.rows_after(place.after, rows_max);
    let first = rows.first().map(|row| row.seq);
    let (next, last) = (place.after + 1, place.after + place.rows_max);
    keeper.manner = place.manner;
    if place.manner != Manner::InOrder && first != Some(next) {
        keeper.selector.ended(None);
        return;
    }
    let Some(first) = first else {
        return;
    };
    if first > next {
        keeper.state.pass_missing(first.min(last + 1));
    }
    let fitting = (first..=last)
        .zip(rows)
        .take_while(|(expected, row)| *expected == row.seq);
    keeper
        .ahead
        .extend(fitting.map(|(_, row)| parsed(&row, false)));
}

/// The next row of the log. One that may not overtake ends its place; those before the first that may are passed where
/// a segment begins.
fn peek(keeper: &mut Keeper, (now, planted): (Timestamp, Option<Plant>)) -> Option<&Row> {
    while let Some(row) = keeper.ahead.front() {
        let may_overtake = keeper.state.may_overtake(row, now) || planted == Some(Plant::OrderLost);
        if keeper.manner == Manner::InOrder || may_overtake {
            break;
        }
        let seq = row.seq;
        if keeper.manner == Manner::Opening && keeper.ahead.len() > 1 {
            keeper.ahead.pop_front();
        } else {
            keeper.ahead.clear();
            let stopped = (keeper.manner == Manner::Ahead).then_some(seq);
            keeper.selector.ended(stopped);
        }
    }
    keeper.ahead.front()
}

/// The rows of a turn: parked ones first; a suspect is taken alone.
fn select(
    keeper: &mut Keeper,
    parked: Vec<Row>,
    backlog: usize,
    context: (Timestamp, Option<Plant>),
) -> Vec<Row> {
    let alone = keeper.state.suspect().map(|suspect| suspect.seq);
    let resources_max = backlog.clamp(RESOURCES_MIN, RESOURCES_MAX);
    let rows_max = if keeper.one_by_one > 0 { 1 } else { ROWS_MAX };
    let mut resources = BTreeSet::new();
    let mut rows: Vec<Row> = Vec::new();
    let mut parked = parked.into_iter();
    let sweeps = keeper.sweeps
        && keeper.manner == Manner::InOrder
        && keeper.one_by_one == 0
        && keeper.state.suspect().is_none();
    let interest = sweeps.then(|| keeper.state.interest());
    let mut naked = 0;
    while rows.len() - naked < rows_max {
        if parked.as_slice().is_empty()
            && let Some(interest) = &interest
            && let Some(row) = keeper.ahead.front()
            && is_naked(&keeper.state, interest, row, &resources)
        {
            let fact = Ok(Fact::Naked);
            rows.extend(keeper.ahead.pop_front().map(|row| Row { fact, ..row }));
            naked += 1;
            continue;
        }
        let next = match parked.as_slice().first() {
            Some(row) => Some(row),
            None => peek(keeper, context),
        };
        let Some(next) = next else {
            break;
        };
        let is_alone = alone == Some(next.seq);
        resources.extend(resource_of(next));
        if !rows.is_empty() && (is_alone || resources.len() > resources_max) {
            break;
        }
        if let Some(row) = parked.next() {
            rows.push(row);
        } else if let Some(row) = keeper.ahead.pop_front() {
            rows.push(row);
            if keeper.manner == Manner::Opening {
                keeper.manner = Manner::Ahead;
            }
        }
        if is_alone {
            break;
        }
    }
    rows
}

/// Whether nobody is interested in a row, as it is judged while naked rows are swept out.
fn is_naked(
    state: &StoreState,
    interest: &Interest,
    row: &Row,
    resources: &BTreeSet<Resource>,
) -> bool {
    let mentions = row.fact.as_ref().ok().and_then(mentions);
    mentions.is_some_and(|mentions| {
        let mut orders = mentions.orders.iter();
        state.is_naked(interest, &row.topic, &mentions)
            && !orders.any(|order| resources.contains(&Resource::Order(order.0)))
    })
}

fn parsed(row: &InboxRow, from_lane: bool) -> Row {
    Row {
        seq: row.seq,
        topic: if row.is_deadly { "deadly" } else { row.topic }.to_owned(),
        fact: Ok(row.fact.clone()),
        triggered_at: Some(row.triggered_at),
        from_lane,
    }
}

fn missing(seq: i64) -> Row {
    Row {
        seq,
        topic: String::new(),
        fact: Err("its body is gone from the parking lane".to_owned()),
        triggered_at: None,
        from_lane: true,
    }
}

fn resource_of(row: &Row) -> Option<Resource> {
    Some(match row.fact.as_ref().ok()? {
        Fact::Order(order) => Resource::Order(order.order.0),
        Fact::Refund(refund) => Resource::Order(refund.order.0),
        Fact::OrderTouched(order) | Fact::OrderDeleted(order) => Resource::Order(order.0),
        Fact::Level(level) => Resource::Item(level.item.0),
        Fact::LevelGone { item, .. } | Fact::ItemGone(item) => Resource::Item(item.0),
        Fact::Item(item) => Resource::Item(item.item.0),
        Fact::Product(product) => Resource::Product(product.product.0),
        Fact::ProductGone(product) => Resource::Product(product.0),
        Fact::PartTouched(_) | Fact::LocationsTouched | Fact::Uninstalled => Resource::Store,
        Fact::Unneeded | Fact::Naked => return None,
    })
}

/// Notes what of a predecessor's end is settled.
pub(crate) fn settle_crash(aftermath: &mut Aftermath) {
    aftermath.crash = None;
}
