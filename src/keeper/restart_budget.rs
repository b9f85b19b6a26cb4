//! How often a keeper may crash, and how long it rests then. Pure: time and chance come in as arguments.

use std::collections::VecDeque;

use crate::clock::Timestamp;
use crate::keeper::exit::Blame;
use crate::keeper::settings::RestartSettings;

/// What follows a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Restart { at: Timestamp },
    Quarantine { until: Timestamp },
}

/// A store's record of crashes.
#[derive(Clone, Debug)]
pub(super) struct RestartBudget {
    settings: RestartSettings,
    /// When it crashed by its own fault, within the window.
    crashes: VecDeque<Timestamp>,
    /// Crashes of any kind since it was last healthy.
    in_a_row: u32,
    quarantines: u32,
    /// When its last crash was, or its last quarantine ends.
    unwell_until: Option<Timestamp>,
}

impl RestartBudget {
    pub(super) const fn new(settings: RestartSettings) -> Self {
        Self {
            settings,
            crashes: VecDeque::new(),
            in_a_row: 0,
            quarantines: 0,
            unwell_until: None,
        }
    }

    /// Whether there is nothing to remember.
    pub(super) fn is_clean(&self) -> bool {
        self.crashes.is_empty() && self.in_a_row == 0 && self.quarantines == 0
    }

    /// Takes note of a keeper that ran from `began` to `ended`. The record is clean after a life long enough, or when
    /// for so long no keeper has crashed or was kept from running: those of a quiet store live but briefly.
    pub(super) fn ran(&mut self, began: Timestamp, ended: Timestamp) {
        let since = self.unwell_until.map_or(began, |until| until.min(began));
        if ended.millis_since(since) >= self.settings.healthy_ms {
            self.forgive();
        }
    }

    /// Cleans the record.
    pub(super) fn forgive(&mut self) {
        self.crashes.clear();
        self.in_a_row = 0;
        self.quarantines = 0;
        self.unwell_until = None;
    }

    /// Decides what follows a crash at `now`; `chance` spreads the delay.
    pub(super) fn crashed(&mut self, now: Timestamp, blame: Blame, chance: u8) -> Verdict {
        self.in_a_row = self.in_a_row.saturating_add(1);
        self.unwell_until = Some(now);
        if blame == Blame::Store {
            self.crashes.push_back(now);
        }
        while self
            .crashes
            .front()
            .is_some_and(|&at| now.millis_since(at) >= self.settings.window_ms)
        {
            self.crashes.pop_front();
        }
        if self.crashes.len() > self.settings.restarts_max {
            return self.quarantine(now);
        }
        let delay = doubled(
            self.settings.backoff_min_ms,
            self.in_a_row - 1,
            self.settings.backoff_max_ms,
        );
        Verdict::Restart {
            at: now.plus_millis(self.spread(delay, chance)),
        }
    }

    /// Quarantines without a crash, or after too many.
    pub(super) fn quarantine(&mut self, now: Timestamp) -> Verdict {
        let rest = doubled(
            self.settings.quarantine_min_ms,
            self.quarantines,
            self.settings.quarantine_max_ms,
        );
        self.quarantines = self.quarantines.saturating_add(1);
        self.crashes.clear();
        self.in_a_row = 0;
        let until = now.plus_millis(rest);
        self.unwell_until = Some(until);
        Verdict::Quarantine { until }
    }

    /// `delay` longer or shorter by up to the jitter, evenly over `chance`.
    fn spread(&self, delay: i64, chance: u8) -> i64 {
        let widest = delay.saturating_mul(self.settings.jitter_percent) / 100;
        let offset = widest.saturating_mul(2 * i64::from(chance) - 255) / 255;
        delay.saturating_add(offset)
    }
}

