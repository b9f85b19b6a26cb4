//! A log is worked off by every selection, with arrivals and crashes in between; the reference is a list of rows.

use std::collections::BTreeSet;

use proptest::prelude::*;

use crate::domain::backlog::*;

/// What a keeper meets.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// Rows arrive; each may overtake unless its place in the pattern says otherwise.
    Arrive { rows: u8, pattern: u16 },
    /// A turn takes at most so many rows and is committed.
    Turn(u8),
    /// A turn is decided and not committed, and a successor goes on.
    Crash(u8),
    /// Nothing may be overtaken from now on, or anything again.
    InOrder(bool),
}

/// The rows of a store's log, from number 1, by whether they keep their order; and those that were taken, as they were.
#[derive(Default)]
struct Log {
    keeps: Vec<bool>,
    taken: Vec<i64>,
    is_taken: BTreeSet<i64>,
}

impl Log {
    fn head(&self) -> i64 {
        i64::try_from(self.keeps.len()).unwrap()
    }

    fn keeps_order(&self, seq: i64) -> bool {
        self.keeps[usize::try_from(seq - 1).unwrap()]
    }

    fn first_left(&self) -> i64 {
        (1..).find(|seq| !self.is_taken.contains(seq)).unwrap()
    }

    /// So many runs of rows that are left, counting the end of the log, where rows arrive.
    fn runs_left(&self) -> usize {
        let is_left = |seq: i64| !self.is_taken.contains(&seq);
        let numbers = 1..=self.head() + 1;
        numbers
            .filter(|seq| is_left(*seq) && (*seq == 1 || !is_left(seq - 1)))
            .count()
    }
}

struct Keeper {
    selector: Selector,
    taken: Taken,
    /// Rows of a place, and what they may do.
    ahead: (Manner, Vec<i64>),
    in_order: bool,
}

impl Keeper {
    fn start(log: &Log, written: (i64, [Span; 2]), selection: Selection, stretch: i64) -> Self {
        let taken = Taken::restore(written.0, written.1).expect("as it was written");
        assert_eq!(taken.count(), i64::try_from(log.taken.len()).unwrap());
        Self {
            selector: Selector::new(selection, stretch),
            taken,
            ahead: (Manner::InOrder, Vec::new()),
            in_order: false,
        }
    }

    /// The rows of a turn, at most `most`; none only if there are none.
    fn turn(&mut self, log: &Log, most: usize) -> Vec<i64> {
        for _look in 0..2 {
            if self.ahead.1.is_empty() {
                let place = self.selector.next(&self.taken, log.head(), self.in_order);
                assert!(place.rows_max >= 1, "{place:?}");
                let last = (place.after + place.rows_max).min(log.head());
                self.ahead = (place.manner, (place.after + 1..=last).rev().collect());
            }
            let rows = self.take(log, most);
            if !rows.is_empty() {
                return rows;
            }
        }
        assert_eq!(
            self.taken.left(log.head()),
            0,
            "an idle turn with rows left"
        );
        Vec::new()
    }

    fn take(&mut self, log: &Log, most: usize) -> Vec<i64> {
        let mut rows = Vec::new();
        let (manner, ahead) = &mut self.ahead;
        while let Some(seq) = ahead.last().copied().filter(|_| rows.len() < most) {
            let may_be_taken = *manner == Manner::InOrder || !log.keeps_order(seq);
            match (may_be_taken, *manner) {
                (true, _) => {
                    assert!(self.taken.can_take(seq), "{seq} of {:?}", self.taken);
                    assert!(self.taken.take(seq));
                    rows.push(seq);
                    ahead.pop();
                    if *manner == Manner::Opening {
                        *manner = Manner::Ahead;
                    }
                }
                (false, Manner::Opening) if ahead.len() > 1 => drop(ahead.pop()),
                (false, manner) => {
                    ahead.clear();
                    self.selector
                        .ended((manner == Manner::Ahead).then_some(seq));
                }
            }
        }
        rows
    }
}

/// What a turn took, is written; the promises of the log hold.
fn commit(log: &mut Log, taken: &Taken, rows: Vec<i64>) {
    for seq in rows {
        assert!(!log.is_taken.contains(&seq), "{seq} is taken twice");
        if log.keeps_order(seq) {
            assert_eq!(log.first_left(), seq, "{seq} keeps its order");
        }
        log.taken.push(seq);
        log.is_taken.insert(seq);
    }
    let count = i64::try_from(log.taken.len()).unwrap();
    assert_eq!(taken.cursor(), log.first_left() - 1);
    assert_eq!(taken.count(), count);
    assert_eq!(taken.left(log.head()), log.head() - count);
    assert_eq!(taken.last(), log.is_taken.last().copied().unwrap_or(0));
    assert!((1..=log.head()).all(|seq| taken.contains(seq) == log.is_taken.contains(&seq)));
    let segments = taken.segments().collect::<Vec<_>>();
    let rows_left = segments
        .iter()
        .map(|segment| segment.len(log.head()))
        .sum::<i64>();
    assert_eq!(rows_left, log.head() - count, "{segments:?}");
    assert!(segments.len() <= SEGMENTS_MAX, "{segments:?}");
    assert_eq!(segments.len(), log.runs_left(), "{segments:?}");
}

