//! Single faults, each with what must not follow from it.

use super::convergence::World;
use super::model::{BUNDLES, COMPONENTS, variant_of};
use crate::domain::call::*;
use crate::domain::fact::*;
use crate::domain::standing::{Standing, Terms};
use crate::domain::store::command::Command;
use crate::domain::store::state::Memo;
use crate::ids::*;

pub(super) const HOUR_MS: i64 = 60 * 60 * 1_000;

pub(super) fn world() -> World {
    let mut world = World::new(21);
    world.platform.lossy = false;
    world.define(BUNDLES[0], &[(COMPONENTS[0], 1)], false);
    world.define(BUNDLES[1], &[(COMPONENTS[1], 1)], false);
    world.quiesce();
    world
}

/// An order of one bundle that the platform knows too little of to be read.
pub(super) fn order(number: i64, world: &World) -> OrderSnapshot {
    let variant = Some(variant_of(BUNDLES[0]));
    OrderSnapshot {
        order: OrderId(number),
        created_at: world.platform.now,
        updated_at: world.platform.now,
        cancelled: false,
        paid: true,
        location: Some(LocationId(1)),
        lines: vec![LineSnapshot {
            line: LineId(number),
            variant,
            product: None,
            quantity: 1,
        }],
        refunds: Vec::new(),
    }
}

/// Plans calls, answering each but the first that `wanted` picks, which is given back unanswered.
pub(super) fn plan_until(world: &mut World, wanted: impl Fn(&Request) -> bool) -> Call {
    for _ in 0..100 {
        world.advance(1_000);
        if !world.state.wants_call(world.platform.now) {
            continue;
        }
        let fresh = world.platform.fresh();
        let Some(call) = world.apply(Command::PlanCall { fresh }).call else {
            continue;
        };
        if wanted(&call.request) {
            return call;
        }
        let answer = world.platform.answer(&call);
        world.apply(Command::CallAnswered {
            call: call.id,
            answer,
        });
    }
    panic!("never planned");
}

pub(super) fn is_adjustment(request: &Request) -> bool {
    matches!(request, Request::Write(Write::Adjust(_)))
}

pub(super) fn failed(error: CallError) -> Answer {
    Answer {
        result: Err(error),
        rate: None,
        platform_time: None,
    }
}

#[test]
fn a_write_whose_key_may_be_forgotten_is_never_sent_again() {
    let mut world = world();
    world.advance(5_000);
    let snapshot = order(900, &world);
    world.take("orders/create".to_owned(), Fact::Order(snapshot));
    let call = plan_until(&mut world, is_adjustment);
    world.advance(25 * HOUR_MS);
    world.restart();
    for _ in 0..20 {
        world.advance(1_000);
        let fresh = world.platform.fresh();
        let Some(next) = world.apply(Command::PlanCall { fresh }).call else {
            continue;
        };
        assert_ne!(next.id, call.id);
        let answer = world.platform.answer(&next);
        world.apply(Command::CallAnswered {
            call: next.id,
            answer,
        });
    }
    assert_eq!(
        world.dead.values().next().unwrap().class.name(),
        "ambiguous"
    );
}

#[test]
fn a_write_that_keeps_failing_lets_others_go_first() {
    let mut world = world();
    world.advance(5_000);
    let snapshot = order(901, &world);
    world.take("orders/create".to_owned(), Fact::Order(snapshot));
    let call = plan_until(&mut world, is_adjustment);
    let unavailable = || {
        failed(CallError::Unavailable {
            reason: "503".to_owned(),
        })
    };
    world.apply(Command::CallAnswered {
        call: call.id,
        answer: unavailable(),
    });
    world.apply(Command::ReconcileNow);
    for _ in 0..5 {
        let next = plan_until(&mut world, |request| {
            is_adjustment(request) || matches!(request, Request::Read(_))
        });
        if !is_adjustment(&next.request) {
            return;
        }
        world.apply(Command::CallAnswered {
            call: next.id,
            answer: unavailable(),
        });
    }
    panic!("the failing write stood before all reads");
}

