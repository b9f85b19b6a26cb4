//! A machine with so many turns at once, stores that want them, and the order under test, in virtual microseconds.
//! The same scenario is the same run.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};

use crate::ids::StoreId;
use crate::keeper::scheduler::rounds::{Begun, Rounds, Weight};

/// What a store wants.
#[derive(Clone, Debug)]
pub(super) struct Wants {
    pub(super) weight_percent: u8,
    /// What its turns cost, one after the other, over and over.
    pub(super) costs_us: Vec<u64>,
    /// Microseconds between the end of a turn and the wish for the next, likewise; 0: it always wants more.
    pub(super) pauses_us: Vec<u64>,
}

impl Wants {
    pub(super) fn always(cost_us: u64) -> Self {
        Self {
            weight_percent: 100,
            costs_us: vec![cost_us],
            pauses_us: vec![0],
        }
    }

    pub(super) fn dearest(&self) -> u64 {
        self.costs_us.iter().copied().max().unwrap_or(0)
    }

    pub(super) fn is_always_busy(&self) -> bool {
        self.pauses_us.iter().all(|pause| *pause == 0)
    }
}

/// The order of turns: ours, or first come, first served.
pub(super) enum Order {
    Rounds(Rounds<()>),
    FirstCome {
        line: VecDeque<StoreId>,
        free: usize,
    },
}

impl Order {
    fn ask(&mut self, store: StoreId) -> Option<Turn> {
        match self {
            Self::Rounds(rounds) => {
                let begun = rounds.try_begin(store);
                if begun.is_none() {
                    rounds.wait(store, ());
                }
                begun.map(Turn::InRounds)
            }
            Self::FirstCome { line, .. } => {
                line.push_back(store);
                None
            }
        }
    }

    fn end(&mut self, turn: &Turn, weight: Weight, cost_us: u64) {
        match (self, turn) {
            (Self::Rounds(rounds), Turn::InRounds(begun)) => rounds.end(begun, weight, cost_us),
            (Self::FirstCome { free, .. }, Turn::Plain(_)) => *free += 1,
            (Self::Rounds(_) | Self::FirstCome { .. }, _) => unreachable!("a turn of another play"),
        }
    }

    fn begin_next(&mut self) -> Option<Turn> {
        match self {
            Self::Rounds(rounds) => rounds.begin_next().map(|(begun, ())| Turn::InRounds(begun)),
            Self::FirstCome { line, free } => {
                let next = if *free > 0 { line.pop_front() } else { None };
                *free -= usize::from(next.is_some());
                next.map(Turn::Plain)
            }
        }
    }

    fn rounds_owed(&self, store: StoreId) -> u64 {
        match self {
            Self::Rounds(rounds) => rounds.rounds_owed(store),
            Self::FirstCome { .. } => 0,
        }
    }
}

/// A turn that was granted.
#[derive(Clone, Copy, Debug)]
enum Turn {
    InRounds(Begun),
    Plain(StoreId),
}

impl Turn {
    const fn store(self) -> StoreId {
        match self {
            Self::InRounds(begun) => begun.store,
            Self::Plain(store) => store,
        }
    }
}

/// In the order in which they are looked at when they are at the same instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Ends(StoreId),
    Asks(StoreId),
}

/// A wait for a turn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wait {
    pub(super) asked_at_us: u64,
    pub(super) lasted_us: u64,
    pub(super) rounds_owed: u64,
}

/// What a store had so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Had {
    pub(super) service_us: u64,
    pub(super) turns: usize,
    pub(super) waits: Vec<Wait>,
}

/// A run.
pub(super) struct Play {
    pub(super) wants: BTreeMap<StoreId, Wants>,
    pub(super) had: BTreeMap<StoreId, Had>,
    order: Order,
    in_flight_max: usize,
    in_flight: BTreeMap<StoreId, Turn>,
    now_us: u64,
    events: BinaryHeap<Reverse<(u64, Event)>>,
    asked: BTreeMap<StoreId, Wait>,
}

impl Play {
    /// Every store asks at once at first.
    pub(super) fn new(order: Order, in_flight_max: usize, wants: Vec<Wants>) -> Self {
        let wants: BTreeMap<_, _> = (1..).map(StoreId).zip(wants).collect();
        let begin = |store: &StoreId| Reverse((0, Event::Asks(*store)));
        Self {
            had: wants.keys().map(|store| (*store, Had::default())).collect(),
            events: wants.keys().map(begin).collect(),
            wants,
            order,
            in_flight_max,
            in_flight: BTreeMap::new(),
            now_us: 0,
            asked: BTreeMap::new(),
        }
    }

    pub(super) const fn now_us(&self) -> u64 {
        self.now_us
    }

    /// Stores that the order remembers anything of.
    pub(super) fn remembered(&self) -> usize {
        match &self.order {
            Order::Rounds(rounds) => rounds.remembered(),
            Order::FirstCome { line, .. } => line.len(),
        }
    }

    /// Plays until `until_us`, and looks at everything after each instant.
    pub(super) fn run(&mut self, until_us: u64, mut look: impl FnMut(&Self)) {
        while let Some(Reverse((at, _))) = self.events.peek().copied() {
            if at > until_us {
                return;
            }
            self.now_us = at;
            while let Some(Reverse((at, event))) = self.events.peek().copied()
                && at == self.now_us
            {
                self.events.pop();
                match event {
                    Event::Ends(store) => self.end(store),
                    Event::Asks(store) => self.ask(store),
                }
            }
            while let Some(turn) = self.order.begin_next() {
                self.begin(turn);
            }
            assert!(
                self.asked.is_empty() || self.in_flight.len() == self.in_flight_max,
                "a turn is free and {} stores wait",
                self.asked.len()
            );
            look(self);
        }
    }

    fn ask(&mut self, store: StoreId) {
        let begun = self.order.ask(store);
        let asked = Wait {
            asked_at_us: self.now_us,
            lasted_us: 0,
            rounds_owed: self.order.rounds_owed(store),
        };
        self.asked.insert(store, asked);
        if let Some(turn) = begun {
            self.begin(turn);
        }
    }

    fn begin(&mut self, turn: Turn) {
        let store = turn.store();
        let mut wait = self.asked.remove(&store).expect("it asked");
        wait.lasted_us = self.now_us - wait.asked_at_us;
        let had = self.had.get_mut(&store).unwrap();
        had.waits.push(wait);
        let costs = &self.wants[&store].costs_us;
        let ends_at = self.now_us + costs[had.turns % costs.len()];
        self.in_flight.insert(store, turn);
        self.events.push(Reverse((ends_at, Event::Ends(store))));
    }

    fn end(&mut self, store: StoreId) {
        let (wants, had) = (&self.wants[&store], self.had.get_mut(&store).unwrap());
        let cost_us = wants.costs_us[had.turns % wants.costs_us.len()];
        let pause_us = wants.pauses_us[had.turns % wants.pauses_us.len()];
        had.service_us += cost_us;
        had.turns += 1;
        let turn = self.in_flight.remove(&store).expect("it began");
        let weight = Weight::of_percent(wants.weight_percent);
        self.order.end(&turn, weight, cost_us);
        let asks_at = self.now_us + pause_us;
        self.events.push(Reverse((asks_at, Event::Asks(store))));
    }
}
