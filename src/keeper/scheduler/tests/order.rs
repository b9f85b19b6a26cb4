//! The rules of the order one by one.

use crate::ids::StoreId;
use crate::keeper::scheduler::rounds::{Begun, Rounds, Weight};

const QUANTUM_US: u64 = 1_000;
const ANNE: StoreId = StoreId(1);
const BERT: StoreId = StoreId(2);
const CARL: StoreId = StoreId(3);
const DORA: StoreId = StoreId(4);

/// One turn at a time, of which each begins when the last is over.
struct Desk {
    rounds: Rounds<()>,
    turn: Option<Begun>,
}

impl Desk {
    /// Dora has the turn, those who are named wait.
    fn with_dora_and(waiting: &[StoreId]) -> Self {
        let mut rounds = Rounds::new(QUANTUM_US, 1);
        let turn = rounds.try_begin(DORA);
        for store in waiting {
            rounds.wait(*store, ());
        }
        Self { rounds, turn }
    }

    /// Ends the turn, whose store asks for no other, and tells whose comes next.
    fn leaves(&mut self, weight: Weight, cost_us: u64) -> Option<StoreId> {
        self.rounds.end(&self.turn.take().unwrap(), weight, cost_us);
        self.next()
    }

    /// Ends the turn, whose store asks for another, and tells whose comes next.
    fn again(&mut self, weight: Weight, cost_us: u64) -> Option<StoreId> {
        let turn = self.turn.take().unwrap();
        self.rounds.end(&turn, weight, cost_us);
        self.rounds.wait(turn.store, ());
        self.next()
    }

    fn next(&mut self) -> Option<StoreId> {
        self.turn = self.rounds.begin_next().map(|(turn, ())| turn);
        self.turn.map(|turn| turn.store)
    }
}

#[test]
fn what_is_left_of_a_quantum_brings_another_turn_in_the_same_round_and_a_debt_costs_rounds() {
    let mut desk = Desk::with_dora_and(&[ANNE, BERT]);
    let mut again = |cost_us| desk.again(Weight::FULL, cost_us);
    assert_eq!(again(2_500), Some(ANNE));
    assert_eq!(again(600), Some(BERT));
    assert_eq!(again(1_100), Some(ANNE), "400 µs were left");
    assert_eq!(again(900), Some(BERT), "it asked earlier for this round");
    assert_eq!(again(800), Some(ANNE));
    assert_eq!(again(600), Some(BERT));
    assert_eq!(again(500), Some(DORA), "two rounds are over");
}

#[test]
fn a_turn_of_a_store_of_less_weight_counts_more() {
    let mut desk = Desk::with_dora_and(&[ANNE]);
    assert_eq!(desk.again(Weight::of_percent(10), 100), Some(ANNE));
    assert_eq!(desk.again(Weight::FULL, 999), Some(ANNE), "a bit is left");
    assert_eq!(desk.again(Weight::FULL, 1), Some(DORA));
}

#[test]
fn who_comes_back_has_gathered_no_credit() {
    let mut desk = Desk::with_dora_and(&[ANNE, BERT]);
    assert_eq!(desk.leaves(Weight::FULL, 100), Some(ANNE));
    for _round in 0..20 {
        assert!(desk.again(Weight::FULL, 1_000).is_some());
    }
    // Were the rounds that it missed kept for Dora, she would have all of the next ten turns.
    desk.rounds.wait(DORA, ());
    let next = (0..10).filter(|_| desk.again(Weight::FULL, 1_000) == Some(DORA));
    assert!((3..=7).contains(&next.count()));
}

#[test]
fn who_gives_up_is_passed_over_and_has_its_place_when_it_asks_again() {
    let mut desk = Desk::with_dora_and(&[ANNE, BERT, CARL]);
    assert!(desk.rounds.give_up(ANNE) && desk.rounds.give_up(BERT));
    assert!(!desk.rounds.give_up(BERT), "it waits no more");
    assert_eq!(desk.rounds.waiting(), 1);
    desk.rounds.wait(BERT, ());
    assert_eq!(desk.again(Weight::FULL, 100), Some(BERT));
    assert_eq!(desk.again(Weight::FULL, 100), Some(CARL));
}

#[test]
fn a_free_turn_that_nobody_wants_ends_all_debts() {
    let mut desk = Desk::with_dora_and(&[ANNE]);
    assert_eq!(desk.leaves(Weight::FULL, 50_000), Some(ANNE));
    assert!(desk.rounds.remembered() > 0);
    assert_eq!(desk.leaves(Weight::FULL, 100), None);
    assert_eq!(desk.rounds.remembered(), 0);
    assert!(desk.rounds.is_idle());
}

#[test]
fn stores_that_come_once_and_go_are_forgotten_and_hold_up_nobody() {
    let mut desk = Desk::with_dora_and(&[ANNE]);
    let mut turns_of_anne = 0;
    for passer_by in 10..10_010 {
        desk.rounds.wait(StoreId(passer_by), ());
        let next = match desk.turn {
            Some(turn) if turn.store == ANNE => desk.again(Weight::FULL, 300),
            Some(_) | None => desk.leaves(Weight::FULL, 300),
        };
        turns_of_anne += usize::from(next == Some(ANNE));
        // Who waits, those whom the last few rounds took in, and as many again that are not looked for yet.
        let most = 16 * desk.rounds.waiting() + 1_000;
        let remembered = desk.rounds.remembered();
        assert!(remembered < most, "{remembered}");
    }
    assert!(turns_of_anne > 30, "{turns_of_anne}");
}
