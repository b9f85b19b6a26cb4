//! Stores that always have webhooks, and have none.
//!
//! What is usual is learnt anew after each start of the server: a store counts once it had webhooks in so many periods
//! on end.

use std::collections::BTreeMap;

use crate::clock::Timestamp;
use crate::domain::alarm::AlarmRules;
use crate::ids::StoreId;

/// How many silent stores are named.
const NAMED_MAX: usize = 10;

/// What is usual for a store.
#[derive(Clone, Copy, Debug)]
struct Habit {
    received: i64,
    /// Periods on end in which it had webhooks; kept while it is silent.
    busy: u32,
    is_silent: bool,
}

/// What is usual for every store.
#[derive(Debug)]
pub struct Silence {
    period_ms: i64,
    periods: u32,
    habits: BTreeMap<StoreId, Habit>,
    looked_at: Option<Timestamp>,
}

impl Silence {
    /// Nothing is known yet.
    #[must_use]
    pub const fn new(rules: &AlarmRules) -> Self {
        Self {
            period_ms: rules.silence_ms,
            periods: rules.silence_periods,
            habits: BTreeMap::new(),
            looked_at: None,
        }
    }

    /// Whether a period is over, so that [`look`](Self::look) has something to see. When the clock was set back, the
    /// period begins anew.
    #[must_use]
    pub fn is_due(&mut self, now: Timestamp) -> bool {
        self.looked_at = self.looked_at.map(|looked_at| looked_at.min(now));
        let is_over = |looked_at: Timestamp| now.millis_since(looked_at) >= self.period_ms;
        self.period_ms > 0 && self.periods > 0 && self.looked_at.is_none_or(is_over)
    }

    /// Looks at how many webhooks each store ever received; those that are not among `counts` are forgotten.
    pub fn look(&mut self, now: Timestamp, counts: impl IntoIterator<Item = (StoreId, i64)>) {
        self.looked_at = Some(now);
        let before = std::mem::take(&mut self.habits);
        for (store, received) in counts {
            let habit = match before.get(&store) {
                None => Habit {
                    received,
                    busy: 0,
                    is_silent: false,
                },
                Some(habit) => habit.after(received, self.periods),
            };
            self.habits.insert(store, habit);
        }
    }

    /// In one sentence, which stores are silent; `None`: none.
    #[must_use]
    pub fn summary(&self) -> Option<String> {
        let silent = self.habits.iter().filter(|(_, habit)| habit.is_silent);
        let stores: Vec<String> = silent.map(|(store, _)| store.to_string()).collect();
        let named = stores.get(..NAMED_MAX).unwrap_or(&stores).join(", ");
        let more = if stores.len() > NAMED_MAX {
            ", …"
        } else {
            ""
        };
        match stores.len() {
            0 => None,
            1 => Some(format!("store {named} always has webhooks and has none")),
            count => Some(format!(
                "{count} stores always have webhooks and have none: {named}{more}"
            )),
        }
    }
}

impl Habit {
    fn after(self, received: i64, periods: u32) -> Self {
        let has_webhooks = received > self.received;
        let is_silent = !has_webhooks && (self.is_silent || self.busy >= periods);
        let busy = match (has_webhooks, is_silent) {
            (true, _) => self.busy.saturating_add(1),
            (false, true) => self.busy,
            (false, false) => 0,
        };
        Self {
            received,
            busy,
            is_silent,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::alarm::tests::RULES;

    fn silence_after(received: &[i64]) -> Option<String> {
        let mut silence = Silence::new(&RULES);
        let mut now = Timestamp::from_millis(0);
        for received in received {
            assert!(silence.is_due(now));
            silence.look(now, [(StoreId(7), *received), (StoreId(8), 0)]);
            assert!(!silence.is_due(now.plus_millis(RULES.silence_ms - 1)));
            now = now.plus_millis(RULES.silence_ms);
        }
        silence.summary()
    }

    #[test]
    fn a_store_that_always_has_webhooks_and_has_none_is_named() {
        assert_eq!(silence_after(&[5, 6, 7, 9]), None);
        let told = silence_after(&[5, 6, 7, 9, 9]).unwrap();
        assert_eq!(told, "store 7 always has webhooks and has none");
        assert_eq!(silence_after(&[5, 6, 7, 9, 9, 9, 9]), Some(told));
        assert_eq!(silence_after(&[5, 6, 7, 9, 9, 9, 10]), None, "heard again");
    }

    #[test]
    fn a_store_that_is_often_silent_is_not_worth_a_word() {
        assert_eq!(silence_after(&[5, 6, 7, 7, 8, 9, 9]), None);
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_keep_it_from_looking() {
        let mut silence = Silence::new(&RULES);
        silence.look(Timestamp::from_millis(9 * RULES.silence_ms), []);
        assert!(!silence.is_due(Timestamp::from_millis(0)));
        assert!(!silence.is_due(Timestamp::from_millis(RULES.silence_ms - 1)));
        assert!(silence.is_due(Timestamp::from_millis(RULES.silence_ms)));
    }

    #[test]
    fn many_are_counted_and_some_named() {
        let mut silence = Silence::new(&RULES);
        for period in 0..5_i64 {
            let received = period.min(3);
            let counts = (1..=30).map(|store| (StoreId(store), received));
            silence.look(Timestamp::from_millis(period), counts);
        }
        let told = silence.summary().unwrap();
        assert!(
            told.starts_with("30 stores always") && told.ends_with("9, 10, …"),
            "{told}"
        );
        silence.look(Timestamp::from_millis(9), []);
        assert_eq!(silence.summary(), None, "stores that left are forgotten");
    }
}
