//! A retry storm, as keepers meet it: while it is on, applying gives way to accepting.
//!
//! A store that is done with all it has waits longer before its next turn, so that what comes shares one. A store with
//! a backlog takes its turns in a slow line, one after the other over all such stores. Nobody holds anything in that
//! line, so that a thread that stands still holds nobody up, and who waits there looks again from time to time whether
//! the storm is over.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use metrics::gauge;

use crate::clock::{Stopwatch, Timestamp};
use crate::domain::storm::{Change, Detector, Sign, Storm};
use crate::keeper::settings::StormSettings;
use crate::telemetry::metric_name;

/// Between two judgements at the door, milliseconds.
const BETWEEN_LOOKS_MS: i64 = 200;
/// Between two looks whether the storm is over, of who waits in the slow line.
const PATIENCE: Duration = Duration::from_secs(1);

/// Whether there is a storm, and the slow line.
#[derive(Debug)]
pub(super) struct StormWatch {
    settings: StormSettings,
    is_on: AtomicBool,
    state: Mutex<State>,
    since_start: Stopwatch,
    /// When the next turn in the slow line may begin, microseconds since the start.
    next_us: AtomicU64,
    /// Counts storms: a place in the line of one is none in the line of another.
    number: AtomicU64,
}

#[derive(Debug)]
struct State {
    detector: Detector,
    looked_at: Option<Timestamp>,
}

impl StormWatch {
    pub(super) fn new(settings: StormSettings) -> Self {
        Self {
            settings,
            is_on: AtomicBool::new(false),
            state: Mutex::new(State {
                detector: Detector::new(settings.rules),
                looked_at: None,
            }),
            since_start: Stopwatch::start(),
            next_us: AtomicU64::new(0),
            number: AtomicU64::new(0),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_on(&self) -> bool {
        self.is_on.load(Ordering::Relaxed)
    }

    pub(super) fn storm(&self) -> Option<Storm> {
        self.state().detector.storm()
    }

    /// Takes note of a webhook, and judges now and then.
    pub(super) fn note(&self, sign: &Sign) {
        let mut state = self.state();
        state.detector.note(sign);
        let is_recent =
            |looked: Timestamp| (0..BETWEEN_LOOKS_MS).contains(&sign.at.millis_since(looked));
        if !state.looked_at.is_some_and(is_recent) {
            self.judge(&mut state, sign.at);
        }
    }

    /// Judges what was noticed; a storm also ends when nothing comes any more.
    pub(super) fn look(&self, now: Timestamp) {
        self.judge(&mut self.state(), now);
    }

    fn judge(&self, state: &mut State, now: Timestamp) {
        state.looked_at = Some(now);
        match state.detector.look(now) {
            Some(Change::Began(storm)) => {
                tracing::warn!(
                    webhooks = storm.webhooks,
                    resent = storm.resent,
                    "retry storm: webhooks are sent again and accepted late; applying gives way"
                );
                self.set(true);
            }
            Some(Change::Over(storm)) => {
                tracing::warn!(since = %storm.since, "the retry storm is over");
                self.set(false);
            }
            None => {}
        }
    }

    fn set(&self, is_on: bool) {
        self.is_on.store(is_on, Ordering::Relaxed);
        gauge!(metric_name::RETRY_STORM).set(u32::from(is_on));
        self.next_us.store(0, Ordering::Relaxed);
        self.number.fetch_add(1, Ordering::Relaxed);
    }

    /// How long a store that is done with all it has rests before its next turn, while there is a storm.
    pub(super) fn spacing_ms(&self) -> Option<u64> {
        self.is_on().then_some(self.settings.turn_spacing_ms)
    }

    /// Waits in the slow line for as long as there is a storm.
    pub(super) async fn give_way(&self) {
        while self.is_on() {
            let number = self.number.load(Ordering::Relaxed);
            let place_us = self.take_place();
            while self.is_on() && self.number.load(Ordering::Relaxed) == number {
                let left_us = place_us.saturating_sub(self.now_us());
                if left_us == 0 {
                    return;
                }
                tokio::time::sleep(Duration::from_micros(left_us).min(PATIENCE)).await;
            }
        }
    }

    /// The next place in the slow line: when it may begin, microseconds since the start.
    fn take_place(&self) -> u64 {
        let now_us = self.now_us();
        let gap_us = 1_000_000 / u64::from(self.settings.turns_per_s.max(1));
        let after = |next: u64| Some(next.max(now_us).saturating_add(gap_us));
        let taken = self
            .next_us
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, after);
        taken.unwrap_or(now_us).max(now_us)
    }

    fn now_us(&self) -> u64 {
        u64::try_from(self.since_start.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stormy(turns_per_s: u32) -> StormWatch {
        let watch = StormWatch::new(StormSettings {
            turns_per_s,
            ..StormSettings::default()
        });
        let now = Timestamp::from_millis(1_000_000);
        for _ in 0..watch.settings.rules.webhooks_min {
            watch.note(&Sign {
                at: now,
                is_known: true,
                triggered_at: None,
                took_ms: 60_000,
            });
        }
        watch.look(now);
        assert!(watch.is_on());
        watch
    }

    #[test]
    fn places_in_the_slow_line_follow_one_another_at_its_pace() {
        let watch = stormy(10);
        let places: Vec<_> = (0..50).map(|_| watch.take_place()).collect();
        let gaps = places.windows(2).map(|pair| pair[1] - pair[0]);
        assert!(gaps.clone().all(|gap| gap >= 100_000), "{places:?}");
        // A test that was held up meanwhile finds larger gaps, not smaller ones.
        assert!(places[49] >= 4_900_000);
    }

    #[tokio::test]
    async fn nobody_waits_without_a_storm_and_all_go_on_when_it_is_over() {
        let watch = StormWatch::new(StormSettings::default());
        watch.give_way().await;
        assert_eq!(
            (watch.spacing_ms(), watch.take_place() > 1_000_000_000),
            (None, false)
        );
        let watch = stormy(1);
        assert_eq!(watch.spacing_ms(), Some(watch.settings.turn_spacing_ms));
        let last = (0..3_600).map(|_| watch.take_place()).max();
        assert!(last > Some(3_000_000_000));
        let over = async {
            let rules = watch.settings.rules;
            let calm = 1_000_000 + rules.window_ms;
            watch.look(Timestamp::from_millis(calm));
            watch.look(Timestamp::from_millis(calm + rules.quiet_ms));
        };
        // An hour stands before it in the line.
        let waits = watch.give_way();
        let both = async { tokio::join!(waits, over) };
        tokio::time::timeout(Duration::from_secs(60), both)
            .await
            .expect("the line goes home");
        assert!(!watch.is_on() && watch.storm().is_none());
    }
}
