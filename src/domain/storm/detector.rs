//! Counts what is noticed over a sliding window, and judges the counts.

use std::collections::VecDeque;

use crate::clock::Timestamp;
use crate::domain::storm::{Sign, StormRules};

/// Parts that the window moves by.
const SLOTS: i64 = 20;
/// The percentile that is judged leaves out one in so many.
const ONE_IN: i64 = 100;

/// A retry storm that is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Storm {
    pub since: Timestamp,
    /// Webhooks in the window when it began.
    pub webhooks: i64,
    /// Those of them that had been sent before.
    pub resent: i64,
}

/// A storm began, or is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Began(Storm),
    Over(Storm),
}

/// What was noticed of late, and whether it is a storm.
#[derive(Debug)]
pub struct Detector {
    rules: StormRules,
    /// The oldest first; none older than the window.
    slots: VecDeque<(i64, Counts)>,
    storm: Option<Storm>,
    /// Since when acceptance has been quick, while there is a storm.
    calm_since: Option<Timestamp>,
    seen_at: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    webhooks: i64,
    resent: i64,
    /// Took longer than a storm needs.
    slow: i64,
    /// Took longer than its end allows.
    not_calm: i64,
}

impl Detector {
    /// Nothing was noticed yet.
    #[must_use]
    pub const fn new(rules: StormRules) -> Self {
        Self {
            rules,
            slots: VecDeque::new(),
            storm: None,
            calm_since: None,
            seen_at: None,
        }
    }

    /// The storm that is on.
    #[must_use]
    pub const fn storm(&self) -> Option<Storm> {
        self.storm
    }

    /// Takes note of a webhook.
    pub fn note(&mut self, sign: &Sign) {
        if self.rules.slow_ms <= 0 {
            return;
        }
        self.move_to(sign.at);
        let number = self.slot_of(sign.at);
        if self.slots.back().is_none_or(|(last, _)| *last < number) {
            self.slots.push_back((number, Counts::default()));
        }
        let (is_resent, rules) = (self.rules.is_resent(sign), self.rules);
        if let Some((_, counts)) = self.slots.back_mut() {
            counts.webhooks += 1;
            counts.resent += i64::from(is_resent);
            counts.slow += i64::from(sign.took_ms > rules.slow_ms);
            counts.not_calm += i64::from(sign.took_ms > rules.calm_ms);
        }
    }

    /// Judges what was noticed; tells what turned by it.
    pub fn look(&mut self, now: Timestamp) -> Option<Change> {
        self.move_to(now);
        let counts = self.counts();
        let Some(storm) = self.storm else {
            return self.begins(&counts, now);
        };
        if self.goes_on(&counts) {
            self.calm_since = None;
            return None;
        }
        let calm_since = *self.calm_since.get_or_insert(now);
        if now.millis_since(calm_since) < self.rules.quiet_ms {
            return None;
        }
        self.storm = None;
        self.calm_since = None;
        Some(Change::Over(storm))
    }

    /// Whether webhooks are still sent again, half as many as at its beginning at least, and accepted late. What is new
    /// and accepted late, for instance by a slow disk, is no storm, and applying must not wait for its end.
    fn goes_on(&self, counts: &Counts) -> bool {
        let resent = counts.resent.saturating_mul(200);
        resent >= counts.webhooks.saturating_mul(self.rules.resent_percent)
            && exceeds_percentile(counts.not_calm, counts.webhooks)
    }

    fn begins(&mut self, counts: &Counts, now: Timestamp) -> Option<Change> {
        let rules = &self.rules;
        let is_storm = counts.webhooks >= rules.webhooks_min.max(1)
            && counts.resent.saturating_mul(100)
                >= counts.webhooks.saturating_mul(rules.resent_percent)
            && exceeds_percentile(counts.slow, counts.webhooks);
        if !is_storm {
            return None;
        }
        let storm = Storm {
            since: now,
            webhooks: counts.webhooks,
            resent: counts.resent,
        };
        self.storm = Some(storm);
        Some(Change::Began(storm))
    }

    /// Forgets what has left the window. When the clock was set back all of it bears stamps that are still to come: it
    /// is forgotten, and nothing lasts longer for it.
    fn move_to(&mut self, now: Timestamp) {
        let before = self.seen_at.replace(now);
        if before.is_some_and(|before| now < before) {
            // Two threads may tell of the same moment in either order.
            let is_a_hair = before.is_some_and(|before| before.millis_since(now) < self.slot_ms());
            if is_a_hair {
                self.seen_at = before;
            } else {
                self.slots.clear();
                self.calm_since = None;
                if let Some(storm) = &mut self.storm {
                    storm.since = storm.since.min(now);
                }
            }
        }
        let oldest = self.slot_of(now) - SLOTS;
        while self.slots.front().is_some_and(|(slot, _)| *slot <= oldest) {
            self.slots.pop_front();
        }
    }

    fn slot_ms(&self) -> i64 {
        (self.rules.window_ms / SLOTS).max(1)
    }

    fn slot_of(&self, at: Timestamp) -> i64 {
        at.as_millis().div_euclid(self.slot_ms())
    }

    fn counts(&self) -> Counts {
        let mut all = Counts::default();
        for (_, counts) in &self.slots {
            all.webhooks += counts.webhooks;
            all.resent += counts.resent;
            all.slow += counts.slow;
            all.not_calm += counts.not_calm;
        }
        all
    }
}

#[cfg(test)]
impl Detector {
    pub(super) fn slots_kept(&self) -> usize {
        self.slots.len()
    }
}

/// Whether the 99th percentile is above a bound that so many exceed.
const fn exceeds_percentile(above: i64, all: i64) -> bool {
    above.saturating_mul(ONE_IN) > all
}
