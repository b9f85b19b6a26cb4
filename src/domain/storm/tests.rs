//! What is a storm and what is not, by table; and against a model that remembers every webhook.

use proptest::prelude::*;

use super::*;
use crate::clock::Timestamp;

const RULES: StormRules = StormRules {
    window_ms: 10_000,
    webhooks_min: 100,
    resent_percent: 20,
    old_ms: 30_000,
    slow_ms: 250,
    calm_ms: 100,
    quiet_ms: 5_000,
};
const SLOT_MS: i64 = 500;
const NOW: i64 = 1_000_000;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// A webhook that is new and was accepted at once.
fn fresh(millis: i64) -> Sign {
    Sign {
        at: at(millis),
        is_known: false,
        triggered_at: Some(at(millis)),
        took_ms: 5,
    }
}

/// One that waited for the server to come back, and then for its acceptance.
fn late(millis: i64) -> Sign {
    Sign {
        triggered_at: Some(at(millis - RULES.old_ms)),
        took_ms: 251,
        ..fresh(millis)
    }
}

/// Whether so many webhooks of each kind within a second are a storm.
fn is_storm(rules: StormRules, kinds: &[(i64, Sign)]) -> bool {
    let mut detector = Detector::new(rules);
    for (count, sign) in kinds {
        (0..*count).for_each(|_| detector.note(sign));
    }
    matches!(detector.look(at(NOW)), Some(Change::Began(_)))
}

#[test]
fn a_storm_is_many_webhooks_sent_again_and_accepted_late() {
    let (fresh, late) = (fresh(NOW), late(NOW));
    let known = Sign {
        is_known: true,
        took_ms: 251,
        ..fresh
    };
    let slow = Sign {
        took_ms: 251,
        ..fresh
    };
    let old = Sign { took_ms: 5, ..late };
    let no_stamp = Sign {
        triggered_at: None,
        ..slow
    };
    let almost_old = Sign {
        triggered_at: Some(at(NOW - RULES.old_ms + 1)),
        ..slow
    };
    let almost_slow = Sign {
        took_ms: 250,
        ..late
    };
    for (expected, kinds, why) in [
        (true, [(100, late), (0, fresh)], "old ones"),
        (true, [(100, known), (0, fresh)], "known ones"),
        (false, [(99, late), (0, fresh)], "too few"),
        (true, [(20, late), (80, fresh)], "a fifth of them"),
        (false, [(19, late), (81, fresh)], "less than a fifth"),
        (false, [(100, slow), (0, fresh)], "new ones: only slow"),
        (false, [(100, old), (0, fresh)], "accepted quickly"),
        (
            false,
            [(100, no_stamp), (0, fresh)],
            "nothing tells their age",
        ),
        (false, [(100, almost_old), (0, fresh)], "not old yet"),
        (false, [(100, almost_slow), (0, fresh)], "not slow yet"),
        (
            true,
            [(98, old), (2, slow)],
            "more than one in a hundred is slow",
        ),
        (false, [(99, old), (1, slow)], "one in a hundred is slow"),
    ] {
        assert_eq!(is_storm(RULES, &kinds), expected, "{why}");
    }
    let never = StormRules {
        slow_ms: 0,
        ..RULES
    };
    assert!(!is_storm(never, &[(1_000, late)]), "turned off");
}

/// A detector with a storm that began at [`NOW`].
fn stormy() -> Detector {
    let mut detector = Detector::new(RULES);
    (0..100).for_each(|_| detector.note(&late(NOW)));
    let expected = Storm {
        since: at(NOW),
        webhooks: 100,
        resent: 100,
    };
    assert_eq!(detector.look(at(NOW)), Some(Change::Began(expected)));
    assert_eq!(detector.storm(), Some(expected));
    assert_eq!(detector.look(at(NOW)), None, "it began already");
    detector
}

/// When it is over, looking ten times a second while `each` happens.
fn over_at(detector: &mut Detector, each: impl Fn(i64) -> Option<Sign>) -> Option<i64> {
    let looks = (NOW..NOW + 120_000).step_by(100);
    looks.into_iter().find(|now| {
        if let Some(sign) = each(*now) {
            detector.note(&sign);
        }
        matches!(detector.look(at(*now)), Some(Change::Over(_)))
    })
}

#[test]
fn it_is_over_when_acceptance_has_been_quick_for_a_while() {
    let slow_ones_leave = NOW + RULES.window_ms;
    let quiet = over_at(&mut stormy(), |_| None);
    assert_eq!(quiet, Some(slow_ones_leave + RULES.quiet_ms));
    let still_old = |now| {
        Some(Sign {
            took_ms: 100,
            ..late(now)
        })
    };
    let recovered = over_at(&mut stormy(), still_old);
    assert_eq!(recovered, Some(slow_ones_leave + RULES.quiet_ms));
    let between = |now| {
        Some(Sign {
            took_ms: 101,
            ..late(now)
        })
    };
    let never = over_at(&mut stormy(), between);
    assert_eq!(never, None, "neither slow nor calm");
    let relapse_at = slow_ones_leave + 4_000;
    let relapse = |now| (now == relapse_at).then(|| late(now));
    let over = over_at(&mut stormy(), relapse);
    let expected = relapse_at + RULES.window_ms + RULES.quiet_ms;
    assert_eq!(over, Some(expected), "quiet time begins anew");
}

