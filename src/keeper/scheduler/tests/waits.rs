//! Waits for a turn that are granted, and that break off.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::ids::StoreId;
use crate::keeper::scheduler::{Scheduler, Taken, Weight};

const ANNE: StoreId = StoreId(1);
const BERT: StoreId = StoreId(2);
const CARL: StoreId = StoreId(3);

/// Polls once.
macro_rules! look {
    ($wait:expr) => {
        $wait.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    };
}

fn ready<Output>(polled: Poll<Output>) -> Output {
    match polled {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it waits"),
    }
}

#[test]
fn a_turn_that_ends_goes_to_the_next_in_line() {
    let turns = Scheduler::new(1, 1, 1_000);
    let mut first = pin!(turns.grant(0, ANNE, Weight::FULL));
    let permit = ready(look!(first));
    let mut second = pin!(turns.grant(0, BERT, Weight::FULL));
    assert!(look!(second).is_pending());
    assert_eq!(turns.waiting(), 1);
    permit.end(Taken::default(), Duration::ZERO);
    drop(ready(look!(second)));
    assert_eq!(turns.waiting(), 0);
}

#[test]
fn a_wait_that_is_dropped_leaves_the_line_also_when_its_turn_had_come() {
    let turns = Scheduler::new(1, 1, 1_000);
    let mut first = pin!(turns.grant(0, ANNE, Weight::FULL));
    let permit = ready(look!(first));
    let mut given_up = Box::pin(turns.grant(0, BERT, Weight::FULL));
    let mut second = Box::pin(turns.grant(0, ANNE, Weight::FULL));
    let mut third = pin!(turns.grant(0, CARL, Weight::FULL));
    assert!(look!(given_up).is_pending() && look!(second).is_pending());
    assert!(look!(third).is_pending());
    drop(given_up);
    assert_eq!(turns.waiting(), 2);
    drop(permit);
    // Granted, and dropped before it looked.
    drop(second);
    drop(ready(look!(third)));
    assert!(turns.is_idle());
}

#[test]
fn a_permit_dropped_by_a_panic_gives_its_turn_back() {
    let turns = Scheduler::new(1, 1, 1_000);
    let mut first = pin!(turns.grant(0, ANNE, Weight::FULL));
    let permit = ready(look!(first));
    let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
        let _permit = permit;
        panic!("in the middle of a turn");
    }));
    assert!(ended.is_err());
    assert!(turns.is_idle());
}

/// A thread that stands still looks at nothing any more, neither at the turns that its stores have nor at those that
/// they are granted.
#[test]
fn a_thread_that_stands_still_keeps_no_turn_from_stores_on_others() {
    let turns = Scheduler::new(4, 2, 1_000);
    let mut standing_still: Vec<_> = (100..110)
        .map(|store| Box::pin(turns.grant(0, StoreId(store), Weight::FULL)))
        .collect();
    let granted = standing_still
        .iter_mut()
        .filter_map(|wait| match look!(wait) {
            Poll::Ready(permit) => Some(permit),
            Poll::Pending => None,
        });
    let granted: Vec<_> = granted.collect();
    assert_eq!(granted.len(), 2);
    for _round in 0..10 {
        let mut first = pin!(turns.grant(1, ANNE, Weight::FULL));
        let mut second = pin!(turns.grant(1, BERT, Weight::FULL));
        let mut third = pin!(turns.grant(1, CARL, Weight::FULL));
        let permits = [ready(look!(first)), ready(look!(second))];
        assert!(look!(third).is_pending(), "it has no more than its share");
        drop(permits);
        drop(ready(look!(third)));
    }
    drop((granted, standing_still));
    assert!(turns.is_idle());
}

#[test]
fn each_thread_has_one_turn_at_least() {
    let turns = Scheduler::new(1, 3, 1_000);
    for arbiter in 0..3 {
        let mut first = Box::pin(turns.grant(arbiter, ANNE, Weight::FULL));
        let permit = ready(look!(first));
        let mut second = Box::pin(turns.grant(arbiter, BERT, Weight::FULL));
        assert!(look!(second).is_pending());
        drop(permit);
        drop(ready(look!(second)));
    }
}
