//! Safe mode: when many stores crash at once, the fault is not theirs, and going on would only spread it. Webhooks are
//! still accepted; no keeper takes a turn, a command or a call until some time has passed without a crash, or an
//! operator ends it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use metrics::gauge;

use crate::clock::Timestamp;
use crate::ids::StoreId;
use crate::keeper::settings::SafeModeSettings;
use crate::telemetry::metric_name;

/// Stores that are remembered to have crashed within the window; of more, the latest.
const CRASHED_MAX: usize = 100_000;

/// What is known of a safe mode that holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SafeModeStatus {
    pub since: Timestamp,
    /// When it ends, unless another store crashes before.
    pub until: Timestamp,
    /// Stores that had crashed within the window when it began.
    pub crashed: usize,
    /// Stores that had a keeper then.
    pub of: usize,
}

/// Whether safe mode holds.
#[derive(Debug)]
pub(super) struct SafeMode {
    settings: SafeModeSettings,
    is_on: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Each store once, with its last crash; the earliest first.
    crashed: VecDeque<(Timestamp, StoreId)>,
    status: Option<SafeModeStatus>,
}

impl SafeMode {
    pub(super) fn new(settings: SafeModeSettings) -> Self {
        Self {
            settings,
            is_on: AtomicBool::new(false),
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_on(&self) -> bool {
        self.is_on.load(Ordering::SeqCst)
    }

    pub(super) fn status(&self) -> Option<SafeModeStatus> {
        self.state().status
    }

    /// Takes note of a crash, while `living` stores have a keeper; gives safe mode when it begins with this crash.
    pub(super) fn crashed(
        &self,
        store: StoreId,
        living: usize,
        now: Timestamp,
    ) -> Option<SafeModeStatus> {
        let mut state = self.state();
        let until = now.plus_millis(self.settings.quiet_ms);
        if let Some(status) = &mut state.status {
            status.until = until;
            return None;
        }
        let oldest = now.plus_millis(-self.settings.window_ms);
        state
            .crashed
            .retain(|(at, known)| *at > oldest && *at <= now && *known != store);
        if state.crashed.len() >= CRASHED_MAX {
            state.crashed.pop_front();
        }
        state.crashed.push_back((now, store));
        let crashed = state.crashed.len();
        if crashed < self.settings.crashed_stores_min
            || crashed.saturating_mul(100) <= living.saturating_mul(self.settings.crashed_percent)
        {
            return None;
        }
        let status = SafeModeStatus {
            since: now,
            until,
            crashed,
            of: living,
        };
        state.status = Some(status);
        self.set(true);
        Some(status)
    }

    /// Ends it if its time has come; `true` when it ends now. A clock that was set back does not make it longer.
    pub(super) fn look(&self, now: Timestamp) -> bool {
        let mut state = self.state();
        let latest = now.plus_millis(self.settings.quiet_ms);
        if let Some(status) = &mut state.status {
            status.since = status.since.min(now);
            status.until = status.until.min(latest);
        }
        let is_over = state.status.is_some_and(|status| status.until <= now);
        if is_over {
            self.clear(&mut state);
        }
        is_over
    }

    /// Ends it; `false`: it did not hold.
    pub(super) fn end(&self) -> bool {
        let mut state = self.state();
        let was_on = state.status.is_some();
        self.clear(&mut state);
        was_on
    }

    fn clear(&self, state: &mut State) {
        *state = State::default();
        self.set(false);
    }

    fn set(&self, is_on: bool) {
        self.is_on.store(is_on, Ordering::SeqCst);
        gauge!(metric_name::SAFE_MODE).set(u32::from(is_on));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: SafeModeSettings = SafeModeSettings {
        crashed_percent: 20,
        crashed_stores_min: 5,
        window_ms: 60_000,
        quiet_ms: 300_000,
    };

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    /// Whether it begins with any of these crashes, at a second each.
    fn begins(stores: impl IntoIterator<Item = i64>, living: usize) -> bool {
        let safe_mode = SafeMode::new(SETTINGS);
        let mut crashes = (0..).zip(stores);
        crashes.any(|(second, store)| {
            let begun = safe_mode.crashed(StoreId(store), living, at(second * 1_000));
            begun.is_some()
        })
    }

    #[test]
    fn it_begins_when_more_than_a_fifth_of_the_stores_crashed_and_at_least_five() {
        assert!(begins(1..=5, 24));
        assert!(!begins(1..=5, 25), "a fifth is not more than a fifth");
        assert!(begins(1..=6, 25));
        assert!(!begins(1..=4, 4), "too few to tell");
        assert!(
            !begins([1, 2, 3, 4, 4, 3, 2, 1, 1, 1], 4),
            "no store counts twice"
        );
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_make_it_longer_nor_crashes_count_for_longer() {
        let safe_mode = SafeMode::new(SETTINGS);
        let hour = 3_600_000;
        for store in 1..=5 {
            safe_mode.crashed(StoreId(store), 5, at(hour));
        }
        assert!(!safe_mode.look(at(0)) && safe_mode.is_on());
        assert!(!safe_mode.look(at(299_999)));
        assert!(safe_mode.look(at(300_000)));
        for store in 1..=4 {
            safe_mode.crashed(StoreId(store), 5, at(hour));
        }
        assert_eq!(safe_mode.crashed(StoreId(5), 5, at(hour / 2)), None);
    }

    #[test]
    fn crashes_count_within_the_window_only() {
        let safe_mode = SafeMode::new(SETTINGS);
        let mut stores = (1..=20).map(StoreId);
        let spread =
            stores.all(|store| safe_mode.crashed(store, 5, at(store.0 * 15_000)).is_none());
        assert!(spread, "never more than four within a minute");
    }

    #[test]
    fn it_ends_after_quiet_time_which_each_crash_begins_anew_or_when_it_is_ended() {
        let safe_mode = SafeMode::new(SETTINGS);
        for store in 1..=5 {
            safe_mode.crashed(StoreId(store), 5, at(0));
        }
        assert!(safe_mode.is_on());
        assert!(!safe_mode.look(at(299_999)));
        assert_eq!(safe_mode.crashed(StoreId(9), 5, at(200_000)), None);
        assert!(!safe_mode.look(at(300_000)));
        assert!(safe_mode.look(at(500_000)));
        assert!(!safe_mode.is_on() && !safe_mode.end());
        assert_eq!(
            safe_mode.crashed(StoreId(1), 5, at(500_001)),
            None,
            "the record is clean"
        );
    }
}