#[test]
fn it_is_over_when_few_are_sent_again_though_acceptance_stays_slow() {
    let slow = |kind: fn(i64) -> Sign, now| Sign {
        took_ms: 60_000,
        ..kind(now)
    };
    let over = over_at(&mut stormy(), |now| Some(slow(fresh, now)));
    assert_eq!(over, Some(NOW + RULES.window_ms + RULES.quiet_ms));
    // One in ten is half of a fifth.
    let one_in = |of: i64, now: i64| {
        let is_late = now.div_euclid(100) % of == 0;
        Some(slow(if is_late { late } else { fresh }, now))
    };
    assert_eq!(over_at(&mut stormy(), |now| one_in(10, now)), None);
    assert!(over_at(&mut stormy(), |now| one_in(20, now)).is_some());
}

#[test]
fn a_clock_that_was_set_back_makes_no_storm_longer() {
    let mut detector = stormy();
    let hour = 3_600_000;
    assert_eq!(detector.look(at(NOW - hour)), None);
    assert_eq!(
        detector.storm().map(|storm| storm.since),
        Some(at(NOW - hour))
    );
    assert_eq!(detector.look(at(NOW - hour + RULES.quiet_ms - 1)), None);
    let over = detector.look(at(NOW - hour + RULES.quiet_ms));
    assert!(matches!(over, Some(Change::Over(_))), "{over:?}");
}

#[test]
fn memory_is_bounded() {
    let mut detector = Detector::new(RULES);
    for millis in (NOW..NOW + 600_000).step_by(10) {
        detector.note(&fresh(millis));
    }
    assert!(detector.slots_kept() <= 20, "{}", detector.slots_kept());
}

/// Remembers every webhook, and says what the rules say.
#[derive(Default)]
struct Model {
    signs: Vec<Sign>,
    is_on: bool,
    calm_since: Option<i64>,
}

impl Model {
    fn look(&mut self, now: i64) -> &'static str {
        let first_slot = now.div_euclid(SLOT_MS) - 19;
        let within = |sign: &&Sign| sign.at.as_millis().div_euclid(SLOT_MS) >= first_slot;
        let seen: Vec<_> = self.signs.iter().filter(within).collect();
        let p99_above = |bound| {
            let mut took: Vec<_> = seen.iter().map(|sign| sign.took_ms).collect();
            took.sort_unstable();
            let rank = (took.len() * 99).div_ceil(100);
            took.get(rank.saturating_sub(1))
                .is_some_and(|took| *took > bound)
        };
        let is_resent = |sign: &&&Sign| {
            let age = |at: Timestamp| sign.at.millis_since(at);
            sign.is_known || sign.triggered_at.is_some_and(|at| age(at) >= RULES.old_ms)
        };
        let resent = seen.iter().filter(is_resent).count();
        if !self.is_on {
            self.is_on = seen.len() >= 100 && resent * 5 >= seen.len() && p99_above(RULES.slow_ms);
            return if self.is_on { "began" } else { "" };
        }
        if p99_above(RULES.calm_ms) && resent * 10 >= seen.len() {
            self.calm_since = None;
            return "";
        }
        let since = *self.calm_since.get_or_insert(now);
        if now - since < RULES.quiet_ms {
            return "";
        }
        (self.is_on, self.calm_since) = (false, None);
        "over"
    }
}

/// So many webhooks of a kind at once, after some time.
fn burst() -> impl Strategy<Value = (i64, usize, bool, i64, i64)> {
    let age = prop_oneof![Just(0), Just(29_999), Just(30_000), Just(500_000)];
    let took = prop_oneof![Just(5), Just(100), Just(101), Just(250), Just(251)];
    (0_i64..3_000, 0_usize..80, any::<bool>(), age, took)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn it_turns_as_a_model_does_that_remembers_everything(bursts in prop::collection::vec(burst(), 1..80)) {
        let (mut detector, mut model, mut now) = (Detector::new(RULES), Model::default(), NOW);
        for (later, count, is_known, age, took_ms) in bursts {
            now += later;
            let sign = Sign { at: at(now), is_known, triggered_at: Some(at(now - age)), took_ms };
            for _ in 0..count {
                detector.note(&sign);
                model.signs.push(sign);
            }
            let turned = match detector.look(at(now)) {
                Some(Change::Began(_)) => "began",
                Some(Change::Over(_)) => "over",
                None => "",
            };
            prop_assert_eq!(turned, model.look(now));
            prop_assert_eq!(detector.storm().is_some(), model.is_on);
        }
    }
}
