//! Deficit round robin, pure: no clock, nothing that waits.
//!
//! Every store stands at a position on one line, in microseconds of service over its weight. A turn moves its store
//! forward when it is over and its cost is known. The line is cut into rounds of one quantum each, and whoever waits
//! in the earliest round is next, first come, first served. So a store has one quantum in each round: with some of
//! it left it comes again in the same round, behind those who wait in it already; a turn that took more than was left
//! keeps it out of the rounds that this was worth.
//!
//! Who has nothing to do gathers no credit: it comes back at the round that is being served, or with what it had left
//! of the last few ([`LATE_ROUNDS`]), since it may just have been in the middle of a turn. What a store owes is forgotten when the line has passed its position, and when a turn is free
//! that nobody wants; so memory is kept only for the stores that wait or owe. A round takes in no more newcomers than
//! there were stores when it began, the others begin with the next: however many come, rounds end.
//!
//! With quantum `Q`, weights `w`, turns of at most `C` and `s` turns in flight, among the stores of one line, which are
//! those on one thread (`tests` plays it):
//!
//! - A store `d` rounds behind the one that is served waits at most `C + Σ ((d + LATE_ROUNDS)·w·Q + C) / s` over the
//!   others that want turns.
//! - Stores that always want more have had, over their weights, service that differs by less than `Q + C/w` since they
//!   began together, with `s = 1`; with more, and turns well below `LATE_ROUNDS·Q`, by less than twice that.
//! - Whenever somebody waits, all `s` turns are in flight.

use std::collections::{BTreeMap, HashMap, VecDeque};

use crate::ids::StoreId;

/// A store that was in the middle of a turn while others went on, or is about to ask again, may be so many rounds late.
pub(super) const LATE_ROUNDS: u64 = 4;

/// A round takes in so many newcomers however few stores there are.
const NEWCOMERS_MIN: usize = 64;

/// So many accounts are kept before it is worth looking for those that nobody needs.
const ACCOUNTS_KEPT_MIN: usize = 64;

/// How much of the service that others get a store gets, in percent: 1 to 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::keeper) struct Weight(u8);

impl Weight {
    /// As much as everybody else.
    #[cfg(test)]
    pub(in crate::keeper) const FULL: Self = Self(100);

    /// `percent` is within 1 to 100; beyond, the nearest bound holds.
    pub(in crate::keeper) fn of_percent(percent: u8) -> Self {
        Self(percent.clamp(1, 100))
    }

    /// How far a turn of this cost moves a store.
    fn stretch(self, cost_us: u64) -> u64 {
        cost_us.saturating_mul(100) / u64::from(self.0)
    }
}

/// The order of turns. `Waiter` is whatever tells a store that its turn has come.
#[derive(Debug)]
pub(super) struct Rounds<Waiter> {
    quantum_us: u64,
    in_flight_max: usize,
    in_flight: usize,
    waiting: usize,
    served: Round,
    /// By round, those who asked, and some who have given up since.
    line: BTreeMap<u64, VecDeque<StoreId>>,
    accounts: HashMap<StoreId, Account<Waiter>>,
    /// With more accounts than this it is looked for those that nobody needs.
    accounts_kept_max: usize,
}

#[derive(Debug)]
struct Account<Waiter> {
    position: u64,
    /// It has a place in line, which is its own also when it gives up and asks again.
    in_line: bool,
    waiter: Option<Waiter>,
}

/// A turn that is under way, and where its store stood when it began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Begun {
    pub(super) store: StoreId,
    position: u64,
}

impl<Waiter> Account<Waiter> {
    const fn at(position: u64) -> Self {
        Self {
            position,
            in_line: false,
            waiter: None,
        }
    }
}

/// The latest round that a turn was granted in.
#[derive(Debug)]
struct Round {
    number: u64,
    /// Newcomers that it still takes in.
    newcomers_left: usize,
}

impl Round {
    fn begin(number: u64, stores: usize) -> Self {
        Self {
            number,
            newcomers_left: stores.max(NEWCOMERS_MIN),
        }
    }

    /// The round of a store that nothing is remembered of.
    const fn admit(&mut self) -> u64 {
        if self.newcomers_left == 0 {
            return self.number + 1;
        }
        self.newcomers_left -= 1;
        self.number
    }

    /// Who stands further behind counts as a newcomer.
    const fn oldest_position(&self, quantum_us: u64) -> u64 {
        self.number.saturating_sub(LATE_ROUNDS) * quantum_us
    }
}

impl<Waiter> Rounds<Waiter> {
    /// `quantum_us`: microseconds of service that a store of full weight has in a round.
    pub(super) fn new(quantum_us: u64, in_flight_max: usize) -> Self {
        Self {
            quantum_us: quantum_us.max(1),
            in_flight_max: in_flight_max.max(1),
            in_flight: 0,
            waiting: 0,
            served: Round::begin(0, 0),
            line: BTreeMap::new(),
            accounts: HashMap::new(),
            accounts_kept_max: ACCOUNTS_KEPT_MIN,
        }
    }

    /// Stores that wait for a turn.
    pub(super) const fn waiting(&self) -> usize {
        self.waiting
    }

