//! Steps of standings against a reference that keeps every window and reads the definition word by word.

use proptest::prelude::*;

use crate::clock::Timestamp;
use crate::domain::standing::*;

const MINUTE_MS: i64 = 60_000;

fn rules() -> LadderRules {
    QuotaRules::default().ladder
}

fn at(minute: i64) -> Timestamp {
    Timestamp::from_millis(DAY_MS * 20_000 + minute * MINUTE_MS)
}

/// A minute of which a store's turns took so many percent; the others took the rest.
fn share(percent: u64) -> Sample {
    Sample {
        busy_us: 300_000 * percent,
        all_busy_us: 30_000_000,
        window_us: 60_000_000,
        ..Sample::default()
    }
}

/// The rungs after each window.
fn rungs(rules: &LadderRules, samples: impl IntoIterator<Item = Sample>) -> Vec<Rung> {
    let (mut ladder, mut record) = (Ladder::default(), Record::default());
    let step = |(minute, sample): (i64, Sample)| {
        if let Some(next) = ladder.look(rules, &record, &sample, at(minute)) {
            record = next;
        }
        record.rung
    };
    (1..).zip(samples).map(step).collect()
}

#[test]
fn who_takes_too_much_goes_step_by_step_and_comes_back_when_calm_for_long() {
    use Rung::{Good, Noisy, Quarantined};
    let loud = std::iter::repeat_n(share(95), 6);
    let calm = std::iter::repeat_n(share(5), 70);
    let rungs = rungs(&rules(), loud.chain(calm));
    assert_eq!(rungs[..6], [Good, Good, Noisy, Noisy, Noisy, Quarantined]);
    let back = |rung| rungs.iter().skip(6).position(|found| *found == rung);
    assert_eq!(
        (back(Noisy), back(Good)),
        (Some(29), Some(59)),
        "thirty minutes each"
    );
}

#[test]
fn at_the_edge_nothing_moves() {
    let edge = [share(51), share(51), share(51)].into_iter();
    let between = std::iter::repeat_n(share(45), 200);
    let rungs = rungs(&rules(), edge.chain(between));
    assert!(rungs[2..].iter().all(|rung| *rung == Rung::Noisy));
}

#[test]
fn who_works_alone_or_on_a_server_that_rests_harms_nobody() {
    let alone = Sample {
        all_busy_us: 28_500_000,
        ..share(95)
    };
    let at_rest = Sample {
        window_us: 600_000_000,
        ..share(95)
    };
    for sample in [alone, at_rest] {
        let rungs = rungs(&rules(), std::iter::repeat_n(sample, 50));
        assert_eq!(rungs.last(), Some(&Rung::Good));
    }
}

#[test]
fn rows_beyond_the_allowance_and_crashes_count_too() {
    let rows = |rows_today| Sample {
        rows_today,
        allowance: Some(100),
        ..Sample::default()
    };
    let crashes = |crashes| Sample {
        crashes,
        ..Sample::default()
    };
    let deserved = |sample| rules().deserved(&sample, 100).0;
    assert_eq!(
        [0, 100, 101, 200, 201].map(|today| deserved(rows(today))),
        [
            Rung::Good,
            Rung::Good,
            Rung::Noisy,
            Rung::Noisy,
            Rung::Quarantined
        ]
    );
    assert_eq!(
        [0, 4, 5, 19, 20].map(|count| deserved(crashes(count))),
        [
            Rung::Good,
            Rung::Good,
            Rung::Noisy,
            Rung::Noisy,
            Rung::Quarantined
        ]
    );
    let unlimited = Sample {
        allowance: None,
        ..rows(1_000_000)
    };
    assert_eq!(deserved(unlimited), Rung::Good);
}

