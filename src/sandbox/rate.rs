//! Owns the leaky bucket: the one algorithm behind the REST limit (calls) and
//! the GraphQL limit (points). Pure: the wall time comes in as an argument.

/// Units are kept in millionths so that no call loses a fraction of the leak.
const MICRO: u64 = 1_000_000;

/// A bucket that fills with calls or points and leaks at a constant rate.
#[derive(Debug, Clone)]
pub(super) struct LeakyBucket {
    size: u64,
    leak_per_s: u64,
    level_micro: u64,
    seen_ns: u64,
}

impl LeakyBucket {
    /// An empty bucket of `size` units that leaks `leak_per_s` units a second.
    pub(super) const fn new(size: u64, leak_per_s: u64) -> Self {
        Self {
            size,
            leak_per_s,
            level_micro: 0,
            seen_ns: 0,
        }
    }

    /// Takes `units` at the wall time `now_ns`.
    ///
    /// # Errors
    /// When they do not fit, in tenths of a second: how long until they do.
    pub(super) fn take(&mut self, now_ns: u64, units: u64) -> Result<(), u64> {
        self.leak(now_ns);
        let wanted = self.level_micro.saturating_add(units * MICRO);
        let Some(excess) = wanted
            .checked_sub(self.size * MICRO)
            .filter(|over| *over > 0)
        else {
            self.level_micro = wanted;
            return Ok(());
        };
        Err((excess * 10).div_ceil(self.leak_per_s * MICRO))
    }

    /// Gives units back: what a query was charged for and did not use.
    pub(super) fn refund(&mut self, units: u64) {
        self.level_micro = self.level_micro.saturating_sub(units * MICRO);
    }

    /// Units in use at the wall time `now_ns`, rounded up.
    pub(super) fn used(&mut self, now_ns: u64) -> u64 {
        self.leak(now_ns);
        self.level_micro.div_ceil(MICRO)
    }

    /// Units free at the wall time `now_ns`, rounded down.
    pub(super) fn free(&mut self, now_ns: u64) -> u64 {
        self.size.saturating_sub(self.used(now_ns))
    }

    pub(super) const fn size(&self) -> u64 {
        self.size
    }

    pub(super) const fn leak_per_s(&self) -> u64 {
        self.leak_per_s
    }

    fn leak(&mut self, now_ns: u64) {
        let elapsed_ns = now_ns.saturating_sub(self.seen_ns);
        let leaked = elapsed_ns.saturating_mul(self.leak_per_s) / 1_000;
        self.level_micro = self.level_micro.saturating_sub(leaked);
        self.seen_ns = self.seen_ns.max(now_ns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn forty_calls_fit_and_the_next_waits_for_the_leak() {
        let mut bucket = LeakyBucket::new(40, 2);
        assert!((0..40).all(|_| bucket.take(0, 1).is_ok()));
        assert_eq!(bucket.take(0, 1), Err(5));
        assert_eq!(bucket.used(0), 40);
        assert_eq!(bucket.take(SECOND / 2, 1), Ok(()));
        assert_eq!(bucket.used(3 * SECOND), 35);
    }

    #[test]
    fn a_refused_call_is_not_charged() {
        let mut bucket = LeakyBucket::new(1, 1);
        assert_eq!(bucket.take(0, 1), Ok(()));
        assert!((0..9).all(|_| bucket.take(0, 1).is_err()));
        assert_eq!(bucket.take(SECOND, 1), Ok(()));
    }

    #[test]
    fn points_are_given_back() {
        let mut bucket = LeakyBucket::new(2000, 100);
        assert_eq!(bucket.take(0, 500), Ok(()));
        bucket.refund(490);
        assert_eq!(bucket.free(0), 1990);
    }
}
