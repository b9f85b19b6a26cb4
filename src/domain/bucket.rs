//! The bucket of one rate limit of one store: how fast we may call (INV-L).
//!
//! The platform keeps a leaky bucket: a call raises its level by its cost, the level leaks at a steady rate, and a
//! call that would overflow is refused. Ours never lies below the platform's:
//!
//! - A call may be counted there at any instant between its start and its answer. So a granted cost is held aside
//!   and only begins to leak when the call has ended; what was settled before leaks meanwhile.
//! - A level reported by the platform wins when it is higher: other clients of the app share the bucket.
//! - A share of the size, the headroom, is left to others ([`HEADROOM_PERCENT`] unless configured otherwise).
//!
//! Everything is integers: one unit a second is one thousandth of a unit a millisecond.

use crate::clock::Timestamp;
use crate::domain::call::{Cost, Meter, RateReport};
use crate::domain::store::state::BucketMemo;

/// The share of the platform's bucket that we leave to other clients of the same app.
pub const HEADROOM_PERCENT: i64 = 10;
/// The longest wait that a refusal can impose.
pub const THROTTLE_WAIT_MAX_MS: i64 = 600_000;
/// The wait after a refusal that names none: what the platform recommends.
pub const THROTTLE_WAIT_DEFAULT_MS: i64 = 1_000;
/// A clock that falls back by less stands still for the bucket; by more, it was set, and is followed.
pub const CLOCK_SLACK_MS: i64 = 60_000;

/// Bounds on what the platform can tell, so that no report can overflow the arithmetic.
const SIZE_MAX: i64 = 1_000_000_000;
const MILLI: i64 = 1_000;

/// One meter's state. Costs are in requests (REST) or points (GraphQL).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    size: i64,
    restore_per_s: i64,
    /// The share of `size` that is never used, `0..=99`.
    headroom_percent: i64,
    /// Thousandths used by calls that have ended; leaks.
    settled_milli: i64,
    /// Thousandths used by calls in flight; does not leak.
    held_milli: i64,
    in_flight: u32,
    /// No call is granted before this.
    blocked_until: Timestamp,
    /// The instant up to which `settled_milli` has leaked.
    at: Timestamp,
}

/// Requests restored in a second on the smallest plan.
const REST_RESTORE_MIN: i64 = 2;
/// A full bucket of requests leaks out in so many seconds, on every plan (40 at 2/s, 400 at 20/s) but one that leaks
/// faster.
const REST_LEAK_S: i64 = 20;

/// What the size of a bucket tells of its rate: only GraphQL answers say how fast theirs is restored.
fn implied_restore(report: &RateReport) -> Option<i64> {
    let implied = (report.size / REST_LEAK_S).max(REST_RESTORE_MIN);
    (report.meter == Meter::Rest && report.size > 0).then_some(implied)
}

impl Bucket {
    /// A bucket of the platform's standard size with every token there. `headroom_percent` of it, within `0..=99`, is never used.
    #[must_use]
    pub fn full(meter: Meter, headroom_percent: i64, now: Timestamp) -> Self {
        let (size, restore_per_s) = match meter {
            Meter::Rest => (40, 2),
            Meter::Graphql => (2_000, 100),
        };
        Self {
            size,
            restore_per_s,
            headroom_percent: headroom_percent.clamp(0, 99),
            settled_milli: 0,
            held_milli: 0,
            in_flight: 0,
            blocked_until: Timestamp::EPOCH,
            at: now,
        }
    }

    /// The bucket as it was remembered, leaked since. `unanswered_cost` is the summed cost of the calls in the memo
    /// that have no answer: the platform may have counted them just now, so they have not leaked.
    #[must_use]
    pub fn restore(
        memo: BucketMemo,
        headroom_percent: i64,
        unanswered_cost: i64,
        now: Timestamp,
    ) -> Self {
        let unanswered_milli = bounded(unanswered_cost).saturating_mul(MILLI);
        let mut bucket = Self {
            size: memo.size.clamp(1, SIZE_MAX),
            restore_per_s: memo.restore_per_s.clamp(1, SIZE_MAX),
            headroom_percent: headroom_percent.clamp(0, 99),
            settled_milli: memo.used_milli.saturating_sub(unanswered_milli).max(0),
            held_milli: 0,
            in_flight: 0,
            blocked_until: Timestamp::EPOCH,
            at: memo.at,
        };
        bucket.advance(now);
        bucket.settled_milli = bucket.settled_milli.saturating_add(unanswered_milli);
        bucket
    }

