//! One case for each cause, and their order.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::sentence::{Cause, Decided, Situation, Why, why};
use crate::clock::Timestamp;
use crate::domain::call::Bar;
use crate::domain::store::observation::{BucketView, Observation, Wait, WaitKind};
use crate::domain::store::state::Pause;
use crate::ids::StoreId;
use crate::keeper::{Doing, KeeperState, KeeperStatus, SafeModeStatus, Stuck, Today, TurnPlace};

const NOW: Timestamp = Timestamp::from_millis(1_000_000);
const LATER: Timestamp = Timestamp::from_millis(1_090_000);

fn observation() -> Observation {
    let bucket = |used, size| BucketView {
        used,
        size,
        restore_per_s: 2,
        held: 0,
        usable: size,
        in_flight: 0,
        at: NOW,
        next_at: NOW,
        told_at: None,
        throttle: None,
    };
    Observation {
        store: StoreId(1),
        at: NOW,
        cursor: 0,
        taken: 0,
        applied: 0,
        naked: 0,
        parked: 0,
        dead: 0,
        bundles: 0,
        dirty_bundles: 0,
        unsettled_orders: 0,
        unsure_levels: 0,
        open_calls: 0,
        contested_levels: 0,
        contested_until: None,
        buckets: BTreeMap::from([
            ("graphql".to_owned(), bucket(11, 2_000)),
            ("rest".to_owned(), bucket(40, 40)),
        ]),
        waiting: Vec::new(),
        made: Vec::new(),
        paused: None,
        last_sweep_at: None,
        waits_for: None,
    }
}

fn status(state: KeeperState, observation: Observation) -> KeeperStatus {
    KeeperStatus {
        store: StoreId(1),
        state,
        arbiter: 0,
        restarts: 0,
        crashes: 0,
        stuck: None,
        in_hand: None,
        busy_us: 0,
        last_error: Some("panicked at inbox row 7: no".to_owned()),
        last_panic: None,
        turns: 0,
        last_turn_at: None,
        activated_at: None,
        observation: Some(Arc::new(observation)),
        standing: None,
        today: None,
    }
}

fn running(change: impl FnOnce(&mut Observation)) -> KeeperStatus {
    let mut observation = observation();
    change(&mut observation);
    status(KeeperState::Running, observation)
}

const fn situation(status: Option<&KeeperStatus>) -> Situation<'_> {
    Situation {
        now: NOW,
        status,
        safe_mode: None,
        is_storm: false,
        backlog: 0,
        oldest_age_ms: None,
        parked: 0,
        turn: None,
        decided: None,
    }
}

fn waiting(kind: WaitKind, reason: &str, until: Option<Timestamp>) -> KeeperStatus {
    running(|observation| {
        observation.waits_for = Some(Wait {
            kind,
            reason: reason.to_owned(),
            until,
        });
    })
}

#[track_caller]
fn says(why: &Why, cause: Cause, words: &[&str], until: Option<Timestamp>) {
    assert_eq!((why.cause, why.until), (cause, until), "{}", why.sentence);
    for word in words {
        assert!(why.sentence.contains(word), "{word}: {}", why.sentence);
    }
}

#[test]
fn safe_mode_stops_all_others() {
    let running = running(|_| {});
    let mut situation = situation(Some(&running));
    situation.backlog = 5;
    situation.safe_mode = Some(SafeModeStatus {
        since: NOW,
        until: LATER,
        crashed: 3,
        of: 9,
    });
    let why = why(&situation);
    says(&why, Cause::SafeMode, &["3 of 9"], Some(LATER));
    assert_eq!(why.eta(NOW).as_deref(), Some("in 90 s"));
    assert_eq!(why.eta(LATER).as_deref(), Some("within a second"));
}

#[test]
fn a_retry_storm_holds_up_who_has_a_backlog_and_nobody_else() {
    let running = running(|_| {});
    let mut situation = situation(Some(&running));
    situation.is_storm = true;
    assert_ne!(why(&situation).cause, Cause::RetryStorm);
    situation.backlog = 5;
    let words = ["5 webhooks", "applied slowly"];
    says(&why(&situation), Cause::RetryStorm, &words, None);
}

#[test]
fn a_keeper_that_rests_says_why_and_until_when() {
    let quarantined = status(KeeperState::Quarantined { until: LATER }, observation());
    let told = why(&situation(Some(&quarantined)));
    let words = ["quarantine", "inbox row 7", "accepted meanwhile"];
    says(&told, Cause::Quarantined, &words, Some(LATER));
    let mut by_ann = situation(Some(&quarantined));
    by_ann.decided = Some(Decided {
        who: "Ann",
        reason: "it floods us",
    });
    let words = ["Ann", "quarantine: it floods us"];
    says(&why(&by_ann), Cause::Quarantined, &words, Some(LATER));
    let restarting = status(KeeperState::Restarting { until: LATER }, observation());
    let told = why(&situation(Some(&restarting)));
    says(
        &told,
        Cause::Restarting,
        &["inbox row 7", "anew"],
        Some(LATER),
    );
    let starting = status(KeeperState::Starting, observation());
    let told = why(&situation(Some(&starting)));
    says(&told, Cause::Starting, &["reads the store"], None);
}

