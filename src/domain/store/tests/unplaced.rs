//! Orders of which the platform does not tell where they ship from.

use super::convergence::World;
use super::places::{FIRST, UNHEARD, is_assignments, open, sell, taken, work, world};
use crate::domain::call::*;
use crate::domain::fact::*;
use crate::domain::store::command::Command;
use crate::domain::store::state::Pause;

/// A store that knows of both locations.
fn world_with_two_locations() -> World {
    let mut world = world();
    open(&mut world);
    world.take("locations/create".to_owned(), Fact::LocationsTouched);
    work(&mut world, 30);
    world
}

fn unavailable() -> CallError {
    CallError::Unavailable {
        reason: "503".to_owned(),
    }
}

/// Sells while the locations are in doubt and cannot be read, with a token that may not ask where orders ship from.
fn sell_without_scope(world: &mut World) -> Vec<Request> {
    world.take("locations/update".to_owned(), Fact::LocationsTouched);
    sell(world);
    let mut is_first = true;
    let made = world.calls_with((120, 1_000), |request, answer| {
        if is_assignments(request) {
            answer.result = Err(CallError::Barred(Bar::ScopeMissing));
        } else if std::mem::take(&mut is_first) {
            assert_eq!(*request, Request::Read(Read::Locations));
            answer.result = Err(unavailable());
        }
    });
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
    let mut world = world_with_two_locations();
    let made = sell_without_scope(&mut world);
    let expected = Pause::Barred(Bar::ScopeMissing);
    assert_eq!(world.keeper.memo.paused, Some(expected));
    assert_eq!(taken(&made), []);
}

/// Lets the platform refuse to tell where orders ship from, for hours.
fn refuse_places(world: &mut World) -> Vec<Request> {
    world.calls_with((500, 60_000), |request, answer| {
        if is_assignments(request) {
            answer.result = Err(CallError::Rejected { errors: Vec::new() });
        }
    })
}

#[test]
fn an_order_that_the_platform_does_not_place_is_told_of_and_placed_when_a_person_says_so() {
    let mut world = world_with_two_locations();
    sell(&mut world);
    let made = refuse_places(&mut world);
    let asked = made
        .iter()
        .filter(|request| is_assignments(request))
        .count();
    assert_eq!((asked, taken(&made)), (12, Vec::new()));
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
        edit: None,
    });
    assert_eq!(taken(&work(&mut world, 60)), [(UNHEARD, -3)]);
    assert_eq!(world.state.observation(world.platform.now).dead, 0);
}

#[test]
fn failures_do_not_count_as_answers() {
    let mut world = world_with_two_locations();
    sell(&mut world);
    world.calls_with((1_000, 60_000), |request, answer| {
        if is_assignments(request) {
            answer.result = Err(unavailable());
        }
    });
    assert!(world.dead.is_empty(), "{:?}", world.dead);
    let refused = world.calls_with((20, 60_000), |request, answer| {
        if is_assignments(request) {
            answer.result = Err(CallError::Rejected { errors: Vec::new() });
        }
    });
    assert!(refused.iter().any(is_assignments), "{refused:?}");
    assert!(world.dead.is_empty(), "one answer: {:?}", world.dead);
    world.advance(900_000);
    assert_eq!(taken(&work(&mut world, 900)), [(UNHEARD, -3)]);
}

#[test]
fn nobody_asks_where_an_order_ships_from_before_the_locations_are_known() {
    let mut world = world();
    world.keeper.memo.locations = None;
    world.restart();
    sell(&mut world);
    // So long that every other kind of call has lost its patience.
    let made = world.calls_with((3_600, 1_000), |request, answer| {
        if *request == Request::Read(Read::Locations) {
            answer.result = Err(unavailable());
        }
    });
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
