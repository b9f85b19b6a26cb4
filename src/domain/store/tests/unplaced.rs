//! Orders of which the platform does not tell where they ship from.

use super::convergence::World;
use super::places::{FIRST, UNHEARD, is_assignments, open, sell, taken, work, world};
use crate::domain::call::*;
use crate::domain::fact::*;
use crate::domain::store::command::Command;
use crate::domain::store::state::Pause;
use crate::ids::*;

/// Sells while the locations are in doubt and cannot be read, with a token that may not ask where orders ship from.
fn sell_without_scope(world: &mut World) -> Vec<Request> {
    world.take("locations/update".to_owned(), Fact::LocationsTouched);
    sell(world);
    let mut made = Vec::new();
    let mut is_first = true;
    for _ in 0..120 {
        world.advance(1_000);
        let fresh = world.platform.fresh();
        let Some(call) = world.apply(Command::PlanCall { fresh }).call else {
            continue;
        };
        let mut answer = world.platform.answer(&call);
        if is_assignments(&call.request) {
            answer.result = Err(CallError::Barred(Bar::ScopeMissing));
        } else if std::mem::take(&mut is_first) {
            assert_eq!(call.request, Request::Read(Read::Locations));
            let reason = "503".to_owned();
            answer.result = Err(CallError::Unavailable { reason });
        }
        world.apply(Command::CallAnswered {
            call: call.id,
            answer,
        });
        made.push(call.request);
    }
    assert!(made.iter().any(is_assignments), "{made:?}");
    made
}

#[test]
fn a_store_with_one_location_does_without_the_scope_that_tells_places() {
    let mut world = world();
    let made = sell_without_scope(&mut world);
    assert_eq!(world.keeper.memo.paused, None);
    assert_eq!(taken(&made), [(FIRST, -3)]);
}

#[test]
fn a_store_with_two_locations_needs_the_scope_that_tells_places() {
    let mut world = world();
    open(&mut world);
    world.take("locations/create".to_owned(), Fact::LocationsTouched);
    work(&mut world, 30);
    let made = sell_without_scope(&mut world);
    let expected = Pause::Barred(Bar::ScopeMissing);
    assert_eq!(world.keeper.memo.paused, Some(expected));
    assert_eq!(taken(&made), []);
}

#[test]
fn a_place_that_the_platform_refuses_to_tell_is_not_asked_about_for_ever() {
    let mut world = world();
    open(&mut world);
    world.take("locations/create".to_owned(), Fact::LocationsTouched);
    work(&mut world, 30);
    sell(&mut world);
    let mut asked = 0;
    for _ in 0..500 {
        world.advance(60_000);
        let fresh = world.platform.fresh();
        let Some(call) = world.apply(Command::PlanCall { fresh }).call else {
            continue;
        };
        let mut answer = world.platform.answer(&call);
        if is_assignments(&call.request) {
            asked += 1;
            answer.result = Err(CallError::Rejected { errors: Vec::new() });
        }
        world.apply(Command::CallAnswered {
            call: call.id,
            answer,
        });
    }
    assert_eq!(asked, 12);
}

/// Lets the platform refuse to tell where orders ship from until nobody asks any more; what was taken meanwhile.
fn refuse_places(world: &mut World) -> Vec<(LocationId, i64)> {
    let mut made = Vec::new();
    for _ in 0..500 {
        world.advance(60_000);
        let fresh = world.platform.fresh();
        let Some(call) = world.apply(Command::PlanCall { fresh }).call else {
            continue;
        };
        let mut answer = world.platform.answer(&call);
        if is_assignments(&call.request) {
            answer.result = Err(CallError::Rejected { errors: Vec::new() });
        }
        made.push(call.request.clone());
        world.apply(Command::CallAnswered {
            call: call.id,
            answer,
        });
    }
    taken(&made)
}

#[test]
fn an_order_that_the_platform_does_not_place_is_told_of_and_placed_when_a_person_says_so() {
    let mut world = world();
    open(&mut world);
    world.take("locations/create".to_owned(), Fact::LocationsTouched);
    work(&mut world, 30);
    sell(&mut world);
    assert_eq!(refuse_places(&mut world), []);
    let letters: Vec<_> = world.dead.values().cloned().collect();
    let [letter] = letters.as_slice() else {
        panic!("{letters:?}");
    };
    assert!(letter.reason.contains("order 900"), "{}", letter.reason);
    assert_eq!(world.state.observation(world.platform.now).dead, 1);
    world.restart();
    world.apply(Command::RetryDeadLetter {
        id: letter.id,
        seq: None,
    });
    assert_eq!(taken(&work(&mut world, 60)), [(UNHEARD, -3)]);
    assert_eq!(world.state.observation(world.platform.now).dead, 0);
}

#[test]
fn failures_do_not_count_as_answers() {
    let mut world = world();
    open(&mut world);
    world.take("locations/create".to_owned(), Fact::LocationsTouched);
    work(&mut world, 30);
    sell(&mut world);
    for _ in 0..1_000 {
        world.advance(60_000);
        let fresh = world.platform.fresh();
        let Some(call) = world.apply(Command::PlanCall { fresh }).call else {
            continue;
        };
        let mut answer = world.platform.answer(&call);
        if is_assignments(&call.request) {
            let reason = "500".to_owned();
            answer.result = Err(CallError::Unavailable { reason });
        }
        world.apply(Command::CallAnswered {
            call: call.id,
            answer,
        });
    }
    assert!(world.dead.is_empty(), "{:?}", world.dead);
    world.advance(900_000);
    assert_eq!(taken(&work(&mut world, 900)), [(UNHEARD, -3)]);
}

#[test]
fn nobody_asks_where_an_order_ships_from_before_the_locations_are_known() {
    let mut world = world();
    world.keeper.memo.locations = None;
    world.restart();
    sell(&mut world);
    let mut made = Vec::new();
    for _ in 0..120 {
        world.advance(1_000);
        let fresh = world.platform.fresh();
        let Some(call) = world.apply(Command::PlanCall { fresh }).call else {
            continue;
        };
        let mut answer = world.platform.answer(&call);
        if call.request == Request::Read(Read::Locations) {
            let reason = "503".to_owned();
            answer.result = Err(CallError::Unavailable { reason });
        }
        world.apply(Command::CallAnswered {
            call: call.id,
            answer,
        });
        made.push(call.request);
    }
    assert!(made.contains(&Request::Read(Read::Locations)), "{made:?}");
    assert!(!made.iter().any(is_assignments), "{made:?}");
    assert_eq!(taken(&work(&mut world, 120)), [(FIRST, -3)]);
}

#[test]
fn an_uninstall_does_not_end_the_pause_of_an_admin() {
    let mut world = world();
    let reason = "holidays".to_owned();
    world.apply(Command::Pause {
        reason: reason.clone(),
    });
    world.take("app/uninstalled".to_owned(), Fact::Uninstalled);
    world.apply(Command::TokenRenewed);
    let expected = Pause::ByAdmin { reason };
    assert_eq!(world.keeper.memo.paused, Some(expected));
}
