//! What a turn is charged: the rows it took, by what a row of their temperature costs on average.
//!
//! A single measurement says little: the thread may have been taken away in the middle. So the averages are measured
//! and turns are charged by them. The cost is time that a keeper keeps its thread busy (reading, parsing, deciding,
//! writing down), not time that it waits for the database, which it shares with all who commit with it.

use std::time::Duration;

/// A turn is charged at least this, in microseconds.
pub(super) const TURN_US_MIN: u64 = 50;
/// A turn is charged at most this, in microseconds.
pub(super) const TURN_US_MAX: u64 = 100_000;
/// A turn that took so many times as long as expected, or so little, counts as if it had been just that.
const ODD_FACTOR: i64 = 4;
/// A turn moves an average by one part in so many of the way.
const SMOOTHING: i64 = 16;

/// How much a row had to do with the store. A turn is as hot as its hottest row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::keeper) enum Temperature {
    /// No part of the store is interested in it.
    Naked,
    /// It tells nothing new.
    Cold,
    /// It changes something, or waits for what will.
    Hot,
}

impl Temperature {
    pub(super) const ALL: [Self; 3] = [Self::Naked, Self::Cold, Self::Hot];

    /// As metrics name it.
    pub(in crate::keeper) const fn name(self) -> &'static str {
        match self {
            Self::Naked => "naked",
            Self::Cold => "cold",
            Self::Hot => "hot",
        }
    }

    /// What a row is taken to cost before any was measured.
    const fn first_ns(self) -> i64 {
        match self {
            Self::Naked => 20_000,
            Self::Cold => 40_000,
            Self::Hot => 150_000,
        }
    }

    /// What a row is taken to cost at least and at most, whatever was measured.
    const fn bounds_ns(self) -> (i64, i64) {
        match self {
            Self::Naked => (1_000, 2_000_000),
            Self::Cold => (1_000, 4_000_000),
            Self::Hot => (5_000, 20_000_000),
        }
    }
}

/// The rows of a turn, by temperature.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::keeper) struct Taken {
    naked: u32,
    cold: u32,
    hot: u32,
}

impl Taken {
    pub(in crate::keeper) const fn add(&mut self, temperature: Temperature) {
        match temperature {
            Temperature::Naked => self.naked += 1,
            Temperature::Cold => self.cold += 1,
            Temperature::Hot => self.hot += 1,
        }
    }

    /// `None`: there were no rows.
    pub(in crate::keeper) fn hottest(&self) -> Option<Temperature> {
        let mut hottest_first = Temperature::ALL.into_iter().rev();
        hottest_first.find(|temperature| self.rows(*temperature) > 0)
    }

    fn rows(&self, temperature: Temperature) -> i64 {
        i64::from(match temperature {
            Temperature::Naked => self.naked,
            Temperature::Cold => self.cold,
            Temperature::Hot => self.hot,
        })
    }
}

/// What rows cost on average, in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Costs {
    naked: i64,
    cold: i64,
    hot: i64,
}

impl Default for Costs {
    fn default() -> Self {
        Self {
            naked: Temperature::Naked.first_ns(),
            cold: Temperature::Cold.first_ns(),
            hot: Temperature::Hot.first_ns(),
        }
    }
}

impl Costs {
    /// What a row costs on average.
    pub(super) fn of_row(&self, temperature: Temperature) -> Duration {
        Duration::from_nanos(u64::try_from(self.mean(temperature)).unwrap_or(0))
    }

    /// What a turn with these rows is charged, in microseconds.
    pub(super) fn of_turn(&self, taken: &Taken) -> u64 {
        u64::try_from(self.expected(taken) / 1_000)
            .unwrap_or(0)
            .clamp(TURN_US_MIN, TURN_US_MAX)
    }

    /// Learns from a turn. What it took more or less than expected is put down to its rows, each by its expected part.
    pub(super) fn learn(&mut self, taken: &Taken, busy: Duration) {
        let expected = self.expected(taken);
        if expected == 0 {
            return;
        }
        let busy = i64::try_from(busy.as_nanos()).unwrap_or(i64::MAX);
        let seen = busy.clamp(expected / ODD_FACTOR, expected.saturating_mul(ODD_FACTOR));
        for temperature in Temperature::ALL {
            let mean = self.mean(temperature);
            let part = taken.rows(temperature).saturating_mul(mean);
            let surplus = mean.saturating_mul(seen) / expected - mean;
            let step = surplus.saturating_mul(part) / expected / SMOOTHING;
            let (least, most) = temperature.bounds_ns();
            *self.mean_mut(temperature) = mean.saturating_add(step).clamp(least, most);
        }
    }

    fn expected(&self, taken: &Taken) -> i64 {
        let parts = Temperature::ALL.map(|temperature| {
            taken
                .rows(temperature)
                .saturating_mul(self.mean(temperature))
        });
        parts.into_iter().fold(0, i64::saturating_add)
    }

    const fn mean(&self, temperature: Temperature) -> i64 {
        match temperature {
            Temperature::Naked => self.naked,
            Temperature::Cold => self.cold,
            Temperature::Hot => self.hot,
        }
    }

    const fn mean_mut(&mut self, temperature: Temperature) -> &mut i64 {
        match temperature {
            Temperature::Naked => &mut self.naked,
            Temperature::Cold => &mut self.cold,
            Temperature::Hot => &mut self.hot,
        }
    }
}