#[test]
fn an_order_that_cannot_be_read_lets_others_go_first() {
    let mut world = world();
    world.take("orders/edited".to_owned(), Fact::OrderTouched(OrderId(902)));
    let call = plan_until(&mut world, |request| {
        matches!(request, Request::Read(Read::Order(_)))
    });
    let answer = failed(CallError::Unavailable {
        reason: "500".to_owned(),
    });
    world.apply(Command::CallAnswered {
        call: call.id,
        answer,
    });
    world.apply(Command::ReconcileNow);
    let next = plan_until(&mut world, |request| matches!(request, Request::Read(_)));
    assert!(
        !matches!(next.request, Request::Read(Read::Order(_))),
        "{next:?}"
    );
}

#[test]
fn a_platform_without_subscriptions_is_swept_all_the_same() {
    let mut world = world();
    world.apply(Command::ReconcileNow);
    let call = plan_until(&mut world, |request| {
        *request == Request::Read(Read::Subscriptions)
    });
    let answer = failed(CallError::Unavailable {
        reason: "unknown operation".to_owned(),
    });
    world.apply(Command::CallAnswered {
        call: call.id,
        answer,
    });
    let next = plan_until(&mut world, |request| {
        matches!(request, Request::Read(Read::OrdersSince { .. }))
    });
    let answer = world.platform.answer(&next);
    world.apply(Command::CallAnswered {
        call: next.id,
        answer,
    });
    let before = world.state.observation(world.platform.now).last_sweep_at;
    for _ in 0..20 {
        world.advance(1_000);
        world.work(false);
    }
    assert!(world.state.observation(world.platform.now).last_sweep_at > before);
}

#[test]
fn a_suspended_store_has_its_subscriptions_made_anew_once_it_is_released() {
    let begins = |request: &Request| {
        matches!(
            request,
            Request::Read(Read::Subscriptions | Read::OrdersSince { .. })
        )
    };
    let mut world = world();
    world.apply(Command::ReconcileNow);
    world.state.agree(Terms {
        standing: Standing::Suspended,
        ..Terms::default()
    });
    let first = plan_until(&mut world, begins);
    assert!(
        matches!(first.request, Request::Read(Read::OrdersSince { .. })),
        "{first:?}"
    );
    let answer = world.platform.answer(&first);
    world.apply(Command::CallAnswered {
        call: first.id,
        answer,
    });
    world.quiesce();
    world.state.agree(Terms::default());
    let first = plan_until(&mut world, begins);
    assert_eq!(first.request, Request::Read(Read::Subscriptions));
}