#[test]
fn a_keeper_that_does_not_get_on_says_at_what_since_when() {
    let mut stuck = running(|_| {});
    stuck.stuck = Some(Stuck {
        doing: Doing::Turn,
        since: NOW.plus_millis(-240_000),
    });
    let told = why(&situation(Some(&stuck)));
    says(&told, Cause::Stuck, &["a turn", "4 min"], None);
}

#[test]
fn a_pause_says_by_whom_and_why_before_anything_else() {
    let paused = running(|observation| {
        observation.paused = Some(Pause::ByAdmin {
            reason: "stocktaking".to_owned(),
        });
    });
    let mut situation = situation(Some(&paused));
    situation.backlog = 5;
    situation.decided = Some(Decided {
        who: "Ann (3f) by dashboard",
        reason: "stocktaking",
    });
    let told = why(&situation);
    says(
        &told,
        Cause::Paused,
        &["Ann", "stocktaking", "resumes"],
        None,
    );
    for bar in [Bar::Frozen, Bar::TokenDead, Bar::ScopeMissing, Bar::Locked] {
        let barred = running(|observation| observation.paused = Some(Pause::Barred(bar)));
        let situation = Situation {
            status: Some(&barred),
            ..situation
        };
        says(
            &why(&situation),
            Cause::Barred,
            &[bar.name(), "person"],
            None,
        );
    }
    let gone = running(|observation| observation.paused = Some(Pause::Uninstalled));
    situation.status = Some(&gone);
    says(&why(&situation), Cause::Uninstalled, &["install"], None);
}

#[test]
fn what_is_held_says_why_and_until_when() {
    let mut held = running(|_| {});
    held.today = Some(Today {
        at: NOW,
        rows: 12,
        taken: 9,
        allowance: Some(9),
        dropped: 0,
        held_until: Some(NOW.plus_millis(3_600_000)),
    });
    let mut situation = situation(Some(&held));
    situation.backlog = 3;
    let until = Some(NOW.plus_millis(3_600_000));
    let words = ["3 webhooks wait", "allowance of 9", "standing is good"];
    says(&why(&situation), Cause::Held, &words, until);
    situation.backlog = 0;
    assert_eq!(why(&situation).cause, Cause::Nothing);
    situation.backlog = 3;
    situation.now = NOW.plus_millis(2 * 86_400_000);
    assert_eq!(
        why(&situation).cause,
        Cause::Working,
        "that was another day"
    );
}

#[test]
fn a_backlog_says_its_place_in_line() {
    let running = running(|_| {});
    let mut situation = situation(Some(&running));
    (situation.backlog, situation.oldest_age_ms) = (412, Some(192_000));
    let told = why(&situation);
    says(&told, Cause::Working, &["412 webhooks wait", "3 min"], None);
    situation.turn = Some(TurnPlace {
        ahead: 7,
        waiting: 20,
    });
    let told = why(&situation);
    says(&told, Cause::Turn, &["412", "7 of the 20 stores"], None);
    situation.turn = Some(TurnPlace {
        ahead: 0,
        waiting: 1,
    });
    says(&why(&situation), Cause::Turn, &["next in line"], None);
}

#[test]
fn calls_say_what_holds_them_up() {
    let until = Some(LATER);
    let cases = [
        (
            WaitKind::BackOff,
            Cause::BackOff,
            "it does not answer",
            until,
        ),
        (WaitKind::Answer, Cause::Answer, "not answered yet", None),
        (WaitKind::Tokens, Cause::Tokens, "40 of 40 in `rest`", until),
        (WaitKind::Call, Cause::Call, "about to be made", until),
        (
            WaitKind::Order,
            Cause::Question,
            "it does not answer",
            until,
        ),
        (WaitKind::Item, Cause::Question, "it does not answer", until),
        (
            WaitKind::Locations,
            Cause::Question,
            "it does not answer",
            until,
        ),
        (
            WaitKind::Contested,
            Cause::Question,
            "it does not answer",
            until,
        ),
        (WaitKind::Parked, Cause::Parked, "2 parked webhooks", until),
        (WaitKind::Schedule, Cause::Scheduled, "nothing to do", until),
    ];
    for (kind, cause, words, until) in cases {
        let waits = waiting(kind, "it does not answer", until);
        let mut situation = situation(Some(&waits));
        situation.parked = 2;
        says(&why(&situation), cause, &[words], until);
    }
}

#[test]
fn who_has_nothing_to_do_says_so() {
    let told = why(&situation(None));
    says(&told, Cause::Nothing, &["sleeps"], None);
    let stopped = status(KeeperState::Stopped, observation());
    says(
        &why(&situation(Some(&stopped))),
        Cause::Nothing,
        &["sleeps"],
        None,
    );
    let idle = running(|_| {});
    let mut situation = situation(Some(&idle));
    says(&why(&situation), Cause::Nothing, &["applied"], None);
    situation.parked = 1;
    says(&why(&situation), Cause::Parked, &["1 parked webhook"], None);
    situation.status = None;
    situation.backlog = 1;
    says(
        &why(&situation),
        Cause::Waking,
        &["1 webhook waits", "woken"],
        None,
    );
}