/// `first` doubled `times` times, at most `most`.
fn doubled(first: i64, times: u32, most: i64) -> i64 {
    1_i64
        .checked_shl(times.min(40))
        .map_or(most, |factor| first.saturating_mul(factor))
        .min(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_JITTER: RestartSettings = RestartSettings {
        restarts_max: 5,
        window_ms: 60_000,
        backoff_min_ms: 100,
        backoff_max_ms: 30_000,
        jitter_percent: 0,
        healthy_ms: 300_000,
        quarantine_min_ms: 900_000,
        quarantine_max_ms: 21_600_000,
    };

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn delays_double_and_the_sixth_crash_in_a_minute_is_quarantine() {
        let mut budget = RestartBudget::new(NO_JITTER);
        let delays: Vec<_> = (0..6)
            .map(|_| budget.crashed(at(1_000), Blame::Store, 0))
            .collect();
        let restarts = [100, 200, 400, 800, 1_600].map(|delay| Verdict::Restart {
            at: at(1_000 + delay),
        });
        assert_eq!(delays[..5], restarts);
        assert_eq!(delays[5], Verdict::Quarantine { until: at(901_000) });
    }

    #[test]
    fn quarantine_doubles_up_to_six_hours() {
        let mut budget = RestartBudget::new(NO_JITTER);
        let rests: Vec<_> = (0..7).map(|_| budget.quarantine(at(0))).collect();
        let expected: [i64; 7] = [
            900_000, 1_800_000, 3_600_000, 7_200_000, 14_400_000, 21_600_000, 21_600_000,
        ];
        assert_eq!(
            rests,
            expected.map(|until| Verdict::Quarantine { until: at(until) })
        );
    }

    #[test]
    fn crashes_that_are_far_apart_never_lead_to_quarantine() {
        let mut budget = RestartBudget::new(NO_JITTER);
        for crash in 0..100 {
            let now = at(crash * 12_001);
            assert!(
                matches!(
                    budget.crashed(now, Blame::Store, 0),
                    Verdict::Restart { .. }
                ),
                "crash {crash}"
            );
        }
    }

    #[test]
    fn an_outage_of_the_database_backs_off_to_the_bound_and_never_quarantines() {
        let mut budget = RestartBudget::new(NO_JITTER);
        let last = (0..50)
            .map(|_| budget.crashed(at(0), Blame::World, 0))
            .last();
        assert_eq!(last, Some(Verdict::Restart { at: at(30_000) }));
    }

    #[test]
    fn five_healthy_minutes_clean_the_record() {
        let mut budget = RestartBudget::new(NO_JITTER);
        for _ in 0..5 {
            budget.crashed(at(0), Blame::Store, 0);
        }
        budget.ran(at(0), at(299_999));
        assert!(matches!(
            budget.clone().crashed(at(0), Blame::Store, 0),
            Verdict::Quarantine { .. }
        ));
        budget.ran(at(0), at(300_000));
        assert_eq!(
            budget.crashed(at(0), Blame::Store, 0),
            Verdict::Restart { at: at(100) }
        );
    }

    #[test]
    fn five_minutes_without_a_crash_clean_the_record_however_briefly_keepers_live() {
        let mut budget = RestartBudget::new(NO_JITTER);
        assert_eq!(
            budget.quarantine(at(0)),
            Verdict::Quarantine { until: at(900_000) }
        );
        // It crashes as soon as it may run again.
        budget.ran(at(900_000), at(900_001));
        let again = Verdict::Quarantine {
            until: at(2_700_001),
        };
        assert_eq!(budget.quarantine(at(900_001)), again);
        budget.ran(at(2_800_000), at(2_900_000));
        assert!(!budget.is_clean(), "it is not well for long enough");
        budget.ran(at(3_000_000), at(3_000_001));
        assert!(budget.is_clean());
    }

    #[test]
    fn jitter_stays_within_a_fifth() {
        let settings = RestartSettings {
            jitter_percent: 20,
            backoff_min_ms: 1_000,
            ..NO_JITTER
        };
        let delays = [0, 127, 255]
            .map(|chance| RestartBudget::new(settings).crashed(at(0), Blame::Store, chance));
        assert_eq!(delays[0], Verdict::Restart { at: at(800) });
        assert_eq!(delays[1], Verdict::Restart { at: at(1_000) });
        assert_eq!(delays[2], Verdict::Restart { at: at(1_200) });
    }
}
