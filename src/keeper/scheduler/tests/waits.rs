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
    let turns = Scheduler::new(1, 1_000);
    let mut first = pin!(turns.grant(ANNE, Weight::FULL));
    let permit = ready(look!(first));
    let mut second = pin!(turns.grant(BERT, Weight::FULL));
    assert!(look!(second).is_pending());
    assert_eq!(turns.waiting(), 1);
    permit.end(Taken::default(), Duration::ZERO);
    drop(ready(look!(second)));
    assert_eq!(turns.waiting(), 0);
}

#[test]
fn a_wait_that_is_dropped_leaves_the_line_also_when_its_turn_had_come() {
    let turns = Scheduler::new(1, 1_000);
    let mut first = pin!(turns.grant(ANNE, Weight::FULL));
    let permit = ready(look!(first));
    let mut given_up = Box::pin(turns.grant(BERT, Weight::FULL));
    let mut second = Box::pin(turns.grant(ANNE, Weight::FULL));
    let mut third = pin!(turns.grant(CARL, Weight::FULL));
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
    let turns = Scheduler::new(1, 1_000);
    let mut first = pin!(turns.grant(ANNE, Weight::FULL));
    let permit = ready(look!(first));
    let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
        let _permit = permit;
        panic!("in the middle of a turn");
    }));
    assert!(ended.is_err());
    assert!(turns.is_idle());
}