    /// What to remember of the bucket: calls in flight count as used, and a block as a level that leaks by its end.
    #[must_use]
    pub fn memo(&self, now: Timestamp) -> BucketMemo {
        let mut leaked = self.clone();
        leaked.advance(now);
        let block_ms = leaked
            .blocked_until
            .millis_since(leaked.at)
            .clamp(0, THROTTLE_WAIT_MAX_MS);
        let block_milli = match block_ms {
            0 => 0,
            wait_ms => leaked
                .limit_milli()
                .saturating_add(wait_ms.saturating_mul(leaked.restore_per_s)),
        };
        BucketMemo {
            used_milli: leaked.used_milli().max(block_milli),
            size: leaked.size,
            restore_per_s: leaked.restore_per_s,
            at: leaked.at,
        }
    }

    /// Takes the tokens for one call, which counts as in flight until [`end`](Self::end) is told of the same cost. A
    /// cost that could never fit is taken as the whole headroom.
    ///
    /// # Errors
    /// The instant when the call will fit if nothing else changes; nothing was taken.
    pub fn try_take(&mut self, cost: i64, now: Timestamp) -> Result<(), Timestamp> {
        self.advance(now);
        let cost_milli = self.cost_milli(cost);
        match self.fits_at(cost_milli) {
            later if later > self.at => Err(later),
            _ => {
                self.held_milli = self.held_milli.saturating_add(cost_milli);
                self.in_flight = self.in_flight.saturating_add(1);
                Ok(())
            }
        }
    }

    /// When a call of this cost will fit if nothing else changes; not later than `now` means at once.
    #[must_use]
    pub fn ready_at(&self, cost: i64, now: Timestamp) -> Timestamp {
        let mut leaked = self.clone();
        leaked.advance(now);
        leaked.fits_at(leaked.cost_milli(cost))
    }

    /// A call that was granted this cost is over, with or without an answer: from now on it leaks.
    pub fn end(&mut self, cost: i64, now: Timestamp) {
        self.advance(now);
        self.in_flight = self.in_flight.saturating_sub(1);
        let ended_milli = match self.in_flight {
            // The last one also settles what a change of size between take and end would have left over.
            0 => self.held_milli,
            _ => self.cost_milli(cost).min(self.held_milli),
        };
        self.held_milli -= ended_milli;
        self.settled_milli = self.settled_milli.saturating_add(ended_milli);
    }

    /// Learns from a reply, after [`end`](Self::end) of its call: size and rate are adopted, the unused part of what
    /// was charged before execution comes back, and a higher reported level wins.
    pub fn correct(&mut self, report: &RateReport, now: Timestamp) {
        self.advance(now);
        if report.size > 0 {
            self.size = report.size.min(SIZE_MAX);
        }
        let told = report.restore_per_s.filter(|restore| *restore > 0);
        if let Some(restore_per_s) = told.or_else(|| implied_restore(report)) {
            self.restore_per_s = restore_per_s.min(SIZE_MAX);
        }
        let refund_milli = report.cost.map_or(0, unused_of).saturating_mul(MILLI);
        let reported_milli = bounded(report.used).saturating_mul(MILLI);
        self.settled_milli = self
            .settled_milli
            .saturating_sub(refund_milli)
            .max(0)
            .max(reported_milli);
    }

    /// A call ended without telling how much is in use. It may have been made of several requests, each paid with what
    /// leaked meanwhile, so the level is what it was when the call began.
    pub fn hold_to(&mut self, begun: BucketMemo) {
        self.settled_milli = self
            .settled_milli
            .max(begun.used_milli.saturating_sub(self.held_milli));
    }

    /// The platform refused a call although we had tokens for it: nothing is granted for the wait it asks for, within
    /// [`THROTTLE_WAIT_MAX_MS`].
    pub fn throttled(&mut self, wait_ms: Option<i64>, now: Timestamp) {
        self.advance(now);
        let wait_ms = wait_ms
            .unwrap_or(THROTTLE_WAIT_DEFAULT_MS)
            .clamp(1, THROTTLE_WAIT_MAX_MS);
        self.blocked_until = self.blocked_until.max(self.at.plus_millis(wait_ms));
    }