#[test]
fn a_memo_of_before_is_understood() {
    let memo = serde_json::from_str::<Memo>(r#"{"parts_touched":[7],"platform_ahead_ms":3}"#);
    assert_eq!(memo.unwrap().platform_ahead_ms, 3);
}

#[test]
fn a_bundle_is_stocked_where_it_had_no_level() {
    for seed in 0..20 {
        let mut world = World::new(seed);
        if world.platform.locations.len() < 2 {
            continue;
        }
        world.platform.lossy = false;
        world.platform.levels.remove(&(BUNDLES[0], LocationId(2)));
        world.define(BUNDLES[0], &[(COMPONENTS[0], 1)], false);
        world.define(BUNDLES[1], &[(COMPONENTS[1], 1)], false);
        world.quiesce();
        let level = world
            .platform
            .levels
            .get(&(BUNDLES[0], LocationId(2)))
            .map_or(0, |level| level.0);
        assert_eq!(
            level,
            world.platform.bundle_expected(BUNDLES[0], LocationId(2)),
            "seed {seed}"
        );
    }
}

#[test]
fn a_refused_component_is_asked_for_again_when_a_person_says_so() {
    let mut world = world();
    world.advance(5_000);
    let snapshot = order(904, &world);
    world.take("orders/create".to_owned(), Fact::Order(snapshot));
    let call = plan_until(&mut world, is_adjustment);
    refuse_first(&mut world, &call, UserErrorCode::ItemUnusable);
    let letter = *world.dead.keys().next().unwrap();
    assert_eq!(
        world.state.observation(world.platform.now).unsettled_orders,
        1
    );
    world.apply(Command::RetryDeadLetter {
        id: letter,
        seq: None,
        edit: None,
    });
    assert!(world.dead.is_empty());
    let again = plan_until(&mut world, is_adjustment);
    assert_ne!(again.id, call.id, "a refused write needs a new key");
}

/// The platform refuses a write because of its first entry.
fn refuse_first(world: &mut World, call: &Call, code: UserErrorCode) {
    let error = UserError {
        entry: Some(0),
        code,
        message: "no".to_owned(),
    };
    world.apply(Command::CallAnswered {
        call: call.id,
        answer: failed(CallError::Rejected {
            errors: vec![error],
        }),
    });
}

#[test]
fn a_component_that_is_not_stocked_where_it_is_taken_is_stocked_there_once() {
    let mut world = world();
    world.advance(5_000);
    let snapshot = order(904, &world);
    world.take("orders/create".to_owned(), Fact::Order(snapshot));
    let call = plan_until(&mut world, is_adjustment);
    let Request::Write(Write::Adjust(entries)) = &call.request else {
        panic!("{call:?}");
    };
    let (item, location) = (entries[0].item, entries[0].location);
    refuse_first(&mut world, &call, UserErrorCode::NotStocked);
    assert!(world.dead.is_empty(), "nobody has to act");

    let stocked = plan_until(&mut world, |request| request.name() == "activate");
    let expected = Write::Activate {
        item,
        location,
        available: 0,
    };
    assert_eq!(stocked.request, Request::Write(expected));
    let answer = world.platform.answer(&stocked);
    world.apply(Command::CallAnswered {
        call: stocked.id,
        answer,
    });
    let again = plan_until(&mut world, is_adjustment);
    refuse_first(&mut world, &again, UserErrorCode::NotStocked);
    assert_eq!(world.dead.len(), 1, "it was tried");
}

#[test]
fn an_order_of_absurd_size_does_not_wrap_around() {
    const UNITS_MAX: i64 = 1_000_000_000_000;
    let mut world = world();
    world.define(BUNDLES[1], &[(COMPONENTS[0], 2_000)], true);
    world.quiesce();
    world.advance(5_000);
    let mut absurd = order(904, &world);
    let line = |number| LineSnapshot {
        line: LineId(number),
        variant: Some(variant_of(BUNDLES[1])),
        product: None,
        quantity: UNITS_MAX,
    };
    absurd.lines = (1..=10_000).map(line).collect();
    world.take("orders/create".to_owned(), Fact::Order(absurd));
    let call = plan_until(&mut world, is_adjustment);
    let Request::Write(Write::Adjust(adjustments)) = call.request else {
        panic!("no adjustment");
    };
    assert!(
        adjustments.iter().all(|it| it.delta == i64::MIN),
        "{adjustments:?}"
    );
}

fn is_sweep_of_orders(request: &Request) -> bool {
    matches!(request, Request::Read(Read::OrdersSince { .. }))
}

fn since_of(call: &Call) -> crate::clock::Timestamp {
    let Request::Read(Read::OrdersSince { since, .. }) = &call.request else {
        panic!("not a sweep: {call:?}");
    };
    *since
}

#[test]
fn a_first_sweep_that_failed_begins_again_at_the_first_recipe() {
    let mut world = World::new(22);
    world.platform.lossy = false;
    world.define(BUNDLES[0], &[(COMPONENTS[0], 1)], false);
    let first = plan_until(&mut world, is_sweep_of_orders);
    let reason = "timeout".to_owned();
    world.apply(Command::CallAnswered {
        call: first.id,
        answer: failed(CallError::Ambiguous { reason }),
    });
    world.advance(5 * HOUR_MS);
    world.apply(Command::ReconcileNow);
    let again = plan_until(&mut world, is_sweep_of_orders);
    assert_eq!(since_of(&again), since_of(&first));
}

#[test]
fn a_slow_answer_does_not_set_the_clock_back() {
    let mut world = world();
    world.apply(Command::ReconcileNow);
    let call = plan_until(&mut world, |_| true);
    let asked_at = world.platform.now;
    world.advance(25_000);
    let answer = Answer {
        platform_time: Some(asked_at.floor_to_second()),
        ..world.platform.answer(&call)
    };
    world.apply(Command::CallAnswered {
        call: call.id,
        answer,
    });
    assert_eq!(world.state.platform_ahead_ms, 0);
}

#[test]
fn a_bar_for_the_former_token_does_not_stop_the_new_one() {
    let mut world = world();
    world.apply(Command::ReconcileNow);
    let call = plan_until(&mut world, |_| true);
    world.advance(1_000);
    world.apply(Command::TokenRenewed);
    world.apply(Command::CallAnswered {
        call: call.id,
        answer: failed(CallError::Barred(Bar::TokenDead)),
    });
    assert_eq!(world.state.paused, None);
    plan_until(&mut world, |_| true);
}

#[test]
fn no_more_bundles_are_dirty_than_there_are() {
    let mut world = world();
    for item in COMPONENTS.iter().chain(&BUNDLES) {
        let told = Fact::LevelGone {
            item: *item,
            location: LocationId(1),
        };
        world.take("inventory_levels/disconnect".to_owned(), told);
    }
    let seen = world.state.observation(world.platform.now);
    assert_eq!((seen.bundles, seen.dirty_bundles), (2, 2));
}

#[test]
fn a_row_that_crashed_three_times_is_given_up_only_when_it_is_passed() {
    let span = |from, to| crate::domain::backlog::Span { from, to };
    let mut world = World::new(24);
    world.keeper.ahead = [span(20, 25), span(30, 35)];
    world.restart();
    let crash = || Command::RowCrashed {
        seq: 5,
        reason: "hangs".to_owned(),
    };
    for _ in 0..3 {
        world.apply(crash());
    }
    // Rows 1 to 4 are still to come, and there is no room for another piece of the log that is done with.
    assert!(world.dead.is_empty());
    assert_eq!(world.state.suspect().map(|suspect| suspect.seq), Some(5));
    world.keeper.cursor = 4;
    world.restart();
    world.apply(crash());
    assert_eq!(world.dead.len(), 1);
    assert!(world.state.taken().contains(5));
}

/// The refund of a cancelled order may be told of later than its end.
#[test]
fn a_cancelled_order_needs_no_attention_once_its_goods_are_back() {
    let mut world = world();
    let mut order = order(5, &world);
    world.take("orders/create".to_owned(), Fact::Order(order.clone()));
    let shown = |world: &World| world.state.attention(world.platform.now).unrestocked;
    order.cancelled = true;
    order.updated_at = world.platform.now.plus_millis(1_000);
    world.take("orders/cancelled".to_owned(), Fact::Order(order.clone()));
    assert_eq!(shown(&world), [OrderId(5)]);
    let line = RefundLine {
        line: LineId(5),
        variant: Some(variant_of(BUNDLES[0])),
        quantity: 1,
        restock: Restock::Cancel,
        location: Some(LocationId(1)),
    };
    let refund = RefundSnapshot {
        refund: RefundId(5),
        order: OrderId(5),
        lines: vec![line],
    };
    world.take("refunds/create".to_owned(), Fact::Refund(refund));
    assert_eq!(shown(&world), []);
}
