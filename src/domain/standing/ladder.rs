//! How the rules raise and lower a standing, one step at a time.
//!
//! Each window, what a store took is held against the limits of each standing. Beyond the limits of a worse one for
//! `windows_up` windows in a row, it goes one step down the ladder. Below `calm_percent` of every limit of its own for
//! `windows_down` windows in a row, and not before `stay_ms`, it goes one step back. In between nothing moves, so that
//! a store at the edge does not go back and forth. No more than one step follows from the same windows.

use std::fmt;

use crate::clock::Timestamp;
use crate::domain::standing::{Record, Rung};

/// From where on a standing is deserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Of the time that the turns of all stores took, while others wanted some too.
    pub share_percent: u64,
    /// Of the day's allowance, exceeded.
    pub allowance_percent: u64,
    /// Crashes of its keeper within [`LadderRules::crashes_within_ms`].
    pub crashes: u64,
}

/// The published definition of the standings that follow by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LadderRules {
    /// Whether the rules move anything.
    pub automatic: bool,
    pub window_ms: i64,
    /// Shares count only when all turns took this part of one thread's time: who works while the server rests takes
    /// nothing from anybody.
    pub load_percent_min: u64,
    pub noisy: Limits,
    pub quarantined: Limits,
    pub crashes_within_ms: i64,
    /// Of each limit; below, a window is calm.
    pub calm_percent: u64,
    /// Windows in a row before a step to a worse standing.
    pub windows_up: u32,
    /// Calm windows in a row before a step to a better one.
    pub windows_down: u32,
    /// A worse standing lasts at least so many milliseconds.
    pub stay_ms: i64,
}

/// What a store took within a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// How long its turns kept a thread busy, in microseconds.
    pub busy_us: u64,
    /// The same of all stores.
    pub all_busy_us: u64,
    /// How long the window was, in microseconds.
    pub window_us: u64,
    /// Webhooks since the UTC day began.
    pub rows_today: i64,
    pub allowance: Option<i64>,
    /// Of its keeper, within [`LadderRules::crashes_within_ms`].
    pub crashes: u64,
}

/// What is beyond a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Excess {
    Share { percent: u64 },
    Rows { today: i64, allowance: i64 },
    Crashes(u64),
}

impl fmt::Display for Excess {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Share { percent } => {
                write!(formatter, "its turns took {percent} % of the time of all")
            }
            Self::Rows { today, allowance } => {
                write!(formatter, "{today} webhooks today; {allowance} are allowed")
            }
            Self::Crashes(crashes) => write!(formatter, "its keeper crashed {crashes} times"),
        }
    }
}

impl LadderRules {
    /// The worst rung whose limits a sample exceeds, each taken at so many percent, and the limit that says so.
    #[must_use]
    pub fn deserved(&self, sample: &Sample, percent: u64) -> (Rung, Option<Excess>) {
        for (rung, limits) in [
            (Rung::Quarantined, self.quarantined),
            (Rung::Noisy, self.noisy),
        ] {
            let excess = self.excess(sample, limits, percent);
            if excess.is_some() {
                return (rung, excess);
            }
        }
        (Rung::Good, None)
    }

    fn excess(&self, sample: &Sample, limits: Limits, percent: u64) -> Option<Excess> {
        let share = self.share_excess(sample, limits.share_percent, percent);
        share
            .or_else(|| rows_excess(sample, limits.allowance_percent, percent))
            .or_else(|| crash_excess(sample.crashes, limits.crashes, percent))
    }

    fn share_excess(&self, sample: &Sample, limit: u64, percent: u64) -> Option<Excess> {
        let [busy, all, window] =
            [sample.busy_us, sample.all_busy_us, sample.window_us].map(u128::from);
        let is_loaded = all * 100 >= window * u128::from(self.load_percent_min);
        // Alone it takes nothing from anybody.
        let has_neighbours = all > busy;
        let is_beyond = busy * 10_000 >= all * u128::from(limit) * u128::from(percent);
        (is_loaded && has_neighbours && is_beyond).then(|| Excess::Share {
            percent: u64::try_from(busy * 100 / all.max(1)).unwrap_or(100),
        })
    }
}

fn rows_excess(sample: &Sample, limit: u64, percent: u64) -> Option<Excess> {
    let allowance = sample.allowance?;
    let bound = i128::from(allowance) * i128::from(limit) * i128::from(percent);
    (i128::from(sample.rows_today) * 10_000 > bound).then_some(Excess::Rows {
        today: sample.rows_today,
        allowance,
    })
}

fn crash_excess(crashes: u64, limit: u64, percent: u64) -> Option<Excess> {
    let is_beyond =
        crashes > 0 && u128::from(crashes) * 100 >= u128::from(limit) * u128::from(percent);
    is_beyond.then_some(Excess::Crashes(crashes))
}

/// How many windows in a row spoke for a step. Forgotten in a crash, which favours the standing that holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ladder {
    beyond: u32,
    calm: u32,
}

impl Ladder {
    /// Takes in a window; gives the record of the step that follows, if one does.
    pub fn look(
        &mut self,
        rules: &LadderRules,
        record: &Record,
        sample: &Sample,
        now: Timestamp,
    ) -> Option<Record> {
        let is_pinned = record.pinned_until.is_some_and(|until| now < until);
        if !rules.automatic || is_pinned {
            *self = Self::default();
            return None;
        }
        let (deserved, excess) = rules.deserved(sample, 100);
        let (kept, _) = rules.deserved(sample, rules.calm_percent);
        self.beyond = next(self.beyond, deserved > record.rung);
        self.calm = next(self.calm, kept < record.rung);
        // A clock that was set back makes no stay longer than it is.
        let stayed = now.millis_since(record.since);
        let may_leave = stayed >= rules.stay_ms || stayed < 0;
        let (rung, reason) = if self.beyond >= rules.windows_up.max(1) {
            let reason = excess.map(|excess| excess.to_string());
            (record.rung.worse(), reason.unwrap_or_default())
        } else if self.calm >= rules.windows_down.max(1) && may_leave {
            (
                record.rung.better(),
                format!("calm for {} windows", self.calm),
            )
        } else {
            return None;
        };
        *self = Self::default();
        Some(record.stepped(rung, reason, now))
    }
}

const fn next(windows: u32, goes_on: bool) -> u32 {
    if goes_on {
        windows.saturating_add(1)
    } else {
        0
    }
}