    /// Whole units in use, rounded up, as of the last change.
    #[must_use]
    pub fn used(&self) -> i64 {
        self.used_milli()
            .saturating_add(MILLI - 1)
            .div_euclid(MILLI)
    }

    /// The platform's size of the bucket, in units.
    #[must_use]
    pub fn size(&self) -> i64 {
        self.size
    }

    /// Whole units that calls in flight hold, rounded up; part of those in use.
    #[must_use]
    pub fn held(&self) -> i64 {
        self.held_milli.saturating_add(MILLI - 1).div_euclid(MILLI)
    }

    /// Whole units of the size that are ours; the headroom is left to others.
    #[must_use]
    pub fn usable(&self) -> i64 {
        self.limit_milli().div_euclid(MILLI)
    }

    /// Calls that have begun and not ended.
    #[must_use]
    pub const fn in_flight(&self) -> u32 {
        self.in_flight
    }

    /// The instant of the level.
    #[must_use]
    pub const fn at(&self) -> Timestamp {
        self.at
    }

    /// No call is granted before this.
    #[must_use]
    pub const fn blocked_until(&self) -> Timestamp {
        self.blocked_until
    }

    /// Units that leak a second.
    #[must_use]
    pub fn restore_per_s(&self) -> i64 {
        self.restore_per_s
    }

    fn used_milli(&self) -> i64 {
        self.settled_milli.saturating_add(self.held_milli)
    }

    fn limit_milli(&self) -> i64 {
        self.size
            .saturating_mul(MILLI * (100 - self.headroom_percent) / 100)
    }

    fn cost_milli(&self, cost: i64) -> i64 {
        bounded(cost).saturating_mul(MILLI).min(self.limit_milli())
    }

    fn fits_at(&self, cost_milli: i64) -> Timestamp {
        let excess_milli = self
            .used_milli()
            .saturating_add(cost_milli)
            .saturating_sub(self.limit_milli());
        let wait_ms = excess_milli
            .max(0)
            .saturating_add(self.restore_per_s - 1)
            .div_euclid(self.restore_per_s);
        self.at.plus_millis(wait_ms).max(self.blocked_until)
    }

    /// Lets the settled level leak up to `now`. Time that goes backwards never leaks anything.
    fn advance(&mut self, now: Timestamp) {
        let elapsed_ms = now.millis_since(self.at);
        if elapsed_ms >= 0 {
            let leaked_milli = elapsed_ms.saturating_mul(self.restore_per_s);
            self.settled_milli = self.settled_milli.saturating_sub(leaked_milli).max(0);
            self.at = now;
        } else if elapsed_ms < -CLOCK_SLACK_MS {
            self.blocked_until = self.blocked_until.plus_millis(elapsed_ms);
            self.at = now;
        }
    }
}

fn bounded(units: i64) -> i64 {
    units.clamp(0, SIZE_MAX)
}