#[test]
fn a_persons_word_holds_until_the_day_is_over_and_only_a_person_suspends() {
    let decision = |to| Decision {
        to,
        effective_at: None,
        reason: "said so".to_owned(),
        by: "ada".to_owned(),
    };
    let noisy = Record::default().decided(decision(Standing::Noisy), at(0));
    assert_eq!(noisy.pinned_until, Some(at(24 * 60)));
    let mut ladder = Ladder::default();
    let mut look = |minute| ladder.look(&rules(), &noisy, &share(95), at(minute));
    assert!((1..24 * 60).all(|minute| look(minute).is_none()));
    assert_eq!(
        [0, 1, 2].map(|more| look(24 * 60 + more).map(|next| next.rung)),
        [None, None, Some(Rung::Quarantined)]
    );

    let later = Decision {
        effective_at: Some(at(60)),
        ..decision(Standing::Suspended)
    };
    let told = noisy.decided(later, at(1));
    assert_eq!(
        [59, 60].map(|minute| told.standing(at(minute))),
        [Standing::Noisy, Standing::Suspended]
    );
    let stepped = told.stepped(Rung::Good, String::new(), at(61));
    assert_eq!(
        stepped.standing(at(61)),
        Standing::Suspended,
        "the rules end no suspension"
    );
    let released = stepped.decided(decision(Standing::Good), at(62));
    assert_eq!(released.standing(at(63)), Standing::Good);
}

#[test]
fn nobody_is_left_without_a_share() {
    let rules = QuotaRules {
        noisy_weight_percent: 0,
        quarantined_weight_percent: 0,
        ..QuotaRules::default()
    };
    for rung in [Rung::Good, Rung::Noisy, Rung::Quarantined] {
        let record = Record::default().stepped(rung, String::new(), at(0));
        assert!(rules.terms(None, &record, at(0)).weight_percent >= 1);
    }
}

/// The definition, word by word, over all windows there were.
fn reference(rules: &LadderRules, samples: &[(Timestamp, Sample)]) -> Vec<Rung> {
    let (mut rung, mut since, mut begins) = (Rung::Good, Timestamp::EPOCH, 0);
    let mut rungs = Vec::new();
    for end in 1..=samples.len() {
        let windows = &samples[begins..end];
        let (now, _) = samples[end - 1];
        let last = |count: u32, holds: &dyn Fn(&Sample) -> bool| {
            let count = usize::try_from(count).unwrap();
            windows.len() >= count
                && windows[windows.len() - count..]
                    .iter()
                    .all(|(_, sample)| holds(sample))
        };
        let stayed = now.millis_since(since) >= rules.stay_ms;
        let next = if last(rules.windows_up, &|sample| {
            rules.deserved(sample, 100).0 > rung
        }) {
            rung.worse()
        } else if stayed
            && last(rules.windows_down, &|sample| {
                rules.deserved(sample, rules.calm_percent).0 < rung
            })
        {
            rung.better()
        } else {
            rung
        };
        if next != rung {
            (rung, since, begins) = (next, now, end);
        }
        rungs.push(rung);
    }
    rungs
}

fn sample() -> impl Strategy<Value = Sample> {
    let shares = prop_oneof![
        Just(0),
        Just(39),
        Just(40),
        Just(45),
        Just(50),
        Just(72),
        Just(89),
        Just(95),
        0..100_u64
    ];
    let rows = prop_oneof![
        Just(0_i64),
        Just(80),
        Just(81),
        Just(101),
        Just(161),
        Just(201)
    ];
    (
        shares,
        rows,
        prop_oneof![4 => Just(0_u64), 1 => 0..25_u64],
        prop::bool::weighted(0.5),
    )
        .prop_map(|(percent, rows_today, crashes, limited)| Sample {
            rows_today,
            crashes,
            allowance: limited.then_some(100),
            ..share(percent)
        })
}

/// Stretches of equal windows, so that steps happen.
fn history() -> impl Strategy<Value = Vec<Sample>> {
    let stretch = (sample(), 1..20_usize).prop_map(|(sample, windows)| vec![sample; windows]);
    prop::collection::vec(stretch, 1..12).prop_map(|stretches| stretches.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn steps_follow_from_the_windows_since_the_last_one(
        samples in history(), windows_up in 1..5_u32, windows_down in 1..8_u32, stay in 0..20_i64,
    ) {
        let rules = LadderRules { windows_up, windows_down, stay_ms: stay * MINUTE_MS, ..rules() };
        let told: Vec<_> = (1..).map(at).zip(samples.iter().copied()).collect();
        prop_assert_eq!(rungs(&rules, samples), reference(&rules, &told));
    }
}
