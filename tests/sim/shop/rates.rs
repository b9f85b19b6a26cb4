//! The platform's two rate limits of a store: leaky buckets, in thousandths.

use storekeeper::clock::Timestamp;
use storekeeper::domain::call::{Cost, Meter, RateReport};

const MILLI: i64 = 1_000;

/// A leaky bucket.
#[derive(Clone, Copy, Debug)]
struct Leaky {
    used_milli: i64,
    size: i64,
    leaks_per_s: i64,
    at: Timestamp,
}

impl Leaky {
    const fn empty(size: i64, leaks_per_s: i64) -> Self {
        Self {
            used_milli: 0,
            size,
            leaks_per_s,
            at: Timestamp::EPOCH,
        }
    }

    fn leak(&mut self, now: Timestamp) {
        let passed_ms = now.millis_since(self.at).max(0);
        self.used_milli = (self.used_milli - passed_ms * self.leaks_per_s).max(0);
        self.at = now;
    }
}

/// Both limits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rates {
    rest: Leaky,
    graphql: Leaky,
}

impl Rates {
    pub(super) const fn full() -> Self {
        Self {
            rest: Leaky::empty(40, 2),
            graphql: Leaky::empty(2_000, 100),
        }
    }

    /// Charges a call.
    ///
    /// # Errors
    /// It does not fit: so many milliseconds until it does.
    pub(super) fn charge(&mut self, meter: Meter, cost: i64, now: Timestamp) -> Result<(), i64> {
        let leaky = self.of(meter);
        leaky.leak(now);
        let excess_milli = leaky.used_milli + cost * MILLI - leaky.size * MILLI;
        if excess_milli > 0 {
            return Err(excess_milli / leaky.leaks_per_s + 1);
        }
        leaky.used_milli += cost * MILLI;
        Ok(())
    }

    /// What a call did not need comes back.
    pub(super) fn refund(&mut self, meter: Meter, cost: i64) {
        let leaky = self.of(meter);
        leaky.used_milli = (leaky.used_milli - cost * MILLI).max(0);
    }

    /// What a reply tells.
    pub(super) fn report(&mut self, meter: Meter, cost: Option<Cost>) -> RateReport {
        let leaky = self.of(meter);
        RateReport {
            meter,
            used: (leaky.used_milli + MILLI - 1) / MILLI,
            size: leaky.size,
            restore_per_s: (meter == Meter::Graphql).then_some(leaky.leaks_per_s),
            cost,
        }
    }

    const fn of(&mut self, meter: Meter) -> &mut Leaky {
        match meter {
            Meter::Rest => &mut self.rest,
            Meter::Graphql => &mut self.graphql,
        }
    }
}