    /// How many stores come before this one in line, at most; `None`: it does not wait.
    pub(super) fn ahead_of(&self, store: StoreId) -> Option<usize> {
        let account = self.accounts.get(&store);
        let account = account.filter(|account| account.waiter.is_some())?;
        let round = account.position / self.quantum_us;
        let earlier = self
            .line
            .range(..round)
            .map(|(_round, stores)| stores.len());
        let mut within = self.line.get(&round)?.iter();
        let place = within.position(|other| *other == store)?;
        Some(earlier.sum::<usize>() + place)
    }

    /// Begins a turn if one is free, and nobody waits for it.
    pub(super) fn try_begin(&mut self, store: StoreId) -> Option<Begun> {
        if self.waiting > 0 || self.in_flight >= self.in_flight_max {
            return None;
        }
        self.in_flight += 1;
        let known = self.accounts.get(&store).map(|account| account.position);
        let oldest = self.served.oldest_position(self.quantum_us);
        Some(Begun {
            store,
            position: known
                .filter(|position| *position >= oldest)
                .unwrap_or(self.served.number * self.quantum_us),
        })
    }

    /// Puts a store in line; one that gave up takes the place again that it had. A store asks once at a time.
    pub(super) fn wait(&mut self, store: StoreId, waiter: Waiter) {
        let (served, quantum_us) = (&mut self.served, self.quantum_us);
        let account = self
            .accounts
            .entry(store)
            .or_insert_with(|| Account::at(served.admit() * quantum_us));
        if account.position < served.oldest_position(quantum_us) && !account.in_line {
            account.position = served.admit() * quantum_us;
        }
        let waited = account.waiter.replace(waiter).is_some();
        let was_in_line = std::mem::replace(&mut account.in_line, true);
        let round = account.position / quantum_us;
        self.waiting += usize::from(!waited);
        if !was_in_line {
            self.line.entry(round).or_default().push_back(store);
        }
    }

    /// A store waits no longer; `false`: its turn has been granted already, and is to be ended.
    pub(super) fn give_up(&mut self, store: StoreId) -> bool {
        let account = self.accounts.get_mut(&store);
        let waited = account.is_some_and(|account| account.waiter.take().is_some());
        self.waiting -= usize::from(waited);
        waited
    }

    /// Begins the turn of the next in line, if one is free and somebody waits.
    pub(super) fn begin_next(&mut self) -> Option<(Begun, Waiter)> {
        if self.in_flight >= self.in_flight_max {
            return None;
        }
        while let Some(mut earliest) = self.line.first_entry() {
            let round = *earliest.key();
            let Some(store) = earliest.get_mut().pop_front() else {
                earliest.remove();
                continue;
            };
            let Some(account) = self.accounts.get_mut(&store) else {
                continue;
            };
            account.in_line = false;
            let position = account.position;
            if let Some(waiter) = account.waiter.take() {
                if round > self.served.number {
                    self.served = Round::begin(round, self.waiting + self.in_flight);
                }
                self.waiting -= 1;
                self.in_flight += 1;
                return Some((Begun { store, position }, waiter));
            }
        }
        None
    }

    /// A turn is over that cost so much.
    pub(super) fn end(&mut self, begun: &Begun, weight: Weight, cost_us: u64) {
        self.in_flight = self.in_flight.saturating_sub(1);
        if self.waiting == 0 {
            self.forget_all();
            return;
        }
        let position = begun.position.saturating_add(weight.stretch(cost_us));
        let account = Account::at(position);
        self.accounts.entry(begun.store).or_insert(account).position = position;
        self.forget_some();
    }

    /// A turn was granted and not taken.
    pub(super) const fn give_back(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    fn forget_all(&mut self) {
        if !self.accounts.is_empty() {
            self.line = BTreeMap::new();
            self.accounts = HashMap::new();
            self.accounts_kept_max = ACCOUNTS_KEPT_MIN;
        }
    }

    /// Forgets those that neither wait nor owe; each look is paid for by the accounts opened since the last.
    fn forget_some(&mut self) {
        if self.accounts.len() <= self.accounts_kept_max {
            return;
        }
        let oldest = self.served.oldest_position(self.quantum_us);
        self.accounts
            .retain(|_, account| account.in_line || account.position > oldest);
        self.accounts_kept_max = self.accounts.len().max(ACCOUNTS_KEPT_MIN) * 2;
    }
}

#[cfg(test)]
impl<Waiter> Rounds<Waiter> {
    /// Rounds that must pass before a store that asks now is in the one that is served.
    pub(super) fn rounds_owed(&self, store: StoreId) -> u64 {
        let position = self
            .accounts
            .get(&store)
            .map_or(0, |account| account.position);
        (position / self.quantum_us).saturating_sub(self.served.number)
    }

    /// No turn is under way, and nobody waits.
    pub(super) const fn is_idle(&self) -> bool {
        self.in_flight == 0 && self.waiting == 0
    }

    /// Stores that something is remembered of.
    pub(super) fn remembered(&self) -> usize {
        self.accounts
            .len()
            .max(self.line.values().map(VecDeque::len).sum())
    }
}