fn work_off(selection: Selection, stretch: i64, events: &[Event]) {
    let mut log = Log::default();
    let mut written = (0, [Span::default(); 2]);
    let mut keeper = Keeper::start(&log, written, selection, stretch);
    for event in events {
        match *event {
            Event::Arrive { rows, pattern } => {
                let keeps = |row: u8| pattern >> (row % 16) & 1 == 1;
                log.keeps.extend((0..rows).map(keeps));
            }
            Event::Turn(most) => {
                let rows = keeper.turn(&log, usize::from(most));
                commit(&mut log, &keeper.taken, rows);
                written = (keeper.taken.cursor(), keeper.taken.ahead());
            }
            Event::Crash(most) => {
                drop(keeper.turn(&log, usize::from(most)));
                keeper = Keeper::start(&log, written, selection, stretch);
            }
            Event::InOrder(in_order) => keeper.in_order = in_order,
        }
    }
    for _turn in 0..=log.head() {
        let rows = keeper.turn(&log, 5);
        commit(&mut log, &keeper.taken, rows);
    }
    assert_eq!(
        keeper.taken,
        Taken::up_to(log.head()),
        "everything is taken"
    );
}

fn event() -> impl Strategy<Value = Event> {
    // Most backlogs have few rows that keep their order, some have many.
    let pattern = prop_oneof![
        Just(0),
        any::<u16>().prop_map(|bits| bits & 0x0410),
        any::<u16>()
    ];
    prop_oneof![
        3 => (1_u8..60, pattern).prop_map(|(rows, pattern)| Event::Arrive { rows, pattern }),
        8 => (1_u8..12).prop_map(Event::Turn),
        1 => (1_u8..12).prop_map(Event::Crash),
        1 => any::<bool>().prop_map(Event::InOrder),
    ]
}

fn selection() -> impl Strategy<Value = Selection> {
    prop_oneof![
        Just(Selection::Oldest),
        Just(Selection::NewestStateFirst),
        Just(Selection::Spread)
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_row_is_taken_once_and_those_that_keep_their_order_in_it(
        selection in selection(),
        stretch in 1_i64..8,
        events in prop::collection::vec(event(), 1..40),
    ) {
        work_off(selection, stretch, &events);
    }
}

/// The rows in the order in which they are taken, none of which keeps its order.
fn order_of(selection: Selection, stretch: i64, rows: usize) -> Vec<i64> {
    let mut log = Log {
        keeps: vec![false; rows],
        ..Log::default()
    };
    let mut keeper = Keeper::start(&log, (0, [Span::default(); 2]), selection, stretch);
    loop {
        let rows = keeper.turn(&log, usize::MAX);
        if rows.is_empty() {
            return log.taken;
        }
        commit(&mut log, &keeper.taken, rows);
    }
}

#[test]
fn each_selection_begins_at_its_end() {
    assert_eq!(order_of(Selection::Oldest, 2, 6), [1, 2, 3, 4, 5, 6]);
    assert_eq!(
        order_of(Selection::NewestStateFirst, 2, 9),
        [8, 9, 6, 7, 4, 5, 1, 2, 3]
    );
    let spread = order_of(Selection::Spread, 2, 20);
    assert_eq!(spread[..12], [1, 2, 12, 13, 19, 20, 3, 4, 14, 15, 5, 6]);
}

#[test]
fn a_small_backlog_is_taken_in_order() {
    for selection in [Selection::NewestStateFirst, Selection::Spread] {
        assert_eq!(order_of(selection, 3, 6), [1, 2, 3, 4, 5, 6]);
    }
}

#[test]
fn only_what_can_have_been_written_is_restored() {
    let span = |from, to| Span { from, to };
    let none = Span::default();
    for (ahead, is_right) in [
        ([none, none], true),
        ([span(12, 15), none], true),
        ([span(12, 15), span(16, 17)], true),
        ([none, span(12, 15)], false),
        ([span(11, 15), none], false),
        ([span(12, 12), none], false),
        ([span(12, 15), span(15, 17)], false),
        ([span(16, 17), span(12, 15)], false),
    ] {
        assert_eq!(Taken::restore(10, ahead).is_some(), is_right, "{ahead:?}");
    }
}

#[test]
fn rows_that_are_missing_are_passed() {
    let span = |from, to| Span { from, to };
    let mut taken = Taken::restore(10, [span(12, 15), span(20, 21)]).unwrap();
    taken.pass_before(12);
    assert_eq!(
        (taken.cursor(), taken.ahead()),
        (14, [span(20, 21), Span::default()])
    );
    taken.pass_before(30);
    assert_eq!(taken, Taken::up_to(29));
}
