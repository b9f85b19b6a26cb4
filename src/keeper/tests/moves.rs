//! A keeper that is wanted on another thread: when it goes, when it stays, and what its successor minds.

use super::bench::{Bench, STORE};
use crate::domain::call::{Answer, CallError};
use crate::domain::store::command::Command;
use crate::ids::CallId;
use crate::keeper::core::KeeperCore;
use crate::keeper::exit::{Aftermath, Deactivation, Exit};
use crate::keeper::guard::{self, Decision, Past};
use crate::keeper::progress::Doing;
use crate::keeper::status::KeeperState;

/// A keeper that is wanted elsewhere.
async fn wanted_elsewhere(bench: &Bench, aftermath: &mut Aftermath) -> Box<KeeperCore> {
    let core = bench.succeed(aftermath).await.unwrap();
    bench.slot.set_state(KeeperState::Running);
    want_elsewhere(bench);
    core
}

fn want_elsewhere(bench: &Bench) {
    let seat = bench.shared.arbiters.seat_on(0).unwrap();
    assert!(bench.slot.want_elsewhere(seat));
}

fn moved(one_by_one: usize, in_order: bool) -> Exit {
    Exit::Deactivated(Deactivation::Moved {
        one_by_one,
        in_order,
    })
}

/// How it ends if it is wanted elsewhere after so many steps.
async fn ends_after(bench: &Bench, steps: usize, mut aftermath: Aftermath) -> Exit {
    let mut core = bench.succeed(&mut aftermath).await.unwrap();
    for _step in 0..steps {
        (core, _) = core.step().await.unwrap();
    }
    bench.slot.set_state(KeeperState::Running);
    want_elsewhere(bench);
    core.step().await.map(|_| ()).unwrap_err()
}

#[tokio::test]
async fn what_a_keeper_minds_after_a_refused_commit_its_successor_elsewhere_minds_too() {
    let bench = Bench::set_up().await;
    for number in 1..=5 {
        bench.accept(number).await;
    }
    let refused = Aftermath {
        one_by_one: 4,
        ..Aftermath::default()
    };
    let exit = Box::pin(ends_after(&bench, 2, refused)).await;
    assert_eq!(exit, moved(2, true), "two are through");
    let mut aftermath = Aftermath::default();
    aftermath.learn(&exit, 20);
    let successor = bench.succeed(&mut aftermath).await.unwrap();
    assert_eq!((successor.one_by_one, successor.in_order), (2, true));
    assert_eq!(aftermath, Aftermath::default(), "nobody else minds it");
}

#[tokio::test]
async fn rows_are_met_in_their_order_elsewhere_too_after_one_brought_a_keeper_down() {
    let bench = Bench::set_up().await;
    bench.accept(1).await;
    let crashed = Aftermath {
        crash: Some((1, "a test".to_owned())),
        ..Aftermath::default()
    };
    let exit = Box::pin(ends_after(&bench, 0, crashed)).await;
    assert_eq!(exit, moved(0, true));
    let mut aftermath = Aftermath::default();
    aftermath.learn(&exit, 20);
    let successor = bench.succeed(&mut aftermath).await.unwrap();
    assert!(successor.in_order);
    let suspect = successor.state.suspect().map(|suspect| suspect.seq);
    assert_eq!(suspect, Some(1), "it was put down before");
    let exit = Box::pin(ends_after(&bench, 0, Aftermath::default())).await;
    assert_eq!(exit, moved(0, false));
}

#[tokio::test]
async fn the_answer_to_the_call_under_way_comes_before_the_move_and_no_other_call_is_made() {
    let bench = Bench::set_up().await;
    bench.slot.call_sent();
    let mut core = wanted_elsewhere(&bench, &mut Aftermath::default()).await;
    assert!(!bench.slot.is_called(), "or it would look without end");
    (core, _) = core.step().await.unwrap();
    let answer = Answer {
        result: Err(CallError::Busy),
        rate: None,
        platform_time: None,
    };
    let call = CallId(bench.shared.deps.ids.random_uuid());
    bench.slot.call_answered(call, answer);
    assert!(bench.slot.is_called());
    (core, _) = core.step().await.unwrap();
    assert!(!bench.slot.call_in_flight(), "it is taken");
    assert_eq!(core.step().await.map(|_| ()), Err(moved(0, false)));
}

#[tokio::test]
async fn who_is_paused_or_stuck_stays_where_it_is() {
    let bench = Bench::set_up().await;
    let mut core = wanted_elsewhere(&bench, &mut Aftermath::default()).await;
    let pause = Command::Pause {
        reason: "a test".to_owned(),
    };
    core.state.apply(core.now(), pause).unwrap();
    (core, _) = core.step().await.unwrap();
    assert!(!bench.slot.is_wanted_elsewhere(), "it was forgotten");
    core.state.apply(core.now(), Command::Resume).unwrap();
    want_elsewhere(&bench);
    bench.slot.progress.begin(Doing::Turn, core.now());
    let work = bench.slot.progress.work().unwrap();
    bench.slot.progress.mark(work.number).unwrap();
    core.obey().unwrap();
    assert!(!bench.slot.is_wanted_elsewhere());
    bench.slot.moved();
    want_elsewhere(&bench);
    assert_eq!(core.obey(), Err(moved(0, false)), "it is well again");
}

#[tokio::test]
async fn nobody_moves_while_the_process_ends() {
    let bench = Bench::set_up().await;
    let core = wanted_elsewhere(&bench, &mut Aftermath::default()).await;
    bench.shared.begin_shutdown();
    assert_eq!(core.step().await.map(|_| ()), Err(Exit::ShutDown));
    // One that was about to move when the process began to end.
    let mut past = Past::none(bench.shared.settings.restart);
    let decision = guard::decide(&bench.shared, &moved(0, false), &mut past.budget);
    assert_eq!(decision, Decision::End);
}

#[tokio::test]
async fn a_keeper_that_ended_is_wanted_nowhere() {
    let bench = Bench::set_up().await;
    let ends: [fn(&Bench); 4] = [
        |bench| {
            bench.slot.hear();
            assert!(bench.slot.release());
        },
        |bench| bench.slot.abandon(),
        |bench| bench.slot.set_state(KeeperState::Starting),
        |bench| {
            let until = bench.shared.deps.clock.now();
            bench.slot.set_state(KeeperState::Quarantined { until });
        },
    ];
    let seated = || bench.shared.arbiters.keepers_on(0);
    for end in ends {
        bench.slot.set_state(KeeperState::Running);
        want_elsewhere(&bench);
        assert_eq!(seated(), 1);
        end(&bench);
        assert_eq!((bench.slot.is_wanted_elsewhere(), seated()), (false, 0));
        let seat = bench.shared.arbiters.seat_on(0).unwrap();
        assert!(!bench.slot.want_elsewhere(seat), "none runs");
        assert_eq!(seated(), 0, "{STORE}");
    }
}