fn unused_of(cost: Cost) -> i64 {
    cost.actual.map_or(0, |actual| {
        bounded(bounded(cost.requested) - bounded(actual))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    /// The platform's leaky bucket (facts §2.2), written apart from ours. Its size is our headroom, so that the test
    /// is exact.
    struct Platform {
        level_milli: i64,
        size_milli: i64,
        rate: i64,
        at: Timestamp,
    }

    impl Platform {
        fn call(&mut self, cost: i64, now: Timestamp) -> bool {
            self.level_milli = (self.level_milli - now.millis_since(self.at) * self.rate).max(0);
            self.at = now;
            let fits = self.level_milli + cost * 1000 <= self.size_milli;
            if fits {
                self.level_milli += cost * 1000;
            }
            fits
        }
    }

    #[derive(Clone, Debug)]
    enum Step {
        Wait(i64),
        WaitUntilReady,
        Take(i64),
        Arrive(usize),
        Finish(usize),
        Crash,
        ClockJitter(i64),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            2 => (0_i64..3_000).prop_map(Step::Wait),
            1 => Just(Step::WaitUntilReady),
            12 => (1_i64..4).prop_map(Step::Take),
            3 => any::<usize>().prop_map(Step::Arrive),
            6 => any::<usize>().prop_map(Step::Finish),
            1 => Just(Step::Crash),
            1 => (1_i64..5_000).prop_map(Step::ClockJitter),
        ];
        prop::collection::vec(step, 1..300)
    }

    struct World {
        bucket: Bucket,
        platform: Platform,
        /// Cost, and whether it has arrived at the platform.
        in_flight: Vec<(i64, bool)>,
        durable: (BucketMemo, i64),
        now: Timestamp,
        granted: Vec<(Timestamp, i64)>,
    }

    impl World {
        fn new() -> Self {
            let bucket = Bucket::full(Meter::Rest, HEADROOM_PERCENT, START);
            Self {
                platform: Platform {
                    level_milli: 0,
                    size_milli: 36_000,
                    rate: 2,
                    at: START,
                },
                in_flight: Vec::new(),
                durable: (bucket.memo(START), 0),
                now: START,
                granted: Vec::new(),
                bucket,
            }
        }

        fn arrive(&mut self, position: usize) {
            if let Some((cost, arrived)) = self.in_flight.get_mut(position)
                && !*arrived
            {
                *arrived = true;
                assert!(
                    self.platform.call(*cost, self.now),
                    "refused at {}",
                    self.now
                );
            }
        }

        fn save(&mut self) {
            let unanswered = self.in_flight.iter().map(|(cost, _)| cost).sum();
            self.durable = (self.bucket.memo(self.now), unanswered);
        }

        fn take(&mut self, cost: i64) {
            match self.bucket.try_take(cost, self.now) {
                Ok(()) => {
                    self.in_flight.push((cost, false));
                    self.granted.push((self.now, cost));
                    self.save();
                }
                Err(ready) => assert!(ready > self.now),
            }
        }

        fn step(&mut self, step: &Step) {
            let count = self.in_flight.len().max(1);
            match step {
                Step::Wait(wait_ms) => self.now = self.now.plus_millis(*wait_ms),
                Step::WaitUntilReady => self.now = self.now.max(self.bucket.ready_at(1, self.now)),
                Step::Take(cost) => self.take(*cost),
                Step::Arrive(pick) => self.arrive(pick % count),
                Step::Finish(pick) => {
                    self.arrive(pick % count);
                    if !self.in_flight.is_empty() {
                        let (cost, _) = self.in_flight.remove(pick % count);
                        self.bucket.end(cost, self.now);
                    }
                }
                Step::Crash => {
                    for position in 0..self.in_flight.len() {
                        self.arrive(position);
                    }
                    self.in_flight.clear();
                    self.bucket =
                        Bucket::restore(self.durable.0, HEADROOM_PERCENT, self.durable.1, self.now);
                }
                Step::ClockJitter(back_ms) => {
                    self.bucket.advance(self.now);
                    let before = self.bucket.used();
                    let earlier = self.now.plus_millis(-back_ms);
                    self.bucket.advance(earlier);
                    assert!(self.bucket.used() >= before);
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

        /// INV-L.
        #[test]
        fn the_platform_never_refuses(steps in steps()) {
            let mut world = World::new();
            for step in &steps {
                world.step(step);
            }
            for (first, (from, _)) in world.granted.iter().enumerate() {
                let mut sum = 0;
                for (until, cost) in &world.granted[first..] {
                    sum += cost;
                    let window_ms = until.millis_since(*from);
                    prop_assert!(sum * 1000 <= 36_000 + 2 * window_ms, "{sum} calls in {window_ms} ms");
                }
            }
        }
    }

    #[test]
    fn the_wait_is_exact_to_the_millisecond() {
        let mut bucket = Bucket::full(Meter::Rest, HEADROOM_PERCENT, START);
        for _ in 0..36 {
            assert_eq!(bucket.try_take(1, START), Ok(()));
            bucket.end(1, START);
        }
        let ready = START.plus_millis(500);
        assert_eq!(bucket.try_take(1, START), Err(ready));
        assert_eq!(bucket.try_take(1, ready.plus_millis(-1)), Err(ready));
        assert_eq!(bucket.try_take(1, ready), Ok(()));
    }

    #[test]
    fn a_call_in_flight_does_not_leak_and_a_settled_one_does() {
        let mut bucket = Bucket::full(Meter::Rest, HEADROOM_PERCENT, START);
        assert_eq!(bucket.try_take(10, START), Ok(()));
        bucket.end(10, START);
        assert_eq!(bucket.try_take(5, START), Ok(()));
        assert_eq!(bucket.memo(START.plus_millis(60_000)).used_milli, 5_000);
        bucket.end(5, START.plus_millis(60_000));
        assert_eq!(bucket.memo(START.plus_millis(61_000)).used_milli, 3_000);
    }

    #[test]
    fn a_higher_reported_level_wins_and_a_lower_one_does_not() {
        let mut bucket = Bucket::full(Meter::Rest, HEADROOM_PERCENT, START);
        let mut report = RateReport {
            meter: Meter::Rest,
            used: 30,
            size: 40,
            restore_per_s: None,
            cost: None,
        };
        bucket.correct(&report, START);
        assert_eq!(bucket.used(), 30);
        report.used = 3;
        bucket.correct(&report, START);
        assert_eq!(bucket.used(), 30);
    }

    #[test]
    fn the_size_of_the_bucket_for_requests_tells_the_plan() {
        let mut bucket = Bucket::full(Meter::Rest, HEADROOM_PERCENT, START);
        for (size, restore_per_s) in [(40, 2), (80, 4), (400, 20), (800, 40), (40, 2), (10, 2)] {
            let report = RateReport {
                meter: Meter::Rest,
                used: 1,
                size,
                restore_per_s: None,
                cost: None,
            };
            bucket.correct(&report, START);
            assert_eq!(
                (bucket.size(), bucket.restore_per_s()),
                (size, restore_per_s)
            );
        }
        let report = RateReport {
            meter: Meter::Graphql,
            used: 1,
            size: 20_000,
            restore_per_s: None,
            cost: None,
        };
        let mut bucket = Bucket::full(Meter::Graphql, HEADROOM_PERCENT, START);
        bucket.correct(&report, START);
        assert_eq!(bucket.restore_per_s(), 100);
    }

    #[test]
    fn graphql_refunds_what_was_not_used_but_not_below_the_report() {
        let report = |used| RateReport {
            meter: Meter::Graphql,
            used,
            size: 4_000,
            restore_per_s: Some(200),
            cost: Some(Cost {
                requested: 752,
                actual: Some(52),
            }),
        };
        for (used, left) in [(52, 52), (300, 300), (0, 52)] {
            let mut bucket = Bucket::full(Meter::Graphql, HEADROOM_PERCENT, START);
            assert_eq!(bucket.try_take(752, START), Ok(()));
            bucket.end(752, START);
            bucket.correct(&report(used), START);
            assert_eq!(
                (bucket.used(), bucket.size(), bucket.restore_per_s()),
                (left, 4_000, 200)
            );
        }
    }

    #[test]
    fn a_refusal_blocks_for_the_wait_over_a_restart_too() {
        let mut bucket = Bucket::full(Meter::Rest, HEADROOM_PERCENT, START);
        bucket.throttled(Some(2_000), START);
        let ready = START.plus_millis(2_000);
        assert_eq!(bucket.try_take(1, START), Err(ready));
        let mut restored = Bucket::restore(bucket.memo(START), HEADROOM_PERCENT, 0, START);
        assert!(restored.try_take(1, ready.plus_millis(-1)).is_err());
        assert_eq!(bucket.try_take(1, ready), Ok(()));
    }

    #[test]
    fn a_cost_above_the_headroom_fits_an_empty_bucket() {
        let mut bucket = Bucket::full(Meter::Graphql, HEADROOM_PERCENT, START);
        assert_eq!(bucket.try_take(1_900, START), Ok(()));
        bucket.end(1_900, START);
        assert_eq!(
            bucket.try_take(1_900, START),
            Err(START.plus_millis(18_000))
        );
    }

    #[test]
    fn a_clock_set_back_adds_no_token_and_does_not_freeze_the_bucket() {
        let mut bucket = Bucket::full(Meter::Rest, HEADROOM_PERCENT, START);
        assert_eq!(bucket.try_take(36, START), Ok(()));
        bucket.end(36, START);
        let set_back = START.plus_millis(-3_600_000);
        assert_eq!(bucket.try_take(1, set_back), Err(set_back.plus_millis(500)));
        assert_eq!(bucket.try_take(1, set_back.plus_millis(500)), Ok(()));
    }

    #[test]
    fn unanswered_calls_have_not_leaked_after_a_restart() {
        let mut bucket = Bucket::full(Meter::Rest, HEADROOM_PERCENT, START);
        assert_eq!(bucket.try_take(20, START), Ok(()));
        bucket.end(20, START);
        assert_eq!(bucket.try_take(2, START), Ok(()));
        let restored = Bucket::restore(
            bucket.memo(START),
            HEADROOM_PERCENT,
            2,
            START.plus_millis(60_000),
        );
        assert_eq!(restored.used(), 2);
    }
}
