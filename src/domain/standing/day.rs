//! The webhooks of a UTC day, counted without a counter: an inbox numbers its rows without gaps, so the number of the
//! last row before the day is all there is to keep.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// Milliseconds of a day.
pub const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// A day in a store's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Day {
    /// Days since the Unix epoch.
    number: i64,
    /// The last row that does not count for it. Never too low, so that no store is charged for another day: what came
    /// while nobody looked, or was forgotten in a crash, is free.
    before: i64,
    /// Naked webhooks that were dropped, being beyond the allowance.
    #[serde(default)]
    dropped: i64,
}

impl Day {
    /// The day at `now`: the one that was `kept` if it is still the same, or one that begins with the first row that
    /// is known to be of today, or else behind the log's last row.
    #[must_use]
    pub fn at(now: Timestamp, kept: Option<Self>, first_today: Option<i64>, head: i64) -> Self {
        let number = number_of(now);
        let begin = || Self {
            number,
            before: first_today.map_or(head, |first| first.saturating_sub(1).min(head)),
            dropped: 0,
        };
        kept.filter(|day| day.number == number)
            .unwrap_or_else(begin)
    }

    /// Whether it is the day of this instant.
    #[must_use]
    pub const fn is_of(self, now: Timestamp) -> bool {
        self.number == number_of(now)
    }

    /// How many of its webhooks there are in a log whose last row is `head`.
    #[must_use]
    pub fn rows(self, head: i64) -> i64 {
        head.saturating_sub(self.before).max(0)
    }

    /// The last row within the allowance.
    #[must_use]
    pub const fn last_within(self, allowance: i64) -> i64 {
        self.before.saturating_add(allowance)
    }

    /// How many of its naked webhooks were dropped.
    #[must_use]
    pub const fn dropped(self) -> i64 {
        self.dropped
    }

    /// So many more naked webhooks were dropped.
    pub const fn drop_naked(&mut self, webhooks: i64) {
        self.dropped = self.dropped.saturating_add(webhooks);
    }

    /// When the day of this instant is over.
    #[must_use]
    pub const fn end_of(now: Timestamp) -> Timestamp {
        Timestamp::from_millis((number_of(now) + 1).saturating_mul(DAY_MS))
    }
}

const fn number_of(now: Timestamp) -> i64 {
    now.as_millis().div_euclid(DAY_MS)
}
